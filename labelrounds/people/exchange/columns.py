"""Which column of a table holds the texts, and which the labels: found by name or by content."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from labelrounds.core import tables
from labelrounds.core.errors import UserError, at, did_you_mean
from labelrounds.core.task import NONE, SEPARATOR
from labelrounds.rounds.record import FALSE, TRUE

TEXT_NAMES = (
    "text",
    "sentence",
    "tweet",
    "content",
    "body",
    "message",
    "comment",
    "review",
    "title",
    "headline",
    "document",
    "utterance",
    "question",
)
LABEL_NAMES = ("label", "labels", "class", "category", "intent", "topic", "sentiment", "emotion", "target", "gold", "y")


@dataclass(frozen=True)
class Labelled:
    """One labelled file as read: (text, labels, annotator, place) of each row, and how many rows have no label."""

    rows: list[tuple[str, tuple[str, ...], str, str]]
    unfilled: int
    multi_label: bool
    labels: list[str]


def find_text_column(path: Path, wanted: str | None) -> str:
    """Returns the column that holds the text: the one named, one with a usual name, or the one with the longest cells."""
    found = tables.columns(path)
    if wanted is not None:
        if wanted not in found:
            raise UserError(f'{at(path, 1)}: there is no column "{wanted}".{did_you_mean(wanted, found)} Found: {", ".join(found)}.')
        return wanted
    for name in TEXT_NAMES:
        for column in found:
            if column.lower() == name:
                return column
    length: Counter[str] = Counter()
    for _, row in zip(range(100), tables.rows(path), strict=False):
        length.update({name: len(cell) for name, cell in row.cells.items()})
    if not length:
        raise UserError(f"{at(path)}: there are no rows below the header. Expected one row per text.")
    longest = length.most_common(1)[0][0]
    if len(found) > 1:
        click.echo(f'{at(path)}: the text is taken from the column "{longest}" (--text-column names another).')
    return longest


def read_labelled(path: Path, text_column: str | None, label_column: str | None, multi_label: bool) -> Labelled:
    """Returns what a labelled file says, with its label column or 0/1 columns found by name or by content."""
    columns = tables.columns(path)
    text_name = find_text_column(path, text_column)
    named = label_column or next((column for name in LABEL_NAMES for column in columns if column.lower() == name), None)
    if label_column is not None and label_column not in columns:
        raise UserError(f'{at(path, 1)}: there is no column "{label_column}".{did_you_mean(label_column, columns)} Found: {", ".join(columns)}.')
    everything = list(tables.rows(path))
    for row in everything:
        if not row.cells.get(text_name, "").strip():
            raise UserError(f"{row.where}: the text is empty. Remove the row, or fill in its text.")
    hot = [] if named else one_hot_columns(columns, text_name, everything)
    if named is None and not hot:
        raise UserError(
            f"{at(path, 1)}: no label column found among: {', '.join(columns)}. Name it with --label-column, or give one 0/1 column per label."
        )
    if named is None:
        marked = [tuple(column for column in hot if row.cells[column].strip().lower() in TRUE) for row in everything]
        several = multi_label or any(len(labels) != 1 for labels in marked)
        found = marked
        empty = [False] * len(everything)
    else:
        cells = [row.cells[named].strip() for row in everything]
        several = multi_label or any(SEPARATOR in cell for cell in cells)
        found = [split_cell(cell) if several else (cell,) for cell in cells]
        empty = [not cell for cell in cells]
    rows = [
        (row.cells[text_name], labels, row.cells.get("annotator", "").strip(), row.where)
        for row, labels, none in zip(everything, found, empty, strict=True)
        if not none
    ]
    if not rows:
        raise UserError(f'{at(path)}: no row has a label in the column "{named}". Fill in at least one, or leave --labelled out.')
    labels = hot or sorted({label for _, some, _, _ in rows for label in some})
    return Labelled(rows, sum(empty), several, labels)


def split_cell(cell: str) -> tuple[str, ...]:
    """Returns the labels joined in one cell; `-` means that none applies."""
    return () if cell == NONE else tuple(dict.fromkeys(part.strip() for part in cell.split(SEPARATOR) if part.strip()))


def one_hot_columns(columns: Iterable[str], text_name: str, rows: Sequence[tables.Row]) -> list[str]:
    """Returns the columns that hold 0 and 1 alone, if there are two or more."""
    filled = {cell for cell in (*FALSE, *TRUE) if cell}
    hot = [name for name in columns if name != text_name and rows and all(row.cells.get(name, "").strip().lower() in filled for row in rows)]
    return hot if len(hot) > 1 else []
