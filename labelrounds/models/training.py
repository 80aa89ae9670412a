"""The Trainer as this project wires it: length-grouped batches, fresh masks, exact resume, best epoch.

A run is a function of its inputs and the seed. It may be killed at any step: the batches of an epoch, the
masks of a batch and the dropout of a step come out the same after a resume, so the bytes do too.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from labelrounds.core import files
from labelrounds.models import checkpoints, dropout, vocabulary
from labelrounds.models.checkpoints import BEST, COMPLETE, HISTORY
from labelrounds.models.runtime import Machine


class Rows(Protocol):
    """Tokenised texts by number: a list, or what reads them from disk; `many(numbers)`, where there is one, reads a batch at once."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Any: ...


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train. `steps` caps the run whatever `epochs` says; `patience` is in epochs.

    rate : by what the learning rate is multiplied for a weight of this name; None: by 1
    """

    epochs: int
    learning_rate: float
    batch_size: int
    warmup: float = 0.0
    weight_decay: float = 0.0
    steps: int | None = None
    patience: int | None = None
    rate: Callable[[str], float] | None = None


@dataclass(frozen=True)
class Epoch:
    """What an epoch (counted from 1) reached; a higher score is better."""

    number: int
    score: float


def fit(
    model: Any,
    rows: Rows,
    lengths: np.ndarray,
    collate: Callable[[list[Any], int], dict[str, Any]],
    loss: Callable[[Any, dict[str, Any]], Any],
    plan: Plan,
    folder: Path,
    machine: Machine,
    checkpoint_seconds: float,
    title: str,
    score: Callable[[Any], float] | None = None,
    on_step: Callable[[float], None] | None = None,
    token_ids: Iterable[int] | None = None,
) -> list[Epoch]:
    """Trains `model` in place, leaves it at its best epoch (without `score`: its last step), returns the epochs.

    rows : n tokenised texts; lengths : int array of shape (n,), tokens per row
    collate : (rows, batch seed) → tensors of a batch; the same rows and seed give the same batch
    folder : where checkpoints stand; a second call with the same arguments goes on from the last one
    on_step : is told before each step which share of the run's steps is done, for losses that change on the way
    token_ids : all tokens that `collate` and `score` show to the model, which makes training faster; None: any may come
    """
    folder.mkdir(parents=True, exist_ok=True)
    history = checkpoints.read_history(folder)
    with nullcontext() if token_ids is None else vocabulary.narrowed(model, token_ids):
        if not history.get("finished"):
            Run(model, rows, lengths, collate, loss, plan, folder, machine, checkpoint_seconds, title, score, on_step).train()
            history = checkpoints.read_history(folder)
        checkpoints.load_weights(model, folder / BEST)
    model.config.use_cache = False  # as the Trainer leaves it: a run that was found finished leaves the same model
    return [Epoch(**epoch) for epoch in history["epochs"]]


@dataclass
class Run:
    """One training, from its first step or the last checkpoint to its end; the fields are those of `fit`.

    epoch : the one under way, counted from 0; saved : when the last checkpoint was written, by a clock that only counts
    """

    model: Any
    rows: Rows
    lengths: np.ndarray
    collate: Callable[[list[Any], int], dict[str, Any]]
    loss: Callable[[Any, dict[str, Any]], Any]
    plan: Plan
    folder: Path
    machine: Machine
    checkpoint_seconds: float
    title: str
    score: Callable[[Any], float] | None
    on_step: Callable[[float], None] | None
    epoch: int = 0
    saved: float = field(default_factory=time.monotonic)

    def train(self) -> None:
        """Trains to the end, and leaves the best weights and the history in `folder`."""
        _trainer(self).train(resume_from_checkpoint=checkpoints.last_checkpoint(self.folder))
        for checkpoint in self.folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)

    def order(self) -> list[int]:
        """Returns the rows' numbers as this epoch takes them: similar lengths together, drawn from the seed and the epoch alone."""
        import torch
        from transformers.trainer_pt_utils import get_length_grouped_indices

        generator = torch.Generator().manual_seed(batch_seed(self.machine.seed, self.epoch, 0))
        return get_length_grouped_indices(self.lengths.tolist(), self.plan.batch_size, generator=generator)

    def batch(self, numbered: list[tuple[int, Any]]) -> dict[str, Any]:
        """Returns the tensors of a batch of (number, row); the first number seeds what is drawn in it."""
        seed = batch_seed(self.machine.seed, self.epoch, 1 + numbered[0][0])
        return self.collate([row for _, row in numbered], seed)

    def step_loss(self, model: Any, batch: dict[str, Any], step: int, steps: int) -> Any:
        """Returns the loss of a batch at a step (counted from 0) of so many."""
        if self.on_step:
            self.on_step(step / steps)
        with dropout.of_step(self.machine.seed, step, self.machine.device):
            return self.loss(model, batch)

    def is_due(self) -> bool:
        """Says whether it is time for another checkpoint."""
        return time.monotonic() - self.saved >= self.checkpoint_seconds

    def ends_epoch(self, step: int) -> bool:
        """Says whether this step (counted from 1) is the last of an epoch that will be scored."""
        return self.score is not None and step % math.ceil(len(self.rows) / self.plan.batch_size) == 0

    def end_epoch(self, score: Callable[[Any], float]) -> tuple[Epoch, bool]:
        """Scores the epoch, keeps the weights if they are the best so far, notes it in the history; returns (it, whether it is the last)."""
        epochs = [epoch for epoch in checkpoints.read_history(self.folder)["epochs"] if epoch["number"] <= self.epoch]
        best = max((epoch["score"] for epoch in epochs), default=-math.inf)
        self.model.eval()
        ended = Epoch(self.epoch + 1, float(score(self.model)))
        if ended.score > best:
            checkpoints.save_weights(self.model, self.folder / BEST)
        epochs.append(asdict(ended))
        scores = [epoch["score"] for epoch in epochs]
        since_best = len(scores) - 1 - scores.index(max(scores))
        finished = ended.number >= self.plan.epochs or (self.plan.patience is not None and since_best >= self.plan.patience)
        files.write_json(self.folder / HISTORY, {"finished": finished, "epochs": epochs})
        return ended, finished

    def saved_at(self, step: int) -> None:
        """Marks the checkpoint of this step as complete."""
        self.saved = time.monotonic()
        (self.folder / f"checkpoint-{step}" / COMPLETE).touch()

    def end(self) -> None:
        """Keeps the last step's weights where no epoch is scored."""
        if self.score is None:
            checkpoints.save_weights(self.model, self.folder / BEST)
            files.write_json(self.folder / HISTORY, {"finished": True, "epochs": []})


