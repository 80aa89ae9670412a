"""The clock of `benchmarks/gpu.py`: it waits for the device, and stands while a training does something else."""

import contextlib
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.gpu_shapes import device

WARM = 5  # steps before the clock starts


def synchronize() -> float:
    """Waits for the device and returns the time in seconds."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory(reset: bool = False) -> float | None:
    """Returns the most memory that tensors took since the last reset, in GiB."""
    import torch

    if not torch.cuda.is_available():
        return None
    if reset:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return round(torch.cuda.max_memory_allocated() / 2**30, 2)


def gemm_peak(size: int) -> float:
    """Returns the operations a second of bfloat16 matrix products of this size on random data, by the median time."""
    import torch

    with device():
        one, other = (torch.randn(size, size).bfloat16() for _ in range(2))
    times = []
    for _ in range(30):
        began = synchronize()
        one @ other
        times.append(synchronize() - began)
    return 2 * size**3 / statistics.median(times[5:])


@contextlib.contextmanager
def trainings() -> Iterator[list[dict[str, Any]]]:
    """Yields a list that gets an entry for each training in the block: texts, tokens with padding, and seconds, from step WARM on.

    The clock stands while an epoch is scored and while weights are written at the end.
    """
    from labelrounds.models.training import Run

    train, step_loss, end_epoch, end = Run.train, Run.step_loss, Run.end_epoch, Run.end
    found: list[dict[str, Any]] = []
    clock = {"began": 0.0, "stood": 0.0}

    def read_clock() -> float:
        now = synchronize()
        if found[-1]["steps"]:
            found[-1]["seconds"] = now - clock["began"] - clock["stood"]
        return now

    def timed_step(run: Any, model: Any, batch: dict[str, Any], step: int, steps: int) -> Any:
        last = found[-1]
        if last["all_steps"] == WARM:
            peak_memory(reset=True)
            clock.update(began=synchronize(), stood=0.0)
        last["all_steps"] += 1
        if last["all_steps"] > WARM:
            for name, more in (("steps", 1), ("texts", len(batch["input_ids"])), ("tokens", batch["input_ids"].numel())):
                last[name] += more
        return step_loss(run, model, batch, step, steps)

    def timed_epoch(run: Any, score: Any) -> Any:
        stopped = read_clock()
        ended = end_epoch(run, score)
        clock["stood"] += synchronize() - stopped
        return ended

    def timed_end(run: Any) -> None:
        if run.score is None:
            read_clock()
        end(run)

    def timed_train(run: Any) -> None:
        found.append({"title": run.title, "all_steps": 0, "steps": 0, "texts": 0, "tokens": 0})
        train(run)
        last = found[-1]
        if seconds := last.get("seconds"):
            last |= {"texts_per_second": round(last["texts"] / seconds, 1), "tokens_per_second": round(last["tokens"] / seconds)}
            last |= {"milliseconds_per_step": round(1000 * seconds / last["steps"], 2), "seconds": round(seconds, 3), "peak_gib": peak_memory()}

    Run.train, Run.step_loss, Run.end_epoch, Run.end = timed_train, timed_step, timed_epoch, timed_end
    try:
        yield found
    finally:
        Run.train, Run.step_loss, Run.end_epoch, Run.end = train, step_loss, end_epoch, end
