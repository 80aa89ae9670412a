"""The texts of a data set: those to label, those that an arm gets, and those that measure it."""

from pathlib import Path

import numpy as np

from labelrounds.core import examples
from labelrounds.core.task import Task, indicator
from labelrounds.pool.identity import near_duplicate_key
from studies.selection.play import read_gold, read_test

UNLABELLED = 3000  # texts of the set that an arm may learn from without their labels


def read_set(train: Path, test: Path, most: int) -> tuple[examples.Examples, Task, examples.Examples]:
    """Returns (texts to label, none near another or near a test text; the task; at most `most` test texts)."""
    known, task = read_gold(train)
    measured = read_test(test, task)
    if len(measured) > most:
        measured = part(measured, np.sort(np.random.default_rng(0).permutation(len(measured))[:most]))
    taken = {near_duplicate_key(text) for text in measured.texts}
    rows = []
    for identity, (text, cell) in known.items():
        if (near := near_duplicate_key(text)) not in taken:
            taken.add(near)
            rows.append((identity, text, cell))
    gold = indicator([task.parse(cell, identity) for identity, _, cell in rows], task)
    return examples.Examples([row[0] for row in rows], [row[1] for row in rows], gold), task, measured


def draw(gold: examples.Examples, task: Task, size: int, seed: int) -> examples.Examples:
    """Returns `size` texts at random; with so many labels that chance would leave some out, as evenly over the labels as they allow."""
    order = np.random.default_rng(seed).permutation(len(gold))
    if task.multi_label or size >= 20 * len(task.labels) or size < len(task.labels):
        return part(gold, order[:size])
    label = gold.gold.argmax(axis=1)[order]
    turn = np.asarray([np.count_nonzero(label[:number] == label[number]) for number in range(len(order))])
    return part(gold, order[np.argsort(turn, kind="stable")[:size]])


def part(some: examples.Examples, rows: np.ndarray) -> examples.Examples:
    """Returns the examples of these rows."""
    return examples.Examples([some.ids[row] for row in rows], [some.texts[row] for row in rows], some.gold[rows])


def without(gold: examples.Examples, drawn: examples.Examples) -> list[str]:
    """Returns up to UNLABELLED further texts of the set, drawn at random, the same ones for every seed but for those that are labelled."""
    taken = set(drawn.ids)
    order = np.random.default_rng(0).permutation(len(gold))
    return [gold.texts[number] for number in order if gold.ids[number] not in taken][:UNLABELLED]
