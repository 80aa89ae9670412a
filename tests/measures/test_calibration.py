"""Calibrated scores mean what they say, no label changes by it, and a handful of validation texts does no harm."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from labelrounds.labelers import contract
from labelrounds.measures import calibration
from tests.small import PROPERTY


def card(kind: str = "multi-class", k: int = 3) -> contract.Card:
    return contract.Card("linear", kind, [f"label {number}" for number in range(k)], [0.5] * k, 1.0, None, None, {})


def classes(n: int, sharper: float, seed: int = 0, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Returns (logits `sharper` times too sharp, gold drawn from what they should say)."""
    draw = np.random.default_rng(seed)
    true = draw.normal(0, 2, (n, k))
    cumulative = softmax(true, axis=1).cumsum(axis=1)
    return true * sharper, np.eye(k, dtype=int)[(draw.random((n, 1)) > cumulative).sum(axis=1).clip(max=k - 1)]


def several(n: int, slope: float, shift: float, seed: int = 0, rate: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Returns (logits of two labels that should be slope * logit + shift, gold)."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(rate, 2, (n, 2))
    return logits, (draw.random((n, 2)) < expit(slope * logits + shift)).astype(int)


def loss(logits: np.ndarray, gold: np.ndarray, by: contract.Card) -> float:
    """Returns the mean log loss of the claims that the scores make."""
    scores = np.clip(contract.probabilities(logits, by).astype(float), 1e-7, 1 - 1e-7)
    if by.task == "multi-class":
        return float(-np.log((scores * gold).sum(axis=1)).mean())
    return float(-(gold * np.log(scores) + (1 - gold) * np.log(1 - scores)).mean())


@pytest.mark.parametrize("sharper", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_logits_is_found_again(sharper: float) -> None:
    logits, gold = classes(4000, sharper)
    assert calibration.temperature(logits, gold.argmax(axis=1)) == pytest.approx(sharper, rel=0.1)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.4, -1.5), (2.0, 1.0)])
def test_the_slope_and_the_shift_that_spoilt_a_label_are_found_again(slope: float, shift: float) -> None:
    logits, gold = several(6000, slope, shift)
    assert calibration.platt(logits[:, 0], gold[:, 0]) == pytest.approx((slope, shift), rel=0.15, abs=0.1)


class Fitted(ClassifierMixin, BaseEstimator):
    """A classifier of scikit-learn that says what it is given: what calibrates it sees our logits."""

    def __init__(self, count: int = 2) -> None:
        self.classes_ = np.arange(count)
        self.count = count

    def fit(self, *_: np.ndarray) -> "Fitted":
        return self

    def decision_function(self, logits: np.ndarray) -> np.ndarray:
        return logits[:, 0] if self.count == 2 else logits

    def predict(self, logits: np.ndarray) -> np.ndarray:
        return logits.argmax(axis=1)


@pytest.fixture
def without_priors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "SPREAD", np.inf)
    monkeypatch.setattr(calibration, "SHIFT", np.inf)


def fitted_by_scikit_learn(method: str, logits: np.ndarray, gold: np.ndarray, count: int) -> Any:
    """Returns what scikit-learn's calibration of a fitted classifier learnt."""
    calibrated = CalibratedClassifierCV(FrozenEstimator(Fitted(count)), method=method).fit(logits, gold)
    return calibrated.calibrated_classifiers_[0].calibrators[0]


@pytest.mark.parametrize("sharper", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("n", [50, 500])
def test_without_its_prior_the_temperature_is_that_of_scikit_learn(without_priors: None, n: int, sharper: float) -> None:
    logits, gold = classes(n, sharper, seed=n)
    theirs = 1 / float(fitted_by_scikit_learn("temperature", logits, gold.argmax(axis=1), 3).beta_)
    assert calibration.temperature(logits, gold.argmax(axis=1)) == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.4, -1.5), (2.0, 1.0)])
