"""What is asked on the page: the queue, a file to fill in, second opinions, suspected labels, an audit, or what people disagree on."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labelrounds.core import lock, params, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import Task
from labelrounds.pool import reader
from labelrounds.pool.identity import text_id
from labelrounds.rounds import audits, contradictions, names, queue, record, sampling

EVERYBODY = 1_000_000  # so many people may label a text: all of them


@dataclass(frozen=True, slots=True)
class Item:
    """One text that is asked.

    suggestion : the labels that the model would give, None where the page shows none
    said : (who, their labels, their note) of each person, where people disagreed
    outside : whether the pool lacks the text, so that the round must carry it
    """

    id: str
    text: str
    suggestion: tuple[str, ...] | None = None
    confidence: str = ""
    source: str = "human"
    said: tuple[tuple[str, str, str], ...] = ()
    outside: bool = False


@dataclass(frozen=True)
class Work:
    """What is asked, and of whom.

    name : of the journal in data/inbox; title : as people read it
    folder : where the labels go; people : how many people each text is for, `overlap` aside
    overlap : share of the texts that one person more gets
    asked : {text id: who labelled or skipped it in an earlier round}, who are not asked again
    """

    name: str
    title: str
    items: dict[str, Item]
    folder: Path = paths.ROUNDS
    people: int = 1
    overlap: float = 0.0
    asked: dict[str, set[str]] = field(default_factory=dict)


def of_queue(settings: params.Params, blind: bool) -> Work:
    """Returns the queue, with the model's suggestions unless they must not sway anybody."""
    task = settings.labelled_task()
    asked, _ = sampling.draw_queue(task)
    hidden = blind or next_is_holdout(settings)
    items = (item_of(entry.id, entry.text, () if hidden else (entry.suggestion, entry.confidence), task) for entry in asked)
    return Work("queue", "The queue", by_id(items), overlap=settings.serve.overlap, asked=asked_before(task))


def of_file(path: Path, settings: params.Params, blind: bool) -> Work:
    """Returns the rows of a file to fill in (`labelrounds draw`, `next`, `audit`) that have no label yet, there or in a round."""
    task = settings.labelled_task()
    audit = audits.is_form(path)
    hidden = blind or audit or next_is_holdout(settings)
    labelled = {one.id for one in record.read_all(task, paths.AUDITS if audit else paths.ROUNDS)}
    rows = [row for row in _empty_rows(path) if row.source in (record.OPINION, record.CORRECTION) or row.id not in labelled]
    in_pool = reader.find(settings.data.pool, settings.data.text_column, {row.id for row in rows})
    items = []
    for row in rows:
        known = in_pool.get(row.id)
        if known is None and (not row.text.strip() or queue.CUT.search(row.text)):
            raise UserError(f"{row.where}: nobody knows the whole text {row.id}: it is not in the pool ({settings.data.pool}). Remove the row.")
        shown = () if hidden or row.source != "human" else (row.suggestion, row.confidence)
        items.append(item_of(row.id, known.text if known else row.text, shown, task, row.source, outside=known is None))
    if not items:
        raise UserError(f"{at(path)}: every text has a label already. If they stand in this file alone, type: labelrounds import {at(path)}")
    if audit:
        return Work(path.stem, f"Audit {path.stem.removeprefix('audit-')}", by_id(items), folder=paths.AUDITS)
    name = f"round-{re.sub(r'[^A-Za-z0-9_-]', '_', path.stem)}"
    if {item.source for item in items} == {record.OPINION}:
        return Work(name, path.name, by_id(items), people=EVERYBODY, asked=asked_before(task))
    return Work(name, path.name, by_id(items), overlap=settings.serve.overlap, asked=asked_before(task))


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    text: str
    suggestion: str
    confidence: str
    source: str
    where: str


def _empty_rows(path: Path) -> Iterator[_Row]:
    """Yields the rows of a file without a label, cells as they were before a spreadsheet needed them otherwise."""
    columns = tables.columns(path)
    if not {"id", "text"} & set(columns):
        raise UserError(f'{at(path, 1)}: there is neither a column "id" nor "text". Found: {", ".join(columns)}.')
    label_column = next((name for name in record.LABEL_COLUMNS if name in columns), "")
    for row in tables.rows(path):
        cells = {name: queue.restored(cell) for name, cell in row.cells.items()}
        text = cells.get("text", "")
        identity = cells.get("id", "").strip() or (text_id(text) if text.strip() else "")
        if identity and not cells.get(label_column, "").strip():
            yield _Row(identity, text, cells.get("suggestion", ""), cells.get("confidence", ""), cells.get("source", "") or "human", row.where)


