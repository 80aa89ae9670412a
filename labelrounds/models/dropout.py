"""Dropout as a function of the seed and the step, and quick on CPUs.

torch draws the masks of a CPU's dropout serially, which takes an eighth of a small model's training step;
NumPy's SFC64 draws the same masks several times faster (`python -m benchmarks.training_step` measures it).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

LEVELS = 2**16  # the probability is rounded to a multiple of 1/65536


@contextmanager
def of_step(seed: int, step: int, device: str) -> Iterator[None]:
    """Makes every dropout within the block depend on (seed, step) alone, so that a resumed run repeats it exactly.

    On other devices than CPUs torch's own generator is seeded instead.
    """
    import torch

    if device != "cpu":
        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))
        yield
        return
    draw = np.random.Generator(np.random.SFC64([seed, step]))

    def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        """Returns `input` with a share `p` of its numbers at 0 and the others scaled up (Srivastava et al. 2014)."""
        if not training or not p:
            return input
        kept = draw.integers(0, LEVELS, size=tuple(input.shape), dtype=np.uint16) >= round(p * LEVELS)
        return input * torch.from_numpy(kept).to(input.dtype).mul_(1 / (1 - p))

    original = torch.nn.functional.dropout
    torch.nn.functional.dropout = dropout
    try:
        yield
    finally:
        torch.nn.functional.dropout = original
