"""Prodigy's annotations as JSONL: choices, and yes/no questions about one label. Only what was accepted is a label."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.people.exchange import columns, said
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export
from labelrounds.people.exchange.said import Read, Said
from labelrounds.people.exchange.source import Source

NAME = "Prodigy's annotations"
SUFFIXES = (".jsonl",)
ANSWERS = ("accept", "reject", "ignore")


def recognises(source: Source) -> bool:
    """Says whether objects have Prodigy's keys."""
    return source.is_json and any(
        "_task_hash" in values or "_view_id" in values or (values.get("answer") in ANSWERS and ("accept" in values or "label" in values))
        for values in (record.values for record in source.records)
    )


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations: one per accepted choice, and one per text and person of the yes/no questions."""
    rows = [record.values for record in source.records]
    text_name = columns.text_column(source.path, source.columns, rows, wanted)
    several = wanted.multi_label or bool(wanted.task and wanted.task.multi_label)
    left_out: Counter[str] = Counter()
    found: list[Said] = []
    asked: dict[tuple[str, str], int] = {}  # (text, person): which annotation the yes/no answers make
    for record in source.records:
        values = record.values
        answer = values.get("answer")
        if answer not in ANSWERS:
            if answer is not None:
                raise UserError(f'{record.where}: the answer is {answer!r}; expected "accept", "reject" or "ignore".')
            left_out["without a label"] += 1
            continue
        if answer != "accept":
            left_out["rejected" if answer == "reject" else "skipped"] += 1
            continue
        text = values.get(text_name)
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"{record.where}: there is no text. Remove the row, or fill in its text.")
        labels = _accepted(values, record.where)
        if labels is None:
            left_out["accepted with nothing selected"] += 1
            continue
        who = str(values.get("_annotator_id") or values.get("_session_id") or "")
        stated = Said(
            text, labels, record.where, annotator=who, labelled_at=said.time(values.get("_timestamp")), score=said.number(values.get("score"))
        )
        stated = said.beside(stated, values.get("meta"), over=False)
        if "accept" in values:
            found.append(stated)
            continue
        place = asked.setdefault((text, who), len(found))
        if place == len(found):
            found.append(stated)
        elif labels[0] not in found[place].labels:
            if not several and not wanted.task:
                raise UserError(
                    f'{record.where}: "{labels[0]}" is accepted for a text for which "{found[place].labels[0]}" is accepted at '
                    f"{found[place].where}. If a text may have several labels, add --multi-label; otherwise remove one of them."
                )
            if several:
                found[place] = replace(found[place], labels=(*found[place].labels, *labels))
            else:
                found.append(stated)
    return Read(NAME, found, left_out)


def _accepted(values: dict[str, Any], where: str) -> tuple[str, ...] | None:
    """Returns the labels that a person accepted, () where several might have been and none was; None where nothing can be known."""
    if "accept" in values:
        chosen = values["accept"]
        if not isinstance(chosen, list):
            raise UserError(f'{where}: "accept" is {chosen!r}; expected a list of options.')
        names = {}
        for option in values.get("options") or []:
            if isinstance(option, dict) and "id" in option:
                opaque = str(option["id"]).isdigit() and option.get("text")
                names[option["id"]] = str(option["text"] if opaque else option["id"])
        if not chosen:
            config = values.get("config")
            style = config.get("choice_style") if isinstance(config, dict) else None
            return () if style == "multiple" else None
        if not all(isinstance(choice, (str, int)) for choice in chosen):
            raise UserError(f'{where}: "accept" is {chosen!r}; expected a list of options.')
        return tuple(names.get(choice, str(choice)) for choice in chosen)
    label = values.get("label")
    if not isinstance(label, (str, int)) or isinstance(label, bool) or not str(label).strip():
        raise UserError(
            f'{where}: accepted, but there is neither "accept" nor a "label" that is a text. Only choices and labels of whole texts are read.'
        )
    return (str(label).strip(),)


def write(path: Path, export: Export) -> None:
    """Writes one choice per annotation; a suggestion is selected already, for a person to accept or to change."""
    style = "multiple" if export.task.multi_label else "single"
    with files.atomic(path, new=True) as file:
        for item, stated in export.rows():
            extras = stated.extras() if stated else {}
            row: dict[str, Any] = {
                "text": item.text,
                "meta": {said.OUR_ID: item.id, **({"confidence": item.confidence} if item.confidence else {}), **extras},
                "options": [{"id": label, "text": label} for label in export.task.labels],
                "accept": list(stated.labels if stated else item.suggestion or ()),
                "config": {"choice_style": style},
                "_view_id": "choice",
            }
            if stated:
                row |= {"answer": "accept", **({"_annotator_id": stated.annotator} if stated.annotator else {})}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