@pytest.mark.parametrize("n", [50, 500])
def test_without_its_prior_platt_is_that_of_scikit_learn(without_priors: None, n: int, slope: float, shift: float) -> None:
    """A logistic regression without a penalty; and Platt's own, which softens the labels, where ours gets the softened ones."""
    logits, gold = several(n, slope, shift, seed=n)
    one, said = logits[:, :1], gold[:, 0]
    plain = LogisticRegression(C=np.inf, tol=1e-10).fit(one, said)
    assert calibration.platt(one[:, 0], said) == pytest.approx((plain.coef_[0, 0], plain.intercept_[0]), rel=1e-5, abs=1e-5)
    positives = said.sum()
    softened = np.where(said == 1, (positives + 1) / (positives + 2), 1 / (n - positives + 2))
    theirs = fitted_by_scikit_learn("sigmoid", one, said, 2)
    assert calibration.platt(one[:, 0], softened) == pytest.approx((-theirs.a_, -theirs.b_), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("n", [20, 60, 140, 280, 300, 315, 1500])
def test_the_table_of_reliability_is_that_of_scikit_learn_where_bins_are_equal(n: int) -> None:
    """Where all bins can hold the same number of claims: else scikit-learn cuts between other ones."""
    draw = np.random.default_rng(n)
    confidence = draw.random(n)
    right = (draw.random(n) < confidence).astype(float)
    rows = calibration.reliability(confidence, right)
    assert {row["n"] for row in rows} == {n // len(rows)}
    share, mean = calibration_curve(right, confidence, n_bins=len(rows), strategy="quantile")
    assert [row["right"] for row in rows] == pytest.approx(share, rel=1e-12)
    assert [row["confidence"] for row in rows] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("kind", ["multi-class", "multi-label"])
def test_calibration_lowers_the_error_on_texts_that_it_has_not_seen(kind: str) -> None:
    logits, gold = classes(2000, 3.0) if kind == "multi-class" else several(2000, 0.4, -1.0)
    before = card(kind, gold.shape[1])
    after = contract.calibrated(before, logits[:300], gold[:300])
    found = [
        calibration.error(calibration.reliability(*calibration.claims(contract.probabilities(logits[300:], by), gold[300:], kind == "multi-label")))
        for by in (before, after)
    ]
    assert found[1] < found[0] / 2
    assert after.temperature == 1 or after.platt is None


def test_no_temperature_changes_a_label() -> None:
    logits, gold = classes(300, 3.0)
    after = contract.calibrated(card(), logits, gold)
    assert contract.decide(contract.probabilities(logits, after), after) == contract.decide(contract.probabilities(logits, card()), card())


@pytest.mark.parametrize("n", [1, 5, 20])
@pytest.mark.parametrize("kind", ["multi-class", "multi-label"])
def test_a_handful_of_validation_texts_does_no_harm_to_good_scores(kind: str, n: int) -> None:
    """Over twenty draws, scores that were right already get worse by a few hundredths of a nat at the most, on the average."""
    worse = []
    for seed in range(20):
        logits, gold = classes(600, 1.0, seed) if kind == "multi-class" else several(600, 1.0, 0.0, seed)
        before = card(kind, gold.shape[1])
        worse.append(loss(logits[n:], gold[n:], contract.calibrated(before, logits[:n], gold[:n])) - loss(logits[n:], gold[n:], before))
    assert np.mean(worse) < 0.05


def test_without_validation_texts_nothing_changes() -> None:
    assert contract.calibrated(card(), np.empty((0, 3)), np.empty((0, 3), int)) == card()


def test_a_label_that_nothing_was_learnt_for_stays_impossible() -> None:
    logits, gold = classes(200, 1.0)
    logits[:, 2] = -np.inf
    after = contract.calibrated(card(), logits, gold)
    scores = contract.probabilities(logits, after)
    assert np.isfinite(scores).all() and (scores[:, 2] == 0).all() and 0.5 < after.temperature < 2
    both = card("multi-label")
    after = contract.calibrated(both, logits, gold)
    assert (contract.probabilities(logits, after)[:, 2] == 0).all() and np.isfinite(after.thresholds).all()


def test_a_frequent_labels_threshold_gains_f1_and_a_rare_one_stays_near_a_half() -> None:
    logits, gold = several(3000, 1.0, 0.0, rate=-2.0)
    scores = expit(logits[:, 0])
    found = calibration.threshold(scores, gold[:, 0])

    def f1(bound: float) -> float:
        above = scores >= bound
        return 2 * (above & (gold[:, 0] > 0)).sum() / (above.sum() + gold[:, 0].sum())

    assert found < 0.45 and f1(found) > f1(0.5) + 0.01
    one = np.zeros(100, int)
    one[0] = 1
    assert 0.47 < calibration.threshold(np.linspace(0.05, 0.45, 100)[::-1], one) <= 0.5
    assert calibration.threshold(scores, np.zeros(3000, int)) == 0.5


@PROPERTY
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=60))
def test_a_threshold_never_lowers_the_f1_of_the_texts_that_chose_it(rows: list[tuple[float, bool]]) -> None:
    scores, gold = np.array([score for score, _ in rows], np.float32), np.array([int(yes) for _, yes in rows])

    def f1(bound: float) -> float:
        above = scores >= np.float32(bound)
        return 2 * (above & (gold > 0)).sum() / max(above.sum() + gold.sum(), 1)

    found = calibration.threshold(scores, gold)
    assert 0 < found < 1 and f1(found) >= f1(0.5)


def test_the_table_of_reliability_counts_every_claim_once_and_its_error_is_the_gap() -> None:
    confidence = np.repeat([0.6, 0.9], [40, 60])
    right = np.concatenate([np.arange(40) < 20, np.arange(60) < 54]).astype(float)
    rows = calibration.reliability(confidence, right)
    assert sum(row["n"] for row in rows) == 100 and len(rows) == 5
    assert calibration.error(rows) == pytest.approx(0.4 * 0.1, abs=1e-9), "equal claims count as one, whatever bin they fall into"
    shuffled = np.random.default_rng(0).permutation(100)
    assert calibration.error(calibration.reliability(confidence[shuffled], right[shuffled])) == pytest.approx(calibration.error(rows))
    assert calibration.error([]) == 0


def test_a_card_without_calibration_gives_the_plain_softmax_and_sigmoid() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 3))
    assert contract.probabilities(logits, card()) == pytest.approx(softmax(logits, axis=1), abs=1e-6)
    assert contract.probabilities(logits, card("multi-label")) == pytest.approx(expit(logits), abs=1e-6)
    tuned = replace(card("multi-label"), platt=[[2.0, 1.0], [1.0, 0.0], [0.5, -1.0]])
    assert contract.probabilities(logits, tuned)[:, 2] == pytest.approx(expit(logits[:, 2] / 2 - 1), abs=1e-6)
