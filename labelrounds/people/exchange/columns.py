"""Which column of a table holds the texts, and which the labels: found by name, then by content. Where several fit, a person decides."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from labelrounds.core import tables
from labelrounds.core.errors import UserError, at, did_you_mean
from labelrounds.core.task import Task
from labelrounds.people.exchange import choose
from labelrounds.pool.identity import ID_PATTERN
from labelrounds.rounds import queue, record
from labelrounds.rounds.record import FALSE, TRUE

TEXT = "text"  # a column of this name holds the text, whatever else is there
TEXT_NAMES = (
    TEXT,
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
# Columns that say something else, in our own files and in those of other tools.
OTHERS = {"id", "text_id", "labelrounds_id", "annotator", "source", "suggestion", "confidence", "uncertainty", "note", "group", "audit"}
OTHERS |= set(record.HOW)
SAMPLE = 200  # rows by which a column is judged
FEW = 50  # different values that any label column may have, however few rows there are


@dataclass(frozen=True)
class Wanted:
    """What the user named, as options; `task` is None where the labels are still to be known. known_text : the project's text column"""

    text_column: str | None = None
    label_column: str | None = None
    multi_label: bool = False
    task: Task | None = None
    known_text: str | None = None


Values = Sequence[Mapping[str, Any]]


def find_text_column(path: Path, wanted: str | None) -> str:
    """Returns the column of a table that holds the text, and says on the screen which it took where that is not plain from its name."""
    names = tables.columns(path)
    sample = [found.values for found in islice(tables.records(path), SAMPLE)]
    if not sample:
        raise UserError(f"{at(path)}: there are no rows below the header. Expected one row per text.")
    found = text_column(path, names, sample, Wanted(wanted))
    if found != TEXT and wanted is None and len(names) > 1:
        click.echo(f'{at(path)}: the text is taken from the column "{found}" (--text-column names another).')
    return found


def text_column(path: Path, names: Sequence[str], rows: Values, wanted: Wanted) -> str:
    """Returns the column that holds the text: the one named, one with a usual name, or the one with the longest cells."""
    if wanted.text_column is not None:
        return named(path, names, wanted.text_column)
    if wanted.known_text in names:
        return str(wanted.known_text)
    sample = rows[:SAMPLE]
    lengths = {name: _length(sample, name) for name in names if name.lower() not in (*OTHERS, *record.LABEL_COLUMNS) or len(names) == 1}
    longest = max(lengths.values(), default=0.0)
    usual = [name for name in names if name.lower() in TEXT_NAMES and lengths.get(name)]
    plain = [name for name in names if name.lower() == TEXT]
    like = [name for name in lengths if _words(name) & set(TEXT_NAMES) and 2 * lengths[name] >= longest > 0]
    long = [name for name in lengths if 2 * lengths[name] >= longest > 0]
    for candidates in (plain, usual, like, long):
        if candidates:
            return choose.one(path, candidates, "the text", "--text-column")
    if len(names) == 1:
        return names[0]
    ids = _filled(sample, "id") if "id" in names else []
    odd = f' The column "id" holds no ids of this project ("{str(ids[0])[:40]}"); a spreadsheet may have turned them into numbers.' if ids else ""
    raise UserError(f"{at(path, 1)}: no column holds texts. Found: {', '.join(names)}.{odd} Name the texts' column with --text-column.")


def label_column(path: Path, names: Sequence[str], rows: Values, text: str | None, wanted: Wanted) -> tuple[str | None, list[str]]:
    """Returns (the label column, []) or (None, the 0/1 columns); a UserError where there is neither."""
    if wanted.label_column is not None:
        several = [part.strip() for part in wanted.label_column.split(",")]
        if len(several) > 1 and wanted.label_column not in names:
            return None, [named(path, names, part) for part in several]
        return named(path, names, wanted.label_column), []
    task = wanted.task
    if task and (is_form(names, rows) or any(label in names and label not in (*record.LABEL_COLUMNS, *OTHERS, text) for label in task.labels)):
        found = record.find_label_column(path, list(names), task)
        return found, [] if found else list(task.labels)
    rest = [name for name in names if name != text and name.lower() not in OTHERS]
    exact = [name for name in rest if name.lower() in LABEL_NAMES]
    like = [name for name in rest if name not in exact and _words(name) & set(LABEL_NAMES) and categorical(rows, name)]
    candidates = [*exact, *like]
    candidates = [name for name in candidates if any(_filled(rows, name))] or candidates
    if task and len(candidates) > 1:
        candidates = [name for name in candidates if known_share(rows, name, task) > 0.5] or candidates
    hot = one_hot_columns(rest, rows)
    if hot and candidates and not set(candidates) & set(exact):
        candidates = [*candidates, ",".join(hot)]
    if candidates:
        found = choose.one(path, candidates, "the label", "--label-column")
        return (found, []) if found in names else (None, hot)
    if hot:
        return None, hot
    raise UserError(f"{at(path, 1)}: no label column found among: {', '.join(names)}. Name it with --label-column, or give one 0/1 column per label.")


def named(path: Path, names: Sequence[str], wanted: str) -> str:
    """Returns the column that an option names; a UserError where it is not there."""
    if wanted not in names:
        raise UserError(f'{at(path, 1)}: there is no column "{wanted}".{did_you_mean(wanted, names)} Found: {", ".join(names)}.')
    return wanted


def is_form(names: Collection[str], rows: Values) -> bool:
    """Says whether a table is a form of ours, or a round: its column `id` holds our text ids."""
    ids = [cell for cell in (queue.restored(cell).strip() for cell in _filled(rows[:SAMPLE], "id")) if cell] if "id" in names else []
    return any(map(ID_PATTERN.fullmatch, ids))


def blank(rows: Values, name: str) -> bool:
    """Says whether a column is there and nothing stands in it."""
    return any(name in row for row in rows) and not _filled(rows, name)


def one_hot_columns(names: Iterable[str], rows: Values) -> list[str]:
    """Returns the columns that hold 0 and 1 alone, if there are two or more."""
    marks = {*FALSE, *TRUE}
    hot = [
        name
        for name in names
        if name
        and any(_filled(rows, name))
        and all(tables.as_text(row.get(name)).strip().lower() in marks for row in rows if not _nested(row.get(name)))
    ]
    hot = [name for name in hot if not any(_nested(row.get(name)) for row in rows)]
    return hot if len(hot) > 1 else []


def categorical(rows: Values, name: str) -> bool:
    """Says whether few different values stand in a column, as labels do."""
    values = _filled(rows, name)
    return bool(values) and len(set(values)) <= max(FEW, len(values) // 5)


def known_share(rows: Values, name: str, task: Task) -> float:
    """Returns the share of a column's different values that are labels of the task."""
    values = {part.strip() for cell in _filled(rows, name) for part in (cell.split(";") if task.multi_label else [cell])}
    known = {label.casefold() for label in task.labels}
    return sum(value.casefold() in known for value in values) / len(values) if values else 0.0


def _filled(rows: Values, name: str) -> list[str]:
    return [cell for cell in (tables.as_text(row.get(name)) for row in rows) if cell.strip()]


def _nested(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple, bytes))


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def _length(rows: Values, name: str) -> float:
    """Returns the mean length of a column's cells; 0 for one that holds no words."""
    cells = [value for row in rows if isinstance(value := row.get(name), str) and value.strip()]
    if not any(any(map(str.isalpha, cell)) for cell in cells) or {cell.strip().lower() for cell in cells} <= {*FALSE, *TRUE}:
        return 0.0
    return sum(map(len, cells)) / len(rows)
