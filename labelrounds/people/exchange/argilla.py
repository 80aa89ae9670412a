"""Argilla's datasets: the folder of `to_disk`, the flat export of records, and the records of version 1."""

import ast
import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from labelrounds.core import files, tables
from labelrounds.core.errors import UserError
from labelrounds.people.exchange import cells, choose, columns, said
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export, Item
from labelrounds.people.exchange.said import Read, Said
from labelrounds.people.exchange.source import Source

NAME = "an Argilla dataset"
SUFFIXES = ("",)  # written: the folder that `Dataset.from_disk` reads
ANSWERS = ".responses"
KINDS = ("label_selection", "multi_label_selection")
STATUSES = ("Default", "Validated", "Discarded")  # of version 1
PEOPLE = "labelrounds"  # the key of a record's metadata that keeps what Argilla has no place for


def recognises(source: Source) -> bool:
    """Says whether records have Argilla's responses, flat or not, or the status of version 1."""
    return _is_folder(source) or bool(_flat_questions(source)) or _is_old(source)


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations: one per response that was submitted."""
    if _is_folder(source):
        return _read_records(source, wanted)
    return _read_flat(source, wanted) if _flat_questions(source) else _read_old(source, wanted)


def _is_folder(source: Source) -> bool:
    first = source.records[0].values if source.records else {}
    return source.is_json and isinstance(first.get("fields"), dict) and ("responses" in first or "suggestions" in first)


def _flat_questions(source: Source) -> list[str]:
    return [name.removesuffix(ANSWERS) for name in source.columns if name.endswith(ANSWERS) and f"{name}.status" in source.columns]


def _is_old(source: Source) -> bool:
    return {"annotation", "status"} <= set(source.columns) and {str(record.values.get("status")) for record in source.records} <= set(STATUSES)


def _read_records(source: Source, wanted: Wanted) -> Read:
    fields = [record.values.get("fields") or {} for record in source.records]
    names = list(dict.fromkeys(name for values in fields for name in values))
    text_name = columns.text_column(source.path, names, fields, wanted)
    kinds = {question.get("name"): (question.get("settings") or {}).get("type") for question in source.settings.get("questions") or []}
    asked = [name for name, kind in kinds.items() if kind in KINDS] if kinds else []
    asked = asked or list(dict.fromkeys(name for record in source.records for name in record.values.get("responses") or {}))
    question = _question(source, asked, wanted)
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    for record, values in zip(source.records, fields, strict=True):
        responses = (record.values.get("responses") or {}).get(question) or []
        if not responses:
            left_out["without a label"] += 1
        metadata = record.values.get("metadata") or {}
        kept = _kept(metadata)
        for response in responses:
            if not isinstance(response, dict):
                raise UserError(f'{record.where}: a response is {response!r}; expected an object with "value" and "user_id".')
            who = str(response.get("user_id") or "")
            stated = _stated(
                values.get(text_name),
                response.get("value"),
                response.get("status"),
                by(who, kept),
                record,
                left_out,
                wanted.task.index if wanted.task else (),
            )
            if stated:
                found.append(
                    said.beside(
                        stated, {said.OUR_ID: metadata.get(said.OUR_ID), "annotator": by(who, kept), **kept.get(who, {})}, record.values.get("id")
                    )
                )
    return Read(NAME, found, left_out, _notes(question, asked))


def _read_flat(source: Source, wanted: Wanted) -> Read:
    asked = _flat_questions(source)
    question = _question(source, asked, wanted)
    apart = [name for name in source.columns if name in ("id", "status", "_server_id") or any(name.startswith(f"{other}.") for other in asked)]
    rows = [record.values for record in source.records]
    text_name = columns.text_column(source.path, [name for name in source.columns if name not in apart], rows, wanted)
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    for record in source.records:
        answers = [_listed(record.values.get(f"{question}{ANSWERS}{part}"), record) for part in ("", ".users", ".status")]
        if not answers[0]:
            left_out["without a label"] += 1
        kept = _kept(record.values)
        for number, value in enumerate(answers[0]):
            who, status = (str(part[number]) if number < len(part) and part[number] is not None else "" for part in answers[1:])
            stated = _stated(record.values.get(text_name), value, status, by(who, kept), record, left_out)
            if stated:
                ours = {said.OUR_ID: record.values.get(said.OUR_ID), "annotator": by(who, kept), **kept.get(who, {})}
                found.append(said.beside(stated, ours, record.values.get("id")))
    return Read(NAME, found, left_out, _notes(question, asked))


def _read_old(source: Source, wanted: Wanted) -> Read:
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    for record in source.records:
        values, inputs = record.values, record.values.get("inputs")
        text = values.get("text") or (inputs.get("text") if isinstance(inputs, dict) else inputs)
        status = {"Validated": "submitted", "Discarded": "discarded"}.get(str(values.get("status")), "")
        if values.get("annotation") in (None, [], "") and status != "discarded":
            left_out["without a label"] += 1
            continue
        if not status:
            left_out["not validated"] += 1
            continue
        agent = str(values.get("annotation_agent") or "")
        stated = _stated(text, values.get("annotation"), status, agent, record, left_out)
        if stated:
            when = {"labelled_at": said.time(values.get("event_timestamp")), "annotator": agent}
            found.append(said.beside(stated, {**when, **(values.get("metadata") or {})}, values.get("id")))
    return Read(NAME, found, left_out)


def _question(source: Source, asked: Sequence[str], wanted: Wanted) -> str:
    if wanted.label_column is not None:
        return columns.named(source.path, asked, wanted.label_column)
    if not asked:
        raise UserError(f"{source.path}: the dataset asks for no label: it has no question of the type {' or '.join(KINDS)}.")
    return choose.one(source.path, asked, "the label", "--label-column")


def _stated(text: Any, value: Any, status: Any, who: str, record: tables.Record, left_out: Counter[str], known: Container[str] = ()) -> Said | None:
    """Returns a response that was submitted; others are counted in `left_out`."""
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{record.where}: the record has no text. --text-column names another field.")
    if status and status != "submitted":
        left_out["skipped" if status == "discarded" else "left as a draft" if status == "draft" else f"{status}"] += 1
        return None
    if isinstance(value, list) and not value:
        return Said(text, (), record.where, annotator=who)
    labels = cells.read(value, record.where, known)
    if labels is None:
        left_out["without a choice"] += 1
        return None
    return Said(text, labels if isinstance(labels, tuple) else (labels,), record.where, annotator=who)


def _listed(value: Any, record: tables.Record) -> list[Any]:
    """Returns the parts of a list, which a CSV spells as a text."""
    if isinstance(value, str) and value.strip():
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise cells.no_label(value, record.where) from None
    if value in (None, ""):
        return []
    return value if isinstance(value, list) else [value]


def _kept(metadata: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns {user id: what we kept of that person's annotation}."""
    try:
        found = json.loads(metadata.get(PEOPLE) or "{}")
    except (TypeError, ValueError, RecursionError):
        return {}
    return {who: kept for who, kept in found.items() if isinstance(kept, dict)} if isinstance(found, dict) else {}


