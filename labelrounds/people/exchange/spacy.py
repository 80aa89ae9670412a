"""spaCy's training data as JSON: `cats`, a score for each label."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.people.exchange import cells, columns, said
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export
from labelrounds.people.exchange.said import Read, Said
from labelrounds.people.exchange.source import Source

NAME = "spaCy's cats"
SUFFIXES = (".jsonl",)


def recognises(source: Source) -> bool:
    """Says whether objects have `cats`."""
    return source.is_json and any(isinstance(record.values.get("cats"), dict) for record in source.records)


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations: the labels with a score of at least a half; what stands in `meta` is kept."""
    rows = [record.values for record in source.records]
    text_name = columns.text_column(source.path, source.columns, rows, wanted)
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    labels: dict[str, None] = {}
    soft = 0
    for record in source.records:
        text = record.values.get(text_name)
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"{record.where}: there is no text. Remove the row, or fill in its text.")
        given = record.values.get("cats")
        if given is None or given == {}:
            left_out["without a label"] += 1
            continue
        if not isinstance(given, dict):
            raise cells.no_label(given, record.where)
        marked, between = cells.scored(given, record.where)
        labels.update(dict.fromkeys(given))
        soft += between
        if wanted.task and not wanted.task.multi_label and not marked:
            left_out["without a label"] += 1
            continue
        found.append(said.beside(Said(text, marked or (), record.where), record.values.get("meta"), record.values.get("id")))
    notes = [f"{soft} rows hold scores that are neither 0 nor 1: a label counts from {cells.YES} on"] if soft else []
    return Read(NAME, found, left_out, notes, list(labels) if wanted.task is None else [])


def write(path: Path, export: Export) -> None:
    """Writes one object per annotation, with `cats`; a suggestion goes into `meta`, since it is no label."""
    with files.atomic(path, new=True) as file:
        for item, stated in export.rows():
            meta: dict[str, Any] = {said.OUR_ID: item.id, **(stated.extras() if stated else {})}
            row: dict[str, Any] = {"text": item.text, "meta": meta}
            if stated:
                row["cats"] = {label: float(label in stated.labels) for label in export.task.labels}
            if item.suggestion is not None:
                meta |= {"suggestion": export.task.spell(item.suggestion), "confidence": item.confidence}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
