"""Scores agree with scikit-learn and with what can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from labelrounds.core.task import Task, indicator
from labelrounds.measures import scores
from tests.small import FEWER, LABELS

CLASSES = Task("multi-class", tuple(LABELS))
SEVERAL = Task("multi-label", tuple(LABELS))
PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30)
SETS = st.lists(st.tuples(st.tuples(*[st.integers(0, 1)] * 3), st.tuples(*[st.integers(0, 1)] * 3)), min_size=1, max_size=20)


def matrix(rows: list[list[str]], task: Task = CLASSES) -> np.ndarray:
    return indicator(rows, task)


def summary(gold: np.ndarray, predicted: np.ndarray, task: Task = CLASSES) -> dict:
    return scores.summary(gold, predicted, predicted.astype(float), task)


def test_the_indicator_has_a_column_per_label_in_the_order_of_the_task() -> None:
    assert matrix([["bad"], [], ["other", "good"]]).tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 1]]


def test_multi_class_scores_are_those_worked_out_by_hand() -> None:
    gold = matrix([["good"], ["good"], ["good"], ["bad"], ["bad"], ["other"]])
    predicted = matrix([["good"], ["good"], ["bad"], ["bad"], ["good"], ["other"]])
    found = summary(gold, predicted)
    # good: 2 right of 3 given and 3 said; bad: 1 right of 2 given and 2 said; other: all right.
    assert found["f1"] == {"good": pytest.approx(2 / 3, abs=1e-6), "bad": 0.5, "other": 1.0}
    assert found["accuracy"] == found["f1_micro"] == pytest.approx(4 / 6, abs=1e-6)
    assert found["f1_macro"] == pytest.approx((2 / 3 + 0.5 + 1) / 3, abs=1e-6)
    assert found["f1_weighted"] == pytest.approx((3 * 2 / 3 + 2 * 0.5 + 1) / 6, abs=1e-6)
    assert "jaccard" not in found


def test_multi_label_accuracy_asks_for_all_labels_of_a_text_and_jaccard_for_a_share() -> None:
    gold = matrix([["good", "bad"], ["good"], [], ["other"]], SEVERAL)
    predicted = matrix([["good"], ["good"], [], ["other", "bad"]], SEVERAL)
    found = summary(gold, predicted, SEVERAL)
    assert found["accuracy"] == 0.5
    # A text where no label applies and none is said is right: 1/2, 1, 1, 1/2.
    assert found["jaccard"] == 0.75


def test_a_label_that_nobody_gave_and_nobody_said_has_no_score_and_lowers_none() -> None:
    gold = matrix([["good"], ["bad"]])
    found = summary(gold, gold)
    assert found["f1"] == {"good": 1.0, "bad": 1.0, "other": None}
    assert found["f1_macro"] == found["f1_weighted"] == 1.0


def test_a_label_without_gold_texts_has_no_f1_whatever_is_said_and_a_label_that_is_never_found_counts_as_zero() -> None:
    found = summary(matrix([["good"], ["bad"]]), matrix([["good"], ["other"]]))
    assert found["f1"] == {"good": 1.0, "bad": 0.0, "other": None}
    assert found["f1_macro"] == 0.5


def test_one_false_positive_of_a_label_without_gold_texts_costs_what_it_costs_its_text_and_no_more() -> None:
    gold = matrix([["good"]] * 50 + [["bad"]] * 50)
    slip = gold.copy()
    slip[0] = [0, 0, 1]
    assert summary(gold, gold)["f1_macro"] == 1.0
    assert 0.99 < summary(gold, slip)["f1_macro"] < 1.0, "it was 0.663 when the label counted as one that fails"
    assert scores.macro_f1(gold, slip) == pytest.approx(summary(gold, slip)["f1_macro"], abs=1e-6)
    assert scores.untested(gold, CLASSES) == ["other"]


@FEWER
@given(SETS, st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=20, max_size=20))
def test_every_model_is_averaged_over_the_same_labels(sets: list[tuple[tuple[int, ...], tuple[int, ...]]], another: list[tuple[int, ...]]) -> None:
    gold, predicted = (np.asarray(rows) for rows in zip(*sets, strict=True))
    other = np.asarray(another[: len(gold)])
    one, two = (summary(gold, said, SEVERAL)["f1"] for said in (predicted, other))
    assert [value is None for value in one.values()] == [value is None for value in two.values()]
    more = Task("multi-label", (*LABELS, "new"))
    wider = [np.hstack([rows, np.full((len(gold), 1), said)]) for rows, said in ((gold, 0), (predicted, 0), (predicted, 1))]
    assert (
        summary(wider[0], wider[1], more)["f1_macro"]
        == summary(wider[0], wider[2], more)["f1_macro"]
        == summary(gold, predicted, SEVERAL)["f1_macro"]
    )


def test_where_no_label_applies_to_any_text_there_is_no_f1_to_gain() -> None:
    nothing = matrix([[], []], SEVERAL)
    found = summary(nothing, nothing, SEVERAL)
    assert (found["accuracy"], found["f1_macro"], found["f1_weighted"], found["jaccard"], found["roc_auc"]) == (1.0, 0.0, 0.0, 1.0, None)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    gold = np.asarray([[1, 0], [1, 0], [0, 0], [0, 0]])
    probabilities = np.asarray([[0.9, 0.5], [0.3, 0.5], [0.4, 0.5], [0.1, 0.5]])
    assert scores.roc_auc(gold, probabilities) == [0.75, None]
    assert scores.mean_of([0.75, None]) == 0.75 and scores.mean_of([None]) is None


@FEWER
@given(PAIRS)
def test_multi_class_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    gold, predicted = (np.asarray(column) for column in zip(*pairs, strict=True))
    found = summary(np.eye(3, dtype=np.int64)[gold], np.eye(3, dtype=np.int64)[predicted])
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(gold, predicted), abs=1e-6)
    for average, labels in (("micro", None), ("macro", sorted(set(gold))), ("weighted", None)):
        expected = metrics.f1_score(gold, predicted, average=average, labels=labels, zero_division=0)
        assert found[f"f1_{average}"] == pytest.approx(expected, abs=1e-6)


@FEWER
@given(SETS)
def test_multi_label_scores_are_those_of_scikit_learn(sets: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    gold, predicted = (np.asarray(rows) for rows in zip(*sets, strict=True))
    found = summary(gold, predicted, SEVERAL)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(gold, predicted), abs=1e-6)
    assert found["f1_micro"] == pytest.approx(metrics.f1_score(gold, predicted, average="micro", zero_division=0), abs=1e-6)
    assert found["f1_weighted"] == pytest.approx(metrics.f1_score(gold, predicted, average="weighted", zero_division=0), abs=1e-6)
    assert found["jaccard"] == pytest.approx(metrics.jaccard_score(gold, predicted, average="samples", zero_division=1.0), abs=1e-6)
    assert scores.macro_f1(gold, predicted) == pytest.approx(found["f1_macro"], abs=1e-6)


@FEWER
@given(SETS)
def test_the_table_per_label_agrees_with_the_summary(sets: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    gold, predicted = (np.asarray(rows) for rows in zip(*sets, strict=True))
    found = summary(gold, predicted, SEVERAL)["f1"]
    for row in scores.per_label(gold, predicted, predicted.astype(float), SEVERAL):
        assert row["support"] == gold[:, SEVERAL.index[row["label"]]].sum()
        assert found[row["label"]] in (None, row["f1"])


def test_numbers_are_plain_and_of_six_digits() -> None:
    found = scores.rounded({"a": np.float64(1 / 3), "b": {"c": np.float32(0.5)}, "n": 3, "none": None, "name": "x"})
    assert found == {"a": 0.333333, "b": {"c": 0.5}, "n": 3, "none": None, "name": "x"}
    assert type(found["a"]) is float and type(found["b"]["c"]) is float