@dataclass(frozen=True, eq=False)
class _Numbered:
    """The rows of a run with their numbers, from which a batch is seeded; as a dataset for torch."""

    rows: Rows

    def __getitem__(self, number: int) -> tuple[int, Any]:
        return number, self.rows[number]

    def __getitems__(self, numbers: list[int]) -> list[tuple[int, Any]]:
        """Returns the rows of a batch: torch asks for them at once where it can."""
        many = getattr(self.rows, "many", None)
        return list(zip(numbers, many(numbers) if many else [self.rows[number] for number in numbers], strict=True))

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class _InOrder:
    """The order of a run's epoch, anew whenever it is asked for; as a sampler for torch."""

    run: Run

    def __iter__(self) -> Iterator[int]:
        return iter(self.run.order())

    def __len__(self) -> int:
        return len(self.run.rows)


def _trainer(run: Run) -> Any:
    """Returns transformers' Trainer that takes its batches, its losses and its checkpoints from a run."""
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    class RoundTrainer(Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return _InOrder(run)

        def create_optimizer(self, model: Any = None) -> Any:
            optimizer = super().create_optimizer()
            if run.plan.rate is not None:
                regroup(optimizer, run.model, run.plan.rate)
            return optimizer

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            return run.step_loss(model, inputs, self.state.global_step, self.state.max_steps)

    arguments = TrainingArguments(
        output_dir=str(run.folder),
        num_train_epochs=run.plan.epochs,
        max_steps=run.plan.steps or -1,
        per_device_train_batch_size=run.plan.batch_size,
        learning_rate=run.plan.learning_rate,
        warmup_steps=min(run.plan.warmup, 0.999),
        weight_decay=run.plan.weight_decay,
        seed=run.machine.seed,
        bf16=run.machine.bf16,
        use_cpu=run.machine.device == "cpu",
        dataloader_pin_memory=run.machine.device != "cpu",
        accelerator_config={"non_blocking": run.machine.device != "cpu"},
        logging_nan_inf_filter=False,  # of a loss that nobody logs; a GPU would wait for it at every step
        eval_strategy="no",
        save_strategy="no",  # the Keeper asks for checkpoints
        save_total_limit=2,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # DataParallel would hide the model's parts from the losses
    dataset: Any = _Numbered(run.rows)
    trainer = RoundTrainer(model=run.model, args=arguments, train_dataset=dataset, data_collator=run.batch, callbacks=[_keeper(run)])
    trainer.remove_callback(PrinterCallback)
    return trainer


def _keeper(run: Run) -> Any:
    """Returns the callback that shows progress, keeps the best epoch, asks for checkpoints by the clock, stops when patience ends."""
    from tqdm import tqdm
    from transformers import TrainerCallback

    class Keeper(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=run.title, unit="batch", mininterval=1.0)

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            run.epoch = int(state.epoch + 1e-6)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.bar.update()
            # An epoch's end is saved once it is scored (below): a run that goes on from its last step would never score it.
            control.should_save = not run.ends_epoch(state.global_step) and run.is_due()

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if run.score is None or state.global_step == 0:
                return
            epoch, finished = run.end_epoch(run.score)
            control.should_training_stop = control.should_training_stop or finished
            self.bar.set_postfix_str(f"epoch {epoch.number}: {epoch.score:.4f}")
            control.should_save = not finished and run.is_due()

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            run.saved_at(state.global_step)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.bar.close()
            run.end()

    return Keeper()


def regroup(optimizer: Any, model: Any, rate: Callable[[str], float]) -> None:
    """Splits the groups of a new optimizer so that each weight learns at its own rate, `rate` of its name times the group's."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    groups = []
    for group in optimizer.param_groups:
        parts: dict[float, list[Any]] = {}
        for weight in group["params"]:
            parts.setdefault(rate(names[id(weight)]), []).append(weight)
        groups += [{**group, "params": weights, "lr": group["lr"] * factor} for factor, weights in parts.items()]
    optimizer.param_groups[:] = groups


def batch_seed(seed: int, epoch: int, number: int) -> int:
    """Returns a seed of its own for each (seed, epoch, number of a batch's first row)."""
    return int(np.random.SeedSequence([seed, epoch, number]).generate_state(1, np.uint64)[0] >> 1)
