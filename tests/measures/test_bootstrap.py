"""Intervals say how far chance moves a score: they agree with scikit-learn on every resample, and hold the truth as often as they say."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core.task import Task
from labelrounds.measures import bootstrap, scores
from tests.small import FEWER, LABELS

CLASSES = Task("multi-class", tuple(LABELS))
SEVERAL = Task("multi-label", tuple(LABELS))


@st.composite
def measured(draw: st.DrawFn, task: Task | None = None) -> tuple[Task, np.ndarray, np.ndarray, np.ndarray]:
    """A task with gold labels, predictions and scores (with ties) of a few texts; some labels may be lacking."""
    task = task or draw(st.sampled_from([CLASSES, SEVERAL]))
    n = draw(st.integers(1, 25))
    world = np.random.default_rng(draw(st.integers(0, 10_000)))
    if task.multi_label:
        gold, predicted = (world.random((2, n, 3)) < draw(st.sampled_from([0.1, 0.5]))).astype(np.int64)
    else:
        gold, predicted = np.eye(3, dtype=np.int64)[world.integers(0, draw(st.integers(1, 3)), (2, n))]
    return task, gold, predicted, world.integers(0, 5, (n, 3)) / 4


def values(found: dict) -> list:
    """Returns the scores or intervals of all names, those of the labels too, without what is None."""
    flat = [value for name, value in found.items() if name != "f1"] + list(found["f1"].values())
    return [value for value in flat if value is not None]


def test_the_standard_error_of_a_difference_is_that_of_drawing_other_texts() -> None:
    world, one = np.random.default_rng(5), Task("multi-class", ("a", "b"))

    def drawn(n: int) -> list[np.ndarray]:
        """Gold labels, and two sets of predictions that are right with 70 and with 75 %, on texts drawn anew."""
        gold = world.integers(0, 2, n)
        return [np.eye(2, dtype=np.int64)[np.where(world.random(n) < right, gold, 1 - gold)] for right in (1, 0.7, 0.75)]

    differences = [scores.macro_f1(gold, after) - scores.macro_f1(gold, before) for gold, before, after in (drawn(200) for _ in range(400))]
    told = [bootstrap.standard_error(*drawn(200), one, seed, 500) for seed in range(20)]
    assert np.mean(told) == pytest.approx(np.std(differences), rel=0.15)
    gold, before, _ = drawn(50)
    assert bootstrap.standard_error(gold, before, before, one, 1) == 0


@pytest.mark.slow
@FEWER
@given(measured())
def test_every_resample_is_scored_as_scikit_learn_scores_the_texts_drawn(case: tuple) -> None:
    task, gold, predicted, probabilities = case
    curves = bootstrap._curves(gold, probabilities)
    (weights,) = bootstrap.resamples(gold, seed=3, count=3)
    found = bootstrap._scores(weights, gold, predicted, task, curves)
    for column in range(3):
        rows = np.repeat(np.arange(len(gold)), weights[:, column].astype(int))
        expected = scores.summary(gold[rows], predicted[rows], probabilities[rows], task)
        for name in set(expected) - {"f1"}:
            if expected[name] is not None:
                assert found[name][0, column] == pytest.approx(expected[name], abs=1e-6), name
        for value, label in zip(found["f1"][:, column], task.labels, strict=True):
            assert expected["f1"][label] is None or value == pytest.approx(expected["f1"][label], abs=1e-6)


@FEWER
@given(measured())
def test_an_interval_holds_the_score_and_has_its_name(case: tuple) -> None:
    task, gold, predicted, probabilities = case
    summary = scores.summary(gold, predicted, probabilities, task)
    found = bootstrap.intervals(gold, predicted, probabilities, task, seed=1, count=50)
    assert set(found) == set(summary) and list(found["f1"]) == list(summary["f1"])
    assert len(values(found)) == len(values(summary)), "a score has an interval, and None has none"
    for (low, high), value in zip(values({name: found[name] for name in summary}), values(summary), strict=True):
        assert 0 <= low <= value + 1e-6 and value - 1e-6 <= high <= 1
    assert scores.macro_f1(gold, predicted) == pytest.approx(summary["f1_macro"], abs=1e-6)


@FEWER
@given(measured())
def test_every_label_keeps_a_text_in_every_resample_and_no_text_comes_from_nowhere(case: tuple) -> None:
    _, gold, _, _ = case
    for weights in bootstrap.resamples(gold, seed=2, count=40):
        assert ((gold.T @ weights > 0) == gold.any(axis=0)[:, None]).all()
        assert (weights >= 0).all() and (weights == weights.astype(int)).all()
        assert (weights.sum(axis=0) >= len(gold)).all() and (weights.sum(axis=0) <= len(gold) + gold.shape[1]).all()


@FEWER
@given(measured())
def test_equal_predictions_differ_by_exactly_nothing(case: tuple) -> None:
    task, gold, predicted, _ = case
    found = bootstrap.changes(gold, predicted, predicted.copy(), task, seed=1, count=30)
    for change in values(found):
        assert change.before == change.after
        assert (change.difference, change.ci95) in [(0.0, (0.0, 0.0)), (None, None)]


@FEWER
@given(measured())
def test_the_other_way_round_a_difference_has_the_other_sign(case: tuple) -> None:
    task, gold, predicted, probabilities = case
    other = np.eye(3, dtype=np.int64)[probabilities.argmax(axis=1)]
    forth = values(bootstrap.changes(gold, predicted, other, task, seed=1, count=39))
    back = values(bootstrap.changes(gold, other, predicted, task, seed=1, count=39))
    for one, two in zip(forth, back, strict=True):
        assert (one.before, one.after) == (two.after, two.before)
        if one.ci95:
            assert one.difference == -two.difference
            assert one.ci95 == pytest.approx((-two.ci95[1], -two.ci95[0]), abs=2e-6)
            assert one.ci95[0] <= one.difference <= one.ci95[1]


def simulated(n: int, world: np.random.Generator, right: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Returns gold labels and predictions of n texts, each of which is right with the same probability."""
    gold = world.choice(3, n, p=[0.5, 0.3, 0.2])
    predicted = np.where(world.random(n) < right, gold, (gold + world.integers(1, 3, n)) % 3)
    return np.eye(3, dtype=np.int64)[gold], np.eye(3, dtype=np.int64)[predicted]


