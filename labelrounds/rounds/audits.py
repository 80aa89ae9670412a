"""Audits: people check a random sample of what the model labelled alone, without seeing what it said.

`data/audits/drawn` holds what was drawn and what the model had said; `data/audits` what people say, in the format of a
round. Both are append-only, in git, and their files are named as rounds are. An audited text never trains and is never held out: it
is drawn into no round any more, so that it can check every later labeler too.
"""

import heapq
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import Task
from labelrounds.pool import reader
from labelrounds.rounds import names, queue, record, schema, vote

COLUMN = "audit"  # by it an import knows the form of an audit from that of a round


@dataclass(frozen=True, slots=True)
class Drawn:
    """One text that an audit drew: in which one, what the model had said and how sure it was, and which labeler that was.

    gone : the label that is no more, where the model gave one that was split or retired since; then it proves nothing any more
    """

    audit: str
    labels: tuple[str, ...]
    confidence: float
    labeler: str
    gone: str = ""


def drawn(task: Task) -> dict[str, Drawn]:
    """Returns {text id: what was drawn} of all audits; of two that drew a text on two branches, the later one by `names.order` counts."""
    found = {}
    for path in record.round_files(paths.DRAWN):
        reading = schema.Reading(path, task)
        for row in tables.rows(path):
            try:
                identity, said, sure, labeler = (row.cells[name] for name in ("id", task.column, "confidence", "labeler"))
                confidence = float(sure)
            except (KeyError, ValueError):
                raise UserError(
                    f"{row.where}: not what `labelrounds audit` wrote: id, {task.column}, confidence and labeler are expected. Restore the file from git."
                ) from None
            labels, gone = reading.today(reading.parse(queue.restored(said), row.where), row.where)
            found[identity] = Drawn(path.stem, labels, confidence, labeler, gone)
    return found


def checked(task: Task) -> vote.Verdict:
    """Returns what people say of the audited texts: within a file the majority, and the newest file wins."""
    return vote.settle(record.read_all(task, paths.AUDITS), task)


def draw(n: int, file: Path, settings: params.Params) -> tuple[int, int]:
    """Writes up to `n` texts, drawn evenly from the distinct `auto` texts, as a form without the model's labels; returns (drawn, all there are).

    An even draw, not one per label: so the exact interval holds for the whole, and for each label among what was
    drawn of it. It depends on the seed and the number of audits.
    """
    if not paths.LABELLED.is_file():
        raise UserError(f"{at(paths.LABELLED)}: nothing is labelled automatically yet. Run `dvc repro` first.")
    task = settings.labelled_task()
    earlier = drawn(task)
    randomness = np.random.default_rng([settings.seed, len(record.round_files(paths.DRAWN)), 1])
    labeler = next(tables.rows(paths.SHARDS)).cells["labeler"]
    keep: list[tuple[float, int, reader.PoolText, dict[str, str]]] = []
    seen = set(earlier) | {annotation.id for annotation in record.read_all(task)}
    size = 0
    for number, (row, said) in enumerate(zip(reader.stream(settings.data.pool, settings.data.text_column), tables.rows(paths.LABELLED), strict=True)):
        if said.cells["id"] != row.id:
            raise UserError(f"{said.where}: this is not the pool's text {row.id}: the pool has changed since. Run `dvc repro` first.")
        if said.cells["decision"] != "auto" or row.id in seen:
            continue
        seen.add(row.id)
        size += 1
        entry = (-randomness.random(), number, row, said.cells)
        if len(keep) < n:
            heapq.heappush(keep, entry)
        elif entry[:2] > keep[0][:2]:
            heapq.heapreplace(keep, entry)
    if not keep:
        raise UserError(f"no text is `auto` that was not drawn before: there is nothing to audit. {at('metrics/gate.json')} says why.")
    chosen = sorted(keep, key=lambda entry: -entry[0])
    lines = [[row.id, cells[task.column], cells["confidence"], labeler, size] for _, _, row, cells in chosen]
    path, content = record.planned(["id", task.column, "confidence", "labeler", "auto"], lines, paths.DRAWN)
    form = [queue.Asked(row.id, row.text, "", "", {**queue.own_of(row), COLUMN: path.stem}) for _, _, row, _ in chosen]
    # The form first: a command that is killed in between has drawn nothing, and typed again it finds its form.
    if not queue.is_unfilled(file, form, task):
        queue.write_form(file, form, task)
    try:
        with files.atomic(path, new=True) as target:
            target.write(content)
    except BaseException:
        Path(file).unlink()  # what was not drawn is not asked
        raise
    return len(chosen), size


def is_form(path: str | Path) -> bool:
    """Says whether a filled-in file is the form of an audit."""
    if COLUMN not in tables.columns(path):
        return False
    without = None
    drawn = 0
    for row in tables.rows(path):
        if names.is_name(row.cells.get(COLUMN, "").strip()):
            drawn += 1
        else:
            without = without or row
    if drawn and without:
        raise UserError(
            f"{without.where}: this row says not which audit drew it, and others do (column `{COLUMN}`). A form of an audit holds its own rows "
            "alone: restore the cell, or move the row to a file of its own."
        )
    return bool(drawn)
