"""A plain table: csv, tsv, jsonl, json or parquet with a column of texts and a label column, or one 0/1 column per label."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from labelrounds.core import files, tables
from labelrounds.core.errors import UserError
from labelrounds.core.task import NONE, SEPARATOR
from labelrounds.people.exchange import cells, columns, said
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export
from labelrounds.people.exchange.said import Read, Said
from labelrounds.people.exchange.source import Source
from labelrounds.pool.identity import ID_PATTERN, text_id
from labelrounds.rounds import queue
from labelrounds.rounds.record import FALSE, TRUE

NAME = "a table"
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def recognises(source: Source) -> bool:
    """Any table is one, if no tool's."""
    return True


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations of a table: one per row that has a label."""
    return read_named(source, wanted, NAME)


def read_named(source: Source, wanted: Wanted, name: str, known: Iterable[str] = ()) -> Read:
    """Returns the annotations of a table that the screen calls `name`. known : labels that are some, whatever they look like"""
    rows = [record.values for record in source.records]
    form = columns.is_form(source.columns, rows)
    without_text = form and not wanted.text_column and not {"text", wanted.known_text} & set(source.columns)
    text_name = None if without_text else columns.text_column(source.path, source.columns, rows, wanted)
    label_name, hot = columns.label_column(source.path, source.columns, rows, text_name, wanted)
    sheet = source.kind in (*tables.DELIMITED, ".xlsx") and (form or (wanted.task is not None and columns.blank(rows, "id")))
    restore = queue.restored if sheet else str
    labels_known = {*known, *(wanted.task.labels if wanted.task else ())}
    left_out: Counter[str] = Counter()
    found: list[tuple[Said, str | tuple[str, ...]]] = []
    for record in source.records:
        if not any(tables.as_text(value).strip() for value in record.values.values() if not isinstance(value, bytes)):
            continue
        stated = _stated(record, text_name, restore, form)
        labels = _marked(record, hot) if label_name is None else _cell(record, label_name, sheet or bool(wanted.task), labels_known)
        if labels is None:
            left_out["without a label"] += 1
        else:
            found.append((stated, labels))
    several = bool(wanted.task and wanted.task.multi_label) or (
        wanted.task is None
        and (wanted.multi_label or any(SEPARATOR in labels if isinstance(labels, str) else labels == (NONE,) for _, labels in found))
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
        identity, text = "", restore(text)
    else:
        text = restore(text)
    if not text.strip() and not identity:
        raise UserError(f"{record.where}: the text is empty{' and there is no id' if form else ''}. Remove the row, or fill in its text.")
    return Said(text, (), record.where, identity, **{**extras, "source": extras["source"] or "human"})


def _cell(record: tables.Record, name: str, restore: bool, known: set[str]) -> str | tuple[str, ...] | None:
    """Returns what a label cell says. restore : whether a form may have made it harmless for a spreadsheet"""
    value = record.values.get(name)
    if not isinstance(value, str):
        return cells.read(value, record.where, known)
    value = value.strip()
    for cell in (value, queue.restored(value)) if restore else (value,):
        if cell in known or all(part.strip() in known for part in cell.split(SEPARATOR)):
            return cell
    return cells.read(queue.restored(value) if restore else value, record.where, known)


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


def write(path: Path, export: Export) -> None:
    """Writes one row per annotation, with the columns of a round; in CSV and TSV no cell is a formula for a spreadsheet."""
    kind = path.suffix.lower()
    names, found = rows(export, plain=kind not in tables.DELIMITED)
    if kind == ".jsonl":
        with files.atomic(path, new=True) as file:
            file.writelines(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n" for row in found)
    elif kind == ".parquet":
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table([pyarrow.array(column, pyarrow.string()) for column in zip(*found, strict=True)], names=names)
        with files.atomic(path, "wb", new=True) as file:
            pyarrow.parquet.write_table(table, file)
    else:
        files.write_csv(path, names, found, bom=kind == ".csv", new=True, delimiter="\t" if kind == ".tsv" else ",")


def rows(export: Export, plain: bool, cut: Callable[[str], str] = str) -> tuple[list[str], list[list[str]]]:
    """Returns (columns, rows) of an export. plain : whether no spreadsheet will read it; cut : what shortens a text for a sheet"""
    task = export.task
    suggested = any(item.suggestion is not None for item in export.items)
    names = ["id", "text", task.column, *(["suggestion", "confidence"] if suggested else []), *export.extras()]
    literal, harmless = (str, str) if plain else (queue.literal, queue.harmless)
    found = []
    for item, stated in export.rows():
        row = [literal(item.id), literal(cut(item.text)), literal(task.spell(stated.labels)) if stated else ""]
        if suggested:
            row += ["" if item.suggestion is None else harmless(task.spell(item.suggestion)), item.confidence]
        found.append([*row, *(literal(getattr(stated, name)) if stated else "" for name in export.extras())])
    return names, found
