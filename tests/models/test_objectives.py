"""What is masked, and what is guessed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelrounds.labelers import transformer
from labelrounds.models import base_models, objectives, runtime, sources, training
from tests import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vanilla(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objectives")
    sources.bring(str(tiny.model(folder / "source")), folder / "vanilla")
    return folder / "vanilla"


@pytest.fixture(scope="module")
def masks(vanilla: Path) -> tuple[Any, list[list[int]], Callable[..., dict[str, Any]]]:
    """(tokenizer, 400 tokenised texts, the collate of masks at 30 %)."""
    runtime.start(1, 1, "fp32")
    tokenizer = base_models.load_tokenizer(vanilla)
    rows = [row["input_ids"] for row in transformer.tokenize([text for text, _ in tiny.texts(400)], tokenizer, 32)]
    return tokenizer, rows, objectives.masking(tokenizer, 0.3)


def test_special_tokens_and_padding_are_never_guessed(masks: Any) -> None:
    tokenizer, rows, collate = masks
    batch = collate(rows, 1)
    original = objectives.pad([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows], tokenizer)["input_ids"]
    special = np.isin(original.numpy(), tokenizer.all_special_ids)
    assert special.any() and (batch["labels"].numpy()[special] == -100).all()
    assert (batch["input_ids"].numpy()[special] == original.numpy()[special]).all(), "they are not replaced either"
    guessed = batch["labels"].numpy() != -100
    assert (batch["labels"].numpy()[guessed] == original.numpy()[guessed]).all(), "the token to guess is the one that was there"


def test_the_share_of_masks_is_the_one_asked_for_and_four_of_five_become_the_mask_token(masks: Any) -> None:
    tokenizer, rows, collate = masks
    batch = collate(rows, 2)
    plain = ~np.isin(batch["labels"].numpy(), [-100]) | (
        (batch["attention_mask"].numpy() == 1) & ~np.isin(batch["input_ids"].numpy(), tokenizer.all_special_ids)
    )
    guessed = batch["labels"].numpy() != -100
    assert abs(guessed.sum() / plain.sum() - 0.3) < 0.03
    masked = batch["input_ids"].numpy()[guessed] == tokenizer.mask_token_id
    assert abs(masked.mean() - 0.8) < 0.05


def test_the_same_seed_draws_the_same_masks_and_every_epoch_draws_its_own(masks: Any) -> None:
    _, rows, collate = masks
    seeds = [training.batch_seed(13, epoch, 1) for epoch in range(3)]
    assert len(set(seeds)) == 3
    drawn = [collate(rows[:32], seed)["labels"].numpy() for seed in seeds]
    assert (collate(rows[:32], seeds[0])["labels"].numpy() == drawn[0]).all(), "whatever was drawn in between"
    assert not any((one == other).all() for number, one in enumerate(drawn) for other in drawn[:number])


def test_a_causal_batch_guesses_every_token_but_padding(tmp_path: Path) -> None:
    tiny.tokenizer("gpt2").save_pretrained(tmp_path)
    tokenizer = base_models.load_tokenizer(tmp_path)
    end = tokenizer.eos_token_id
    batch = objectives.next_token(tokenizer)([[5, 6, 7, end], [8, 9]], 0)
    guessed = [[token for token in row if token != objectives.IGNORED] for row in batch["labels"].tolist()]
    assert guessed == [[5, 6, 7, end], [8, 9]], "an end token that stands there is no padding"
