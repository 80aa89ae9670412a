"""The vote on each text: the newest round wins over older ones; within a round the majority; a tie leaves the text without a label.

`split.consensus: dawid-skene` puts a vote by how reliable people are (`weighing`) in the place of the majority.

Rounds of one number, from two branches, vote as one round. A person who says the same in both has one vote.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from labelrounds.core.task import Task
from labelrounds.rounds import names, weighing
from labelrounds.rounds.record import OPINION, Annotation

MAJORITY, DAWID_SKENE = "majority", "dawid-skene"


@dataclass(frozen=True, slots=True)
class Settled:
    """The label of one text after all rounds: which round decided, by how many annotations."""

    id: str
    labels: tuple[str, ...]
    round: str
    votes: int


@dataclass(frozen=True)
class Verdict:
    """The labels by id, and what had to be decided: ids relabelled by a later round, and ids tied in their newest one.

    outdated : {id: (round, label)} of texts whose label is no more, since it was split or retired: they wait to be labelled again
    """

    labels: dict[str, Settled]
    relabelled: dict[str, tuple[Settled, Settled]]
    tied: dict[str, tuple[str, tuple[tuple[str, ...], ...]]]
    outdated: dict[str, tuple[str, str]] = field(default_factory=dict)


def deciding(annotations: Iterable[Annotation]) -> list[Annotation]:
    """Returns the annotations that decide labels: all but second opinions."""
    return [annotation for annotation in annotations if annotation.source != OPINION]


def settle(annotations: Iterable[Annotation], task: Task, rule: str = MAJORITY) -> Verdict:
    """Returns one label per text: the newest round wins; within it the vote (per label, if multi-label). rule : `split.consensus`"""
    annotations = deciding(annotations)
    weighed = weighing.Weighing(annotations, task) if rule == DAWID_SKENE else None
    by_text: dict[str, dict[int, list[Annotation]]] = defaultdict(lambda: defaultdict(list))
    for annotation in annotations:
        by_text[annotation.id][names.number(annotation.round)].append(annotation)
    labels: dict[str, Settled] = {}
    relabelled: dict[str, tuple[Settled, Settled]] = {}
    tied: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {}
    outdated: dict[str, tuple[str, str]] = {}
    for identity, rounds in by_text.items():
        for number, said in sorted(rounds.items()):
            name = max((annotation.round for annotation in said), key=names.order)
            given = once(said)
            votes = [annotation.labels for annotation in given]
            gone = [annotation.gone for annotation in said if annotation.gone]
            # Of several labels no vote can be counted while one is open; of single labels those that are no more are one side.
            winner = () if gone and task.multi_label else weighed.winner(given, number) if weighed and not gone else majority(votes, task)
            if gone and winner == ():
                outdated[identity] = (name, gone[0])
                labels.pop(identity, None)
                tied.pop(identity, None)
                continue
            outdated.pop(identity, None)
            if winner is None:
                tied[identity] = (name, tuple(votes))
                labels.pop(identity, None)
                continue
            new = Settled(identity, winner, name, len(votes))
            if identity in labels and labels[identity].labels != winner:
                relabelled[identity] = (labels[identity], new)
            labels[identity] = new
            tied.pop(identity, None)
    return Verdict(labels, relabelled, tied, outdated)


def once(annotations: Iterable[Annotation]) -> list[Annotation]:
    """Returns the annotations of one text without those that a named person repeats in another round of the same number."""
    kept: dict[tuple[str, tuple[str, ...]] | int, Annotation] = {}
    for count, one in enumerate(annotations):
        kept.setdefault((one.annotator, one.labels) if one.annotator else count, one)
    return list(kept.values())


def majority(votes: list[tuple[str, ...]], task: Task) -> tuple[str, ...] | None:
    """Returns what most votes say, or None for a tie (multi-label: for any one label)."""
    if not task.multi_label:
        ranked = Counter(votes).most_common(2)
        return None if len(ranked) > 1 and ranked[0][1] == ranked[1][1] else ranked[0][0]
    counts = Counter(label for vote in votes for label in vote)
    if any(2 * count == len(votes) for count in counts.values()):
        return None
    return tuple(label for label in task.labels if 2 * counts[label] > len(votes))
