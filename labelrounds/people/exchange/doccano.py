"""doccano's exports: JSONL, a zip with a file for each user, and CSV whose labels are joined by `#`."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelrounds.core import tables
from labelrounds.core.errors import UserError
from labelrounds.core.task import NONE
from labelrounds.people.exchange import cells, columns, said
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.said import Read, Said
from labelrounds.people.exchange.source import Source

NAME = "a doccano export"
NOBODY = ("all", "unknown")  # files of a zip that are no user's
JOINED = "#"


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
    named = {name: records for name, records in members.items() if Path(name).stem not in NOBODY}
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    for name, records in (named or members).items():
        who = Path(name).stem if name in named else ""
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
    labels = cells.read(given, record.where)
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
