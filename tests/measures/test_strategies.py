"""Each strategy asks first about what the model knows least, and spreads without asking twice."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelrounds.core import params, registry
from labelrounds.core.errors import UserError
from labelrounds.measures import acquisition
from labelrounds.measures.acquisition import entropy, most_uncertain_first
from labelrounds.measures.strategies import entropy_coreset, entropy_kmeans
from labelrounds.measures.strategies.least_confidence import uncertainty as least_confidence
from labelrounds.measures.strategies.margin import uncertainty as margin
from tests.small import FEWER, PROPERTY

# Three classes: sure, torn between two, leaning among three, torn among all three.
CLASSES = np.asarray([[0.98, 0.01, 0.01], [0.49, 0.50, 0.01], [0.45, 0.30, 0.25], [0.34, 0.33, 0.33]])
# Three independent labels: sure of all, unsure of one, somewhat unsure of all, unsure of all.
SEVERAL = np.asarray([[0.99, 0.01, 0.02], [0.50, 0.01, 0.01], [0.70, 0.30, 0.70], [0.50, 0.49, 0.51]])
NAMES = registry.names(registry.STRATEGIES)
STRATEGIES = [acquisition.strategy(name).uncertainty for name in NAMES]


@pytest.mark.parametrize(
    ("strategy", "order"),
    [(least_confidence, [3, 2, 1, 0]), (margin, [1, 3, 2, 0]), (entropy, [3, 2, 1, 0])],
)
def test_for_classes_each_strategy_has_its_own_order(strategy, order: list[int]) -> None:
    assert most_uncertain_first(strategy(CLASSES, multi_label=False)).tolist() == order


@pytest.mark.parametrize(
    ("strategy", "order"),
    [(least_confidence, [1, 3, 2, 0]), (margin, [3, 2, 1, 0]), (entropy, [3, 2, 1, 0])],
)
def test_for_several_labels_each_strategy_has_its_own_order(strategy, order: list[int]) -> None:
    assert most_uncertain_first(strategy(SEVERAL, multi_label=True)).tolist() == order


def test_the_numbers_are_those_worked_out_by_hand() -> None:
    classes, several = np.asarray([[0.5, 0.3, 0.2]]), np.asarray([[0.9, 0.5]])
    assert least_confidence(classes, False) == pytest.approx([0.5])
    assert margin(classes, False) == pytest.approx([1 - 0.2])
    assert entropy(classes, False) == pytest.approx([-(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2))])
    assert least_confidence(several, True) == pytest.approx([0.5])
    assert margin(several, True) == pytest.approx([1 - 0.4])
    assert entropy(several, True) == pytest.approx([(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)) + math.log(2)) / 2])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("multi_label", [False, True])
def test_certainty_is_no_division_by_zero(strategy, multi_label: bool) -> None:
    assert strategy(np.asarray([[1.0, 0.0], [0.0, 1.0]]), multi_label) == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_with_two_classes_all_strategies_ask_about_the_same_text_first(strategy) -> None:
    first = np.asarray([0.9, 0.55, 0.2, 0.7, 0.35])
    assert most_uncertain_first(strategy(np.stack([first, 1 - first], axis=1), False)).tolist() == [1, 4, 3, 2, 0]


@PROPERTY
@given(arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(2, 5)), elements=st.floats(0, 1)), st.booleans())
def test_uncertainty_is_a_finite_number_of_zero_or_more(drawn: np.ndarray, multi_label: bool) -> None:
    scores = drawn if multi_label else (drawn + 0.01) / (drawn + 0.01).sum(axis=1, keepdims=True)
    for strategy in STRATEGIES:
        found = strategy(scores, multi_label)
        assert found.shape == (len(scores),) and np.isfinite(found).all() and (found >= -1e-9).all()


@PROPERTY
@given(st.lists(st.floats(0, 1), max_size=20))
def test_a_ranking_holds_every_text_once_the_least_certain_first(uncertainty: list[float]) -> None:
    order = most_uncertain_first(np.asarray(uncertainty)).tolist()
    assert sorted(order) == list(range(len(uncertainty)))
    assert [uncertainty[number] for number in order] == sorted(uncertainty, reverse=True)


def test_equals_keep_their_order() -> None:
    assert most_uncertain_first(np.asarray([0.5, 0.9, 0.5, 0.9])).tolist() == [1, 3, 0, 2]


def clusters(n: int = 30, seed: int = 0) -> np.ndarray:
    """Returns n vectors around three directions, the first third around the first and so on."""
    noise = np.random.default_rng(seed).normal(scale=0.05, size=(n, 4))
    return np.eye(3, 4)[np.repeat(np.arange(3), n // 3)] + noise


def test_kmeans_asks_about_each_cluster() -> None:
    assert sorted(entropy_kmeans.spread(clusters(), 3, seed=1) // 10) == [0, 1, 2]


def test_the_coreset_asks_about_each_cluster_and_begins_with_the_least_certain() -> None:
    chosen = entropy_coreset.spread(clusters(), 3, seed=1)
    assert chosen[0] == 0 and sorted(chosen // 10) == [0, 1, 2]


def test_the_coreset_takes_the_farthest_each_time() -> None:
    angles = np.radians([0, 10, 90, 45])
    assert entropy_coreset.spread(np.stack([np.cos(angles), np.sin(angles)], axis=1), 3, seed=1).tolist() == [0, 2, 3]


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@FEWER
@given(arrays(np.float32, st.tuples(st.integers(1, 12), st.just(3)), elements=st.sampled_from([0.0, 0.5, 1.0, -1.0])), st.integers(1, 14))
def test_a_spread_is_distinct_as_large_as_asked_for_and_the_same_each_time(vectors: np.ndarray, size: int) -> None:
    for spread in filter(None, (acquisition.strategy(name).spread for name in NAMES)):
        chosen = spread(vectors, size, 3).tolist()
        assert len(chosen) == len(set(chosen)) == min(size, len(vectors))
        assert all(0 <= number < len(vectors) for number in chosen)
        assert spread(vectors, size, 3).tolist() == chosen


def test_the_strategies_that_params_yaml_may_name_are_the_modules_that_there_are() -> None:
    words = params.Params.model_json_schema()["$defs"]["Select"]["properties"]["strategy"]["enum"]
    assert words == list(NAMES)
    with pytest.raises(UserError, match=r'the strategy "entropi" is unknown\. Did you mean "entropy"'):
        acquisition.strategy("entropi")


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_asks_about_each_text_once_and_only_the_random_one_ignores_the_model(name: str) -> None:
    uncertainty = np.asarray([0.1, 0.9, 0.3, 0.7, 0.5])
    order = acquisition.strategy(name).order(uncertainty, 13).tolist()
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order == (np.random.default_rng(13).permutation(5).tolist() if name == "random" else [1, 3, 4, 2, 0])
