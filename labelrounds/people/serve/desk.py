"""Who has said what so far, what each person is shown next, and how to take an answer back. Everything follows from the journal."""

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from labelrounds.core.errors import UserError
from labelrounds.core.params import Params
from labelrounds.people.serve.journal import LABEL, UNDO, Event, Journal
from labelrounds.people.serve.work import Item, Work
from labelrounds.rounds import schema

LEASE = 900.0  # seconds that a text stays with a page that shows it; then others may get it
RECENT = 20  # labels from which a person's speed is taken


class Answered(Exception):
    """Someone's answer to a text is there already and differs from the new one."""

    def __init__(self, event: Event) -> None:
        super().__init__(event.id)
        self.event = event


@dataclass(frozen=True)
class Progress:
    """total, done : texts of all people; left : those that this person may still get; mine : labels by this person; per_minute : their speed"""

    total: int
    done: int
    left: int
    mine: int
    skipped: int
    per_minute: float


class Desk:
    """The state of one session. All calls come from one thread; an answer counts once the journal has it on disk."""

    def __init__(self, work: Work, journal: Journal, settings: Params, clock: Callable[[], float] = time.monotonic) -> None:
        self.work, self.journal, self.settings, self.clock = work, journal, settings, clock
        self.task = settings.labelled_task()
        self.keys: dict[tuple[str, str], Event] = {}
        self.answers: dict[tuple[str, str], Event] = {}  # by (person, text id): labels and skips that stand
        self.trail: dict[str, list[Event]] = defaultdict(list)  # by person: the same, in order
        self.people: dict[str, set[str]] = defaultdict(set)  # by text id: who labelled it
        self.answered: dict[str, set[str]] = defaultdict(set)  # by person: ids of texts that they labelled or skipped
        self.asked: dict[str, set[str]] = {}  # by person: ids of texts that they labelled or skipped in an earlier round
        self.labelled: set[str] = set()  # ids of texts that anybody labelled
        self.full: set[str] = set()  # ids of texts that as many people labelled as they are for
        self.returned: dict[str, list[str]] = defaultdict(list)  # by person: ids of answers taken back, the newest first
        self.shown: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)  # by text id: {(person, tab): since when}
        # How many people each text is for: the share `overlap` goes to one more.
        self.wanted = {identity: work.people + (self._draw("overlap", identity) < work.overlap) for identity in work.items}
        changes = schema.read()
        for event in journal.events:
            event = replace(event, labels=tuple(schema.renamed(label, self.task, changes) for label in event.labels))
            unknown = next((label for label in event.labels if label not in self.task.index), None)
            if unknown is not None:
                raise UserError(f'{event.where}: the label "{unknown}" is not among task.labels any more. Put it back, or correct this line by hand.')
            self._apply(event)
        self.orders: dict[str, list[Item]] = {}

    # What is said

    def say(self, event: Event, change: bool = False) -> Event:
        """Keeps a label or a skip and returns it, or what the same key kept before. change : it may replace the person's own answer"""
        if (before := self.keys.get((event.person, event.key))) is not None:
            return before
        standing = self.answers.get((event.person, event.id))
        if standing is not None and standing.labels == event.labels and standing.do == event.do and not change:
            return standing
        if standing is not None and not change:
            raise Answered(standing)
        item = self.work.items[event.id]
        event = replace(event, source=item.source, text=item.text if item.outside else None)
        self._apply(self.journal.add(event))
        self.shown.pop(event.id, None)
        return event

    def undo(self, person: str, key: str, at: str) -> Event | None:
        """Takes the person's last answer back and returns it; None where there is none."""
        if (before := self.keys.get((person, key))) is not None:
            return before
        if not self.trail[person]:
            return None
        last = self.trail[person][-1]
        self._apply(self.journal.add(Event(UNDO, person, last.id, key, at, undoes=last.key)))
        return last

    def _apply(self, event: Event) -> None:
        self.keys[event.person, event.key] = event
        place, trail = (event.person, event.id), self.trail[event.person]
        if event.do == UNDO:
            trail[:] = [one for one in trail if one.key != event.undoes]
            self.answers.pop(place, None)
            self.answered[event.person].discard(event.id)
            self._labelled(event.id, event.person, False)
            self.returned[event.person].insert(0, event.id)
            return
        trail[:] = [one for one in trail if one.id != event.id] if place in self.answers else trail
        trail.append(event)
        self.answers[place] = event
        self.answered[event.person].add(event.id)
        self._labelled(event.id, event.person, event.do == LABEL)
        if event.id in self.returned[event.person]:
            self.returned[event.person].remove(event.id)

    def _labelled(self, identity: str, person: str, does: bool) -> None:
        """Notes whether a person's label of a text stands."""
        people = self.people[identity]
        (people.add if does else people.discard)(person)
        (self.labelled.add if people else self.labelled.discard)(identity)
        (self.full.add if len(people) >= self.wanted.get(identity, 1) else self.full.discard)(identity)

    # What is shown

    def next_items(self, person: str, tab: str, count: int = 2) -> list[Item]:
        """Returns up to `count` texts for this page, which nobody else is shown meanwhile (beyond those whom each text is for)."""
        own = list(self._open(person, tab))[:count] or list(self._open(person, None))[:count]
        now = self.clock()
        kept = {item.id for item in own}
        for identity, pages in list(self.shown.items()):
            if identity not in kept and pages.pop((person, tab), None) is not None and not pages:
                del self.shown[identity]
        for item in own:
            self.shown[item.id].setdefault((person, tab), now)
        return own

    def seconds_shown(self, identity: str, person: str, tab: str) -> float:
        """Returns how long this page has had the text; 0 where it never had it."""
        since = self.shown.get(identity, {}).get((person, tab))
        return self.clock() - since if since is not None else 0.0

    def taken_back(self, person: str, identity: str) -> Event | None:
        """Returns the answer that this person gave to a text and took back, to show it again."""
        back = {event.undoes for event in self.journal.events if event.do == UNDO and event.person == person and event.id == identity}
        return next((event for event in reversed(self.journal.events) if event.person == person and event.key in back), None)

    def _open(self, person: str, tab: str | None) -> Iterator[Item]:
        """Yields what this person may label now.

        tab : leave out what another page of theirs shows (None: do not); a page without script has the tab ""
        """
        back = [self.work.items[identity] for identity in self.returned[person] if identity in self.work.items]
        returned, blocked, now = set(self.returned[person]), self._blocked(person), self.clock()
        for item in chain(back, (item for item in self._order(person) if item.id not in returned)):
            if item.id in blocked:
                continue
            pages = [page for page, since in self.shown[item.id].items() if now - since < LEASE] if item.id in self.shown else []
            others = {who for who, _ in pages} - {person}
            if item.id not in returned and others and len((self.people[item.id] | others) - {person}) >= self.wanted[item.id]:
                continue
            if tab is not None and any(who == person and other not in (tab, "") for who, other in pages):
                continue
            yield item

    def _blocked(self, person: str) -> set[str]:
        """Returns the ids that are not for this person: answered, asked in an earlier round, or labelled by as many as each is for."""
        own = self.answered[person]
        return (self.full | own | self._asked(person)) - (set(self.returned[person]) - own)

    def _asked(self, person: str) -> set[str]:
        if person not in self.asked:
            self.asked[person] = {identity for identity, people in self.work.asked.items() if person in people}
        return self.asked[person]

    def _order(self, person: str) -> list[Item]:
        if person not in self.orders:
            items = list(self.work.items.values())
            if self.settings.serve.shuffle:
                items.sort(key=lambda item: self._draw(person, item.id))
            self.orders[person] = items
        return self.orders[person]

    def _draw(self, *words: str) -> float:
        """Returns a number from 0 to 1 that depends on the seed and the words alone."""
        digest = hashlib.sha256("\0".join([str(self.settings.seed), *words]).encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def progress(self, person: str) -> Progress:
        """Returns how far everybody and this person are."""
        total = len(self.work.items)
        left = total - len(self._blocked(person) & self.work.items.keys())
        mine = [event for event in self.trail[person] if event.do == LABEL]
        recent = [float(event.seconds or 0) for event in mine[-RECENT:]]
        speed = 60 * len(recent) / sum(recent) if sum(recent) > 0 else 0.0
        return Progress(total, len(self.labelled & self.work.items.keys()), left, len(mine), len(self.trail[person]) - len(mine), min(speed, 600.0))

    def elsewhere(self, person: str) -> int:
        """Returns how many texts this person might get, were they not on other people's pages."""
        return self.progress(person).left - sum(1 for _ in self._open(person, None))