def test_an_interval_holds_the_true_accuracy_about_as_often_as_it_says() -> None:
    world, held, projects = np.random.default_rng(7), 0, 200
    for number in range(projects):
        gold, predicted = simulated(150, world)
        low, high = bootstrap.intervals(gold, predicted, predicted, CLASSES, number, 300)["accuracy"]
        held += low <= 0.8 <= high
    # 95 % of 200 is 190, give or take 6 (two standard errors); the percentile bootstrap is known to lack a little.
    assert 182 <= held <= 197


def test_an_interval_counts_the_chance_in_how_many_texts_a_label_has() -> None:
    """With label counts held fixed this interval would have no width: the label alone says whether a text is right."""
    gold = np.eye(3, dtype=np.int64)[[0] * 50 + [1] * 50]
    predicted = np.eye(3, dtype=np.int64)[[0] * 100]
    low, high = bootstrap.intervals(gold, predicted, predicted, CLASSES, 1)["accuracy"]
    assert (low, high) == pytest.approx((0.4, 0.6), abs=0.025)  # 0.5 +- 1.96 * 0.05


@FEWER
@given(measured(), st.integers(0, 2))
def test_a_label_without_gold_texts_moves_no_difference_of_macro_f1(case: tuple, said: int) -> None:
    """Both sides are averaged over the same labels: what one of them says of a label that nobody gave does not widen the average."""
    task, gold, predicted, _ = case
    more = Task(task.type, (*task.labels, "new"))
    none = np.zeros((len(gold), 1), dtype=np.int64)
    before, after = np.hstack([predicted, none]), np.hstack([predicted, none])
    after[: said + 1, -1] = 1
    if not task.multi_label:
        after[: said + 1, :-1] = 0
    wide = np.hstack([gold, none])
    change = bootstrap.changes(wide, before, after, more, seed=1, count=20)["f1_macro"]
    one, other = (scores.macro_f1(gold, some[:, :-1]) for some in (before, after))
    assert (change.before, change.after) == (pytest.approx(one, abs=1e-6), pytest.approx(other, abs=1e-6))
    assert bootstrap.changes(wide, before, after, more, seed=1, count=20)["f1"]["new"].difference is None


def test_a_paired_interval_of_a_true_gain_leaves_out_0_where_two_separate_ones_overlap() -> None:
    world = np.random.default_rng(3)
    gold, before = simulated(400, world, right=0.7)
    after = np.where((world.random(400) < 0.15)[:, None], gold, before)
    change = bootstrap.changes(gold, before, after, CLASSES, seed=1)["f1_macro"]
    assert 0 < change.ci95[0] <= change.difference <= change.ci95[1] < 0.12
    one, other = (bootstrap.intervals(gold, said, said, CLASSES, 1)["f1_macro"] for said in (before, after))
    assert one[1] > other[0]


def test_the_same_seed_gives_the_same_digits_and_another_seed_others() -> None:
    gold, predicted = simulated(300, np.random.default_rng(1))
    found = [bootstrap.intervals(gold, predicted, predicted, CLASSES, seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_more_texts_than_fit_into_one_part_are_resampled_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    gold, _ = simulated(200, np.random.default_rng(1))
    monkeypatch.setattr(bootstrap, "CELLS", 200 * 30)
    assert [part.shape for part in bootstrap.resamples(gold, 1, 100)] == [(200, 30), (200, 30), (200, 30), (200, 10)]
    assert len(set(map(bytes, np.hstack(list(bootstrap.resamples(gold, 1, 100))).T))) == 100, "no resample comes twice"


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (0, 1), (3, 3), (5, 4), (1, 9), (30, 34), (400, 500)])
def test_mcnemar_is_the_exact_test_of_a_fair_coin(lost: int, won: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(lost, lost + won, 0.5).pvalue if lost + won else 1.0
    assert bootstrap.mcnemar(lost, won) == pytest.approx(expected)
    assert bootstrap.mcnemar(lost, won) == bootstrap.mcnemar(won, lost)


def test_2000_resamples_of_2000_texts_are_quick() -> None:
    world = np.random.default_rng(1)
    gold, predicted = simulated(2000, world)
    began = time.process_time()
    bootstrap.intervals(gold, predicted, world.random((2000, 3)), CLASSES, 1)
    assert time.process_time() - began < 3
