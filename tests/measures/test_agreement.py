"""People's agreement is measured as published, the model's on test texts alone, and a second opinion never moves a label."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core.task import Task
from labelrounds.measures import agreement
from labelrounds.pool.identity import text_id
from labelrounds.rounds import record, vote
from labelrounds.rounds.record import CORRECTION, OPINION, Annotation
from labelrounds.rounds.vote import settle
from stages import agreement as stage
from tests.small import FEWER, LABELS, PROPERTY, SmallProject, project, sentences

CLASSES = Task("multi-class", tuple(LABELS))
SEVERAL = Task("multi-label", tuple(LABELS))
ONCE = np.ones((12, 1))


def said(identity: str, label: str, who: str = "", name: str = "01", source: str = "human") -> Annotation:
    return Annotation(identity, None, tuple(filter(None, label.split(";"))), who, source, "", name, "")


def counted(answers: list[list[int]], values: int) -> np.ndarray:
    """Returns how many people gave each value 1 … `values` to each text; `answers` holds one row per person, 0 for none."""
    table = np.array(answers)
    return np.stack([(table == value).sum(axis=0) for value in range(1, values + 1)], axis=1).astype(float)


def test_alpha_is_that_of_krippendorffs_own_example() -> None:
    """Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C: four observers, missing data, 0.743."""
    answers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
    counts = counted(answers, 5)
    paired = counts[counts.sum(axis=1) > 1]
    assert agreement.alpha(paired, 1 - np.eye(5), np.ones((len(paired), 1)))[0] == pytest.approx(0.743, abs=5e-4)


ANSWERS = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=4, max_size=4), min_size=1, max_size=30)


@PROPERTY
@given(ANSWERS, st.booleans())
def test_alpha_is_that_of_the_package_krippendorff_where_answers_are_missing_too(rows: list[list[int | None]], multi_label: bool) -> None:
    """From people's answers on: a text that one person labelled counts in neither. For sets of labels the package gets our distances."""
    import krippendorff

    labels, task = (
        (["", "good", "good;bad", "bad;other"], SEVERAL)
        if multi_label
        else (["good", "bad", "other", "more"], Task("multi-class", (*LABELS, "more")))
    )
    found = agreement.collect(
        (said(f"{n}", labels[one], who) for n, row in enumerate(rows) for who, one in zip("abcd", row, strict=True) if one is not None), task
    )
    ours = agreement.alpha(found.counts, agreement.distances(found.values, multi_label), np.ones((len(found.ids), 1)))[0]
    if len(found.values) < 2:
        assert np.isnan(ours)  # the package has no alpha either where all say the same
        return
    sets = [set(filter(None, label.split(";"))) for label in labels]
    apart = np.array([[agreement.masi(one, other) if multi_label else float(one != other) for other in sets] for one in sets])
    table = np.array([[np.nan if one is None else one for one in row] for row in rows], dtype=float).T

    def distance(v1, v2, i1, i2, n_v, dtype=np.float64):
        return apart[i1, i2].astype(dtype)

    theirs = krippendorff.alpha(table, value_domain=np.arange(4.0), level_of_measurement=distance if multi_label else "nominal")
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12)


def test_fleiss_kappa_is_that_of_the_published_example() -> None:
    """Ten texts, fourteen people, five labels: 0.210 (https://en.wikipedia.org/wiki/Fleiss'_kappa, worked example)."""
    rows = ["00 00 00 00 14", "0 2 6 4 2", "0 0 3 5 6", "0 3 9 2 0", "2 2 8 1 1", "7 7 0 0 0", "3 2 6 3 0", "2 5 3 2 2", "6 5 2 1 0", "0 2 2 3 7"]
    counts = np.array([row.split() for row in rows]).astype(float)
    assert agreement.fleiss_kappa(counts, np.ones((10, 1)))[0] == pytest.approx(0.210, abs=5e-4)


