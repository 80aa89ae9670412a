"""Adapt the base model to the pool's language: masked tokens for encoders, next tokens for decoders.

    data/pool, data/split/heldout.txt, models/encoder/vanilla ──► models/encoder/adapted; metrics/adapt.{json,csv}

A base whose language-model head is missing first trains a new one with the encoder frozen, so that the
noise of a random head does not reach the encoder.
"""

import hashlib
import math

import click
import numpy as np

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command, UserError
from labelrounds.core.scratch import scratch
from labelrounds.models import base_models, runtime, training
from labelrounds.pool import reader
from labelrounds.pool.identity import near_duplicate_key

TOKENIZED_AT_ONCE = 1000


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    adapt = settings.adapt
    used = (adapt, settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length, settings.data)
    with scratch("adapt", [settings.data.pool, paths.HELDOUT, paths.VANILLA], used) as folder:
        machine = runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length)
        encoder = base_models.open_encoder(paths.VANILLA)
        rows, valid = corpus(settings, encoder, folder / "corpus")
        model, new_head = base_models.load_language_model(encoder, machine)
        base_models.check_length(model, settings.model.max_length)
        model.to(machine.device)
        causal = encoder.objective == base_models.CAUSAL
        loss = training.causal_loss if causal else training.masked_loss
        collate = training.next_token(encoder.tokenizer) if causal else training.masking(encoder.tokenizer, adapt.mask_probability)
        batches = fixed_batches(valid, collate, adapt.batch_size, settings.seed)

        def heldout_loss(model):
            return training.mean_loss(model, batches, loss, causal, machine)

        curve = [("before", 0, heldout_loss(model))]
        lengths = np.asarray(rows["length"])
        ids = rows.with_format("numpy", columns=["input_ids"])
        texts = Rows(ids)
        if new_head and adapt.head_steps and adapt.epochs:
            click.echo(f"adapt: the base has no language-model head: a new one trains for {adapt.head_steps} steps with the encoder frozen.")
            plan = training.Plan(1, adapt.head_learning_rate, adapt.batch_size, warmup=0.1, steps=adapt.head_steps)
            model.base_model.requires_grad_(False)
            training.fit(model, texts, lengths, collate, loss, plan, folder / "head", machine, settings.runtime.checkpoint_seconds, "adapt: head")
            model.base_model.requires_grad_(True)
            curve.append(("head", 0, heldout_loss(model)))
        epochs = []
        if adapt.epochs:
            plan = training.Plan(adapt.epochs, adapt.learning_rate, adapt.batch_size, warmup=adapt.warmup)
            epochs = training.fit(
                model,
                texts,
                lengths,
                collate,
                loss,
                plan,
                folder / "all",
                machine,
                settings.runtime.checkpoint_seconds,
                "adapt",
                lambda m: -heldout_loss(m),
            )
        curve += [("epoch", epoch.number, -epoch.score) for epoch in epochs]
        best = max(epochs, key=lambda epoch: epoch.score, default=None)
        base_models.save_language_model(model, encoder, paths.ADAPTED)
        write_metrics(curve, best, len(rows), len(valid), encoder.objective)
    after = curve[-1][2] if best is None else -best.score
    click.echo(
        f"adapt: {len(rows)} pieces of text; loss on held-out pieces {curve[0][2]:.3f} before, {after:.3f} after (epoch {best.number if best else 0})."
    )


class Rows:
    """The token ids of the corpus as lists, read from disk one row at a time."""

    def __init__(self, dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> list[int]:
        return self.dataset[number]["input_ids"].tolist()


def corpus(settings, encoder, folder):
    """Returns (training rows, validation rows): token ids of the pool without held-out texts, as a dataset on disk.

    A text longer than max_length becomes several rows; a text that stands in the pool twice counts once.
    Near-duplicates land on the same side.
    """
    import datasets

    datasets.disable_progress_bars()
    heldout = set(paths.HELDOUT.read_text(encoding="utf-8").split())

    def texts():
        seen = set(heldout)
        for row in reader.stream(settings.data.pool, settings.data.text_column):
            if row.id not in seen:
                seen.add(row.id)
                yield row.text

    def rows():
        waiting: list[str] = []
        for text in texts():
            waiting.append(text)
            if len(waiting) == TOKENIZED_AT_ONCE:
                yield from tokenized(waiting)
                waiting = []
        if waiting:
            yield from tokenized(waiting)

    def tokenized(some):
        encoded = encoder.tokenizer(some, truncation=True, max_length=settings.model.max_length, return_overflowing_tokens=True)
        numbers = encoded.get("overflow_to_sample_mapping", range(len(some)))
        for number, ids in zip(numbers, encoded["input_ids"], strict=True):
            if len(ids) > 2:  # shorter ones hold special tokens alone, or no context
                yield {"input_ids": ids, "length": len(ids), "valid": is_valid(some[number], settings)}

    features = datasets.Features(
        {"input_ids": datasets.Sequence(datasets.Value("int32")), "length": datasets.Value("int32"), "valid": datasets.Value("bool")}
    )
    if next(rows(), None) is None:
        raise too_few_texts(0, 0, len(heldout))
    try:
        everything = datasets.Dataset.from_generator(rows, features=features, cache_dir=str(folder), fingerprint="corpus")
    except datasets.exceptions.DatasetGenerationError as error:  # hides a user's error, or a full disk, behind its own
        raise error.__cause__ or error from None
    valid = np.asarray(everything["valid"])
    sides = everything.select(np.flatnonzero(~valid)), everything.select(np.flatnonzero(valid))
    if not len(sides[0]) or not len(sides[1]):
        raise too_few_texts(len(sides[0]), len(sides[1]), len(heldout))
    return sides


def too_few_texts(train, valid, heldout):
    """Returns the error for a pool that leaves nothing to adapt to, or nothing to measure the loss on."""
    return UserError(
        f"the pool leaves {train} texts to adapt to and {valid} to measure the loss on, after {heldout} held-out ones. "
        "Add texts to the pool, raise adapt.valid, or set adapt.epochs: 0 and use recipes with `encoder: vanilla`."
    )


def is_valid(text, settings):
    """Says whether a text measures the loss: a hash of its near-duplicate key decides."""
    digest = hashlib.sha256(f"adapt\0{near_duplicate_key(text)}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < settings.adapt.valid


def fixed_batches(rows, collate, size, seed):
    """Returns the validation batches with masks drawn once, so that losses compare."""
    order = np.argsort(np.asarray(rows["length"]), kind="stable")
    ids = rows["input_ids"]
    return [
        collate([ids[int(number)] for number in order[start : start + size]], training.batch_seed(seed, 2**31, start))
        for start in range(0, len(order), size)
    ]


def write_metrics(curve, best, size, valid_size, objective):
    """Writes metrics/adapt.json and the curve, metrics/adapt.csv."""
    losses = {"before": curve[0][2], "after": -best.score if best else curve[0][2]}
    summary = {
        "objective": objective,
        "train": size,
        "valid": valid_size,
        "best_epoch": best.number if best else 0,
        "loss": {name: round(value, 6) for name, value in losses.items()},
        "perplexity": {name: round(math.exp(min(value, 50)), 4) for name, value in losses.items()},
    }
    files.write_json(paths.METRICS / "adapt.json", summary)
    files.write_csv(paths.METRICS / "adapt.csv", ["phase", "epoch", "loss"], ((phase, number, f"{value:.6f}") for phase, number, value in curve))


if __name__ == "__main__":
    main()
