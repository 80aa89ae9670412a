"""The history of the labels: data/schema.jsonl, one change a line, append-only. Old rounds are read through it.

    {"date": "2026-03-01", "change": "rename", "labels": ["billing"], "into": ["invoice"], "before": [...], "files": ["data/rounds/01.csv", ...]}

A round file never changes. A change names the files that were there (`files`) and the labels that were known (`before`): such a
file is read in the labels of its time, and each change since then is applied to what it says. A file that no change names is
newer and speaks today's labels. It may still use the old name of a label, such as a form that was handed out before a rename or
a round from another branch: an old name that no label has today is read as what has become of it.

    rename, merge    the label is another one now
    split            the text is without a label until somebody labels it again
    retire           the same; where a text has several labels, it keeps the others
    add              nothing changes for what is there
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import SEPARATOR, Task

RENAME, MERGE, SPLIT, ADD, RETIRE = CHANGES = ("rename", "merge", "split", "add", "retire")
Labels = tuple[str, ...]
BEGIN = '{"change": "begin"}'  # the first line, before any change: DVC warns of an empty file in every stage


@dataclass(frozen=True)
class Change:
    """One change of the labels. labels : the old ones; into : the new ones; before : all that were known; files : all that were there"""

    date: str
    change: str
    labels: Labels
    into: Labels
    before: Labels
    files: Labels

    @property
    def after(self) -> Labels:
        """All labels after the change: a new one stands where the first old one stood, or at the end."""
        place = min((self.before.index(label) for label in self.labels), default=len(self.before))
        rest = [label for label in self.before if label not in self.labels and label not in self.into]
        at_place = sum(label in rest for label in self.before[:place])
        return (*rest[:at_place], *self.into, *rest[at_place:])

    def __str__(self) -> str:
        joined = ", ".join(self.labels)
        said = {RENAME: f"{joined} -> {', '.join(self.into)}", MERGE: f"{joined} -> {', '.join(self.into)}"}
        said |= {SPLIT: f"{joined} -> {' | '.join(self.into)}", ADD: f"+ {', '.join(self.into)}", RETIRE: f"- {joined}"}
        return said[self.change]


def read(path: Path = paths.SCHEMA) -> list[Change]:
    """Returns all changes, the oldest first; none where there is no such file."""
    return parse(files.read_text(path), at(path)) if path.is_file() else []


def parse(content: str, where: str) -> list[Change]:
    """Returns the changes in the text of such a file; a line that is none is a UserError."""
    found = []
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip() or line == BEGIN:
            continue
        try:
            entry: dict[str, Any] = json.loads(line)
            lists = {name: tuple(map(str, entry[name])) for name in ("labels", "into", "before", "files")}
            change = Change(str(entry["date"]), entry["change"], **lists)
        except (ValueError, KeyError, TypeError):
            change = None
        if change is None or change.change not in CHANGES or set(change.labels) - set(change.before):
            raise UserError(f"{where}:{number}: not a change of the labels as `labelrounds schema` writes it. Restore the file from git.")
        found.append(change)
    return found


def line(change: Change) -> str:
    """Returns a change as its line of the file."""
    return json.dumps(asdict(change), ensure_ascii=False) + "\n"


def name_of(path: Path) -> str:
    """Returns how a change names a file: by its path in the project, such as `data/rounds/01.csv`."""
    return path.as_posix()


def now(labels: Sequence[str], changes: Sequence[Change], multi_label: bool) -> tuple[Labels, str]:
    """Returns (what the labels are after these changes, the label that is no more where the text must be labelled again)."""
    found = list(labels)
    for change in changes:
        hit = [label for label in found if label in change.labels]
        if not hit:
            continue
        if change.change in (RENAME, MERGE):
            found = [change.into[0] if label in change.labels else label for label in found]
        elif change.change == SPLIT or not multi_label:
            return (), hit[0]
        else:
            found = [label for label in found if label not in change.labels]
    return tuple(dict.fromkeys(found)), ""


class Reading:
    """How one file is read: in the labels of its time, which then become those of today."""

    def __init__(self, path: str | Path, task: Task, changes: Sequence[Change] | None = None) -> None:
        changes = read() if changes is None else changes
        self.task = task
        self.since = [change for change in changes if name_of(Path(path)) in change.files]
        self.changes = changes
        # A 0/1 column per label is one per label of that time.
        self.then = Task(task.type, self.since[0].before) if self.since else task
        known = self.since[0].before if self.since else task.labels
        stale = tuple(label for change in changes for label in change.labels)
        self.spelt = Task(task.type, tuple(dict.fromkeys([*known, *task.labels, *stale])))

    def parse(self, cell: str, where: str) -> Labels:
        """Returns the labels in a cell, as they were called then; an unknown one is a UserError."""
        known = set(self.spelt.labels)
        parts = [part.strip() for part in cell.split(SEPARATOR) if part.strip()] if self.task.multi_label else [cell.strip()]
        if any(part not in known for part in parts):
            return self.task.parse(cell, where)  # which says what is wrong, in the labels of today
        return self.spelt.parse(cell, where)

    def today(self, labels: Labels, where: str) -> tuple[Labels, str]:
        """Returns (the labels as they are called today, the one that is no more) for labels as they were called then."""
        found: list[str] = []
        for label in labels:
            some, gone = now((label,), self.steps(label), self.task.multi_label)
            if gone:
                return (), gone
            found += [self.task.known(one, where) for one in some]
        return tuple(sorted(set(found), key=self.task.index.__getitem__)), ""

    def known(self) -> Labels:
        """Returns the labels of today that are one of that time, by whatever name."""
        found = {one for label in self.then.labels for one in now((label,), self.since, self.task.multi_label)[0]}
        return tuple(label for label in self.task.labels if label in found)

    def steps(self, label: str) -> Sequence[Change]:
        """Returns the changes that apply to a label of this file."""
        if label in self.then.index:
            return self.since
        if label in self.task.index:
            return ()
        last = max(number for number, change in enumerate(self.changes) if label in change.labels)
        return self.changes[last:]


def renamed(label: str, task: Task, changes: Sequence[Change]) -> str:
    """Returns what a label of before is called today; the label itself where it is one of today's, or no more."""
    last = next((number for number in reversed(range(len(changes))) if label in changes[number].labels), None)
    if label in task.index or last is None:
        return label
    found, _ = now((label,), changes[last:], task.multi_label)
    return found[0] if found else label


def told(label: str, changes: Sequence[Change]) -> str:
    """Returns what has become of a label that is no more, as a sentence."""
    for change in reversed(changes):
        if label in change.labels:
            if change.change == SPLIT:
                return f'The label "{label}" was split into {", ".join(change.into)} on {change.date}.'
            return f'The label "{label}" was retired on {change.date}.'
    return f'The label "{label}" is no more.'
