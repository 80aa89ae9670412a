"""Choose the texts that people should label next.

    data/predictions, data/pool, data/split/{labels.csv,heldout.txt}, data/rounds, models/labeler/DEPLOY ──► data/queue/next.csv

Never a text that is labelled or held out, nor two near-duplicates in one queue.
"""

import click
import numpy as np

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import Command
from labelrounds.labelers import contract
from labelrounds.measures import acquisition
from labelrounds.models import runtime
from labelrounds.pool import predictions, reader
from labelrounds.pool.identity import near_duplicate_key
from labelrounds.rounds import queue, record


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    select, task = settings.select, settings.labelled_task()
    with files.unchanged(settings.data.pool, paths.ROUNDS, paths.HELDOUT, paths.SHARDS):
        uncertainty, free = read_uncertainty(settings, task)
        order = np.random.default_rng(settings.seed).permutation(len(free)) if select.strategy == "random" else acquisition.ranked(uncertainty[free])
        spread = select.strategy.partition("-")[2] in ("kmeans", "coreset")
        asked = distinct(free[order], max(select.candidates, select.size) if spread else select.size, settings)
        if spread:
            asked = spread_out(asked, settings)
        write_queue(asked, uncertainty, settings, task)
    some = "" if len(asked) == select.size else f" (of {select.size} asked for: no more are left)"
    click.echo(
        f"select: {len(asked)} texts{some} by {select.strategy} wait in {paths.QUEUE}. Next: `labelrounds next FILE.csv`, label, `labelrounds import FILE.csv`, `dvc repro`."
    )


def read_uncertainty(settings, task):
    """Returns (uncertainty of every pool row, shape (n,); numbers of the rows that may be asked)."""
    taken = set(paths.HELDOUT.read_text(encoding="utf-8").split()) | {annotation.id for annotation in record.read_all(task)}
    measure = acquisition.UNCERTAINTY.get(settings.select.strategy.removesuffix("-kmeans").removesuffix("-coreset"), acquisition.entropy)
    uncertainty, free = [], []
    for ids, scores in predictions.scores(task.labels):
        uncertainty.append(measure(scores.astype(np.float64), task.multi_label))
        free.append(np.asarray([identity not in taken for identity in ids]))
    return np.concatenate(uncertainty), np.flatnonzero(np.concatenate(free))


def distinct(numbers, size, settings):
    """Returns up to `size` (number, pool text), in the order of `numbers`, no two near-duplicates, none near a labelled text."""
    window, found = 4 * size, {}
    taken = labelled_keys(settings)
    chosen = []
    while True:
        # Read the texts of as many rows as are likely to be enough, not of the whole pool.
        wanted = {int(number) for number in numbers[:window]}
        found = {number: row for number, row in enumerate(reader.stream(settings.data.pool, settings.data.text_column)) if number in wanted}
        rows = {row.id: (number, row) for number, row in reversed(sorted(found.items()))}
        ordered = [found[int(number)] for number in numbers[:window]]
        chosen = [rows[identity] for identity, _ in queue.unlike(((row.id, row.text) for row in ordered), set(taken))]
        if len(chosen) >= size or window >= len(numbers):
            return chosen[:size]
        window *= 4


def labelled_keys(settings):
    """Returns the near-duplicate keys of the texts that are labelled already: a copy of one teaches nothing new."""
    annotations = record.read_all(settings.labelled_task())
    in_pool = reader.find(settings.data.pool, settings.data.text_column, {annotation.id for annotation in annotations})
    return {near_duplicate_key(text) for text in (*(row.text for row in in_pool.values()), *(a.text for a in annotations if a.text is not None))}


def spread_out(asked, settings):
    """Returns `select.size` of the candidates, spread over the labeler's embeddings."""
    labeler = contract.load(
        paths.LABELERS / settings.deploy, lambda: runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision)
    )
    vectors = labeler.embed([row.text for _, row in asked], settings.predict.batch_size)
    if settings.select.strategy.endswith("kmeans"):
        chosen = acquisition.spread_kmeans(vectors, settings.select.size, settings.seed)
    else:
        chosen = acquisition.spread_coreset(vectors, settings.select.size)
    return [asked[number] for number in chosen]


def write_queue(asked, uncertainty, settings, task):
    """Writes data/queue/next.csv: what to ask, and what the labeler would say."""
    said = {}
    wanted = {number for number, _ in asked}
    for number, row in enumerate(tables.rows(paths.SHARDS)):
        if number in wanted:
            said[number] = row.cells
    own = list(dict.fromkeys(name for _, row in asked for name in queue.own_of(row)))  # lines of a jsonl pool may differ in their keys
    rows = (
        [
            row.id,
            row.text,
            said[number][task.column],
            f"{float(said[number]['confidence']):.4f}",
            f"{uncertainty[number]:.6f}",
            *(queue.own_of(row).get(name, "") for name in own),
        ]
        for number, row in asked
    )
    files.write_csv(paths.QUEUE, ["id", "text", "suggestion", "confidence", "uncertainty", *own], rows)


if __name__ == "__main__":
    main()