def by(who: str, kept: dict[str, dict[str, Any]]) -> str:
    """Returns the id of a person, unless we kept the name."""
    return "" if who in kept else who


def _notes(question: str, asked: Sequence[str]) -> list[str]:
    return [f'the question is "{question}"'] if len(asked) > 1 else []


def write(path: Path, export: Export) -> None:
    """Writes the folder that `Dataset.from_disk` reads: a record per text, a response per annotation. What Argilla has no place for goes into the metadata."""
    task = export.task
    options = [{"value": label, "text": label, "description": None} for label in task.labels]
    question = {"type": KINDS[task.multi_label], "options": options, "visible_options": len(options) if len(options) >= 3 else None}
    settings = {
        "guidelines": None,
        "questions": [{"name": task.column, "title": task.column, "description": None, "required": True, "settings": question}],
        "fields": [{"name": "text", "title": "text", "required": True, "settings": {"type": "text", "use_markdown": False}}],
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }
    made = files.beside(path)
    try:
        (made / ".argilla").mkdir(parents=True)
        files.write_json(made / ".argilla" / "settings.json", settings)
        files.write_json(made / ".argilla" / "dataset.json", {"name": path.name, "status": "draft", "allow_extra_metadata": True})
        files.write_json(made / "records.json", [_record(item, export) for item in export.items])
        os.rename(made, path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _record(item: Item, export: Export) -> dict[str, Any]:
    task = export.task

    def value(labels: tuple[str, ...]) -> Any:
        return list(labels) if task.multi_label else labels[0]

    people = {
        str(uuid.uuid5(uuid.NAMESPACE_URL, f"labelrounds:{item.id}:{number}:{stated.annotator}")): stated for number, stated in enumerate(item.said)
    }
    suggestions: dict[str, Any] = {}
    if item.suggestion is not None:
        score = said.number(item.confidence)
        suggestions[task.column] = {"value": value(item.suggestion), "score": float(score) if score else None, "agent": export.model}
    kept = {who: {"annotator": "", **stated.extras()} for who, stated in people.items()}
    return {
        "id": item.id,
        "status": "completed" if item.said else "pending",
        "fields": {"text": item.text},
        "metadata": {said.OUR_ID: item.id, **({PEOPLE: json.dumps(kept, ensure_ascii=False)} if kept else {})},
        "suggestions": suggestions,
        "responses": {task.column: [{"value": value(stated.labels), "user_id": who} for who, stated in people.items()]} if people else {},
        "vectors": {},
    }
