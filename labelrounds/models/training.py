"""The Trainer as this project wires it: length-grouped batches, fresh masks, exact resume, best epoch.

A run is a function of its inputs and the seed. It may be killed at any step: the batches of an epoch, the
masks of a batch and the dropout of a step come out the same after a resume, so the bytes do too.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files
from labelrounds.models import dropout, vocabulary
from labelrounds.models.runtime import PAD_TO, Runtime, autocast

IGNORED = -100  # torch's own mark for targets that do not count
MASKED_TO = 64  # masked tokens go to the head in multiples of this, as PAD_TO for tokens
HISTORY, BEST, COMPLETE = "history.json", "best.safetensors", "complete"


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train. `steps` caps the run whatever `epochs` says; `patience` is in epochs."""

    epochs: int
    learning_rate: float
    batch_size: int
    warmup: float = 0.0
    weight_decay: float = 0.0
    steps: int | None = None
    patience: int | None = None


@dataclass(frozen=True)
class Epoch:
    """What an epoch (counted from 1) reached; a higher score is better."""

    number: int
    score: float


def fit(
    model: Any,
    rows: Sequence[Any],
    lengths: np.ndarray,
    collate: Callable[[list[Any], int], dict[str, Any]],
    loss: Callable[[Any, dict[str, Any]], Any],
    plan: Plan,
    folder: Path,
    runtime: Runtime,
    checkpoint_seconds: float,
    title: str,
    score: Callable[[Any], float] | None = None,
    on_step: Callable[[float], None] | None = None,
    token_ids: Iterable[int] | None = None,
) -> list[Epoch]:
    """Trains `model` in place, leaves it at its best epoch (without `score`: its last step), returns the epochs.

    rows : sequence of n tokenised texts; lengths : int array of shape (n,), tokens per row
    collate : (rows, batch seed) → tensors of a batch; the same rows and seed give the same batch
    folder : where checkpoints stand; a second call with the same arguments goes on from the last one
    on_step : is told before each step which share of the run's steps is done, for losses that change on the way
    token_ids : all tokens that `collate` and `score` show to the model, which makes training faster; None: any may come
    """
    folder.mkdir(parents=True, exist_ok=True)
    history = _read_history(folder)
    with nullcontext() if token_ids is None else vocabulary.narrowed(model, token_ids):
        if not history.get("finished"):
            _train(model, rows, lengths, collate, loss, plan, folder, runtime, checkpoint_seconds, title, score, on_step)
            history = _read_history(folder)
        _load_weights(model, folder / BEST)
    model.config.use_cache = False  # as the Trainer leaves it: a run that was found finished leaves the same model
    return [Epoch(**epoch) for epoch in history["epochs"]]


