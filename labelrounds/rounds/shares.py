"""How many of a random round's texts should measure and how many teach: as many as a score needs, and no more.

A test set's worth grows with the square root of its size, and each of its texts is one that no model learns from.
"""

import math
from dataclasses import dataclass

TEST = 300  # texts: an accuracy of 75 % is then known to about 5 points more or less
MOST_TEST = 1000
VALID, MOST_VALID = 150, 500
TEST_PER_LABEL, VALID_PER_LABEL = 10, 5  # texts, so that rare labels are measured too
LARGEST_TEST, LARGEST_VALID = 0.4, 0.2  # shares of the labelled texts
FEW = 300  # labelled texts: of fewer, none is spent on choosing an epoch


@dataclass(frozen=True)
class Shares:
    """valid, test : shares of the texts of a random round, to two decimals; n : how many texts there are"""

    valid: float
    test: float
    n: int

    @property
    def points(self) -> float:
        """Half the width of the 95 % interval of an accuracy of 75 % on the test set, in points (the normal approximation)."""
        return 196 * math.sqrt(0.75 * 0.25 / max(round(self.test * self.n), 1))

    def __str__(self) -> str:
        valid, test = round(self.valid * self.n), round(self.test * self.n)
        return (
            f"Of {self.n} labelled texts about {self.n - valid - test} will train, {valid} choose and calibrate (split.valid: {self.valid:g}), and {test} "
            f"test (split.test: {self.test:g}): a score on them is known to about {self.points:.0f} points more or less."
        )


def choose(n: int, n_labels: int, multi_label: bool) -> Shares:
    """Returns the shares for `n` labelled texts drawn at random, of `n_labels` labels.

    Few multi-class texts get no validation: fine-tuning then runs to its last step, and the gate labels nothing alone. For
    multi-label there is always some, since every label needs a threshold.
    """
    test = min(max(TEST, TEST_PER_LABEL * n_labels), MOST_TEST)
    valid = min(max(VALID, VALID_PER_LABEL * n_labels), MOST_VALID)
    chosen = 0.0 if n < FEW and not multi_label else min(_share(valid, n), LARGEST_VALID)
    return Shares(chosen, min(_share(test, n), LARGEST_TEST), n)


def _share(wanted: int, n: int) -> float:
    return math.ceil(100 * wanted / max(n, 1)) / 100
