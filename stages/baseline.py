"""Train the linear baseline on the same texts: what a transformer must beat.

data/split/{train,valid}.csv ──► models/labeler/baseline
"""

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.labelers import contract, linear
from labelrounds.rounds import examples


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    task = settings.labelled_task()
    examples.check_any(paths.TRAIN)
    with files.unchanged(paths.TRAIN, paths.VALID):
        train, valid = examples.read(paths.TRAIN, task), examples.read(paths.VALID, task)
        trained = linear.train(train.texts, train.gold, task, settings.baseline.inverse_regularization, settings.seed)
        card = contract.new_card("linear", task, paths.TRAIN, len(train))
        card = contract.calibrated(card, linear.LinearLabeler(card, "", *trained).logits(valid.texts, len(valid)), valid.gold)
    linear.save(*trained, card, paths.LABELERS / "baseline")
    click.echo(f"baseline: {len(train)} texts, {trained[1].shape[1]} features.")


if __name__ == "__main__":
    main()
