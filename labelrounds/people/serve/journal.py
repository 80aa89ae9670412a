"""The journal of a session: one line of JSON for everything that anybody did, on disk before the next text shows.

A line is never changed. To take an answer back is a line of its own. So a killed server loses nothing that it has
acknowledged: what the page shows follows from the lines alone.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from labelrounds.core.errors import UserError, at

SUFFIX = ".journal"
to_disk = getattr(os, "fdatasync", os.fsync)  # the bytes and the file's size, without its times
LABEL, SKIP, UNDO = "label", "skip", "undo"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a journal.

    do : label, skip or undo
    id, text : which text; the text stands here only where the pool lacks it
    labels : what was given; labels of a multi-class text are one
    reason : why the text was skipped
    undoes : the `key` of what an undo takes back
    key : the same for the same press of a key, however often a page sends it
    suggested, score : what the page suggested and how sure the model was, `None` and empty where it suggested nothing
    at, seconds, guideline : when (UTC), after how many seconds, and by which guideline
    """

    do: str
    person: str
    id: str
    key: str
    at: str
    labels: tuple[str, ...] = ()
    reason: str = ""
    note: str = ""
    undoes: str = ""
    seconds: str = ""
    guideline: str = ""
    source: str = ""
    text: str | None = None
    suggested: tuple[str, ...] | None = None
    score: str = ""
    where: str = ""


class Journal:
    """The file that events are appended to, open until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.events, whole = read(path)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self._size = whole
        os.ftruncate(self._file, whole)  # the part of a line that a kill left: nobody was told that it is kept
        if new:
            _sync_folder(path.parent)

    def add(self, event: Event) -> Event:
        """Returns the event once it is on disk; where that fails, nothing of it stays there (OSError)."""
        given = {name: value for name, value in asdict(event).items() if value not in ("", None) and name != "where"}
        line = (json.dumps(given, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        try:
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(28, "No space left on device", str(self.path))
            to_disk(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)
        self.events.append(event)
        return event

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> tuple[list[Event], int]:
    """Returns (the events of a journal in order, how many bytes the whole lines have); a damaged line is a UserError."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    return [_event(raw, at(path, number)) for number, raw in enumerate(content[:whole].splitlines(), 1)], whole


def _event(raw: bytes, where: str) -> Event:
    try:
        given = json.loads(raw)
        listed = {name: tuple(given[name]) for name in ("labels", "suggested") if name in given}
        event = Event(**{**given, **listed, "where": where})
    except (ValueError, TypeError):
        raise UserError(
            f"{where}: this line of the journal is damaged. Everything else in the file is whole: remove the line, then start again."
        ) from None
    if event.do not in (LABEL, SKIP, UNDO):
        raise UserError(f'{where}: the journal knows no "{event.do}". A newer labelrounds may have written it: update labelrounds.')
    return event


def _sync_folder(folder: Path) -> None:
    """Makes sure that a new file's name is on disk, where the system can say so."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
