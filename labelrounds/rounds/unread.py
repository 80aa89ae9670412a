"""Rounds that DVC takes for read, and that the split has not seen.

A stage fails where what it reads changes before its end. DVC hashes a moment later: a round that a person copies into data/rounds by
hand in that moment is recorded as read. Every other stage that reads rounds runs after the split, so the last of them looks for it.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at
from labelrounds.rounds import vote
from labelrounds.rounds.record import Annotation

CURE = "Run `dvc repro --force --single-item split`, then `dvc repro`."


def strange(annotations: Iterable[Annotation], measured: Path = paths.METRICS / "split.json") -> list[str]:
    """Returns the rounds of which the split has read other labels than there are now, or none; empty before the first split."""
    if not measured.is_file():
        return []
    there = Counter(annotation.round for annotation in vote.deciding(annotations))
    with files.as_stages_write(measured):
        learnt = Counter({name: one["annotations"] for name, one in files.read_json(measured).get("rounds", {}).items()})
    return sorted(name for name in there.keys() | learnt.keys() if there[name] != learnt[name])


def check(annotations: Iterable[Annotation]) -> None:
    """Raises a UserError where the split has not read what the rounds hold now."""
    if found := strange(annotations):
        raise UserError(
            f"{at(paths.ROUNDS)}: the split has not read {', '.join(found[:5])} as it is now: a file came, went or changed while it ran, "
            f"or it has not run since. {CURE}"
        )
