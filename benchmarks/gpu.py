"""What a GPU does with this project: the same bytes, resumes, throughput. `python -m benchmarks.gpu` prints one JSON, within four minutes.

    bytes    a tiny project goes through the stages twice: are all files the same?
    resume   a fine-tuning that is killed (SIGKILL) and started again: is it the same as one that was not?
    base     BERT-base's shape at 128 tokens: prediction and training, as shares of the card's own peak of matrix products
    minilm   MiniLM's shape: adaptation and fine-tuning through the stages
    decoder  a decoder of a billion parameters: LoRA, and LoRA beside weights in four bits

Weights are random and texts generated, so nothing is downloaded. Each part has a time limit, and its mistakes stay its own.
`--tiny` runs the same on the CPU with minute shapes. The exit code is 1 if bytes differ.
"""

import contextlib
import importlib
import importlib.metadata
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from benchmarks import gpu_shapes, gpu_speed
from labelrounds.core import files, unforeseen
from tests import tiny

LIBRARIES = ("torch", "transformers", "accelerate", "tokenizers", "peft", "datasets", "bitsandbytes")
STAGES = (
    "base", "split", "corpus", "adapt", "unlabelled", "finetune adapted", "finetune reworded", "finetune baseline",
    "evaluate adapted", "predict", "gate", "select", "suspects",
)  # fmt: skip
MADE = ("data", "models", "metrics")  # folders to compare
ROOT = Path(__file__).parents[1]
UNTIMED = ("bytes", "resume")  # parts that may run side by side: their seconds mean nothing
TOTAL = 200  # seconds for all parts together
PATIENCE = 5  # times as long may a part take with --tiny, since CPUs may be busy


