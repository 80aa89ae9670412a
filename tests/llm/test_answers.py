"""What answers mean: the mass of each label, votes by a schema, or an answer outside the labels; never a guess."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core.task import Task
from labelrounds.llm import answers
from tests.small import PROPERTY

LABELS = ("negative", "neutral", "positive")
TASK = Task("multi-class", LABELS)
MANY = Task("multi-label", ("billing", "praise"))


def step(token: str, **likeliest: float) -> list:
    """One token of an answer with the probabilities of the likeliest there (`_` for a blank before it)."""
    given = {name.replace("_", " "): math.log(value) for name, value in likeliest.items()}
    return [token, given[token], [[name, value] for name, value in given.items()]]


def scored(content: str, *tokens: list) -> dict:
    return {"content": content, "finish": "stop", "usage": [1, 1], "tokens": list(tokens)}


def test_a_local_models_log_probabilities_become_probabilities() -> None:
    found = answers.probabilities({"answers": [math.log(0.02), math.log(0.01), math.log(0.01)]}, LABELS)
    np.testing.assert_allclose(found, [0.5, 0.25, 0.25])


def test_a_token_counts_for_the_one_label_that_it_begins() -> None:
    found = answers.probabilities(scored("Positive.", step("Pos", Pos=0.6, negative=0.2, _neutral=0.1, The=0.1)), LABELS)
    np.testing.assert_allclose(found, np.asarray([0.2, 0.1, 0.6]) / 0.9)


def test_where_labels_begin_alike_the_next_token_decides() -> None:
    tokens = step("ne", ne=0.8, pos=0.2), step("utral", utral=0.75, gative=0.25)
    np.testing.assert_allclose(answers.probabilities(scored("neutral", *tokens), LABELS), [0.2, 0.6, 0.2])


def test_a_label_that_begins_another_is_told_from_it_by_where_the_answer_ends() -> None:
    task = ("price", "price change")
    ended = scored("price", step("price", price=0.9, other=0.1))
    np.testing.assert_allclose(answers.probabilities(ended, task), [1, 0])
    gone_on = scored("price change", step("price", price=1.0), [" change", math.log(0.7), [[" change", math.log(0.7)], [".", math.log(0.3)]]])
    np.testing.assert_allclose(answers.probabilities(gone_on, task), [0.3, 0.7], err_msg="a full stop would have ended the shorter one")


@pytest.mark.parametrize("content", ["The sentiment is positive", "positive or negative", "positively", "possibly", "", None, "unknown", "7"])
def test_an_answer_that_is_no_label_is_outside_even_if_it_holds_one(content: str | None) -> None:
    assert answers.said(content, LABELS) is None
    assert answers.probabilities(scored(content, step("Pos", Pos=0.9, negative=0.1)), LABELS) is None


@pytest.mark.parametrize("content", ["positive", " Positive.", '"POSITIVE"', "**positive**\n\nBecause …", "positive\n"])
def test_case_blanks_and_punctuation_do_not_matter(content: str) -> None:
    assert answers.said(content, LABELS) == "positive"


def test_labels_that_differ_in_case_alone_are_told_apart() -> None:
    assert answers.said("US", ("US", "us")) == "US" and answers.said("us", ("US", "us")) == "us" and answers.said("Us", ("US", "us")) is None


@given(st.lists(st.floats(-60, 0), min_size=3, max_size=3))
@PROPERTY
def test_probabilities_always_sum_to_one(logs: list[float]) -> None:
    found = answers.probabilities({"answers": logs}, LABELS)
    assert found is not None and abs(found.sum() - 1) < 1e-9 and (found >= 0).all()


tokens = st.lists(
    st.tuples(
        st.sampled_from(["ne", "neg", "pos", " positive", "utral", "gative", "", ".", "The", "<end>", "N", "中"]),
        st.floats(-20, 0),
        st.lists(st.tuples(st.sampled_from(["ne", "Pos", "itive", "utral", "", "x", " neutral"]), st.floats(-20, 0)), max_size=4),
    ),
    max_size=4,
)


@given(tokens)
@PROPERTY
def test_whatever_a_server_sends_gives_probabilities_or_none(given_tokens: list) -> None:
    said = "".join(token for token, _, _ in given_tokens)
    found = answers.probabilities(scored(said, *given_tokens), LABELS)
    assert found is None or (found.shape == (3,) and abs(found.sum() - 1) < 1e-9 and (found >= 0).all())
    if answers.said(said, LABELS) is None:
        assert found is None


# Votes by a JSON schema


def test_answers_by_the_schema_are_read() -> None:
    assert answers.voted({"content": '{"label": "neutral"}'}, TASK) == ("neutral",)
    assert answers.voted({"content": '{"praise": true, "billing": false}'}, MANY) == ("praise",)
    assert answers.voted({"content": '{"praise": false, "billing": false}'}, MANY) == ()


@pytest.mark.parametrize(
    "content", [None, "", "neutral", '{"label": "so-so"}', '{"label": "neu', '{"label": ["neutral"]}', '{"label": "neutral", "why": 1}', "[]", "null", '{"label": 1}']
)  # fmt: skip
def test_every_other_answer_is_outside(content: str | None) -> None:
    assert answers.voted({"content": content}, TASK) is None


@pytest.mark.parametrize("found", [{"billing": True}, {"billing": 1, "praise": 0}, {"billing": True, "praise": False, "x": True}])
def test_multi_label_answers_need_a_boolean_for_each_label_and_nothing_else(found: dict) -> None:
    assert answers.voted({"content": json.dumps(found)}, MANY) is None


def test_one_vote_is_not_certain_and_many_that_agree_nearly_are() -> None:
    np.testing.assert_allclose(answers.votes([("neutral",)], TASK), [1 / 6, 4 / 6, 1 / 6])
    assert answers.votes([("neutral",)] * 20, TASK).max() > 0.95
    np.testing.assert_allclose(answers.votes([("praise",), None], MANY), [0.25, 0.75])


def test_without_a_vote_all_labels_score_alike() -> None:
    np.testing.assert_allclose(answers.votes([None, None], TASK), [1 / 3] * 3)
    np.testing.assert_allclose(answers.votes([], MANY), [0.5, 0.5])


# Calibration


@given(st.integers(0, 1000))
@PROPERTY
def test_calibration_keeps_a_distribution_and_undoes_a_constant_liking(seed: int) -> None:
    draw = np.random.default_rng(seed)
    fair = draw.dirichlet([1, 1, 1], size=30)
    liking = draw.uniform(0.1, 10, 3)
    biased = fair * liking / (fair * liking).sum(axis=1, keepdims=True)
    found = answers.calibrated(biased, biased.mean(axis=0))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    same = answers.calibrated(biased * [1, 2, 3], (biased * [1, 2, 3]).mean(axis=0))
    np.testing.assert_allclose(found, same, err_msg="a factor per label makes no difference")


def test_a_model_that_likes_one_label_is_corrected() -> None:
    found = np.asarray([[0.6, 0.4], [0.9, 0.1]])
    assert answers.calibrated(found, found.mean(axis=0)).argmax(axis=1).tolist() == [1, 0]
    np.testing.assert_array_equal(answers.calibrated(found, None), found)