def _train(model, rows, lengths, collate, loss, plan, folder, runtime, checkpoint_seconds, title, score, on_step) -> None:
    import torch
    from tqdm import tqdm
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_callback import PrinterCallback
    from transformers.trainer_pt_utils import get_length_grouped_indices

    class LengthGroups(torch.utils.data.Sampler):
        """Texts of similar length together; the order of epoch e is drawn from (seed, e) alone."""

        epoch = 0

        def __iter__(self):
            generator = torch.Generator().manual_seed(batch_seed(runtime.seed, self.epoch, 0))
            return iter(get_length_grouped_indices(lengths.tolist(), plan.batch_size, generator=generator))

        def __len__(self):
            return len(rows)

    class Numbered(torch.utils.data.Dataset):
        """Rows with their numbers, from which the masks of a batch are seeded."""

        def __getitem__(self, number):
            return number, rows[number]

        def __len__(self):
            return len(rows)

    groups = LengthGroups()

    def collate_numbered(batch):
        return collate([row for _, row in batch], batch_seed(runtime.seed, groups.epoch, 1 + batch[0][0]))

    class RoundTrainer(Trainer):
        def _get_train_sampler(self, train_dataset=None):
            return groups

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            if on_step:
                on_step(self.state.global_step / self.state.max_steps)
            with dropout.of_step(runtime.seed, self.state.global_step, runtime.device):
                return loss(model, inputs)

    class Keeper(TrainerCallback):
        """Shows progress, keeps the best epoch, asks for checkpoints by the clock, stops when patience ends."""

        saved = time.monotonic()

        def on_train_begin(self, args, state, control, **_):
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=title, unit="batch", mininterval=1.0)

        def on_epoch_begin(self, args, state, control, **_):
            groups.epoch = int(state.epoch + 1e-6)

        def on_step_end(self, args, state, control, **_):
            self.bar.update()
            # An epoch's end is saved once it is scored (below): a run that goes on from its last step would never score it.
            epoch_ends = score is not None and state.global_step % math.ceil(len(rows) / plan.batch_size) == 0
            control.should_save = not epoch_ends and time.monotonic() - self.saved >= checkpoint_seconds

        def on_epoch_end(self, args, state, control, **_):
            if score is None or state.global_step == 0:
                return
            epochs = [epoch for epoch in _read_history(folder)["epochs"] if epoch["number"] <= groups.epoch]
            best = max((epoch["score"] for epoch in epochs), default=-math.inf)
            model.eval()
            epochs.append(asdict(Epoch(groups.epoch + 1, float(score(model)))))
            if epochs[-1]["score"] > best:
                _save_weights(model, folder / BEST)
            scores = [epoch["score"] for epoch in epochs]
            since_best = len(scores) - 1 - scores.index(max(scores))
            finished = groups.epoch + 1 >= plan.epochs or (plan.patience is not None and since_best >= plan.patience)
            files.write_json(folder / HISTORY, {"finished": finished, "epochs": epochs})
            control.should_training_stop = control.should_training_stop or finished
            self.bar.set_postfix_str(f"epoch {epochs[-1]['number']}: {epochs[-1]['score']:.4f}")
            control.should_save = not finished and time.monotonic() - self.saved >= checkpoint_seconds

        def on_save(self, args, state, control, **_):
            self.saved = time.monotonic()
            (folder / f"checkpoint-{state.global_step}" / COMPLETE).touch()

        def on_train_end(self, args, state, control, **_):
            self.bar.close()
            if score is None:
                _save_weights(model, folder / BEST)
                files.write_json(folder / HISTORY, {"finished": True, "epochs": []})

    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        max_steps=plan.steps or -1,
        per_device_train_batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        warmup_steps=min(plan.warmup, 0.999),
        weight_decay=plan.weight_decay,
        seed=runtime.seed,
        bf16=runtime.bf16,
        use_cpu=runtime.device == "cpu",
        dataloader_pin_memory=runtime.device != "cpu",
        eval_strategy="no",
        save_strategy="no",  # the Keeper asks for checkpoints
        save_total_limit=2,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # DataParallel would hide the model's parts from the losses
    trainer = RoundTrainer(model=model, args=arguments, train_dataset=Numbered(), data_collator=collate_numbered, callbacks=[Keeper()])
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=_last_checkpoint(folder))
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def batch_seed(seed: int, epoch: int, number: int) -> int:
    """Returns a seed of its own for each (seed, epoch, number of a batch's first row)."""
    return int(np.random.SeedSequence([seed, epoch, number]).generate_state(1, np.uint64)[0] >> 1)


def _read_history(folder: Path) -> dict[str, Any]:
    path = folder / HISTORY
    return json.loads(path.read_text()) if path.is_file() else {"finished": False, "epochs": []}


def _last_checkpoint(folder: Path) -> str | None:
    complete = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE).is_file()]
    return str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None


def _save_weights(model: Any, path: Path) -> None:
    """Writes all weights; of a model with frozen ones, which may be large, only those that train."""
    from safetensors.torch import save_file, save_model

    temporary = path.with_suffix(".part")
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if len(trained) == len(list(model.named_parameters())):
        save_model(model, str(temporary))
    else:
        save_file({name: weight.detach().contiguous() for name, weight in trained.items()}, str(temporary))
    temporary.replace(path)