def same_bytes(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns what differs between two runs of the stages on a tiny project."""
    base = tiny.model(room / "base")
    rows = tiny.texts(90)
    projects = [room / name for name in ("first", "second")]
    for folder in projects:
        gpu_shapes.project(
            folder, base, [text for text, _ in rows], dict(rows[:70]), sorted(tiny.TOPICS), model__max_length=32,
            adapt__epochs=1, adapt__batch_size=16, adapt__valid=0.2, finetune__epochs=2, finetune__min_steps=0, unlabelled__size=32,
            uda__epochs=1, predict__shard_size=64, predict__precision=0.5, predict__risk=0.5, select__size=8, select__candidates=20,
            recipes={
                "adapted": {"encoder": "adapted", "method": "supervised"},
                "reworded": {"encoder": "adapted", "method": "uda"},
                "baseline": {"encoder": "vanilla", "method": "tfidf"},
            },
        )  # fmt: skip
    started = [start(gpu_shapes.stages, folder, STAGES, log=room / f"{folder.name}.log") for folder in projects]
    for process, folder in zip(started, projects, strict=True):
        ended(process, room / f"{folder.name}.log")
    first, second = (digests(folder) for folder in projects)
    return {"run_by": "python -m stages.NAME, all of a run in one process", "stages": list(STAGES), **compared(first, second)}


def resumed(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns what differs between a fine-tuning that was killed and started again and one that was not."""
    shape = gpu_shapes.TINY if tiny_shapes else gpu_shapes.MINILM
    steps = 12 if tiny_shapes else 40
    whole, cut = room / "whole", room / "cut"
    texts = gpu_shapes.texts(300 if tiny_shapes else 900, 4, 12 if tiny_shapes else 110)
    labels = {text: gpu_shapes.label(text) for text in texts[: len(texts) * 2 // 3]}
    gpu_shapes.project(
        whole, gpu_shapes.encoder(shape, room / "base"), texts, labels, gpu_shapes.LABELS, model__max_length=shape.tokens,
        runtime__checkpoint_seconds=0 if tiny_shapes else 0.1, finetune__epochs=2, finetune__patience=2, finetune__min_steps=steps,
        finetune__batch_size=16, recipes={"vanilla": {"encoder": "vanilla", "method": "supervised"}},
    )  # fmt: skip
    gpu_shapes.stages(whole, ("base", "split"))
    shutil.copytree(whole, cut)
    undisturbed = start(gpu_shapes.stages, whole, ("finetune vanilla",), log=room / "whole.log")
    killed = start(gpu_shapes.stages, cut, ("finetune vanilla",), log=room / "cut.log")
    while killed.is_alive() and max(checkpoints(cut), default=0) < steps // 4:
        time.sleep(0.002)
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    if (cut / "models/labeler/vanilla").exists():
        raise RuntimeError("the fine-tuning had ended before it was killed")
    left = checkpoints(cut)
    ended(undisturbed, room / "whole.log")
    ended(start(gpu_shapes.stages, cut, ("finetune vanilla",), log=room / "cut.log"), room / "cut.log")
    one, other = (digests(folder) for folder in (whole, cut))
    return {"exit_of_killed": killed.exitcode, "checkpoints_left": left, "steps_at_least": steps, **compared(one, other)}


def checkpoints(folder: Path) -> list[int]:
    """Returns the steps of the checkpoints that are written to their end."""
    return sorted(int(path.parent.name.rpartition("-")[2]) for path in folder.glob("scratch/finetune/vanilla/**/checkpoint-*/complete"))


def digests(folder: Path) -> dict[str, str]:
    """Returns {path: SHA-256} of what the stages made."""
    return {f"{name}/{path}": digest for name in MADE if (folder / name).is_dir() for path, digest in files.folder_digests(folder / name).items()}


def compared(one: dict[str, str], other: dict[str, str]) -> dict[str, Any]:
    differing = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return {"files": len(one), "same_bytes": bool(one) and not differing, "differing": differing}


PARTS: dict[str, tuple[Callable[[bool, Path], dict[str, Any]], int]] = {  # and the seconds that each may take
    "bytes": (same_bytes, 90),
    "resume": (resumed, 75),
    "base": (gpu_speed.base, 70),
    "minilm": (gpu_speed.minilm, 60),
    "decoder": (gpu_speed.decoder, 70),
}
LETTERS = dict(zip("abcde", ("bytes", "base", "minilm", "resume", "decoder"), strict=True))


@click.command()
@click.option("--tiny", "tiny_shapes", is_flag=True, help="Minute shapes on the CPU, to test this script.")
@click.option("--parts", default=",".join(PARTS), show_default=True, help="Which parts, by name or by the letters a to e of the list above.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the JSON here.")
@click.option("--seconds", default=TOTAL, show_default=True, help="For all parts together.")
def main(tiny_shapes: bool, parts: str, out: Path | None, seconds: int) -> None:
    """Measure a GPU with generated texts and random weights; print one JSON."""
    began = time.monotonic()
    wanted = [LETTERS.get(name.strip(), name.strip()) for name in parts.split(",")]
    if unknown := [name for name in wanted if name not in PARTS]:
        raise click.BadParameter(f"{', '.join(unknown)}: not one of {', '.join(PARTS)}.", param_hint="--parts")
    settle(tiny_shapes)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        room = Path(folder)
        result: dict[str, Any] = {"tiny": tiny_shapes, **one_part(about, 60, tiny_shapes, room / "about"), "parts": {}}
        if not tiny_shapes and result.get("device") in (None, "cpu"):
            raise click.ClickException(f"no CUDA device was found: use --tiny to run on the CPU. {result.get('error') or ''}")

        def measured(name: str) -> None:
            function, limit = PARTS[name]
            most = min(limit, seconds - (time.monotonic() - began)) if not tiny_shapes else limit * PATIENCE
            click.echo(f"{name}: at most {most:.0f} s", err=True)
            done = result["parts"][name] = one_part(function, most, tiny_shapes, room / name)
            result["seconds"] = round(time.monotonic() - began, 1)
            click.echo(f"{name}: {json.dumps(done)}", err=True)  # at once, and in the file: a run that is cut from outside has told what it knew
            if out:
                files.write_json(out, result)
            shutil.rmtree(room / name, ignore_errors=True)

        together = [name for name in wanted if name in UNTIMED and not tiny_shapes]
        with ThreadPoolExecutor() as pool:
            list(pool.map(measured, together))
        for name in wanted:
            if name not in together:
                measured(name)
    click.echo(json.dumps(result, indent=1))
    if any(part.get("same_bytes") is False for part in result["parts"].values()):
        raise SystemExit(1)


def settle(tiny_shapes: bool) -> None:
    """Sets what the processes of the parts begin with."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    os.environ[unforeseen.SHOW] = "1"  # a mistake with its traceback
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    if not tiny_shapes:
        multiprocessing.set_start_method("spawn")  # a process that has seen CUDA cannot be forked
        return
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    multiprocessing.set_start_method("fork")  # the imports are paid for once
    for name in ("sklearn.linear_model", "transformers.trainer", "labelrounds.methods.classifier"):
        importlib.import_module(name)


def one_part(function: Callable[[bool, Path], dict[str, Any]], limit: float, tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns what a part found, with `ok`, `seconds` and `error`; it runs in a process of its own, which ends with its children at the limit."""
    began = time.monotonic()
    room.mkdir()
    answer, log = room / "answer.json", room / "part.log"
    error = None
    if limit <= 0:
        error = "no time was left for this part"
    else:
        process = start(answering, function, tiny_shapes, room, answer, log=log)
        process.join(limit)
        if process.is_alive():
            error = f"stopped after {limit:.0f} s"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        if error is None and process.exitcode:
            error = f"ended with {process.exitcode}"
    found = json.loads(answer.read_text(encoding="utf-8")) if answer.is_file() else {}
    error = found.pop("error", None) or error
    if error:
        error = f"{error}\n{tail(log)}"
    return {"ok": error is None and found.get("same_bytes", True), "seconds": round(time.monotonic() - began, 1), "error": error, **found}


def answering(function: Callable[[bool, Path], dict[str, Any]], tiny_shapes: bool, room: Path, answer: Path) -> None:
    """Writes what a part found, or why it failed, to `answer`; what it had measured before it failed stays."""
    os.setpgid(0, 0)
    gpu_speed.NOTES = answer
    try:
        files.write_json(answer, {**function(tiny_shapes, room)})
    except BaseException as error:
        traceback.print_exc()
        found = json.loads(answer.read_text(encoding="utf-8")) if answer.is_file() else {}
        files.write_json(answer, {**found, "error": f"{type(error).__name__}: {error}"[-3000:]})


def start(function: Callable[..., Any], *arguments: Any, log: Path) -> Any:
    """Starts a function in a process whose screen is the file `log`."""
    # The collator of transformers takes a process of another name for a worker of a DataLoader.
    process = multiprocessing.Process(target=logged, args=(function, log, *arguments), name="MainProcess")
    process.start()
    return process


def logged(function: Callable[..., Any], log: Path, *arguments: Any) -> None:
    screen = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(screen, number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1, closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    function(*arguments)


def ended(process: Any, log: Path) -> None:
    """Waits for a process; that it failed is an error with the end of its log."""
    process.join()
    if process.exitcode:
        raise RuntimeError(f"ended with {process.exitcode}: {tail(log)}")


def tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2500:] if log.is_file() else ""


def about(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns what the machine is: the device, and {library: its version, None where it is not installed}."""
    import torch

    versions: dict[str, str | None] = dict.fromkeys(LIBRARIES)
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    found: dict[str, Any] = {"device": "cpu", "cpus": os.cpu_count(), "python": sys.version.split()[0], "versions": versions}
    if torch.cuda.is_available():
        known = torch.cuda.get_device_properties(0)
        found |= {"device": known.name, "memory_gib": round(known.total_memory / 2**30, 1), "cuda": torch.version.cuda}
        found["cudnn"] = torch.backends.cudnn.version()
    return found


if __name__ == "__main__":
    main()
