"""The task: its type, its labels in order, and how a cell spells them."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labelrounds.core.errors import UserError, did_you_mean
from labelrounds.core.screen import few

MULTI_CLASS = "multi-class"
MULTI_LABEL = "multi-label"
SEPARATOR = ";"
NONE = "-"  # multi-label: "I read it, and no label applies", which an empty cell must not mean


INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
JOINERS = re.compile("(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])")  # those beside ASCII join nothing


def fold_label(label: str) -> str:
    """Returns a label in Unicode NFC, without invisible characters and without blanks at its ends."""
    return unicodedata.normalize("NFC", JOINERS.sub("", INVISIBLE.sub("", label))).strip()


@dataclass(frozen=True)
class Task:
    """type: `multi-class` (exactly one label) or `multi-label` (any number); the order of labels is the label id."""

    type: str
    labels: tuple[str, ...]

    @property
    def multi_label(self) -> bool:
        return self.type == MULTI_LABEL

    @property
    def column(self) -> str:
        """The name of the label column in our own files."""
        return "labels" if self.multi_label else "label"

    @cached_property
    def index(self) -> dict[str, int]:
        """{label: its id}."""
        return {label: number for number, label in enumerate(self.labels)}

    @cached_property
    def _folded(self) -> dict[str, str]:
        """{label in its normal form: the label}."""
        return {fold_label(label): label for label in self.labels}

    def spell(self, labels: Iterable[str]) -> str:
        """Returns labels as one cell, in the task's order; `-` for none."""
        return SEPARATOR.join(sorted(labels, key=self.index.__getitem__)) or NONE

    def parse(self, cell: str, where: str) -> tuple[str, ...]:
        """Returns the labels in a cell, in the task's order. `where` is the file and line for errors."""
        if not self.multi_label:
            return (self.known(cell.strip(), where),)
        if cell.strip() == NONE:
            return ()
        found = {self.known(part.strip(), where) for part in cell.split(SEPARATOR) if part.strip()}
        if not found:
            raise UserError(f'{where}: "{cell.strip()}" names no label. Write "{NONE}" where none applies.')
        return tuple(sorted(found, key=self.index.__getitem__))

    def known(self, label: str, where: str) -> str:
        """Returns `label` if the task has it; otherwise a UserError that suggests the nearest."""
        if label in self.index:
            return label
        if (folded := fold_label(label)) in self._folded:
            return self._folded[folded]
        raise UnknownLabel(label, where, self)


class UnknownLabel(UserError):
    """A label that the task lacks. Its message, with the nearest label, is made when it is read: a file may hold many of them."""

    def __init__(self, label: str, where: str, task: Task) -> None:
        self._label, self._where, self._task = label, where, task
        super().__init__(where)

    @property
    def message(self) -> str:  # type: ignore[override]
        label, task = self._label, self._task
        separated = SEPARATOR in label and not task.multi_label
        hint = " One label per text is expected: the task is multi-class." if separated else did_you_mean(label, task.labels)
        return f'{self._where}: unknown label "{label[:200]}".{hint} Expected one of: {few(task.labels)} (task.labels in params.yaml).'

    @message.setter
    def message(self, value: str) -> None:
        """Takes nothing: the class above sets a message."""


def indicator(labels: Iterable[Iterable[str]], task: Task) -> np.ndarray:
    """Returns the int matrix of shape (n_texts, n_labels), 1 where a label applies."""
    labels = list(labels)
    matrix = np.zeros((len(labels), len(task.labels)), dtype=np.int64)
    for row, found in enumerate(labels):
        for label in found:
            matrix[row, task.index[label]] = 1
    return matrix


def labels_of(matrix: np.ndarray, task: Task) -> list[tuple[str, ...]]:
    """Returns the labels of each row of an indicator matrix."""
    return [tuple(task.labels[number] for number in np.flatnonzero(row)) for row in matrix]
