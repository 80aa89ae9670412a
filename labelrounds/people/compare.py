"""Is it better: two sets of predictions on the same test texts, from two revisions, two labelers, or both.

What they say of each text stands in metrics/NAME/test.csv, in git. Texts are paired by their ids, so that the
difference has an interval of its own, which is narrower than what two separate intervals would suggest.
"""

import csv
import io
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from labelrounds.core import paths, revisions, tables
from labelrounds.core.errors import UserError, did_you_mean
from labelrounds.core.params import Params
from labelrounds.core.revisions import Commit
from labelrounds.core.screen import few
from labelrounds.core.task import MULTI_CLASS, MULTI_LABEL, Task, indicator
from labelrounds.measures import bootstrap
from labelrounds.measures.bootstrap import Change
from labelrounds.people import lineage
from labelrounds.pool import reader
from labelrounds.rounds import schema

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """What one labeler said of the test texts at one commit (None: in the working tree), by text id.

    changes : those of the labels up to then, which the names in `gold` and `predicted` have behind them
    """

    commit: Commit | None
    labeler: str
    task: Task
    gold: dict[str, Labels]
    predicted: dict[str, Labels]
    parameters: dict[str, Any] = field(default_factory=dict)
    changes: tuple[schema.Change, ...] = ()

    @property
    def place(self) -> str:
        return "the working tree" if self.commit is None else self.commit.short


@dataclass(frozen=True)
class Flip:
    """A text that only one side has right; `text` is None where it is not on this disk."""

    id: str
    gold: str
    before: str
    after: str
    text: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The difference of `after` to `before` on n texts, and which texts make it; p is that of McNemar's test."""

    before: Side
    after: Side
    n: int
    changes: dict[str, Any]
    won: list[Flip]
    lost: list[Flip]
    p: float
    same: bool
    notes: list[str] = field(default_factory=list)

    @property
    def macro(self) -> Change:
        return self.changes["f1_macro"]

    @property
    def better(self) -> bool | None:
        """Whether macro-F1 is better (False: worse); None where the interval, to the three digits that are shown, holds 0."""
        ci95 = cast(tuple[float, float], self.macro.ci95)  # macro-F1 is a number in every resample
        low, high = (round(bound, 3) for bound in ci95)
        return True if low > 0 else False if high < 0 else None

    @property
    def names(self) -> tuple[str, str]:
        """What tells the two sides apart: the labeler, the revision, or both."""
        one, other = self.before, self.after
        if one.commit == other.commit:
            return one.labeler, other.labeler
        if one.labeler == other.labeler:
            return one.place, other.place
        return f"{one.labeler} at {one.place}", f"{other.labeler} at {other.place}"

    @property
    def title(self) -> str:
        one, other = self.names
        what = f"{self.before.labeler}: " if self.before.labeler == self.after.labeler else ""
        where = f" ({self.before.place})" if self.before.commit == self.after.commit else ""
        return f"{what}{other} against {one}{where}, on {self.n} test texts"

    @property
    def verdict(self) -> str:
        one, other = self.names
        if self.same:
            return f"No difference: {one} and {other} say the same of all {self.n} texts."
        by = f"macro-F1 {self.macro.difference:+.3f} on {self.n} texts, 95 % interval {span(self.macro)}"
        if self.better is None:
            return f"No difference is shown between {one} and {other}: {by}, which holds 0."
        return f"{other} is {'better' if self.better else 'worse'} than {one}: {by}."


