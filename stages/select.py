"""Choose the texts that people should label next, and draw the map of the pool on which they stand.

    data/predictions, data/pool, data/split/heldout.txt, data/rounds, models/labeler/DEPLOY ──► data/queue/{next,map}.csv

Never a text that is labelled or held out, nor two near-duplicates in one queue.
"""

from collections.abc import Sequence
from functools import cached_property

import click
import numpy as np

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.core.task import Task
from labelrounds.labelers import contract
from labelrounds.measures import acquisition, landscape
from labelrounds.pool import predictions
from labelrounds.rounds import candidates, queue
from labelrounds.rounds.candidates import Candidate

Said = dict[int, tuple[str, str]]


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    select, task = settings.select, settings.labelled_task()
    strategy = acquisition.strategy(select.strategy)
    with reading("select", settings.data.pool, paths.ROUNDS, paths.SCHEMA, paths.HELDOUT, paths.SHARDS):
        uncertainty, free = read_uncertainty(strategy, task)
        ordered = free[strategy.order(uncertainty[free], settings.seed)]
        vectors = Vectors(settings)
        if strategy.spread is None:
            chosen = candidates.distinct(ordered, select.size, settings.data, task, settings.split.near_duplicates)
        else:
            found = candidates.distinct(ordered, max(select.candidates, select.size), settings.data, task, settings.split.near_duplicates)
            chosen = [found[number] for number in strategy.spread(vectors.of(found), select.size, settings.seed)]
        drawn = on_the_map(chosen, select.map, settings) if select.map else []
        said = read_said({number for number, _ in (*chosen, *drawn)}, task)
        files.write_csv(paths.MAP, landscape.COLUMNS, points(drawn, vectors, said, {number for number, _ in chosen}, settings))
        queue.write(asked(chosen, said), (uncertainty[number] for number, _ in chosen))
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


class Vectors:
    """The labeler's vectors of texts of the pool; each text is read once."""

    def __init__(self, settings: params.Params) -> None:
        self.settings = settings
        self.known: dict[int, np.ndarray] = {}

    def of(self, found: Sequence[Candidate]) -> np.ndarray:
        """Returns the vectors of rows of the pool, float array of shape (n, d)."""
        lacking = [one for one in found if one[0] not in self.known]
        if lacking:
            made = self.labeler.embed([row.text for _, row in lacking], self.settings.predict.batch_size)
            self.known |= {number: vector for (number, _), vector in zip(lacking, made, strict=True)}
        return np.stack([self.known[number] for number, _ in found])

    @cached_property
    def labeler(self) -> contract.Labeler:
        return contract.load_named(self.settings.deploy, self.settings)


def on_the_map(chosen: Sequence[Candidate], size: int, settings: params.Params) -> list[Candidate]:
    """Returns the rows of the map: the queue, and a random sample of the pool."""
    asked = {row.id for _, row in chosen}
    others = [number for identity, number in landscape.sample(size).items() if identity not in asked]
    return [*chosen, *candidates.rows(others, settings.data)]


def points(drawn: Sequence[Candidate], vectors: Vectors, said: Said, queued: set[int], settings: params.Params) -> list[list[str]]:
    """Returns the rows of the map, in the order of `landscape.COLUMNS`, by id."""
    if not drawn:
        return []
    found = vectors.of(drawn)
    plane, groups = landscape.plane(found), landscape.groups(found, settings.seed)
    marks = landscape.marks(np.asarray([float(said[number][1]) for number, _ in drawn]), np.asarray([number in queued for number, _ in drawn]))
    rows = (
        [row.id, row.text, said[number][0], f"{float(said[number][1]):.4f}", f"{x:.4f}", f"{y:.4f}", str(group), mark]
        for (number, row), (x, y), group, mark in zip(drawn, plane, groups, marks, strict=True)
    )
    return sorted(rows)


def read_said(wanted: set[int], task: Task) -> Said:
    """Returns {row of the pool: (what the labeler says, how sure it is)}."""
    return {number: (row.cells[task.column], row.cells["confidence"]) for number, row in enumerate(tables.rows(paths.SHARDS)) if number in wanted}


def asked(chosen: Sequence[Candidate], said: Said) -> list[queue.Asked]:
    """Returns the entries of the queue: each text with what the labeler would say."""
    return [queue.Asked(row.id, row.text, said[number][0], f"{float(said[number][1]):.4f}", queue.own_of(row)) for number, row in chosen]


if __name__ == "__main__":
    main()
