"""Self-training of a probe: whose answers it learns from, in which shares, and that it helps where the texts lie in groups."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError
from labelrounds.core.task import Task
from labelrounds.labelers import contract, linear
from labelrounds.methods import jobs, self_training
from tests import tiny
from tests.methods.test_zero_shot import here, job_of, models  # noqa: F401  (fixtures)
from tests.small import PROPERTY, SmallProject

TASK = Task("multi-class", ("a", "b", "c"))
SETTINGS = self_training.Settings(iterations=5, keep=0.5, inverse_regularization=1.0, folds=5)


def answers_of(seed: int, n: int = 40, labels: int = 3) -> np.ndarray:
    return self_training.softmax(np.random.default_rng(seed).normal(size=(n, labels)) * 2)


@given(st.integers(0, 99), st.integers(2, 6))
@PROPERTY
def test_shifted_answers_have_the_shares_that_are_believed_and_still_sum_to_one(seed: int, labels: int) -> None:
    shares = np.random.default_rng(seed).dirichlet(np.full(labels, 3.0)) * 0.8 + 0.2 / labels
    found = self_training.with_shares(answers_of(seed, 60, labels), shares)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found.mean(axis=0), shares, atol=0.02)


@given(st.integers(0, 99))
@PROPERTY
def test_believed_shares_sum_to_one_and_leave_no_label_out(seed: int) -> None:
    gold = np.eye(3, dtype=int)[np.random.default_rng(seed).integers(0, 2, 12)]  # nobody has given the third label
    found = self_training.believed(answers_of(seed), gold)
    assert found.sum() == pytest.approx(1) and (found > 0).all()


def test_shares_that_the_pool_shows_move_the_belief_away_from_those_among_the_labels() -> None:
    gold = np.eye(3, dtype=int)[[0, 1, 2] * 4]  # as many of each
    sure = np.full((100, 3), 0.01)
    sure[np.arange(100), [0] * 80 + [1] * 15 + [2] * 5] = 0.98
    found = self_training.believed(sure, gold)
    assert found[0] > 0.5 > 1 / 3 > found[1] > found[2]


@given(st.integers(0, 99), st.floats(0.05, 1.0))
@PROPERTY
def test_it_learns_from_the_most_certain_texts_of_every_label(seed: int, keep: float) -> None:
    answers = answers_of(seed)
    chosen = self_training.most_certain(answers, keep)
    assert (np.diff(chosen) > 0).all()
    said, score = answers.argmax(axis=1), answers.max(axis=1)
    for label in np.unique(said):
        mine, others = chosen[said[chosen] == label], np.setdiff1d(np.flatnonzero(said == label), chosen)
        assert len(mine) == max(1, int(keep * (said == label).sum()))
        assert not len(others) or score[mine].min() >= score[others].max()


@pytest.mark.parametrize("shares", [(1 / 3, 1 / 3, 1 / 3), (0.7, 0.2, 0.1)], ids=["equal shares", "skewed shares"])
def test_where_texts_lie_in_groups_the_texts_without_labels_help(shares: tuple[float, ...]) -> None:
    """Three groups of vectors in 30 dimensions and one or two labels of each: on the mean of 20 draws it is right more often than its twin."""
    gain = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        centres = draw.normal(size=(3, 30))
        truth = draw.choice(3, 400, p=shares)
        rows = centres[truth] + draw.normal(size=(400, 30)) * 1.6
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        known = np.concatenate([np.flatnonzero(truth == label)[: 2 - (label == 2)] for label in range(3)])
        rest = np.setdiff1d(np.arange(400), known)
        gold = np.eye(3, dtype=int)[truth[known]]
        taught = self_training.teach(rows[known], gold, rows[rest], TASK, SETTINGS)
        twin = linear.regression(rows[known], gold, TASK, 1.0, 0, balanced=True)
        right = [((rows[rest] @ weights.T + bias).argmax(axis=1) == truth[rest]).mean() for weights, bias in (taught, twin)]
        gain.append(right[0] - right[1])
    assert np.mean(gain) > 2 * np.std(gain) / len(gain) ** 0.5, f"gains: {np.round(gain, 2)}"


def test_a_label_that_no_text_has_is_never_given() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(60, 8))
    weights, bias = self_training.teach(rows[:10], np.eye(3, dtype=int)[[0, 2] * 5], rows[10:], TASK, SETTINGS)
    assert bias[1] == -np.inf and np.isfinite(weights).all() and np.isfinite(bias[[0, 2]]).all()


def with_unlabelled(here: SmallProject) -> None:  # noqa: F811
    texts = [text for text, _ in tiny.texts(200, seed=9)]
    here.table(paths.UNLABELLED.as_posix(), ["id", "text", "augmented"], ([str(number), text, text] for number, text in enumerate(texts)))


@pytest.mark.slow
@pytest.mark.parametrize("valid", [True, False], ids=["with validation", "without validation"])
def test_its_labeler_comes_back_from_disk_and_the_same_job_gives_the_same_bytes(here: SmallProject, valid: bool) -> None:  # noqa: F811
    job = job_of(here, "vanilla", "self-training", 90)
    with_unlabelled(here)
    if not valid:
        here.table("valid.csv", ["id", "text", "label"], [])
    said = jobs.make_labeler(job)
    first = files.folder_digests(job.out)
    assert jobs.make_labeler(job) == said and files.folder_digests(job.out) == first
    assert said.startswith("60 texts and ") and "without labels, of which it says: billing" in said
    found = contract.load(job.out, job.machine)
    scores = found.scores([text for text, _ in tiny.texts(20, seed=5)], 4)
    assert np.isfinite(scores).all() and found.card.temperature != 1.0


def test_several_labels_per_text_are_one_error_that_says_what_to_take(here: SmallProject) -> None:  # noqa: F811
    job = job_of(here, "vanilla", "self-training", 30, multi_label=True)
    with_unlabelled(here)
    with pytest.raises(UserError, match=r"one label per text\. For several, take `probe` or `ust`"):
        jobs.make_labeler(job)
    assert not Path(job.out).exists()
