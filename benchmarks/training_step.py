"""What each choice in the training step buys, as a ratio within one run: `python -m benchmarks.training_step`.

Needs models/encoder/vanilla and the pool (`dvc repro base data/dvc.yaml:pool`). Machines are noisy: the variants take turns,
and the smallest time of each counts.
"""

import itertools
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import click
import numpy as np

from labelrounds.core import params
from labelrounds.core.task import MULTI_CLASS, Task
from labelrounds.models import base_models, dropout, objectives, runtime, vocabulary
from labelrounds.pool import reader


@click.command()
@click.option("--repeats", default=8, show_default=True, help="Turns per variant.")
@click.option("--batch-size", default=32, show_default=True)
def main(repeats: int, batch_size: int) -> None:
    settings = params.load()
    machine = runtime.of(settings, settings.model.max_length)
    encoder = base_models.open_base("models/encoder/vanilla")
    texts = [row.text for row in itertools.islice(reader.stream(settings.data.pool, settings.data.text_column), 2000)]
    rows = encoder.tokenizer(texts, truncation=True, max_length=settings.model.max_length)["input_ids"]
    collate = objectives.masking(encoder.tokenizer, settings.adapt.mask_probability)
    typical = sorted(rows, key=len)[len(rows) // 2 :][:batch_size]
    batch = collate(typical, 1)
    print(f"{machine.device}, bf16 {machine.bf16}, {settings.runtime.threads} threads, batch {tuple(batch['input_ids'].shape)}")

    here = step(encoder, machine, objectives.masked_loss, batch)
    full = step(encoder, machine, own_loss, batch)
    compare("vocabulary projection for masked tokens only", here, "for all tokens", full, repeats)

    other = "sdpa" if machine.attention == "eager" else "eager"
    compare(f"{machine.attention} attention", here, f"{other} attention", step(encoder, machine, objectives.masked_loss, batch, other), repeats)

    compare("dropout of ours", here, "torch's dropout", step(encoder, machine, objectives.masked_loss, batch, own_dropout=False), repeats)

    if machine.bf16:
        slow = replace(machine, bf16=False)
        compare("bfloat16", here, "float32", step(encoder, slow, objectives.masked_loss, batch), repeats)

    narrow, whole = (base_models.load_classifier(encoder, Task(MULTI_CLASS, ("one", "other")), machine) for _ in range(2))
    shown = {encoder.tokenizer.pad_token_id}.union(*typical, *rows[:500])
    with vocabulary.narrowed(narrow, shown):
        one, other = (tuning(model, encoder, machine, typical) for model in (narrow, whole))
        compare("fine-tuning with the vectors of 500 texts' tokens only", one, "with those of all tokens", other, repeats)

    lengths = np.array([len(row) for row in rows])
    grouped, mixed = padded(np.sort(lengths), batch_size), padded(np.random.default_rng(1).permutation(lengths), batch_size)
    print(f"tokens with padding, texts of like length together: {grouped / mixed:.2f} of random batches")


def step(
    encoder: base_models.BaseModel,
    machine: runtime.Machine,
    loss: Callable[..., Any],
    batch: dict[str, Any],
    attention: str | None = None,
    own_dropout: bool = True,
) -> Callable[[], None]:
    """Returns a function that does one training step of the language model, with another attention kernel if named."""
    model, _ = base_models.load_language_model(encoder, machine)
    model.set_attn_implementation(attention or machine.attention)
    return stepping(model, machine, loss, batch, own_dropout)


def tuning(model: Any, encoder: base_models.BaseModel, machine: runtime.Machine, rows: list[list[int]]) -> Callable[[], None]:
    """Returns a function that does one step of fine-tuning a classifier with two labels."""
    batch = objectives.pad([{"input_ids": row, "labels": number % 2} for number, row in enumerate(rows)], encoder.tokenizer)
    return stepping(model, machine, own_loss, batch, own_dropout=True)


def stepping(model: Any, machine: runtime.Machine, loss: Callable[..., Any], batch: dict[str, Any], own_dropout: bool) -> Callable[[], None]:
    """Returns a function that does one step of training on this batch."""
    import torch

    model.to(machine.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    inputs = {name: tensor.to(machine.device) for name, tensor in batch.items()}

    def run() -> None:
        with dropout.of_step(1, 1, machine.device) if own_dropout else nullcontext(), runtime.autocast(machine):
            value = loss(model, inputs)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        if machine.device == "cuda":
            torch.cuda.synchronize()

    return run


def own_loss(model: Any, batch: dict[str, Any]) -> Any:
    """Returns the model's own loss; a language model's projects every token to the vocabulary."""
    return model(**batch).loss


def padded(lengths: np.ndarray, size: int) -> int:
    """Returns the number of tokens in batches of `size` rows in this order, padding included."""
    return sum(int(part.max()) * len(part) for part in np.array_split(lengths, -(-len(lengths) // size)))


def compare(name: str, one: Callable[[], None], other_name: str, other: Callable[[], None], repeats: int) -> None:
    """Prints the smallest times of both and their ratio; the two take turns."""
    times: dict[int, list[float]] = {0: [], 1: []}
    for turn in range(repeats + 2):
        for number, run in enumerate((one, other)):
            began = time.perf_counter()
            run()
            if turn >= 2:
                times[number].append(time.perf_counter() - began)
    first, second = min(times[0]), min(times[1])
    print(f"{name}: {first * 1000:.0f} ms a step, {first / second:.2f} of {other_name} ({second * 1000:.0f} ms)")


if __name__ == "__main__":
    main()