def _load_weights(model: Any, path: Path) -> None:
    import torch
    from safetensors.torch import load_file, load_model

    device = str(next(model.parameters()).device)
    weights = dict(model.named_parameters())
    if all(weight.requires_grad for weight in weights.values()):
        load_model(model, str(path), device=device)
        return
    with torch.no_grad():
        for name, weight in load_file(str(path), device=device).items():
            weights[name].copy_(weight)


# Batches and losses


def pad(rows: list[dict[str, Any]], tokenizer: Any) -> dict[str, Any]:
    """Returns tensors of shape (n, tokens), padded to the batch's longest text, rounded up to a multiple of PAD_TO."""
    from transformers.data.data_collator import pad_without_fast_tokenizer_warning

    return dict(pad_without_fast_tokenizer_warning(tokenizer, rows, return_tensors="pt", pad_to_multiple_of=PAD_TO))


def masking(tokenizer: Any, probability: float) -> Callable[[list[Any], int], dict[str, Any]]:
    """Returns a collate that masks tokens as BERT does (Devlin et al. 2019: 80 % mask, 10 % random, 10 % kept).

    Special tokens are never masked; the batch seed draws the masks, so every epoch has fresh ones.
    """
    from transformers import DataCollatorForLanguageModeling

    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=probability, seed=0, pad_to_multiple_of=PAD_TO)
    collator.create_rng()

    def collate(rows: list[Any], seed: int) -> dict[str, Any]:
        collator.generator.manual_seed(seed)
        return dict(collator.torch_call([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]))

    return collate


def next_token(tokenizer: Any) -> Callable[[list[Any], int], dict[str, Any]]:
    """Returns a collate for the causal objective: every token but padding is to be guessed."""

    def collate(rows: list[Any], seed: int) -> dict[str, Any]:
        batch = pad([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows], tokenizer)
        batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
        return batch

    return collate


def masked_loss(model: Any, batch: dict[str, Any], reduction: str = "mean") -> Any:
    """Returns the cross-entropy of the masked tokens, projecting only these to the vocabulary.

    A hook hands the head the hidden states at masked positions, of shape (1, masked, hidden), in place of all
    of them: for small models the projection to the vocabulary costs as much as the encoder.
    """
    import torch

    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    places = (batch["labels"].flatten() != IGNORED).nonzero().flatten()
    if not len(places):  # a short batch may happen to have no mask at all
        return model(**inputs).logits.sum() * 0
    spare = -len(places) % MASKED_TO
    targets = torch.nn.functional.pad(batch["labels"].flatten()[places], (0, spare), value=IGNORED)
    places = torch.nn.functional.pad(places, (0, spare))

    def only_masked(module, args, output):
        output.last_hidden_state = output.last_hidden_state.flatten(0, 1)[places].unsqueeze(0)
        return output

    hook = model.base_model.register_forward_hook(only_masked)
    try:
        logits = model(**inputs).logits[0].float()
    finally:
        hook.remove()
    return torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction=reduction)


def causal_loss(model: Any, batch: dict[str, Any], reduction: str = "mean") -> Any:
    """Returns the cross-entropy of every next token."""
    import torch

    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED, reduction=reduction)


def mean_loss(model: Any, batches: list[dict[str, Any]], loss: Callable[..., Any], causal: bool, runtime: Runtime) -> float:
    """Returns the mean loss per guessed token over fixed batches, without training."""
    import torch

    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    with torch.inference_mode(), autocast(runtime):
        for batch in batches:
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            targets = batch["labels"][:, 1:] if causal else batch["labels"]
            guessed = int((targets != IGNORED).sum())
            if guessed:
                total += float(loss(model, batch, reduction="sum"))
                count += guessed
    return total / max(count, 1)
