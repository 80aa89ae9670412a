"""Labelers: a card, files without a pickle, and scores that come back from disk as they were."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.core.task import Task, indicator
from labelrounds.labelers import contract, linear
from tests import tiny

TASK = Task("multi-class", ("billing", "delivery", "praise"))
MULTI = Task("multi-label", TASK.labels)
# What pickle, and the formats built on it, begin with.
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def card_of(task: Task, **changes: object) -> contract.Card:
    k = len(task.labels)
    card = contract.Card("linear", task.type, list(task.labels), [0.5] * k, 1.0, None, None, {"n": 3, "fingerprint": "0123456789abcdef"})
    return dataclasses.replace(card, **changes)


def learn(texts: list[str], gold: list[tuple[str, ...]], task: Task, folder: Path) -> tuple[linear.LinearLabeler, linear.LinearLabeler]:
    """Returns the linear labeler as it was trained, and as it came back from disk."""
    vectorizers, weights, bias = linear.train(texts, indicator(gold, task), task, 10.0, 13)
    card = card_of(task)
    linear.save(vectorizers, weights, bias, card, folder)
    return linear.LinearLabeler(card, "", vectorizers, weights, bias), contract.load(folder)


def topics(n: int, chinese: bool = False) -> tuple[list[str], list[tuple[str, ...]]]:
    rows = tiny.texts(n, chinese=chinese)
    return [text for text, _ in rows], [(label,) for _, label in rows]


# The card and the folder


def test_a_card_comes_back_as_it_was_written_with_the_versions_of_its_libraries(tmp_path: Path) -> None:
    card = card_of(TASK, temperature=1.7, thresholds=[0.1, 0.25, 1 / 3], max_length=64, base={"encoder": "adapted", "fingerprint": "ab"})
    contract.write_card(tmp_path, card, ("numpy",))
    found = contract.read_card(tmp_path)
    assert found.versions == {"numpy": np.__version__}
    assert dataclasses.replace(found, versions={}) == card
    assert found.schema == TASK


def test_a_labeler_that_is_not_there_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no labeler here yet.*dvc repro"):
        contract.load(tmp_path / "nothing")


def test_a_kind_of_a_later_version_is_named(tmp_path: Path) -> None:
    contract.write_card(tmp_path, card_of(TASK, kind="oracle"), ())
    files.seal(tmp_path)
    with pytest.raises(UserError, match='the kind "oracle" is unknown'):
        contract.load(tmp_path)


@pytest.mark.parametrize("name", [contract.CARD, linear.VOCABULARY, linear.WEIGHTS])
def test_a_damaged_file_is_named_before_it_is_used(name: str, tmp_path: Path) -> None:
    learn(*topics(12), TASK, tmp_path / "labeler")
    path = tmp_path / "labeler" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match=f"{name}: damaged"):
        contract.load(tmp_path / "labeler")
    path.unlink()
    with pytest.raises(UserError, match=r"no file|there is no labeler"):
        contract.load(tmp_path / "labeler")


@pytest.mark.parametrize("content", ["{", "[]", '{"kind": "linear"}', '{"kind": "linear", "from": "the future"}'])
def test_a_broken_card_is_one_clear_error(content: str, tmp_path: Path) -> None:
    (tmp_path / contract.CARD).write_text(content)
    with pytest.raises(UserError, match=r"labeler\.json.*dvc repro"):
        contract.load(tmp_path)


def test_no_file_of_a_labeler_is_a_pickle(tmp_path: Path) -> None:
    learn(*topics(12), TASK, tmp_path / "labeler")
    assert {path.name for path in (tmp_path / "labeler").iterdir()} == {contract.CARD, linear.VOCABULARY, linear.WEIGHTS, files.MANIFEST}
    assert not [path for path in (tmp_path / "labeler").iterdir() if path.read_bytes().startswith(PICKLES)]


def test_training_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        learn(*topics(30), TASK, tmp_path / name)
    assert files.folder_digests(tmp_path / "one") == files.folder_digests(tmp_path / "two")


# Decisions


def test_multi_class_decides_for_the_highest_score_and_is_as_sure_as_that_score() -> None:
    found = np.asarray([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.0, 0.0, 1.0]], np.float32)
    assert contract.decide(found, card_of(TASK)) == [("delivery",), ("billing",), ("praise",)]
    assert contract.confidence(found, card_of(TASK)).tolist() == pytest.approx([0.5, 0.4, 1.0])


def test_multi_label_decides_each_label_by_its_threshold_and_is_as_sure_as_the_least_sure_label() -> None:
    card = card_of(MULTI, thresholds=[0.5, 0.2, 0.9])
    found = np.asarray([[0.5, 0.2, 0.9], [0.49, 0.19, 0.89], [0.9, 0.0, 0.1]], np.float32)
    assert contract.decide(found, card) == [MULTI.labels, (), ("billing",)]
    assert contract.confidence(found, card).tolist() == pytest.approx([0.2, 0.11, 0.9])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_decision_is_spelled_in_the_tasks_labels_and_its_confidence_is_a_probability(rows: list[list[float]]) -> None:
    found = np.asarray(rows, np.float32)
    for task in (TASK, MULTI):
        decided, sure = contract.decide(found, card_of(task)), contract.confidence(found, card_of(task))
        assert len(decided) == len(sure) == len(rows)
        assert all(task.parse(task.spell(labels), "here") == labels for labels in decided)
        assert ((sure >= 0) & (sure <= 1)).all()


# The linear labeler


@pytest.mark.parametrize("chinese", [False, True], ids=["english", "chinese"])
def test_a_saved_linear_labeler_gives_identical_scores_and_has_learnt(chinese: bool, tmp_path: Path) -> None:
    texts, gold = topics(90, chinese)
    task = Task("multi-class", tuple(sorted(tiny.CHINESE if chinese else tiny.TOPICS)))
    trained, loaded = learn(texts[:60], gold[:60], task, tmp_path / "labeler")
    found = loaded.scores(texts[60:], 7)
    assert found.dtype == np.float32 and found.shape == (30, 3)
    np.testing.assert_array_equal(found, trained.scores(texts[60:], 64))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    right = sum(one == other for one, other in zip(contract.decide(found, loaded.card), gold[60:], strict=True))
    assert right >= 24, f"{right} of 30"


def test_texts_without_a_known_word_and_empty_texts_get_scores_too(tmp_path: Path) -> None:
    texts, gold = topics(30)
    _, loaded = learn(texts, gold, TASK, tmp_path / "labeler")
    found = loaded.scores(["zzz qqq", "", "  ", "🎉", "0", "日本語", "a\0b", "x" * 10_000], 4)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_a_label_that_nobody_gave_scores_zero(tmp_path: Path) -> None:
    texts, gold = topics(60)
    kept = [(text, labels) for text, labels in zip(texts, gold, strict=True) if labels != ("delivery",)]
    _, loaded = learn([text for text, _ in kept], [labels for _, labels in kept], TASK, tmp_path / "labeler")
    found = loaded.scores(texts, 64)
    assert (found[:, 1] == 0).all() and np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    right = sum(contract.decide(found[[n]], loaded.card) == [labels] for n, labels in enumerate(gold) if labels != ("delivery",))
    assert right >= 0.9 * len(kept), "two classes are told apart by the same rows"


def test_two_labels_get_the_probabilities_of_the_logistic_regression(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    rows = [(text, label) for text, label in tiny.texts(60) if label != "praise"]
    task = Task("multi-class", ("billing", "delivery"))
    trained, loaded = learn([text for text, _ in rows], [(label,) for _, label in rows], task, tmp_path / "labeler")
    matrix = linear.features([text for text, _ in rows], trained.vectorizers)
    expected = LogisticRegression(C=10.0, max_iter=1000, random_state=13).fit(matrix, [task.index[label] for _, label in rows])
    np.testing.assert_allclose(loaded.scores([text for text, _ in rows], 64), expected.predict_proba(matrix), atol=1e-6)


def test_a_single_label_is_certain(tmp_path: Path) -> None:
    _, loaded = learn(["one text", "another text"], [("praise",), ("praise",)], TASK, tmp_path / "labeler")
    assert loaded.scores(["whatever"], 1).tolist() == [[0.0, 0.0, 1.0]]


def test_a_multi_label_label_that_never_or_always_applies_scores_zero_or_one(tmp_path: Path) -> None:
    texts = [text for text, _ in tiny.texts(40)]
    gold = [("billing", "praise") if "great" in text or "invoice" in text else ("praise",) for text in texts]
    assert {len(labels) for labels in gold} == {1, 2}
    trained, loaded = learn(texts, gold, MULTI, tmp_path / "labeler")
    found = loaded.scores([*texts, "zzz"], 64)
    assert (found[:, 1] == 0).all() and (found[:, 2] == 1).all()
    assert np.isfinite(found).all() and ((found[:, 0] > 0) & (found[:, 0] < 1)).all()
    np.testing.assert_array_equal(found, trained.scores([*texts, "zzz"], 64))


def test_multi_label_scores_need_not_sum_to_one_and_may_all_be_low(tmp_path: Path) -> None:
    rows = tiny.multi_label_texts(150)
    _, loaded = learn([text for text, _ in rows[:100]], [labels for _, labels in rows[:100]], MULTI, tmp_path / "labeler")
    decided = contract.decide(loaded.scores([text for text, _ in rows[100:]], 64), loaded.card)
    assert {len(labels) for labels in decided} >= {0, 1, 2}
    right = sum(one == labels for one, (_, labels) in zip(decided, rows[100:], strict=True))
    assert right >= 40, f"{right} of 50"


@pytest.mark.parametrize("texts", [["!!!", "???"], ["a b", "c d"], ["1", "2"]])
def test_training_texts_that_share_nothing_still_give_a_labeler(texts: list[str], tmp_path: Path) -> None:
    _, loaded = learn(texts, [("billing",), ("praise",)], TASK, tmp_path / "labeler")
    found = loaded.scores([*texts, "zzz"], 8)
    assert np.isfinite(found).all() and (found[:, 1] == 0).all()


def test_linear_vectors_are_alike_for_like_texts_and_the_same_every_time(tmp_path: Path) -> None:
    texts, gold = topics(40)
    _, loaded = learn(texts, gold, TASK, tmp_path / "labeler")
    wanted = ["my invoice was late today", "my invoice was late today again", "love it, thanks"]
    vectors = loaded.embed(wanted, 2)
    assert vectors.dtype == np.float32 and vectors.shape == (3, linear.EMBEDDING_SIZE)
    np.testing.assert_array_equal(vectors, loaded.embed(wanted, 64))
    assert np.linalg.norm(vectors[0] - vectors[1]) < np.linalg.norm(vectors[0] - vectors[2])


def test_progress_counts_every_text(tmp_path: Path) -> None:
    texts, gold = topics(30)
    _, loaded = learn(texts, gold, TASK, tmp_path / "labeler")
    counted: list[int] = []
    loaded.scores(texts, 7, counted.append)
    assert sum(counted) == 30


def test_a_card_names_the_task_that_the_scores_are_for(tmp_path: Path) -> None:
    learn(*topics(12), TASK, tmp_path / "labeler")
    card = json.loads((tmp_path / "labeler" / contract.CARD).read_text())
    assert card["kind"] == "linear" and card["labels"] == list(TASK.labels) and card["task"] == "multi-class"
    assert set(card["versions"]) == {"scikit-learn", "numpy"}