@FEWER
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=40))
def test_cohens_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    one, other = np.array(pairs).T
    found = agreement.cohen_kappa(np.eye(3)[one], np.eye(3)[other], False, np.ones((len(pairs), 1)))[0]
    if len({*one, *other}) == 1:
        assert np.isnan(found)  # scikit-learn warns, and has none either
    else:
        assert found == pytest.approx(cohen_kappa_score(one, other))


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=30), st.integers(0, 9))
def test_a_resample_is_the_same_as_the_texts_written_so_often(pairs: list[tuple[int, int]], seed: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, len(pairs), len(pairs))
    weight = np.bincount(drawn, minlength=len(pairs))[:, None].astype(float)
    counts = counted(np.array(pairs).T + 1, 3)
    for measure in (lambda c, w: agreement.alpha(c, 1 - np.eye(3), w), agreement.raw, agreement.fleiss_kappa):
        assert measure(counts, weight) == pytest.approx(measure(counts[drawn], np.ones((len(pairs), 1))), nan_ok=True)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("a;b", "a;b", 0), ("a", "b", 1), ("", "", 0), ("", "a", 1), ("a;b", "a;b;c;d", 1 - 1 / 2 * 2 / 3), ("a;b", "b;c", 1 - 1 / 3 * 1 / 3)],
)
def test_masi_is_passonneaus(one: str, other: str, distance: float) -> None:
    first, second = (set(filter(None, cell.split(";"))) for cell in (one, other))
    assert agreement.masi(first, second) == agreement.masi(second, first) == pytest.approx(distance)


def test_sets_that_overlap_agree_better_than_sets_that_do_not() -> None:
    def alpha(second: str) -> float:
        spoken = [
            said(str(n), cell, who) for n in range(6) for who, cell in (("a", "good" if n % 2 else "bad;other"), ("b", "good" if n % 2 else second))
        ]
        found = agreement.collect(spoken, SEVERAL)
        return agreement.alpha(found.counts, agreement.distances(found.values, True), np.ones((6, 1)))[0]

    values = [alpha(second) for second in ("good", "good;bad", "bad", "bad;other")]
    assert values[-1] == 1 and all(one < other for one, other in pairwise(values))


def test_what_counts_as_an_opinion_of_a_person() -> None:
    spoken = [
        said("a", "good", "Ann"), said("a", "bad", "Ben"), said("a", "bad", "Ann", "02"),  # Ann changed her mind
        said("b", "good", "Ann"), said("b", "bad", "Ben", "03", CORRECTION),  # asked because it looked wrong
        said("c", "good", "Ann"), said("c", "bad", "gpt", source="model"),
        said("d", "good", "Ann"), said("d", "bad", "crowd"),
        said("e", "good"), said("e", "bad"), said("e", "bad", name="02"), said("e", "other", "Ann", "03", OPINION),
        said("f", "good"), said("f", "bad"),
    ]  # fmt: skip
    found = agreement.collect(spoken, CLASSES, leave_out=["crowd"])
    answers = {
        i: {p: found.values[v] for p, v in zip(found.people, row, strict=True) if v >= 0} for i, row in zip(found.ids, found.said, strict=True)
    }
    assert answers == {
        "a": {"Ann": ("bad",), "Ben": ("bad",)},
        "e": {"(not named) 1": ("bad",), "Ann": ("other",)},
        "f": {"(not named) 1": ("good",), "(not named) 2": ("bad",)},
    }


LINES = st.tuples(st.sampled_from("abc"), st.sampled_from(LABELS), st.sampled_from(["", "Ann", "Ben"]), st.sampled_from(["01", "02", "10"]))


@PROPERTY
@given(st.lists(LINES, max_size=12), st.lists(LINES, max_size=12))
def test_second_opinions_never_change_what_is_settled(labels: list[tuple], opinions: list[tuple]) -> None:
    ordinary = [said(*line) for line in labels]
    assert settle([*ordinary, *(said(*line, source=OPINION) for line in opinions)], CLASSES) == settle(ordinary, CLASSES)