def read_side(revision: str | Commit | None, labeler: str) -> Side:
    """Returns what `labeler` said of the test texts at a revision (None: in the working tree).

    An unknown revision, one without metrics, and a labeler that was not measured there are UserErrors.
    """
    commit = revisions.resolve(revision) if isinstance(revision, str) else revision
    path = f"metrics/{labeler}/test.csv"
    place = "in the working tree" if commit is None else f"at {commit.short}"
    content = revisions.read(commit, path)
    if content is None:
        measured = sorted({Path(name).parent.name for name in revisions.files(commit, "metrics") if name.endswith("/test.csv")})
        if not measured:
            what = "Run `dvc repro` first." if commit is None else "Choose a commit that was made after a `dvc repro`."
            raise UserError(f"there are no predictions on test texts {place}: no file metrics/NAME/test.csv. {what}")
        raise UserError(f'no labeler "{labeler}" was measured {place}.{did_you_mean(labeler, measured)} Measured there: {", ".join(measured)}.')
    said = csv.DictReader(io.StringIO(content, newline=""))
    found = said.fieldnames or []
    if lacking := [name for name in ("id", "gold", "predicted") if name not in found]:
        raise UserError(f'{path} {place}: there is no column "{lacking[0]}". Found: {", ".join(found)}. Run `dvc repro` to write it anew.')
    kind, labels = _task(revisions.read(commit, "params.yaml") or "")
    if kind is None:
        raise UserError(f"params.yaml {place} has no task.type and task.labels that labelrounds reads. Choose another revision.")
    task = Task(kind, tuple(name.removeprefix("score_") for name in found if name.startswith("score_")) or labels)
    gold, predicted = {}, {}
    for row in said:
        where = f"{path}:{said.line_num} {place}"
        gold[row["id"]] = task.parse(row["gold"] or "", where)
        predicted[row["id"]] = task.parse(row["predicted"] or "", where)
    return Side(commit, labeler, task, gold, predicted, lineage.parameters(commit, labeler), changes_behind(commit, task, labels))


def changes_behind(commit: Commit | None, task: Task, labels: Labels) -> tuple[schema.Change, ...]:
    """Returns the changes of the labels that a labeler had behind it: one may be newer than what was measured.

    task : with the labels that were measured; labels : those of params.yaml
    """
    path = paths.SCHEMA.as_posix()
    found = schema.parse(revisions.read(commit, path) or "", path if commit is None else f"{path} at {commit.short}")
    states = [*(change.before for change in found), labels]
    newest = list(reversed(range(len(states))))
    same = [number for number in newest if states[number] == task.labels] or [number for number in newest if set(states[number]) == set(task.labels)]
    return tuple(found[: same[0]] if same else found)


def in_labels_of(side: Side, other: Side) -> Side:
    """Returns a side after the changes of the labels that only the other has behind it; a label that is no more becomes none."""
    steps = [change for change in other.changes if change not in side.changes]
    if not steps:
        return side

    def today(said: dict[str, Labels]) -> dict[str, Labels]:
        return {identity: schema.now(labels, steps, side.task.multi_label)[0] for identity, labels in said.items()}

    labels = dict.fromkeys(one for label in side.task.labels for one in schema.now((label,), steps, side.task.multi_label)[0])
    return replace(side, task=Task(side.task.type, tuple(labels)), gold=today(side.gold), predicted=today(side.predicted))


