"""Texts without a label that a model may learn from: a sample of the corpus, each with an augmented copy."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelrounds.core import tables
from labelrounds.core.errors import UserError
from labelrounds.pool import corpus
from labelrounds.pool.identity import near_duplicate_key

COLUMNS = ["id", "text", "augmented"]


@dataclass(frozen=True)
class Unlabelled:
    """n texts of the pool; augmented : for each a copy in other words"""

    ids: list[str]
    texts: list[str]
    augmented: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, numbers: Iterable[int]) -> "Unlabelled":
        """Returns the texts with these numbers, in this order."""
        numbers = [int(number) for number in numbers]
        return Unlabelled(*([column[number] for number in numbers] for column in (self.ids, self.texts, self.augmented)))

    def sample(self, n: int, randomness: np.random.Generator) -> "Unlabelled":
        """Returns `n` of the texts drawn evenly (all where there are no more), in their order."""
        return self.part(np.sort(randomness.permutation(len(self))[:n]))


def draw(texts: Iterable[corpus.Text], size: int, seed: int) -> list[corpus.Text]:
    """Returns an even draw of up to `size` of the texts in their order, of near-duplicates only the first."""
    randomness = np.random.default_rng([seed, 2**32 - 1])  # a round's draw takes (seed, number of rounds): not the same one
    keep: list[tuple[float, int, corpus.Text]] = []
    seen: set[str] = set()
    # The texts with the highest random numbers, in one pass and small memory.
    for number, row in enumerate(texts):
        key = near_duplicate_key(row.text)
        if key in seen:
            continue
        seen.add(key)
        entry = (randomness.random(), number, row)
        if len(keep) < size:
            heapq.heappush(keep, entry)
        elif entry > keep[0]:
            heapq.heapreplace(keep, entry)
    return [row for _, _, row in sorted(keep, key=lambda entry: entry[1])]


def read(path: str | Path, labelled: Iterable[str]) -> Unlabelled:
    """Returns the sample without the texts that people have labelled since, and without near-duplicates of these.

    A sample of which nothing is left is a UserError.
    """
    known = {near_duplicate_key(text) for text in labelled}
    rows = [row.cells for row in tables.rows(path) if near_duplicate_key(row.cells["text"]) not in known]
    if not rows:
        raise UserError(
            "the pool leaves no text without a label to learn from. Add texts to the pool, raise unlabelled.size in params.yaml, "
            "or take the recipes with `method: ust` or `method: uda` out of `recipes`."
        )
    return Unlabelled(*([row[column] for row in rows] for column in COLUMNS))
