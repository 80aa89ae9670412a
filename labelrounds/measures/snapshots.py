"""What the models of earlier rounds said: data/snapshots/ROUND.json, one line each, written by `labelrounds import`, kept in git.

The stages know only the rounds that are there now. To say how much the last rounds changed, they need what the models
before said of the same texts: the labels that the deployed labeler, trained on the rounds up to ROUND, gives to the test texts
and to a fixed sample of the unlabelled pool, the stop set. Ids and labels alone.
"""

import heapq
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import Task
from labelrounds.rounds import names, schema

STOP_SET = 1000  # texts; kappa is then known to about 0.02


@dataclass(frozen=True)
class Snapshot:
    """round : the newest that the model learnt from; labeler : its name; model : its fingerprint; train : number of texts

    test, stop : {id: the labels as a cell}, sorted by id
    known : the labels of today that the model knew, by whatever names; empty for a snapshot that has not been read back
    """

    round: str
    labeler: str
    model: str
    train: int
    test: dict[str, str]
    stop: dict[str, str]
    known: tuple[str, ...] = ()


def stop_set(pool: Iterable[tuple[str, str]], taken: set[str]) -> dict[str, str]:
    """Returns the stop set's ids and labels: of the pool without `taken`, the 1,000 smallest ids.

    Ids are digests, so this is a random sample, and nearly the same one after every round.
    """
    return dict(heapq.nsmallest(STOP_SET, ((identity, labels) for identity, labels in pool if identity not in taken)))


def write(snapshot: Snapshot) -> Path:
    """Writes the snapshot of a round as one line and returns its path; an older one of that round is replaced."""
    path = paths.SNAPSHOTS / f"{snapshot.round}.json"
    with files.atomic(path) as file:
        told = {name: value for name, value in asdict(snapshot).items() if name != "known"}
        file.write(json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n")
    return path


def of_today(one: Snapshot, path: Path, task: Task) -> Snapshot:
    """Returns the same in the labels of today; what was said with a label that is no more is an empty cell."""
    reading = schema.Reading(path, task)

    def cell(said: str) -> str:
        try:
            labels, gone = reading.today(reading.parse(said, at(path)), at(path))
        except UserError:
            return said  # a label that nobody knows: it counts as none where it is read
        return "" if gone else task.spell(labels)

    cells = {said: cell(said) for said in {*one.test.values(), *one.stop.values()}}
    test, stop = ({identity: cells[said] for identity, said in some.items()} for some in (one.test, one.stop))
    return replace(one, test=test, stop=stop, known=reading.known())


def read_all(task: Task, folder: Path = paths.SNAPSHOTS) -> list[Snapshot]:
    """Returns the snapshots in the labels of today, oldest round first; a file that is none is a UserError."""
    found = []
    for path in sorted(folder.glob("*")):
        if path.name == "README.md" or path.name.startswith("."):
            continue
        wrong = UserError(
            f"{at(path)}: not a snapshot of a round, as `labelrounds import` writes them (such as 03-5f1c2a.json). Remove it, or restore it from git."
        )
        if path.suffix != ".json" or not names.is_name(path.stem):
            raise wrong
        try:
            one = Snapshot(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, RecursionError):
            raise wrong from None
        if not (names.is_name(str(one.round)) and type(one.train) is int and all(map(_says, (one.test, one.stop)))):
            raise wrong
        found.append(of_today(one, path, task))
    return sorted(found, key=lambda snapshot: names.order(snapshot.round))


def _says(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(labels, str) for labels in found.values())
