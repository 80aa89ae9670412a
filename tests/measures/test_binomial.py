"""What is proven by counting is exact: neither more nor less than the binomial distribution gives."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from labelrounds.measures import binomial
from tests.small import PROPERTY


@PROPERTY
@given(st.integers(1, 3000), st.sampled_from([0.8, 0.9, 0.95, 0.99]), st.sampled_from([0.01, 0.05, 0.2]))
def test_as_many_may_be_wrong_as_keep_the_exact_bound_at_the_promise(n: int, precision: float, risk: float) -> None:
    most = int(binomial.allowed(np.array([n]), precision, risk)[0])
    if most >= 0:
        assert binomial.lower_bound(n - most, n, risk) >= precision - 1e-9
        assert binom.cdf(most, n, 1 - precision) <= risk
    if most + 1 <= n:
        assert binomial.lower_bound(n - most - 1, n, risk) < precision + 1e-9
        assert binom.cdf(most + 1, n, 1 - precision) > risk


def test_fifty_nine_texts_without_an_error_prove_what_is_promised() -> None:
    assert binomial.least_texts(0.95, 0.05) == 59
    assert binomial.allowed(np.array([0, 58, 59, 93]), 0.95, 0.05).tolist() == [-1, -1, 0, 1]


def test_the_exact_interval_covers_as_often_as_it_says() -> None:
    for true, n in itertools.product((0.5, 0.9, 0.97), (10, 100)):
        bounds = np.array([binomial.interval(right, n) for right in range(n + 1)])
        covers = (bounds[:, 0] <= true) & (true <= bounds[:, 1])
        assert binom.pmf(np.arange(n + 1), n, true)[covers].sum() >= 0.95
    assert binomial.interval(0, 0) == (0.0, 1.0)


@PROPERTY
@given(st.integers(0, 400), st.integers(0, 400), st.sampled_from([0.01, 0.0125, 0.05]))
def test_the_bounds_are_those_that_clopper_and_pearson_give(right: int, wrong: int, risk: float) -> None:
    n = right + wrong
    assert abs(binomial.lower_bound(right, n, risk) - (beta.ppf(risk, right, wrong + 1) if right else 0.0)) < 1e-9
    low, high = binomial.interval(right, n)
    assert abs(low - (beta.ppf(0.025, right, wrong + 1) if right else 0.0)) < 1e-9
    assert abs(high - (beta.ppf(0.975, right + 1, wrong) if wrong else 1.0)) < 1e-9
