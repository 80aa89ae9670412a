"""Where rounds or people contradict each other: suspects that need no model."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from labelrounds.core.task import Task
from labelrounds.rounds import names, record, vote

TIE, RELABELLED, DIVIDED = "tie", "relabelled", "divided"


class Suspect(NamedTuple):
    """A row of data/queue/suspects.csv: a label that looks wrong, as a cell, and why.

    better : what a model would say; quality : how likely it holds the label, 0 to 1 with six digits; detail : who said what
    """

    id: str
    case: str
    label: str = ""
    better: str = ""
    quality: str = ""
    detail: str = ""


def ties(annotations: Sequence[record.Annotation], task: Task, rule: str = vote.MAJORITY) -> list[Suspect]:
    """Returns a row for every text that is without a label because people are split evenly. rule : `split.consensus`"""
    tied = sorted(vote.settle(annotations, task, rule).tied.items())
    return [Suspect(identity, TIE, detail=f"round {name}: {' | '.join(map(task.spell, votes))}") for identity, (name, votes) in tied]


def relabelled(annotations: Sequence[record.Annotation], task: Task, rule: str = vote.MAJORITY) -> list[Suspect]:
    """Returns a row for every label that a later round changed."""
    return [
        Suspect(
            identity,
            RELABELLED,
            task.spell(new.labels),
            detail=f"round {old.round}: {task.spell(old.labels)} | round {new.round}: {task.spell(new.labels)}",
        )
        for identity, (old, new) in sorted(vote.settle(annotations, task, rule).relabelled.items())
    ]


def divided(annotations: Sequence[record.Annotation], task: Task, rule: str = vote.MAJORITY) -> list[Suspect]:
    """Returns a row for every label that not all people gave."""
    settled = vote.settle(annotations, task, rule).labels
    votes: dict[str, list[str]] = defaultdict(list)
    for one in annotations:
        if one.id in settled and names.number(settled[one.id].round) == names.number(one.round) and not one.gone:
            votes[one.id].append(task.spell(one.labels))
    return [
        Suspect(identity, DIVIDED, task.spell(settled[identity].labels), detail=" | ".join(said))
        for identity, said in sorted(votes.items())
        if len(set(said)) > 1
    ]
