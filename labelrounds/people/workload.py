"""What each person did: labels, time, and how often they agree with the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from labelrounds.core.task import Task
from labelrounds.measures import agreement
from labelrounds.rounds.record import Annotation

NOBODY = "(not named)"


@dataclass(frozen=True)
class Person:
    """labels : how many; seconds : those that are known, one per label; shared, same : answers to compare with others', and equal ones"""

    name: str
    labels: int
    seconds: list[float]
    shared: int
    same: int

    def cells(self) -> list[str | int | None]:
        """Returns the cells of HEAD, None where nothing is known."""
        time = [round(sum(self.seconds) / 60), round(median(self.seconds))] if self.seconds else [None, None]
        return [self.name, self.labels, *time, f"{self.same / self.shared:.0%} of {self.shared}" if self.shared else None]


HEAD = ["person", "labels", "minutes", "median seconds", "same as others"]


def people(annotations: Sequence[Annotation], task: Task, leave_out: Sequence[str]) -> list[Person]:
    """Returns one entry per person, who labelled most first. leave_out : `agreement.leave_out`, who are not compared"""
    opinions = agreement.collect(annotations, task, leave_out)
    same, shared = dict.fromkeys(opinions.people, 0), dict.fromkeys(opinions.people, 0)
    for row in opinions.said:
        given = np.flatnonzero(row >= 0)
        for one in given:
            shared[opinions.people[one]] += len(given) - 1
            same[opinions.people[one]] += int((row[given] == row[one]).sum()) - 1
    found: dict[str, list[Annotation]] = {}
    for one in annotations:
        found.setdefault(one.annotator, []).append(one)
    made = [Person(name or NOBODY, len(given), seconds(given), shared.get(name, 0), same.get(name, 0)) for name, given in found.items()]
    return sorted(made, key=lambda person: -person.labels)


def seconds(annotations: Sequence[Annotation]) -> list[float]:
    """Returns the seconds that these labels took, of those that say so."""
    found = []
    for one in annotations:
        try:
            value = float(one.seconds)
        except ValueError:
            continue
        if 0 < value < float("inf"):
            found.append(value)
    return found