def labelled(tmp_path: Path, multi_label: bool = False) -> SmallProject:
    """A project with forty labelled texts, split, and a model that is right about every test text but the first two."""
    made = project(tmp_path, multi_label=multi_label)
    texts = sentences(60)
    made.pool(texts)
    column = "labels" if multi_label else "label"
    label = {text: LABELS[n % 3] if not multi_label else ["good", "good;bad", "-"][n % 3] for n, text in enumerate(texts[:40])}
    made.table("data/rounds/01.csv", ["id", column, "annotator"], ([text_id(text), given, "Ann"] for text, given in label.items()))
    made.split()
    test = made.rows("data/split/test.csv")
    wrong = {"good": "bad", "bad": "other", "other": "good", "good;bad": "good", "-": "good"}
    rows = [[row["id"], row[column], wrong[row[column]] if n < 2 else row[column]] for n, row in enumerate(test)]
    made.table("metrics/baseline/test.csv", ["id", "gold", "predicted"], rows)
    return made


def measured(made: SmallProject) -> dict:
    return json.loads(made.read("metrics/agreement.json"))


def ask_again(made: SmallProject, who: str, change: int, column: str = "label") -> None:
    """Ben and others give second opinions on ten test texts: Ann's label, but for the first `change`."""
    made.command("next", "--again", "10", f"{who}.csv")
    gold = {row["id"]: row[column] for row in made.rows("data/split/test.csv")}
    ids = [row["id"].lstrip("'") for row in made.rows(f"{who}.csv")]
    answers = {identity: ("good" if gold[identity] != "good" else "bad") if n < change else gold[identity] for n, identity in enumerate(ids)}
    made.fill(f"{who}.csv", answers, column)
    made.command("import", "--annotator", who, f"{who}.csv")


def test_without_second_opinions_the_file_says_so_and_nothing_fails(tmp_path: Path) -> None:
    made = labelled(tmp_path)
    assert "labelrounds next --again" in made.made(stage)
    found = measured(made)
    assert found["texts"] == found["test_texts"] == 0 and found["alpha"] is found["difference"] is None
    assert "No text has labels by two people" in found["note"]
    assert made.rows("metrics/agreement/people.csv") == [] and len(made.rows("metrics/agreement/labels.csv")) == 3


@pytest.mark.parametrize("multi_label", [False, True])
def test_second_opinions_are_asked_blind_and_change_neither_split_nor_labels(tmp_path: Path, multi_label: bool) -> None:
    made = labelled(tmp_path, multi_label)
    before = made.digests()
    ask_again(made, "Ben", 3, "labels" if multi_label else "label")
    form = made.rows("Ben.csv")
    assert "suggestion" not in form[0] and {row["source"] for row in form} == {"opinion"}
    assert {row["id"].lstrip("'") for row in form} <= {row["id"] for row in made.rows("data/split/test.csv")}
    made.split()
    after = made.digests()
    assert {path for path in after if after[path] != before.get(path)} == {"Ben.csv", made.named("data/rounds/02.csv")}
    assert "already and were not written again" in made.command("import", "--annotator", "Ben", "Ben.csv")


@pytest.mark.parametrize("multi_label", [False, True])
def test_people_and_model_are_compared_on_the_same_test_texts(tmp_path: Path, multi_label: bool) -> None:
    made = labelled(tmp_path, multi_label)
    column = "labels" if multi_label else "label"
    ask_again(made, "Ben", 3, column)
    train = made.rows("data/split/train.csv")[:2]
    made.table("data/rounds/03.csv", ["id", column, "annotator", "source"], ([row["id"], row[column], "Cem", "opinion"] for row in train))
    assert "people agree with each other at alpha" in made.made(stage)
    found = measured(made)
    assert (found["texts"], found["test_texts"], found["people"]) == (12, 10, 3)
    assert found["human_agreement"] < 1 and found["raw"] == pytest.approx(9 / 12, abs=1e-6)
    assert found["difference"] == pytest.approx(found["model_agreement"] - found["human_agreement"], abs=2e-6)
    low, high = found["ci95"]["difference"]
    assert low < found["difference"] < high
    (pair,) = made.rows("metrics/agreement/people.csv")
    assert (pair["one"], pair["other"], pair["texts"]) == ("Ann", "Ben", "10")
    assert [row["person"] for row in made.rows("metrics/agreement/model.csv")] == ["Ann", "Ben"]
    again = made.digests()
    made.made(stage)
    assert made.digests() == again


