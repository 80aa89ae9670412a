"""Where people contradict each other is found without any model."""

from labelrounds.core.task import Task
from labelrounds.rounds import contradictions
from labelrounds.rounds.contradictions import Suspect
from labelrounds.rounds.record import Annotation
from tests.small import LABELS

TASK = Task("multi-class", tuple(LABELS))


def said(identity: str, label: str, name: str = "01") -> Annotation:
    return Annotation(identity, None, (label,), "", "human", "", name, "")


def test_ties_relabelled_and_divided_texts_are_told_apart() -> None:
    annotations = [
        *(said("a", label) for label in ("good", "bad")),
        *(said("b", label) for label in ("good", "bad", "good")),
        said("c", "good"),
        said("c", "other", "02"),
        said("d", "good"),
        said("d", "good", "02"),
    ]
    assert contradictions.ties(annotations, TASK) == [Suspect("a", "tie", detail="round 01: good | bad")]
    assert contradictions.relabelled(annotations, TASK) == [Suspect("c", "relabelled", "other", detail="round 01: good | round 02: other")]
    assert contradictions.divided(annotations, TASK) == [Suspect("b", "divided", "good", detail="good | bad | good")]
