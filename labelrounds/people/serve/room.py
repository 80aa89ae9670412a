"""One session of labelling: what is asked, who sits at the desk, and the round at its end."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from labelrounds.core import params, paths
from labelrounds.core.errors import UserError
from labelrounds.people.serve import finish, guideline, journal, keys
from labelrounds.people.serve.access import Doors
from labelrounds.people.serve.desk import Desk
from labelrounds.people.serve.work import Item, Work
from labelrounds.pool import reader

REASONS = {"unclear": "It is unclear", "language": "Not my language", "broken": "The text is broken", "other": "Another reason"}
AHEAD = 2  # texts that a page holds: the one shown and the next


class Room:
    """What the routes share. load : finds what is asked, again after each round; first : what it found already"""

    def __init__(self, load: Callable[[], Work], doors: Doors, settings: params.Params, first: Work | None = None) -> None:
        self.load, self.doors, self.settings = load, doors, settings
        self.task = settings.labelled_task()
        self.keys = keys.of_labels(settings)
        self.closed = False  # while the round is being written
        self.outcome: list[str] = []  # what became of the last round
        self._guideline = (-1.0, guideline.Guideline("", ""))
        self.work: Work | None = None
        self._open(first or load())

    def _open(self, work: Work) -> None:
        book = journal.Journal(paths.INBOX / f"{work.name}{journal.SUFFIX}")
        lost = {
            event.id for event in book.events
        } - work.items.keys()  # the queue was made anew meanwhile: what was said is kept, and shown again by undo
        found = reader.find(self.settings.data.pool, self.settings.data.text_column, lost) if lost else {}
        own = {event.id: event.text for event in book.events if event.text is not None}
        extra = {
            identity: Item(identity, found[identity].text if identity in found else own[identity])
            for identity in lost
            if identity in found or identity in own
        }
        self.work = replace(work, items={**work.items, **extra})
        self.desk = Desk(self.work, book, self.settings)
        self.examples = guideline.examples(self.settings, set(self.work.items))

    @property
    def guideline(self) -> guideline.Guideline:
        """The guideline as it is on disk now."""
        stamp = paths.GUIDELINE.stat().st_mtime if paths.GUIDELINE.is_file() else 0.0
        if self._guideline[0] != stamp:
            self._guideline = (stamp, guideline.read())
        return self._guideline[1]

    def finish(self) -> None:
        """Writes the round and opens what is asked then; what goes wrong is told in `outcome`, and no label is lost."""
        assert self.work is not None
        self.desk.journal.close()
        path = self.desk.journal.path
        try:
            self.outcome = finish.sentences(finish.finish(path, self.settings), self.settings)
        except (UserError, OSError) as error:
            self.outcome = ["No round was written. Every label is kept.", getattr(error, "message", str(error))]
            self.desk = Desk(self.work, journal.Journal(path), self.settings)
            return
        try:
            self._open(self.load())
        except UserError as error:
            self.outcome.append(error.message)
            self.work = None

    def state(self, person: str, tab: str) -> dict[str, Any]:
        """Returns what a page shows of this person's work."""
        if self.work is None:
            return {"items": [], "progress": None, "over": True, "guideline": self.guideline.version}
        items = self.desk.next_items(person, tab, AHEAD)
        progress = self.desk.progress(person)
        return {
            "items": [self.shown(item, person) for item in items],
            "progress": {
                "total": progress.total,
                "done": progress.done,
                "left": progress.left,
                "elsewhere": 0 if items else self.desk.elsewhere(person),
                "mine": progress.mine,
                "skipped": progress.skipped,
                "perMinute": round(progress.per_minute, 1),
            },
            "guideline": self.guideline.version,
        }

    def shown(self, item: Item, person: str) -> dict[str, Any]:
        """Returns one text as a page shows it; `given` is the person's own answer that they took back."""
        back = self.desk.taken_back(person, item.id) if item.id in self.desk.returned[person] else None
        return {
            "id": item.id,
            "text": item.text,
            "suggestion": None if item.suggestion is None else list(item.suggestion),
            "confidence": percent(item.confidence),
            "said": [list(one) for one in item.said],
            "given": list(back.labels) if back and back.do == journal.LABEL else None,
            "note": back.note if back else "",
        }


def percent(confidence: str) -> str:
    """Returns a confidence from 0 to 1 as people read it; empty where there is none."""
    try:
        return f"{100 * float(confidence):.0f} %"
    except ValueError:
        return ""


def now() -> str:
    """Returns the time in UTC, to the second."""
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
