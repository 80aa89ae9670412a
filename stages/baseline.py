"""Train the linear baseline on the same texts: what a transformer must beat.

data/split/train.csv ──► models/labeler/baseline
"""

from pathlib import Path

import click

from labelrounds import files, labelers, params, scores, tables
from labelrounds.errors import Command
from labelrounds.labelers import linear

TRAIN = Path("data/split/train.csv")


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    task = settings.labelled_task()
    with files.unchanged(TRAIN):
        rows = list(tables.rows(TRAIN))
        gold = scores.indicator([task.parse(row.cells[task.column], row.where) for row in rows], task)
        trained = linear.train([row.cells["text"] for row in rows], gold, task, settings.baseline.inverse_regularization, settings.seed)
        card = labelers.Card(
            kind="linear",
            task=task.type,
            labels=list(task.labels),
            thresholds=[0.5] * len(task.labels),
            temperature=1.0,
            max_length=None,
            base=None,
            training={"n": len(rows), "fingerprint": files.sha256(TRAIN)[:16]},
        )
    linear.save(*trained, card, labelers.ROOT / "baseline")
    click.echo(f"baseline: {len(rows)} texts, {trained[1].shape[1]} features.")


if __name__ == "__main__":
    main()
