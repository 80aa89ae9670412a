"""The corpus as a language model reads it: token ids on disk, and a part that measures the loss."""

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core.errors import UserError
from labelrounds.models.base_models import BaseModel
from labelrounds.pool import corpus
from labelrounds.pool.identity import near_duplicate_key

TOKENIZED_AT_ONCE = 1000


@dataclass(frozen=True)
class Corpus:
    """What to learn from and what measures the loss: datasets on disk, with the columns `input_ids` and `length`."""

    train: Any
    valid: Any

    @property
    def rows(self) -> "TokenIds":
        """The texts to learn from."""
        return TokenIds(self.train.with_format("numpy", columns=["input_ids"]))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text to learn from: int array of shape (n,)."""
        return np.asarray(self.train["length"])


@dataclass(frozen=True)
class TokenIds:
    """The token ids of a dataset as lists, read from disk: one row, or the rows of a batch at once, which takes an eighth of the time."""

    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> list[int]:
        return self.dataset[number]["input_ids"].tolist()

    def many(self, numbers: list[int]) -> list[list[int]]:
        """Returns the rows with these numbers, in this order."""
        return [ids.tolist() for ids in self.dataset[numbers]["input_ids"]]


def read(encoder: BaseModel, max_length: int, valid: float, folder: Path) -> Corpus:
    """Returns the texts of data/corpus, tokenised in `folder`; a side without any text is a UserError.

    A text longer than `max_length` tokens becomes several rows.
    valid : share of the texts that measures the loss; near-duplicates land on the same side
    """
    import datasets
    from datasets.exceptions import DatasetGenerationError

    datasets.disable_progress_bars()

    def rows() -> Iterator[dict[str, Any]]:
        waiting = (text for _, text in corpus.read())
        while some := list(itertools.islice(waiting, TOKENIZED_AT_ONCE)):
            yield from tokenized(some, encoder.tokenizer, max_length, valid)

    if next(rows(), None) is None:
        raise too_few_texts(0, 0)
    columns = {"input_ids": datasets.Sequence(datasets.Value("int32")), "length": datasets.Value("int32"), "valid": datasets.Value("bool")}
    try:
        everything: Any = datasets.Dataset.from_generator(rows, features=datasets.Features(columns), cache_dir=str(folder), fingerprint="corpus")
    except DatasetGenerationError as error:  # hides a user's error, or a full disk, behind its own
        raise error.__cause__ or error from None
    measures = np.asarray(everything["valid"])
    found = Corpus(everything.select(np.flatnonzero(~measures)), everything.select(np.flatnonzero(measures)))
    if not len(found.train) or not len(found.valid):
        raise too_few_texts(len(found.train), len(found.valid))
    return found


def tokenized(some: list[str], tokenizer: Callable[..., Any], max_length: int, valid: float) -> Iterator[dict[str, Any]]:
    """Yields the rows of these texts: token ids, how many there are, and whether they measure the loss."""
    encoded = tokenizer(some, truncation=True, max_length=max_length, return_overflowing_tokens=True)
    numbers = encoded.get("overflow_to_sample_mapping", range(len(some)))
    for number, ids in zip(numbers, encoded["input_ids"], strict=True):
        if len(ids) > 2:  # shorter ones hold special tokens alone, or no context
            yield {"input_ids": ids, "length": len(ids), "valid": is_valid(some[number], valid)}


def is_valid(text: str, share: float) -> bool:
    """Says whether a text is among the `share` that measures the loss: a hash of its near-duplicate key decides."""
    digest = hashlib.sha256(f"adapt\0{near_duplicate_key(text)}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def too_few_texts(train: int, valid: int) -> UserError:
    """Returns the error for a pool that leaves nothing to adapt to, or nothing to measure the loss on."""
    return UserError(
        f"the pool without its held-out texts leaves {train} texts to adapt to and {valid} to measure the loss on. "
        "Add texts to the pool, raise adapt.valid, or set adapt.epochs: 0 and use recipes with `encoder: vanilla`."
    )
