"""Dropout is a function of the seed and the step."""

from typing import Any

import pytest

from labelrounds.models import dropout

pytestmark = pytest.mark.slow


def drawn(seed: int, step: int, p: float = 0.1) -> Any:
    import torch

    with dropout.of_step(seed, step, "cpu"):
        return torch.nn.functional.dropout(torch.ones(200, 200), p, training=True)


def test_the_same_step_drops_the_same_numbers_whatever_was_drawn_before() -> None:
    import torch

    first = drawn(1, 5)
    torch.rand(10)
    assert torch.equal(first, drawn(1, 5))
    assert not torch.equal(first, drawn(1, 6)) and not torch.equal(first, drawn(2, 5))


def test_the_share_that_is_dropped_is_p_and_the_mean_stays() -> None:
    found = drawn(3, 1, 0.3)
    assert abs(float((found == 0).float().mean()) - 0.3) < 0.01
    assert abs(float(found.mean()) - 1) < 0.02


def test_nothing_is_dropped_outside_of_training_and_torchs_own_comes_back() -> None:
    import torch

    before = torch.nn.functional.dropout
    with dropout.of_step(1, 1, "cpu"):
        assert torch.equal(torch.nn.functional.dropout(torch.ones(9), 0.5, training=False), torch.ones(9))
    assert torch.nn.functional.dropout is before