def test_who_answers_at_random_is_less_reliable_than_who_agrees(tmp_path: Path) -> None:
    made = labelled(tmp_path)
    rows = [(row["id"], row["label"]) for path in ("train", "valid", "test") for row in made.rows(f"data/split/{path}.csv")]
    others = {"good": "bad", "bad": "other", "other": "good"}
    for number, (who, wrong) in enumerate((("Ben", 10), ("Cem", 3), ("Dan", 7)), 2):
        answers = [[identity, others[label] if place % 10 < wrong and wrong == 3 else label] for place, (identity, label) in enumerate(rows)]
        made.table(f"data/rounds/0{number}.csv", ["id", "label", "annotator", "source"], ([*row, who, "opinion"] for row in answers))
    made.made(stage)
    found = {row["person"]: float(row["reliability"]) for row in made.rows("metrics/agreement/reliability.csv")}
    assert found["Cem"] < 0.8 < 0.9 < min(found["Ben"], found["Dan"]) and set(made.rows("metrics/agreement/reliability.csv")[0]) > {
        f"right_{label}" for label in LABELS
    }


def test_each_version_of_the_guideline_has_an_agreement_of_its_own(tmp_path: Path) -> None:
    made = labelled(tmp_path)
    made.made(stage)
    assert "guidelines" not in measured(made)
    ids = [row["id"] for row in made.rows("data/split/train.csv")[:6]]
    for who, answers in (("Ben", ["good", "bad", "good", "good", "bad", "bad"]), ("Cem", ["bad", "good", "good", "good", "bad", "bad"])):
        rows = [[identity, label, who, "opinion", "old" if n < 3 else "new"] for n, (identity, label) in enumerate(zip(ids, answers, strict=True))]
        made.table(f"data/rounds/0{2 if who == 'Ben' else 3}.csv", ["id", "label", "annotator", "source", "guideline"], rows)
    made.made(stage)
    found = measured(made)["guidelines"]
    assert {name: (one["texts"], one["people"], one["raw"]) for name, one in found.items()} == {
        "old": (3, 2, pytest.approx(1 / 3, abs=1e-6)),
        "new": (3, 2, 1.0),
    }


def test_until_answers_come_everybody_gets_the_same_texts_and_then_others(tmp_path: Path) -> None:
    made = labelled(tmp_path)
    made.command("next", "--again", "5", "one.csv")
    made.command("next", "--again", "5", "two.csv")
    assert made.rows("one.csv") == made.rows("two.csv")
    made.fill("one.csv", {row["id"].lstrip("'"): "good" for row in made.rows("one.csv")})
    made.command("import", "one.csv")
    made.command("next", "--again", "5", "three.csv")
    assert not {row["id"] for row in made.rows("one.csv")} & {row["id"] for row in made.rows("three.csv")}


def test_the_mark_of_a_second_opinion_may_be_typed_in_any_case(tmp_path: Path) -> None:
    path = tmp_path / "01.csv"
    path.write_text("text,label,source\none,good,Opinion\n", encoding="utf-8")
    assert vote.deciding(record.read(path, CLASSES)) == []


@FEWER
@given(st.integers(2, 4), st.integers(0, 999))
def test_a_model_that_speaks_as_one_of_them_agrees_as_well_as_they_do(people: int, seed: int) -> None:
    """A model drawn as people are: the difference is chance alone, and the interval is as wide as that."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 3, 400)
    voices = np.where(draw.random((people + 1, 400)) < 0.7, truth, draw.integers(0, 3, (people + 1, 400)))
    counts, apart, weight = counted(voices[1:] + 1, 3), 1 - np.eye(3), agreement.weights(400, seed, 200)
    value, (low, high) = agreement.interval(agreement.alpha_with(voices[0], counts, apart, weight) - agreement.alpha(counts, apart, weight))
    assert low - 0.08 < 0 < high + 0.08 and abs(value) < 0.15
