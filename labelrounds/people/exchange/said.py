"""What one person said of one text, as any tool's file states it; and what a file holds as a whole."""

import datetime
import math
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from labelrounds.core.errors import UserError, first_of
from labelrounds.core.task import NONE, SEPARATOR, Task, UnknownLabel, fold_label
from labelrounds.pool.identity import ID_PATTERN
from labelrounds.rounds import record, schema

EXTRAS = ("annotator", "source", "note", *record.HOW)  # what stands beside a label, each as text
OUR_ID = "labelrounds_id"  # in the files of tools that have an `id` of their own
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Said:
    """One annotation. `id` is ours, empty where the file has none; `text` is empty where only the id is known."""

    text: str
    labels: tuple[str, ...]
    where: str
    id: str = ""
    annotator: str = ""
    source: str = "human"
    note: str = ""
    labelled_at: str = ""
    seconds: str = ""
    guideline: str = ""
    score: str = ""

    def extras(self) -> dict[str, str]:
        """Returns what stands beside the label, without what is empty or usual."""
        return {name: value for name, value in asdict(self).items() if name in EXTRAS and value and (name, value) != ("source", "human")}

    def annotation(self) -> record.Annotation:
        """Returns it as an annotation of a round."""
        identity, text = record.identity_of(self.id, self.text, self.where)
        extras: dict[str, Any] = {name: getattr(self, name) for name in EXTRAS} | {"source": record.source_of(self.source)}
        return record.Annotation(identity, text, self.labels, round="", where=self.where, **extras)


@dataclass(frozen=True)
class Read:
    """What a file holds. name : of the format; left_out : {why: how many}; notes : what else to say on the screen"""

    name: str
    rows: list[Said]
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    multi_label: bool = False

    @property
    def unfilled(self) -> int:
        """How many rows have no label yet."""
        return self.left_out["without a label"]

    def sentence(self) -> str:
        """Returns what was read, for the screen."""
        people = {said.annotator for said in self.rows if said.annotator}
        texts = len({said.id or said.text for said in self.rows})
        by = f" by {len(people)} {'person' if len(people) == 1 else 'people'}" if people else ""
        of = f" of {texts} texts" if texts != len(self.rows) else ""
        out = "".join(f", {count} {why}" for why, count in self.left_out.items() if count)
        noun = "annotation" if len(self.rows) == 1 else "annotations"
        return f"reads as {self.name}: {len(self.rows)} {noun}{by}{of}{out}"


def checked(found: Read, task: Task | None, multi_label: bool) -> Read:
    """Returns the file with every label as the task spells it, or as it can be one in a new task; a UserError names the first that cannot.

    task : None where the labels are still to be known
    """
    if task is None:
        several = multi_label or found.multi_label or any(len(said.labels) != 1 for said in found.rows)
        rows = [replace(said, labels=tuple(dict.fromkeys(_possible(label, said.where, several) for label in said.labels))) for said in found.rows]
        place = next((said.where for said in found.rows), "")
        known = dict.fromkeys(_possible(label, place, several) for label in found.labels)
        labels = list(known) or sorted({label for said in rows for label in said.labels})
        return replace(found, rows=rows, labels=labels, multi_label=several)
    rows: list[Said] = []
    wrong: list[UserError] = []
    spelled: dict[str, str | UserError] = {}
    changes = schema.read()
    for stated in found.rows:
        for label in stated.labels:
            if label not in spelled:
                try:
                    spelled[label] = task.known(schema.renamed(label.strip(), task, changes), stated.where)
                except UserError as error:
                    spelled[label] = error
            if isinstance(spelled[label], UserError):
                gone = any(label.strip() in change.labels for change in changes)
                hint = "Write one of today's labels, or empty the cell."
                known = UserError(f"{stated.where}: {schema.told(label.strip(), changes)} {hint}")
                wrong.append(known if gone else UnknownLabel(label.strip(), stated.where, task))
        if not task.multi_label and len(stated.labels) != 1:
            wrong.append(UserError(f"{stated.where}: {len(stated.labels)} labels found; the task is multi-class, so exactly one is expected."))
        mine = [spelled[label] for label in stated.labels]
        rows.append(replace(stated, labels=tuple(label for label in task.labels if label in mine)))
    if wrong:
        raise first_of(wrong, "row")
    return replace(found, rows=rows, labels=list(task.labels), multi_label=task.multi_label)


def _possible(label: str, where: str, several: bool) -> str:
    """Returns a label in its normal form; what params.yaml could not hold is a UserError."""
    folded = fold_label(label)
    if "\n" in folded or "\r" in folded or len(folded) > LONGEST:
        raise UserError(f'{where}: "{folded[:40]}…" is too long for a label, or holds a line break. Is --label-column right?')
    if not folded or folded == NONE or SEPARATOR in folded:
        raise UserError(
            f'{where}: "{label}" cannot be a label: "{SEPARATOR}" parts labels and "{NONE}" says that none applies. '
            f"Rename it in the file{'' if several else '; where a text may have several labels or none, add --multi-label'}."
        )
    return folded


def time(value: Any) -> str:
    """Returns a time as ISO 8601 in UTC, from such a text or from seconds since 1970; empty where it is none."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            moment = datetime.datetime.fromtimestamp(value, datetime.UTC)
        elif isinstance(value, datetime.datetime):
            moment = value
        else:
            moment = datetime.datetime.fromisoformat(str(value).strip())
    except (ValueError, OverflowError, OSError):
        return ""
    moment = moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)
    return moment.isoformat().replace("+00:00", "Z")


def number(value: Any) -> str:
    """Returns a number as text (seconds, a score), in the shortest form; empty where it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return ""
    return "" if not math.isfinite(found) else repr(round(found, 6)).removesuffix(".0")


def beside(stated: Said, meta: Any, foreign: Any = None, over: bool = True) -> Said:
    """Returns an annotation with what another tool carried for us, else with the tool's own id as a note.

    meta : the object in which a tool keeps what it does not use; foreign : the tool's id; over : whether what it carried
    counts for more than what the tool says itself
    """
    meta = meta if isinstance(meta, dict) else {}
    kept = {name: str(meta[name]) for name in EXTRAS if isinstance(meta.get(name), (str, int, float)) and str(meta[name]).strip()}
    if not over:
        kept = {name: value for name, value in kept.items() if getattr(stated, name) in ("", "human")}
    identity = meta.get(OUR_ID)
    if isinstance(identity, str) and ID_PATTERN.fullmatch(identity):
        return replace(stated, **{"id": identity, **kept})
    if foreign not in (None, ""):
        kept["note"] = "; ".join(filter(None, [kept.get("note", ""), f"id {foreign}"]))
    return replace(stated, **kept)