@cache
def _task(content: str) -> tuple[str | None, Labels]:
    """Returns the type and the labels of the task in a params.yaml, the rest of which may be of another version."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(content)["task"]
        kind, labels = found["type"], tuple(map(str, found["labels"]))
    except (YAMLError, TypeError, KeyError):
        return None, ()
    return (kind, labels) if kind in (MULTI_CLASS, MULTI_LABEL) else (None, ())


def compare(before: Side, after: Side, seed: int) -> Comparison:
    """Returns how `after` differs from `before` on the test texts of both.

    Where the gold label of a text has changed, both are measured by the newer one. No common text is a UserError.
    """
    if before.task.type != after.task.type:
        raise UserError(
            f"{before.place} is {before.task.type} and {after.place} is {after.task.type}: their scores do not compare. Choose another revision."
        )
    ids = sorted(before.gold.keys() & after.gold.keys())
    if not ids:
        raise UserError(
            f"the test sets of {before.place} ({len(before.gold)} texts) and {after.place} ({len(after.gold)} texts) have no text in common, "
            "so nothing can be compared. Choose a revision with the same split."
        )
    notes = _changes_between(before, after)
    before, after = in_labels_of(before, after), in_labels_of(after, before)
    newer = before if revisions.is_older(after.commit, before.commit) else after
    every = Task(after.task.type, tuple(dict.fromkeys([*newer.task.labels, *after.task.labels, *before.task.labels])))
    task = Task(every.type, tuple(label for label in every.labels if label in before.task.index and label in after.task.index))
    if task.labels != every.labels and not task.multi_label:  # of a text with another label nothing is right that both can say
        ids = [identity for identity in ids if set(newer.gold[identity]) & set(task.labels)]
    if not task.labels or not ids:
        raise UserError(f"{before.place} and {after.place} have no label in common that a test text has: nothing can be compared.")
    notes += _notes(before, after, newer, ids, task)
    gold, one, other = (
        indicator([[label for label in said[identity] if label in task.index] for identity in ids], task)
        for said in (newer.gold, before.predicted, after.predicted)
    )
    was, now = (one == gold).all(axis=1), (other == gold).all(axis=1)
    won, lost = (
        [
            Flip(ids[number], *(every.spell(said[ids[number]]) for said in (newer.gold, before.predicted, after.predicted)))
            for number in flipped.nonzero()[0]
        ]
        for flipped in (~was & now, was & ~now)
    )
    return Comparison(
        before,
        after,
        len(ids),
        bootstrap.changes(gold, one, other, task, seed),
        won,
        lost,
        bootstrap.mcnemar(len(lost), len(won)),
        bool((one == other).all()),
        notes,
    )


def _changes_between(before: Side, after: Side) -> list[str]:
    """Returns a note on the changes of the labels that one side has behind it and the other has not."""
    between = [change for one, other in ((before, after), (after, before)) for change in other.changes if change not in one.changes]
    if not between:
        return []
    return [
        f"The labels changed in between: {'; '.join(f'{change.change} {change} ({change.date})' for change in between)}. Both are read in the newer ones."
    ]


def _notes(before: Side, after: Side, newer: Side, ids: list[str], common: Task) -> list[str]:
    """Returns what a reader must know before the numbers: other test sets, gold labels, labels or parameters."""
    notes = []
    alone = [label for side in (before, after) for label in side.task.labels if label not in common.index]
    if alone:
        where = "" if common.multi_label else f", on the {len(ids)} texts that have one of them"
        notes.append(f"Compared on the {len(common.labels)} labels that both sides know{where}.")
    elif len(ids) < max(len(before.gold), len(after.gold)):
        notes.append(
            f"The test sets differ: {before.place} has {len(before.gold)} texts, {after.place} {len(after.gold)}. "
            f"Compared on the {len(ids)} texts of both."
        )
    changed = sum(before.gold[identity] != after.gold[identity] for identity in ids)
    if changed:
        notes.append(f"{changed} of these texts got another gold label in between: both sides are measured by that of {newer.place}.")
    for one, other in ((before, after), (after, before)):
        if alone := [label for label in one.task.labels if label not in other.task.labels]:
            notes.append(f"Only {one.place} knows the label {few(alone)}.")
    if changed := [line for line in lineage.changed(before.parameters, after.parameters) if not line.startswith("task.labels ")]:
        notes.append(f"Parameters changed as well: {', '.join(changed)}.")
    return notes


def with_texts(found: Comparison, settings: Params) -> Comparison:
    """Returns the same comparison with the flipped texts, as far as the split or the pool on this disk holds them."""
    wanted = {flip.id for flip in (*found.won, *found.lost)}
    texts: dict[str, str] = {}
    if wanted and paths.TEST.is_file():
        texts = {row.cells["id"]: row.cells["text"] for row in tables.rows(paths.TEST) if row.cells["id"] in wanted}
    if (missing := wanted - texts.keys()) and Path(settings.data.pool).exists():
        texts |= {identity: row.text for identity, row in reader.find(settings.data.pool, settings.data.text_column, missing).items()}
    won, lost = ([replace(flip, text=texts.get(flip.id)) for flip in flips] for flips in (found.won, found.lost))
    return replace(found, won=won, lost=lost)


def span(change: Change) -> str:
    """Returns the interval of a change for people to read."""
    return "-" if change.ci95 is None else f"{change.ci95[0]:+.3f} to {change.ci95[1]:+.3f}"
