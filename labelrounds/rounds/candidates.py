"""Texts that may be asked about: without a label, not held out, and none a near-duplicate of another or of a labelled one."""

from collections.abc import Sequence

import numpy as np

from labelrounds.core import files, params, paths
from labelrounds.core.task import Task
from labelrounds.pool import reader
from labelrounds.pool.identity import near_duplicate_key
from labelrounds.rounds import queue, record

Candidate = tuple[int, reader.PoolText]  # the number of the pool's row, and what stands there


def taken(task: Task) -> set[str]:
    """Returns the ids of all texts that have a label or are held out."""
    return set(files.read_text(paths.HELDOUT).split()) | {annotation.id for annotation in record.read_all(task)}


def distinct(numbers: np.ndarray, size: int, data: params.Data, task: Task, rule: str) -> list[Candidate]:
    """Returns up to `size` candidates in the order of `numbers`, no two near-duplicates, none near a labelled text.

    numbers : int array of shape (n,), rows of the pool; rule : `split.near_duplicates`
    """
    window = 4 * size
    labelled = labelled_keys(data, task, rule)
    while True:
        # Read the texts of as many rows as are likely to be enough, not of the whole pool.
        ordered = rows(numbers[:window].tolist(), data)
        by_id = {row.id: (number, row) for number, row in sorted(ordered, key=lambda candidate: -candidate[0])}
        chosen = [by_id[identity] for identity, _ in queue.without_near_duplicates(((row.id, row.text) for _, row in ordered), set(labelled), rule)]
        if len(chosen) >= size or window >= len(numbers):
            return chosen[:size]
        window *= 4


def rows(numbers: Sequence[int], data: params.Data) -> list[Candidate]:
    """Returns what stands in these rows of the pool, in the order of `numbers`."""
    found = reader.take(data.pool, data.text_column, numbers)
    return [(number, found[number]) for number in numbers]


def labelled_keys(data: params.Data, task: Task, rule: str) -> set[str]:
    """Returns the near-duplicate keys of the texts that are labelled already: a copy of one teaches nothing new."""
    annotations = record.read_all(task)
    in_pool = reader.find(data.pool, data.text_column, {annotation.id for annotation in annotations})
    texts = (*(row.text for row in in_pool.values()), *(a.text for a in annotations if a.text is not None))
    return {near_duplicate_key(text, rule) for text in texts}
