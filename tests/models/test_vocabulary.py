"""Tokens that no text holds need no training: the same result as with all of them, in less time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelrounds.core.task import Task
from labelrounds.labelers import transformer
from labelrounds.methods import classifier
from labelrounds.models import base_models, objectives, runtime, sources, training, vocabulary
from tests import tiny

pytestmark = pytest.mark.slow

TASK = Task("multi-class", ("billing", "delivery", "praise"))
FAMILIES = ("bert", "roberta", "distilbert", "electra", "modernbert", "xlm-roberta", "gpt2", "llama")


class Killed(BaseException):
    """What a test raises where a process would die."""


@pytest.fixture
def family(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], tuple[Any, base_models.BaseModel, Any]]:
    """A new classifier on the same base model at each call, with its encoder and the machine."""
    sources.bring(str(tiny.model(tmp_path / "source", request.param)), tmp_path / "vanilla")

    def load() -> tuple[Any, base_models.BaseModel, Any]:
        import torch

        machine, encoder = runtime.start(13, 1, "fp32"), base_models.open_base(tmp_path / "vanilla")
        torch.manual_seed(13)
        return base_models.load_classifier(encoder, TASK, machine), encoder, machine

    return load


def train(load: Callable[..., Any], folder: Path, narrow: bool, kill_at: int | None = None) -> tuple[dict[str, np.ndarray], set[int]]:
    """Returns the weights after two epochs without weight decay, and the tokens of the texts."""
    model, encoder, machine = load()
    rows = [
        {**row, "labels": TASK.labels.index(label)}
        for row, (_, label) in zip(transformer.tokenize([t for t, _ in tiny.texts(16)], encoder.tokenizer, 32), tiny.texts(16), strict=True)
    ]
    shown = classifier.tokens(rows, padding=encoder.tokenizer.pad_token_id)
    steps = 0

    def loss(model: Any, batch: dict[str, Any]) -> Any:
        nonlocal steps
        if steps == kill_at:
            raise Killed
        steps += 1
        return model(**batch).loss

    training.fit(
        model,
        rows,
        np.asarray([len(row["input_ids"]) for row in rows]),
        lambda batch, seed: objectives.pad(batch, encoder.tokenizer),
        loss,
        training.Plan(epochs=2, learning_rate=1e-3, batch_size=4),
        folder,
        machine,
        0.0,
        "test",
        token_ids=shown if narrow else None,
    )
    return {name: weight.detach().numpy().copy() for name, weight in model.named_parameters()}, shown


@pytest.mark.parametrize("family", FAMILIES, indirect=True)
def test_a_narrow_vocabulary_learns_what_the_whole_one_learns(family: Callable[..., Any], tmp_path: Path) -> None:
    whole, shown = train(family, tmp_path / "whole", narrow=False)
    narrow, _ = train(family, tmp_path / "narrow", narrow=True)
    before = family()[0]
    assert narrow.keys() == whole.keys()
    for name, weight in whole.items():
        np.testing.assert_allclose(narrow[name], weight, atol=2e-5, err_msg=name)
    name, start = next(
        (name, weight.detach().numpy()) for name, weight in before.named_parameters() if weight is before.get_input_embeddings().weight
    )
    unseen = sorted(set(range(len(start))) - shown)
    assert unseen and (narrow[name][unseen] == start[unseen]).all(), "what no text holds stays as it was"
    assert not np.array_equal(narrow[name], start), "what the texts hold has learnt"


@pytest.mark.parametrize("family", ["bert", "gpt2"], indirect=True)
def test_a_narrow_training_that_is_killed_goes_on_to_the_same_bytes(family: Callable[..., Any], tmp_path: Path) -> None:
    undisturbed, _ = train(family, tmp_path / "undisturbed", narrow=True)
    with pytest.raises(Killed):
        train(family, tmp_path / "killed", narrow=True, kill_at=5)
    again, _ = train(family, tmp_path / "killed", narrow=True)
    assert all(again[name].tobytes() == weight.tobytes() for name, weight in undisturbed.items())


@pytest.mark.parametrize("family", ["bert"], indirect=True)
def test_frozen_vectors_are_left_alone(family: Callable[..., Any]) -> None:
    model = family()[0]
    whole = model.get_input_embeddings()
    whole.weight.requires_grad = False
    with vocabulary.narrowed(model, [1, 2]):
        assert model.get_input_embeddings() is whole


@pytest.mark.parametrize("family", ["bert", "llama"], indirect=True)
def test_a_token_that_was_not_named_is_an_error_and_no_other_tokens_vector(family: Callable[..., Any]) -> None:
    import torch

    model, _, _ = family()
    with vocabulary.narrowed(model, {3, 5}), pytest.raises(IndexError):
        model(input_ids=torch.tensor([[3, 4]]))
    model(input_ids=torch.tensor([[3, 4]]))
