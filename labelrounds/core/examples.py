"""Labelled texts as the models take them: one file of the split, read whole."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelrounds.core import tables
from labelrounds.core.errors import no_labels
from labelrounds.core.task import Task, indicator


@dataclass(frozen=True)
class Examples:
    """n labelled texts. gold : 0/1 int matrix of shape (n, n_labels)"""

    ids: list[str]
    texts: list[str]
    gold: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


def read(path: Path, task: Task) -> Examples:
    """Returns the examples of a file of the split; a label that the task lacks is a UserError with its line."""
    rows = list(tables.rows(path))
    gold = indicator([task.parse(row.cells[task.column], row.where) for row in rows], task)
    return Examples([row.cells["id"] for row in rows], [row.cells["text"] for row in rows], gold)


def check_any(path: Path) -> None:
    """Raises a UserError that says how to begin if the file of the split holds no text yet."""
    if next(tables.rows(path), None) is None:
        raise no_labels()
