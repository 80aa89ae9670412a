"""How a trained model reads many texts: batches without waste, and bfloat16 weights where the machine multiplies them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.labelers import contract, inference, transformer
from labelrounds.models import base_models, objectives
from labelrounds.models.runtime import PAD_TO, Machine
from tests import tiny
from tests.labelers.test_contract import TASK, card_of
from tests.small import PROPERTY

CPU, GPU = Machine(1, "cpu", False), Machine(1, "cuda", False)


@PROPERTY
@given(st.lists(st.integers(1, 2 * inference.TOKENS), max_size=200), st.integers(1, 64))
def test_every_row_is_read_once_the_longest_first(lengths: list[int], size: int) -> None:
    for machine in (CPU, GPU):
        found = inference.batches(np.asarray(lengths, dtype=int), size, machine)
        order = [int(number) for batch in found for number in batch]
        assert sorted(order) == list(range(len(lengths)))
        assert [lengths[number] for number in order] == sorted(lengths, reverse=True)


@PROPERTY
@given(st.lists(st.integers(1, 2 * inference.TOKENS), min_size=1, max_size=200), st.integers(1, 64))
def test_a_batch_has_at_most_so_many_rows_and_on_a_cpu_so_many_tokens(lengths: list[int], size: int) -> None:
    on_cpu, on_gpu = (inference.batches(np.asarray(lengths, dtype=int), size, machine) for machine in (CPU, GPU))
    assert all(len(batch) <= size for batch in on_cpu) and all(len(batch) == size for batch in on_gpu[:-1])
    assert all(len(batch) == 1 or len(batch) * max(lengths[number] for number in batch) <= inference.TOKENS for batch in on_cpu)


def test_no_batch_of_a_cpu_is_longer_than_its_longest_text() -> None:
    tokenizer = tiny.tokenizer()
    rows = [{"input_ids": [2] + [7] * n + [3], "attention_mask": [1] * (n + 2)} for n in (1, 5, 9)]
    batch = inference.batch_of(rows, tokenizer, CPU)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (3, 11)
    assert batch["attention_mask"].sum(1).tolist() == [3, 7, 11]
    assert objectives.pad(rows, tokenizer)["input_ids"].shape == (3, 2 * PAD_TO), "what trains, and a GPU, keeps to few shapes"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_in_bfloat16_the_weights_are_that_and_the_vectors_nearly_the_same(kind: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel

    folder = tiny.model(tmp_path / kind, kind)
    whole, half = (inference.ready(AutoModel.from_pretrained(folder), Machine(1, "cpu", bf16), 32) for bf16 in (False, True))
    assert {weight.dtype for weight in whole.parameters()} == {torch.float32}
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    kept: Any = {buffer.dtype for buffer in half.buffers() if buffer.is_floating_point()}
    assert kept <= {torch.float32}, "positions that rotate lose too much in bfloat16"
    ids, mask = torch.tensor([[5, 6, 7, 8, 9], [5, 9, 0, 0, 0]]), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    said = []
    for model, machine in ((whole, CPU), (half, Machine(1, "cpu", True))):
        with torch.inference_mode(), inference.precision(model, machine):
            said.append(model(input_ids=ids, attention_mask=mask).last_hidden_state.float()[mask.bool()])
    assert torch.nn.functional.cosine_similarity(*said).min() > 0.99


@pytest.mark.slow
def test_a_model_that_trains_in_fp32_is_read_in_bfloat16_products(tmp_path: Path) -> None:
    import torch

    model = torch.nn.Linear(4, 4)
    with inference.precision(model, Machine(1, "cpu", True)):
        assert model(torch.ones(1, 4)).dtype == torch.bfloat16
    with inference.precision(model, CPU):
        assert model(torch.ones(1, 4)).dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("pooled", [None, "mean"])
def test_a_labeler_says_nearly_the_same_in_bfloat16_and_the_same_bytes_twice(pooled: str | None, tmp_path: Path) -> None:
    tiny.model(tmp_path / "base")
    encoder = base_models.BaseModel(tmp_path / "base", base_models.MASKED, base_models.load_tokenizer(tmp_path / "base"))
    card = dataclasses.replace(card_of(TASK), kind="transformer", max_length=32, pooling=pooled)
    transformer.save(base_models.load_classifier(encoder, TASK, CPU, pooled), encoder, card, tmp_path / "labeler")
    texts = [text for text, _ in tiny.texts(40)]
    exact = contract.load(tmp_path / "labeler", CPU).logits(texts, 8)
    halves = [contract.load(tmp_path / "labeler", Machine(1, "cpu", True)).logits(texts, 8) for _ in range(2)]
    assert halves[0].dtype == np.float32 and halves[0].tobytes() == halves[1].tobytes()
    assert np.abs(halves[0] - exact).max() < 0.05 * np.abs(exact).max()
