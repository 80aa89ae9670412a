"""From a journal to a round: checked and written as `labelrounds import` does, then the journal is put aside."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from labelrounds.core import lock, params, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.people import importing
from labelrounds.people.serve import journal
from labelrounds.people.serve.journal import LABEL, SKIP, UNDO, Event
from labelrounds.rounds import queue, record, schema

DONE = paths.INBOX / "done"
SKIP_COLUMNS = ["id", "annotator", "reason", "note", "at"]


@dataclass(frozen=True)
class Finished:
    """What became of a journal: the round, or None where nothing was labelled, and how many texts were skipped."""

    imported: importing.Imported | None
    skipped: int


@contextmanager
def alone() -> Iterator[Path]:
    """Holds the inbox, which one process may write at a time, and yields where its address may stand; a UserError where another one does."""
    room = paths.SCRATCH / "serve"
    room.mkdir(parents=True, exist_ok=True)
    held, owner = FileLock(room / "lock"), room / "address"
    try:
        held.acquire(timeout=0)
    except Timeout:
        at_work = owner.read_text(encoding="utf-8").strip() if owner.is_file() else ""
        raise UserError(
            f"`labelrounds serve` runs in this project already{f' ({at_work})' if at_work else ''}. Use its page, press Finish round there, or end it."
        ) from None
    try:
        yield owner
    finally:
        owner.unlink(missing_ok=True)
        held.release()


def waiting() -> list[Path]:
    """Returns the journals that are in no round yet."""
    return sorted(path for path in paths.INBOX.glob(f"*{journal.SUFFIX}") if standing(journal.read(path)[0]))


def standing(events: Iterable[Event]) -> list[Event]:
    """Returns the labels and skips that nobody took back, each person's last of each text, in order."""
    found: dict[tuple[str, str], Event] = {}
    for event in events:
        place = (event.person, event.id)
        found.pop(place, None)
        if event.do != UNDO:
            found[place] = event
    return list(found.values())


def all_waiting(settings: params.Params) -> list[str]:
    """Writes a round from each journal and returns what became of them, in words; none there is a UserError."""
    with alone():
        journals = waiting()
        if not journals:
            raise UserError(f"nobody has labelled anything on the page: {at(paths.INBOX)} holds no labels. Name the files to import.")
        return [line for path in journals for line in sentences(finish(path, settings), settings)]


@lock.project(paths.ROUNDS, paths.AUDITS, paths.SNAPSHOTS)
def finish(path: Path, settings: params.Params) -> Finished:
    """Writes the labels of a journal as the next round, its skips to data/skips, and puts it aside.

    Killed in between, it does the rest when it is called again: what a round holds already is not written twice.
    """
    task = settings.labelled_task()
    events = standing(journal.read(path)[0])
    folder = paths.AUDITS if path.stem.startswith("audit-") else paths.ROUNDS
    annotations = []
    changes = schema.read()
    for event in events:
        if event.do != LABEL:
            continue
        labels = tuple(task.known(schema.renamed(label, task, changes), event.where) for label in event.labels)
        annotations.append(
            record.Annotation(
                event.id,
                event.text,
                labels,
                event.person,
                event.source or "human",
                event.note,
                path.stem,
                event.where,
                labelled_at=event.at,
                seconds=event.seconds,
                guideline=event.guideline,
                score=event.score,
            )
        )
    imported = importing.bring(annotations, folder, settings) if annotations else None
    skips = [event for event in events if event.do == SKIP]
    _write_skips(skips)
    _put_aside(path)
    return Finished(imported, len(skips))


def skip_reasons() -> list[str]:
    """Returns why texts were skipped, one reason per skip, of all rounds."""
    return [row.cells["reason"] for path in record.round_files(paths.SKIPS) for row in tables.rows(path)]


def _write_skips(skips: list[Event]) -> None:
    known = {tuple(row.cells.values()) for path in record.round_files(paths.SKIPS) for row in tables.rows(path)}
    rows = [
        row for event in skips if (row := (event.id, queue.harmless(event.person), event.reason, queue.harmless(event.note), event.at)) not in known
    ]
    if rows:
        record.add(SKIP_COLUMNS, rows, paths.SKIPS)


def _put_aside(path: Path) -> None:
    DONE.mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := DONE / f"{path.stem}-{number:03d}{journal.SUFFIX}").exists():
        number += 1
    os.replace(path, target)


def sentences(done: Finished, settings: params.Params) -> list[str]:
    """Returns what became of a journal, in words."""
    found, said = done.imported, []
    if found and found.path:
        said.append(f"{found.written} labels of {found.texts} texts are in {at(found.path)} now.")
    if found and found.known:
        said.append(f"{found.known} labels were in a round already and were not written again.")
    if done.skipped:
        said.append(f"{done.skipped} texts were skipped; {at(paths.SKIPS)} says why.")
    if found and found.path:
        said.append(f"Next: dvc repro; then commit {at(found.path)} and what came with it.")
    return said or ["Nothing was labelled, so nothing was written."]
