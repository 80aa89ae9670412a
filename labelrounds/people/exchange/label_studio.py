"""Label Studio's exports: JSON, JSON_MIN and CSV; choices of whole texts."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.people.exchange import cells, choose, columns, said
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export, Item
from labelrounds.people.exchange.said import Read, Said
from labelrounds.people.exchange.source import Source

NAME = "a Label Studio export"
SUFFIXES = (".json", ".csv")  # written: tasks to import, and the short export
SHORT = ("annotation_id", "annotator", "created_at", "updated_at", "id", "lead_time")  # the columns of JSON_MIN and CSV beside the task's
LISTS = ("annotations", "completions")  # the second is what old versions write


def recognises(source: Source) -> bool:
    """Says whether objects are Label Studio's tasks, or rows have the columns of its short exports."""
    return _has_tasks(source) or {"annotation_id", "lead_time"} <= set(source.columns) or {"annotation_id", "annotator"} <= set(source.columns)


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations: one per person and task."""
    return _read_tasks(source, wanted) if _has_tasks(source) else _read_short(source, wanted)


def _has_tasks(source: Source) -> bool:
    first = source.records[0].values if source.records else {}
    return source.is_json and isinstance(first.get("data"), dict) and any(name in first for name in (*LISTS, "predictions", "id"))


def _read_tasks(source: Source, wanted: Wanted) -> Read:
    data = [record.values.get("data") for record in source.records]
    rows = [values for values in data if isinstance(values, dict)]
    if len(rows) < len(data):
        raise UserError(f'{source.records[data.index(next(v for v in data if not isinstance(v, dict)))].where}: this task has no "data".')
    names = list(dict.fromkeys(name for values in rows for name in values))
    text_name = columns.text_column(source.path, names, rows, wanted)
    question = _question(source, wanted)
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    for record, values in zip(source.records, rows, strict=True):
        text = values.get(text_name)
        if not isinstance(text, str) or not text.strip():
            raise UserError(f'{record.where}: the task has no text in data["{text_name}"]. --text-column names another key.')
        annotations = _annotations(record.values, record.where)
        if drafts := record.values.get("drafts"):
            left_out["left as a draft"] += len(drafts)
        if not annotations:
            left_out["without a label"] += 1
        ours = {said.OUR_ID: values.get(said.OUR_ID)}
        for annotation in annotations:
            labels, meta, others = _choices(annotation, question, record.where)
            for kind, count in others.items():
                left_out[f"answers of another kind ({kind})"] += count
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                left_out["skipped"] += 1
            elif labels is None:
                left_out["without a choice"] += 1
            else:
                stated = Said(
                    text,
                    labels,
                    record.where,
                    annotator=_person(annotation.get("completed_by")),
                    labelled_at=said.time(annotation.get("created_at")),
                    seconds=said.number(annotation.get("lead_time")),
                    score=_score(annotation, record.values),
                )
                found.append(said.beside(stated, {**ours, **meta}, values.get("id") or record.values.get("id")))
    return Read(NAME, found, left_out, [f'the question is "{question}"'] if question else [])


def _annotations(task: dict[str, Any], where: str) -> list[dict[str, Any]]:
    given = next((task[name] for name in LISTS if task.get(name)), [])
    if not isinstance(given, list) or not all(isinstance(annotation, dict) for annotation in given):
        raise UserError(
            f"{where}: the annotations of this task are not objects. Export as JSON (not as a snapshot of ids), with the annotations in full."
        )
    return given


def _results(annotation: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in annotation.get("result") or [] if isinstance(part, dict)]


def _question(source: Source, wanted: Wanted) -> str:
    """Returns which of the choices that people were asked for is the label."""
    asked: dict[str, None] = {}
    for record in source.records:
        for annotation in _annotations(record.values, record.where):
            asked.update({str(part.get("from_name", "")): None for part in _results(annotation) if part.get("type") == "choices"})
    if wanted.label_column is not None:
        return columns.named(source.path, list(asked), wanted.label_column)
    return choose.one(source.path, list(asked), "the label", "--label-column") if asked else ""


def _choices(annotation: dict[str, Any], question: str, where: str) -> tuple[tuple[str, ...] | None, dict[str, Any], Counter[str]]:
    """Returns (the labels, None where nothing was chosen; what we kept there; how many answers are of another kind)."""
    labels: list[str] | None = None
    meta: dict[str, Any] = {}
    others: Counter[str] = Counter()
    for part in _results(annotation):
        value = part.get("value")
        mine = part.get("type") == "choices" and str(part.get("from_name", "")) == question and isinstance(value, dict)
        if not mine or not isinstance(value, dict) or "start" in value or "choices" not in value:
            others[str(part.get("type", "unknown")) if part.get("type") != "choices" else f'choices of "{part.get("from_name", "")}"'] += 1
            continue
        chosen = value["choices"]
        if not isinstance(chosen, list) or not all(isinstance(choice, str) for choice in chosen):
            raise cells.no_label(chosen, where)
        labels = [*(labels or []), *(choice for choice in chosen if choice not in (labels or []))]
        kept = part.get("meta")
        kept = kept.get("labelrounds") if isinstance(kept, dict) else None
        meta = kept if isinstance(kept, dict) else meta
    return None if labels is None else tuple(labels), meta, others


def _person(completed_by: Any) -> str:
    """Returns who annotated: an e-mail address or a name where the export has them, else the number."""
    if isinstance(completed_by, dict):
        name = " ".join(filter(None, (str(completed_by.get(part) or "") for part in ("first_name", "last_name"))))
        completed_by = completed_by.get("email") or completed_by.get("username") or name or completed_by.get("id")
    return "" if completed_by is None else str(completed_by)


def _score(annotation: dict[str, Any], task: dict[str, Any]) -> str:
    """Returns the score of the prediction that the person saw."""
    shown = [annotation.get("prediction"), *(task.get("predictions") or [])]
    return next(
        (said.number(prediction["score"]) for prediction in shown if isinstance(prediction, dict) and prediction.get("score") is not None), ""
    )


def _read_short(source: Source, wanted: Wanted) -> Read:
    """Reads JSON_MIN and CSV, from which skipped tasks are missing."""
    rows = [record.values for record in source.records]
    names = [name for name in source.columns if name not in SHORT]
    text_name = columns.text_column(source.path, names, rows, wanted)
    question = _short_question(source, names, rows, text_name, wanted)
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    for record in source.records:
        values = record.values
        text = values.get(text_name)
        if not isinstance(text, str) or not text.strip():
            raise UserError(f'{record.where}: the text in "{text_name}" is empty. --text-column names another column.')
        labels = cells.read(values.get(question), record.where, wanted.task.index if wanted.task else ())
        if labels is None and _is_empty_choice(values.get(question)):
            labels = ()
        if labels is None:
            left_out["without a choice"] += 1
            continue
        stated = Said(
            text,
            labels if isinstance(labels, tuple) else (labels,),
            record.where,
            annotator=_person(_whole(values.get("annotator"))),
            labelled_at=said.time(values.get("created_at")),
            seconds=said.number(values.get("lead_time")),
        )
        found.append(said.beside(stated, values, values.get("id")) if values.get(said.OUR_ID) else said.beside(stated, {}, values.get("id")))
    return Read(NAME, found, left_out, [f'the texts are in "{text_name}", the labels in "{question}"'])


def _is_empty_choice(value: Any) -> bool:
    """Says whether somebody was asked and chose nothing, which the short exports spell as an object."""
    return value == {"choices": []} or (isinstance(value, str) and "".join(value.split()) == '{"choices":[]}')


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value or None


def _short_question(source: Source, names: list[str], rows: columns.Values, text_name: str, wanted: Wanted) -> str:
    """Returns the column of the choices: one with a usual name, or the only one that looks like labels."""
    try:
        found, _ = columns.label_column(source.path, names, rows, text_name, replace(wanted, task=None))
    except UserError:
        if wanted.label_column is not None:
            raise
        rest = [name for name in names if name != text_name and name not in (*columns.OTHERS, *said.EXTRAS) and columns.categorical(rows, name)]
        found = choose.one(source.path, rest, "the label", "--label-column") if rest else None
    if found is None:
        raise UserError(f"{source.records[0].where}: no column of choices found among: {', '.join(names)}. Name it with --label-column.")
    return found


def write(path: Path, export: Export) -> None:
    """Writes tasks to import, with the suggestions as predictions (.json), or the short export (.csv), which has no place for them."""
    if path.suffix.lower() == ".csv":
        names = [name for name in export.extras() if name not in ("annotator", "labelled_at", "seconds")]
        header = ["annotation_id", "annotator", "created_at", "id", "lead_time", export.task.column, "text", "updated_at", said.OUR_ID, *names]
        rows = (
            [number, stated.annotator, stated.labelled_at, number, stated.seconds, _spelled(stated), item.text, "", item.id]
            + [getattr(stated, name) for name in names]
            for number, (item, stated) in enumerate(export.rows(), 1)
            if stated
        )
        files.write_csv(path, header, rows, new=True)
        return
    files.write_json(path, [_task(item, export) for item in export.items], new=True)


def _task(item: Item, export: Export) -> dict[str, Any]:
    task: dict[str, Any] = {"data": {"text": item.text, said.OUR_ID: item.id}}
    if item.suggestion is not None:
        score = said.number(item.confidence)
        result = _result(item.suggestion, export.task.column)
        task["predictions"] = [{"model_version": export.model, **({"score": float(score)} if score else {}), "result": [result]}]
    if item.said:
        task["annotations"] = [
            {
                "result": [{**_result(stated.labels, export.task.column), "meta": {"labelrounds": stated.extras()}}],
                **({"lead_time": float(seconds)} if (seconds := said.number(stated.seconds)) else {}),
            }
            for stated in item.said
        ]
    return task


def _result(labels: tuple[str, ...], name: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": list(labels)}}


def _spelled(stated: Said) -> str:
    """Returns labels as the short export spells them: one as it is, others (and one that looks like JSON) as an object."""
    one = len(stated.labels) == 1 and stated.labels[0].strip()[:1] not in ("{", "[", "(")
    return stated.labels[0] if one else json.dumps({"choices": stated.labels}, ensure_ascii=False)
