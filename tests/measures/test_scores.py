"""Scores agree with scikit-learn and with what can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from labelrounds.core.task import Task, indicator
from labelrounds.measures import scores
from tests.small import FEWER, LABELS, PROPERTY

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


def test_a_label_that_is_said_but_never_right_counts_as_zero() -> None:
    found = summary(matrix([["good"], ["bad"]]), matrix([["good"], ["other"]]))
    assert found["f1"] == {"good": 1.0, "bad": 0.0, "other": 0.0}
    assert found["f1_macro"] == pytest.approx(1 / 3, abs=1e-6)


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
    for average in ("micro", "macro", "weighted"):
        expected = metrics.f1_score(gold, predicted, average=average, zero_division=0)
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


@PROPERTY
@given(PAIRS)
def test_the_confusion_counts_every_text_once(pairs: list[tuple[int, int]]) -> None:
    gold, predicted = (np.eye(3, dtype=np.int64)[list(column)] for column in zip(*pairs, strict=True))
    columns, rows = scores.confusion(gold, predicted, CLASSES)
    assert columns == ["gold", "predicted", "count"] and len(rows) == 9
    assert {(one, other): count for one, other, count in rows} == {
        (one, other): pairs.count((i, j)) for i, one in enumerate(LABELS) for j, other in enumerate(LABELS)
    }


def test_for_several_labels_the_confusion_is_one_of_yes_and_no_per_label() -> None:
    gold, predicted = matrix([["good"], ["good", "bad"], []], SEVERAL), matrix([["good"], ["bad"], ["bad"]], SEVERAL)
    columns, rows = scores.confusion(gold, predicted, SEVERAL)
    assert columns == ["label", "gold", "predicted", "count"]
    assert [row for row in rows if row[0] == "good"] == [("good", 0, 0, 1), ("good", 0, 1, 0), ("good", 1, 0, 1), ("good", 1, 1, 1)]
    assert sum(count for *_, count in rows) == 9


def test_numbers_are_plain_and_of_six_digits() -> None:
    found = scores.rounded({"a": np.float64(1 / 3), "b": {"c": np.float32(0.5)}, "n": 3, "none": None, "name": "x"})
    assert found == {"a": 0.333333, "b": {"c": 0.5}, "n": 3, "none": None, "name": "x"}
    assert type(found["a"]) is float and type(found["b"]["c"]) is float
