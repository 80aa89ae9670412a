"""Who is reliable is found from the answers alone, and a new round changes no label of an older one."""

import numpy as np
import pytest

from labelrounds.core.task import Task
from labelrounds.rounds import consensus, vote
from labelrounds.rounds.record import CORRECTION, Annotation
from tests import small

# Dawid and Skene 1979, table 1: 45 patients, judged by five anaesthetists, the first of them three times.
PATIENTS = """
111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3|222 2 2 2 3|232 2 2 2 3|444 4 4 4 4|222 3 3 4 3
111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1|111 1 1 1 1|222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2
111 1 1 1 1|111 1 1 1 1|232 2 2 2 2|111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3
221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1|111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2
"""
CLASSES = Task("multi-class", tuple(small.LABELS))
SEVERAL = Task("multi-label", tuple(small.LABELS))


def anaesthetists() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = [
        (patient, person, int(digit) - 1)
        for patient, line in enumerate(PATIENTS.strip().replace("\n", "|").split("|"))
        for person, digits in enumerate(line.split())
        for digit in digits
    ]
    texts, people, labels = map(np.asarray, zip(*found, strict=True))
    return texts, people, labels


def test_the_data_of_the_paper_give_what_crowd_kit_makes_of_them() -> None:
    """The numbers are those of crowd-kit 1.4.2, `DawidSkene(n_iter=200, tol=1e-9)`, an implementation by others."""
    texts, people, labels = anaesthetists()
    assert len(texts) == 45 * 7
    found = consensus.fit(texts, people, labels, 4, prior=0)
    assert found.shares == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    assert found.tables[0] == pytest.approx(
        np.array([[0.889, 0.111, 0, 0], [0.070, 0.877, 0.053, 0], [0, 0.335, 0.665, 0], [0, 0, 0.556, 0.444]]), abs=0.01
    )
    assert found.truth.argmax(axis=1)[[0, 1, 10]].tolist() == [0, 3, 3]


def test_a_reliable_person_wins_over_two_who_guess() -> None:
    draw = np.random.default_rng(5)
    truth = draw.integers(0, 3, 300)
    share_right = (0.97, 0.4, 0.4)
    said = np.stack([np.where(draw.random(300) < right, truth, draw.integers(0, 3, 300)) for right in share_right], axis=1)
    texts, people = np.repeat(np.arange(300), 3), np.tile(np.arange(3), 300)
    found = consensus.fit(texts, people, said.ravel(), 3)
    counts = np.stack([(said == label).sum(axis=1) for label in range(3)], axis=1)
    assert found.of_people[0] > 0.8 > 0.7 > max(found.of_people[1:])
    assert (found.truth.argmax(axis=1) == truth).mean() > (counts.argmax(axis=1) == truth).mean() + 0.05
    assert found.posterior([(0, 1), (1, 2), (2, 2)]).argmax() == 1 and found.posterior([(-1, 2)]).argmax() == 2


def annotation(identity: str, who: str, *labels: str, name: str = "01", source: str = "human") -> Annotation:
    return Annotation(identity, None, labels, who, source, "", name, "here")


def crowd(name: str = "01", wrong: str = "Careless") -> list[Annotation]:
    """Returns forty texts: Ana and Ben agree on each, a third person says the same thing of all."""
    said = []
    for number in range(40):
        label = small.LABELS[number % 3]
        said += [annotation(f"{name}-{number}", who, label, name=name) for who in ("Ana", "Ben")]
        said.append(annotation(f"{name}-{number}", wrong, "other", name=name))
    return said


def test_a_tie_goes_to_who_is_reliable_and_the_majority_stays_the_default() -> None:
    said = [*crowd(), annotation("a", "Ana", "good"), annotation("a", "Careless", "other")]
    assert "a" in vote.settle(said, CLASSES).tied
    assert vote.settle(said, CLASSES, vote.DAWID_SKENE).labels["a"].labels == ("good",)
    assert vote.settle(said, CLASSES, vote.MAJORITY) == vote.settle(said, CLASSES)


def test_a_single_vote_and_a_vote_of_one_mind_stand_whoever_gives_them() -> None:
    said = [*crowd(), annotation("a", "Careless", "other"), annotation("b", "Careless", "bad"), annotation("b", "Ana", "bad")]
    found = vote.settle(said, CLASSES, vote.DAWID_SKENE).labels
    assert found["a"].labels == ("other",) and found["b"].labels == ("bad",)


def test_a_new_round_changes_no_label_of_an_older_one() -> None:
    first = [*crowd(), annotation("a", "Ana", "good"), annotation("a", "Careless", "other")]
    before = vote.settle(first, CLASSES, vote.DAWID_SKENE)
    later = [*first, *crowd("02", wrong="Ana"), *crowd("03", wrong="Ana"), annotation("02-1", "Ben", "bad", name="03", source=CORRECTION)]
    after = vote.settle(later, CLASSES, vote.DAWID_SKENE)
    assert {identity: after.labels[identity] for identity in before.labels} == before.labels


def test_of_several_labels_each_is_weighed_by_itself() -> None:
    said = []
    for number in range(60):
        labels = tuple(label for place, label in enumerate(small.LABELS) if (number >> place) & 1)
        said += [annotation(str(number), who, *labels) for who in ("Ana", "Ben")]
        said.append(annotation(str(number), "Careless", "other"))
    said += [annotation("a", "Ana", "good", "bad"), annotation("a", "Careless", "other")]
    assert "a" in vote.settle(said, SEVERAL).tied
    assert vote.settle(said, SEVERAL, vote.DAWID_SKENE).labels["a"].labels == ("good", "bad")


def test_without_a_text_that_several_labelled_a_tie_stays_a_tie() -> None:
    said = [annotation("a", "", "good"), annotation("a", "", "bad")]
    assert "a" in vote.settle(said, CLASSES, vote.DAWID_SKENE).tied


def test_the_parameter_decides_and_the_split_tells(tmp_path) -> None:
    made = small.project(tmp_path)
    texts = [f"text number {'abcdefghij'[number % 10]} {'klmnopqrst'[number // 10]}" for number in range(60)]
    made.pool(texts)
    rows = [[text, small.LABELS[number % 3], who] for number, text in enumerate(texts[:57]) for who in ("Ana", "Ben")]
    rows += [[text, "other", "Careless"] for text in texts[:57]] + [[texts[59], "good", "Ana"], [texts[59], "other", "Careless"]]
    made.table("data/rounds/01.csv", ["text", "label", "annotator"], rows)
    made.split()
    plain = made.read("data/split/labels.csv")
    made.params(split__consensus="majority")
    made.split()
    assert made.read("data/split/labels.csv") == plain and made.read("metrics/split.json").count('"ties": 1') == 1
    made.params(split__consensus="dawid-skene")
    made.split()
    assert made.read("metrics/split.json").count('"ties": 0') == 1 and len(made.rows("data/split/labels.csv")) == 58
    made.params(split__consensus="loudest")
    assert "consensus" in made.wrong("split")