def of_second_opinions(n: int, settings: params.Params) -> Work:
    """Returns test texts for second opinions: everybody gets all of them, but those that they labelled themselves."""
    task = settings.labelled_task()
    asked, _ = sampling.draw_again(n, settings)
    items = (item_of(entry.id, entry.text, (), task, record.OPINION) for entry in asked)
    return Work("again", "Second opinions", by_id(items), people=EVERYBODY, asked=asked_before(task))


def of_suspects(settings: params.Params) -> Work:
    """Returns the texts whose label looks wrong."""
    task = settings.labelled_task()
    asked, _ = sampling.draw_suspects(settings)
    return Work("suspects", "Labels that look wrong", by_id(item_of(entry.id, entry.text, (), task, record.CORRECTION) for entry in asked))


def of_audit(n: int, settings: params.Params) -> Work:
    """Returns the audit that is not finished yet, or a new one of N texts; its form lies in data/inbox."""
    for form in sorted(paths.INBOX.glob("audit-*.csv")):
        drawn = {row.cells[audits.COLUMN] for row in tables.rows(form)}
        if not all((paths.DRAWN / f"{name}.csv").is_file() for name in drawn):
            form.unlink()  # killed before the draw was recorded: nobody was asked
            continue
        try:
            return of_file(form, settings, blind=True)
        except UserError:  # all of it is checked
            (paths.INBOX / "done").mkdir(exist_ok=True)
            form.replace(paths.INBOX / "done" / form.name)
    form = paths.INBOX / f"audit-{record.next_number(paths.DRAWN):02d}.csv"
    form.parent.mkdir(parents=True, exist_ok=True)
    with lock.project(paths.DRAWN):
        audits.draw(n, form, settings)
    return of_file(form, settings, blind=True)


def of_disagreements(settings: params.Params, blind: bool) -> Work:
    """Returns the texts on which people are tied or divided, with what each of them said. blind : without their names"""
    task = settings.labelled_task()
    annotations = record.read_all(task)
    ids = {suspect.id for find in (contradictions.ties, contradictions.divided) for suspect in find(annotations, task)}
    if not ids:
        raise UserError("people disagree on no text that is not settled: there is nothing to adjudicate.")
    said: dict[str, list[record.Annotation]] = defaultdict(list)
    for one in annotations:
        if one.id in ids and one.source != record.OPINION and not one.gone:
            newest = [earlier for earlier in said[one.id] if names.number(earlier.round) == names.number(one.round)]
            said[one.id] = [*newest, one]  # the newest round decides
    texts = {a.id: a.text for a in annotations if a.text is not None and a.id in ids}
    in_pool = reader.find(settings.data.pool, settings.data.text_column, ids)
    texts |= {identity: row.text for identity, row in in_pool.items()}

    def name(one: record.Annotation, number: int) -> str:
        return f"Person {number}" if blind or not one.annotator else one.annotator

    return Work(
        "settle",
        "Disagreements",
        by_id(
            Item(
                identity,
                texts[identity],
                source=record.ADJUDICATED,
                said=tuple((name(one, number), task.spell(one.labels), "" if blind else one.note) for number, one in enumerate(said[identity], 1)),
                outside=identity not in in_pool,
            )
            for identity in sorted(ids)
            if identity in texts
        ),
    )


def item_of(identity: str, text: str, suggested: Iterable[str], task: Task, source: str = "human", outside: bool = False) -> Item:
    """Returns one text that is asked. suggested : (the label cell, the confidence), or empty to show none"""
    cell, confidence = tuple(suggested) or ("", "")
    try:
        suggestion = task.parse(cell, identity) if cell else None
    except UserError:  # the queue is older than a change of the labels
        suggestion = None
    return Item(identity, text, suggestion, confidence if suggestion is not None else "", source, outside=outside)


def by_id(items: Iterable[Item]) -> dict[str, Item]:
    """Returns {text id: the item}, in order, each text once."""
    found: dict[str, Item] = {}
    for item in items:
        found.setdefault(item.id, item)
    return found


def next_is_holdout(settings: params.Params) -> bool:
    """Says whether the next round gives validation and test texts, where a suggestion would flatter the model."""
    return record.next_number() in {names.number(word) for word in settings.split.holdout_rounds if names.is_name(word)}


def asked_before(task: Task) -> dict[str, set[str]]:
    """Returns {text id: who labelled it in any round, or skipped it}, named people alone."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in record.read_all(task):
        found[one.id].add(one.annotator)
    for path in sorted(paths.SKIPS.glob("*.csv")):
        for row in tables.rows(path):
            found[row.cells["id"]].add(row.cells["annotator"])
    return dict(found)
