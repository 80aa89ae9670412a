"""doccano's exports: JSONL, a zip with a file for each user, and CSV whose labels are joined by `#`."""

import json
import re
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelrounds.core import files, tables
from labelrounds.core.errors import UserError
from labelrounds.core.task import NONE
from labelrounds.people.exchange import cells, columns, said
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export
from labelrounds.people.exchange.said import Read, Said
from labelrounds.people.exchange.source import Source

NAME = "a doccano export"
SUFFIXES = (".jsonl", ".zip", ".csv")
NOBODY = ("all", "unknown")  # files of a zip that are no user's: of everybody together, of nobody
JOINED = "#"
FILE_NAME = re.compile(r"[\w@+-][\w@+. -]{0,98}[\w@+-]|\w")  # people after whom a file can be called


def recognises(source: Source) -> bool:
    """Says whether it is a zip, or rows have doccano's column `Comments` (or are numbered, with a list of labels)."""
    if source.kind == ".zip":
        return True
    if "label" not in source.columns or "id" not in source.columns:
        return False
    listed = source.is_json and all(isinstance(record.values.get("label"), list) for record in source.records)
    return "Comments" in source.columns or (listed and all(isinstance(record.values.get("id"), int) for record in source.records))


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations: of a zip, each user's own; the name of a user is that of the file."""
    members = source.members or {"all": source.records}
    users = {name for name in members if Path(name).stem not in NOBODY}
    named = {name: records for name, records in members.items() if name in users or (users and Path(name).stem == NOBODY[1])}
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    for name, records in (named or members).items():
        who = Path(name).stem if name in users else ""
        for record in records:
            stated = _read(record, source, wanted, who)
            if stated is None:
                left_out["without a label"] += 1
            else:
                found.append(stated)
    merged = [] if named or wanted.multi_label or wanted.task else [stated for stated in found if len(stated.labels) > 1 and not stated.annotator]
    if merged:
        raise UserError(
            f"{merged[0].where}: {len(merged[0].labels)} labels of one text ({len(merged)} such rows). If a text may have several labels, add "
            "--multi-label. If several people labelled it and disagree, export again with one file for each user, and give the zip."
        )
    return Read(NAME, found, left_out)


def _read(record: tables.Record, source: Source, wanted: Wanted, who: str) -> Said | None:
    values = record.values
    label_name = wanted.label_column or ("label" if "label" in values else "labels")
    text_name = _text(source, wanted)
    given, text = values.get(label_name), values.get(text_name)
    if not isinstance(text, str) or not text.strip():
        raise UserError(f'{record.where}: the text in "{text_name}" is empty. --text-column names another key.')
    if isinstance(given, str):  # CSV
        given = [part.strip() for part in given.split(JOINED) if part.strip()]
    labels = cells.read(given, record.where, wanted.task.index if wanted.task else ())
    if labels is None:
        return None
    labels = labels if isinstance(labels, tuple) else (labels,)
    stated = said.beside(Said(text, () if labels == (NONE,) else labels, record.where), values, values.get("id"))
    comments = values.get("Comments")
    comments = [comment for comment in (comments if isinstance(comments, list) else [comments]) if isinstance(comment, str) and comment.strip()]
    stated = replace(stated, note="; ".join(filter(None, [stated.note, *comments])))
    return replace(stated, annotator=who or stated.annotator)


def _text(source: Source, wanted: Wanted) -> str:
    names = [name for name in source.columns if name not in ("id", "label", "labels", "Comments")]
    rows: list[dict[str, Any]] = [record.values for record in source.records[: columns.SAMPLE]]
    return columns.text_column(source.path, names, rows, wanted)


def write(path: Path, export: Export) -> None:
    """Writes one row per annotation: in a zip with a file for each person, as JSONL, or as CSV. A suggestion goes into the meta data."""
    kind = path.suffix.lower()
    rows: dict[str, list[dict[str, Any]]] = {}
    for item, stated in export.rows():
        labels = [] if stated is None else [*stated.labels] or [NONE]
        row: dict[str, Any] = {"text": item.text, "label": labels, said.OUR_ID: item.id}
        if item.suggestion is not None:
            row |= {"suggestion": export.task.spell(item.suggestion), "confidence": item.confidence}
        who = stated.annotator if stated and FILE_NAME.fullmatch(stated.annotator) and stated.annotator not in NOBODY else ""
        extras = stated.extras() if stated else {}
        rows.setdefault(who if kind == ".zip" else "", []).append(
            row | {name: extras[name] for name in extras if name != "annotator" or not (who and kind == ".zip")}
        )
    if kind == ".csv":
        _write_csv(path, [row for found in rows.values() for row in found], export)
        return
    packed = {f"{who or 'unknown'}.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found) for who, found in rows.items()}
    with files.atomic(path, "wb", new=True) as file:
        if kind == ".jsonl":
            file.write("".join(packed.values()).encode("utf-8"))
            return
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
            for name in sorted(packed):
                target.writestr(zipfile.ZipInfo(name), packed[name])  # of a fixed date, so that the same labels give the same bytes


def _write_csv(path: Path, rows: list[dict[str, Any]], export: Export) -> None:
    for label in export.task.labels:
        if JOINED in label:
            raise UserError(f'the label "{label}" holds "{JOINED}", by which doccano joins labels in CSV. Write a .jsonl or a .zip.')
    names = list(dict.fromkeys(["text", "label", said.OUR_ID, *(name for row in rows for name in row), "Comments"]))
    files.write_csv(path, ["id", *names], ([number, *(_cell(row.get(name, "")) for name in names)] for number, row in enumerate(rows, 1)), new=True)


def _cell(value: Any) -> str:
    return JOINED.join(value) if isinstance(value, list) else value
