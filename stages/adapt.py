"""Adapt the base model to the pool's language: masked tokens for encoders, next tokens for decoders.

    data/corpus, models/encoder/vanilla ──► models/encoder/adapted; metrics/adapt.{json,csv}

A base whose language-model head is missing first trains a new one with the encoder frozen, so that the
noise of a random head does not reach the encoder.
"""

import math
from collections.abc import Callable
from typing import Any

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.models import base_models, corpus, objectives, runtime, training
from labelrounds.models.training import Epoch, Plan


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    adapt = settings.adapt
    used = (adapt, settings.seed, settings.runtime.threads, settings.runtime.precision, settings.runtime.reproducible, settings.model.max_length)
    with scratch("adapt", [paths.CORPUS, paths.VANILLA], used) as folder:
        machine = runtime.of(settings, settings.model.max_length)
        encoder = base_models.open_base(paths.VANILLA)
        texts = corpus.read(encoder, settings.model.max_length, adapt.valid, folder / "corpus")
        model, new_head = base_models.load_language_model(encoder, machine)
        base_models.check_length(model, settings.model.max_length)
        model.to(machine.device)
        objective = objectives.of(encoder, adapt.mask_probability)
        batches = objectives.fixed_batches(texts.valid, objective, adapt.batch_size, settings.seed)
        rows, lengths, seconds = texts.rows, texts.lengths, settings.runtime.checkpoint_seconds

        def heldout_loss(model: Any) -> float:
            return objectives.mean_loss(model, batches, objective, machine)

        def train(plan: Plan, place: str, title: str, score: Callable[[Any], float] | None = None) -> list[Epoch]:
            return training.fit(model, rows, lengths, objective.collate, objective.loss, plan, folder / place, machine, seconds, title, score)

        curve = [("before", 0, heldout_loss(model))]
        if new_head and adapt.head_steps and adapt.epochs:
            click.echo(f"adapt: the base has no language-model head: a new one trains for {adapt.head_steps} steps with the encoder frozen.")
            model.base_model.requires_grad_(False)
            train(Plan(1, adapt.head_learning_rate, adapt.batch_size, warmup=0.1, steps=adapt.head_steps), "head", "adapt: head")
            model.base_model.requires_grad_(True)
            curve.append(("head", 0, heldout_loss(model)))
        plan = Plan(adapt.epochs, adapt.learning_rate, adapt.batch_size, warmup=adapt.warmup)
        epochs = train(plan, "all", "adapt", lambda model: -heldout_loss(model)) if adapt.epochs else []
        curve += [("epoch", epoch.number, -epoch.score) for epoch in epochs]
        best = max(epochs, key=lambda epoch: epoch.score, default=None)
        base_models.save_language_model(model, encoder, paths.ADAPTED)
        write_metrics(curve, best, len(texts.train), len(texts.valid), encoder.objective)
    after = curve[-1][2] if best is None else -best.score
    click.echo(
        f"adapt: {len(texts.train)} pieces of text; loss on held-out pieces {curve[0][2]:.3f} before, {after:.3f} after (epoch {best.number if best else 0})."
    )


def write_metrics(curve: list[tuple[str, int, float]], best: Epoch | None, size: int, valid_size: int, objective: str) -> None:
    """Writes metrics/adapt.json and the curve of losses on held-out pieces, metrics/adapt.csv."""
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
