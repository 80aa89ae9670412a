"""Choose the texts that people should label next.

    data/predictions, data/pool, data/split/heldout.txt, data/rounds, models/labeler/DEPLOY ──► data/queue/next.csv

Never a text that is labelled or held out, nor two near-duplicates in one queue.
"""

from collections.abc import Sequence

import click
import numpy as np

from labelrounds.core import params, paths, tables
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.core.task import Task
from labelrounds.labelers import contract
from labelrounds.measures import acquisition
from labelrounds.pool import predictions
from labelrounds.rounds import candidates, queue
from labelrounds.rounds.candidates import Candidate


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    select, task = settings.select, settings.labelled_task()
    strategy = acquisition.strategy(select.strategy)
    with reading("select", settings.data.pool, paths.ROUNDS, paths.SCHEMA, paths.HELDOUT, paths.SHARDS):
        uncertainty, free = read_uncertainty(strategy, task)
        ordered = free[strategy.order(uncertainty[free], settings.seed)]
        if strategy.spread is None:
            chosen = candidates.distinct(ordered, select.size, settings.data, task, settings.split.near_duplicates)
        else:
            found = candidates.distinct(ordered, max(select.candidates, select.size), settings.data, task, settings.split.near_duplicates)
            chosen = [found[number] for number in strategy.spread(embedded(found, settings), select.size, settings.seed)]
        queue.write(asked(chosen, task), (uncertainty[number] for number, _ in chosen))
    some = "" if len(chosen) == select.size else f" (of {select.size} asked for: no more are left)"
    click.echo(
        f"select: {len(chosen)} texts{some} by {select.strategy} wait in {paths.QUEUE}. Next: `labelrounds next FILE.csv`, label, `labelrounds import FILE.csv`, `dvc repro`."
    )


def read_uncertainty(strategy: acquisition.Strategy, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Returns (uncertainty of every pool row, float array of shape (n,); numbers of the rows that may be asked)."""
    taken = candidates.taken(task)
    uncertainty, free = [], []
    for ids, scores in predictions.scores(task.labels):
        uncertainty.append(strategy.uncertainty(scores.astype(np.float64), task.multi_label))
        free.append(np.asarray([identity not in taken for identity in ids]))
    return np.concatenate(uncertainty), np.flatnonzero(np.concatenate(free))


def embedded(found: Sequence[Candidate], settings: params.Params) -> np.ndarray:
    """Returns the labeler's embeddings of the candidates, float array of shape (n, d)."""
    return contract.load_named(settings.deploy, settings).embed([row.text for _, row in found], settings.predict.batch_size)


def asked(chosen: Sequence[Candidate], task: Task) -> list[queue.Asked]:
    """Returns the entries of the queue: each text with what the labeler would say."""
    wanted = {number for number, _ in chosen}
    said = {number: row.cells for number, row in enumerate(tables.rows(paths.SHARDS)) if number in wanted}
    return [
        queue.Asked(row.id, row.text, said[number][task.column], f"{float(said[number]['confidence']):.4f}", queue.own_of(row))
        for number, row in chosen
    ]


if __name__ == "__main__":
    main()
