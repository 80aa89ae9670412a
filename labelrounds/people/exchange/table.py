"""A plain table: csv, tsv, jsonl, json or parquet with a column of texts and a label column, or one 0/1 column per label."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from labelrounds.core import tables
from labelrounds.core.errors import UserError
from labelrounds.core.task import NONE, SEPARATOR
from labelrounds.people.exchange import cells, columns, said
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.said import Read, Said
from labelrounds.people.exchange.source import Source
from labelrounds.pool.identity import ID_PATTERN, text_id
from labelrounds.rounds import queue
from labelrounds.rounds.record import FALSE, TRUE

NAME = "a table"


def recognises(source: Source) -> bool:
    """Any table is one, if no tool's."""
    return True


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations of a table: one per row that has a label."""
    return read_named(source, wanted, NAME)


def read_named(source: Source, wanted: Wanted, name: str, spell: Callable[[Any, str], Any] = cells.read) -> Read:
    """Returns the annotations of a table that the screen calls `name`. spell : what a value of the label column says, given its place"""
    rows = [record.values for record in source.records]
    form = columns.is_form(source.columns, rows)
    without_text = form and not wanted.text_column and not {"text", wanted.known_text} & set(source.columns)
    text_name = None if without_text else columns.text_column(source.path, source.columns, rows, wanted)
    label_name, hot = columns.label_column(source.path, source.columns, rows, text_name, wanted)
    restore = queue.restored if form or (wanted.task and "id" in source.columns) else str
    left_out: Counter[str] = Counter()
    found: list[tuple[Said, str | tuple[str, ...]]] = []
    for record in source.records:
        if not any(tables.as_text(value).strip() for value in record.values.values() if not isinstance(value, bytes)):
            continue
        stated = _stated(record, text_name, restore, form)
        value = _marked(record, hot) if label_name is None else record.values.get(label_name)
        if isinstance(value, str) and (form or wanted.task) and not (wanted.task and value.strip() in wanted.task.index):
            value = queue.restored(value.strip())
        labels = value if label_name is None else spell(value, record.where)
        if labels is None:
            left_out["without a label"] += 1
        else:
            found.append((stated, labels))
    several = bool(wanted.task and wanted.task.multi_label) or (
        wanted.task is None and (wanted.multi_label or any(SEPARATOR in labels for _, labels in found if isinstance(labels, str)))
    )
    listed = [replace(stated, labels=_parted(labels, several, stated.where)) for stated, labels in found]
    shown = f'"{label_name}"' if label_name else f"{len(hot)} columns of 0 and 1 ({', '.join(hot[:8])}{' …' if len(hot) > 8 else ''})"
    texts = f'the texts are in "{text_name}", ' if text_name else ""
    usual = text_name in (None, "text") and label_name in ("label", "labels")
    notes = [] if usual and set(source.columns) <= {*columns.OTHERS, "text", "label", "labels"} else [f"{texts}the labels in {shown}"]
    return Read(name, listed, left_out, notes, hot if wanted.task is None else [], several)


def _stated(record: tables.Record, text_name: str | None, restore: Callable[[str], str], form: bool) -> Said:
    """Returns what stands beside the label in a row; an id that is not ours becomes a note."""
    row = tables.cells(
        {name: value for name, value in record.values.items() if name == text_name or name.lower() in columns.OTHERS}, record.path, record.line
    )
    text = row.get(text_name, "") if text_name else ""
    if text_name and isinstance(record.values.get(text_name), (list, dict, tuple)):
        raise UserError(f'{record.where}: the text in "{text_name}" is a {type(record.values[text_name]).__name__}. Expected a text.')
    extras = {name: restore(row.get(name, "")).strip() for name in said.EXTRAS}
    identity = (row.get(said.OUR_ID) or next((row[name] for name in row if name.lower() in ("id", "text_id")), "")).strip()
    if ID_PATTERN.fullmatch(restore(identity)):
        identity = restore(identity)
        if text and text_id(text) != identity:  # a form makes cells harmless, and may cut a long one
            text = "" if queue.CUT.search(text) else restore(text)
    elif text.strip() and identity:
        extras["note"] = "; ".join(filter(None, [extras["note"], f"id {identity}"]))
        identity, text = "", restore(text) if not form else text
    else:
        text = restore(text)
    if not text.strip() and not identity:
        raise UserError(f"{record.where}: the text is empty{' and there is no id' if form else ''}. Remove the row, or fill in its text.")
    return Said(text, (), record.where, identity, **{**extras, "source": extras["source"] or "human"})


def _marked(record: tables.Record, hot: Sequence[str]) -> tuple[str, ...] | None:
    """Returns the labels whose column holds a 1; None where all are empty."""
    marks = {name: tables.as_text(record.values.get(name)).strip() for name in hot}
    for name, mark in marks.items():
        if mark.lower() not in (*FALSE, *TRUE):
            raise UserError(f'{record.where}: the column "{name}" holds "{mark[:40]}"; expected 0 or 1.')
    return tuple(name for name, mark in marks.items() if mark.lower() in TRUE) if any(marks.values()) else None


def _parted(labels: str | tuple[str, ...], several: bool, where: str) -> tuple[str, ...]:
    """Returns the labels of a cell: joined by `;` where texts may have several; `-` means that none applies."""
    if isinstance(labels, tuple):
        return () if labels == (NONE,) and several else labels
    if not several:
        return (labels,)
    if labels == NONE:
        return ()
    parts = tuple(dict.fromkeys(part.strip() for part in labels.split(SEPARATOR) if part.strip()))
    if not parts:
        raise UserError(f'{where}: "{labels}" names no label. Write "{NONE}" where none applies.')
    return parts
