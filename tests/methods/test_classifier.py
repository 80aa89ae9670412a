"""Classifiers: heads that begin where the labels are, weights of rare labels, and epochs told apart also where labels are rare."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core.examples import Examples
from labelrounds.core.params import Finetune
from labelrounds.core.task import Task
from labelrounds.labelers import contract, transformer
from labelrounds.methods import classifier
from labelrounds.models import base_models, runtime
from tests import tiny

LABELS = ("billing", "delivery", "praise", "rare")
ONE, MANY = Task("multi-class", LABELS), Task("multi-label", LABELS)
GOLD = np.zeros((200, 4), dtype=np.int8)
GOLD[:100, 0] = GOLD[:40, 1] = GOLD[:10, 2] = GOLD[:2, 3] = 1


def test_rare_labels_count_more_for_one_label_per_text_and_get_their_own_threshold_for_many() -> None:
    assert classifier.class_weights(GOLD, "none", ONE).tolist() == [1, 1, 1, 1]
    assert classifier.class_weights(GOLD, "auto", MANY).tolist() == [1, 1, 1, 1]
    balanced = classifier.class_weights(GOLD, "balanced", MANY)
    assert balanced.tolist() == classifier.class_weights(GOLD, "auto", ONE).tolist() == pytest.approx(152 / 4 / np.array([100, 40, 10, 2]))


@given(st.integers(1, 3000), st.integers(1, 12), st.integers(1, 64), st.integers(0, 500))
def test_few_labels_train_for_as_many_steps_as_are_asked_for_and_many_labels_no_longer_than_before(
    n: int, epochs: int, batch: int, least: int
) -> None:
    plan = Finetune(
        epochs=epochs, patience=2, learning_rate=1e-4, batch_size=batch, warmup=0.1, weight_decay=0.01, class_weights="auto", min_steps=least
    )
    often = classifier.repeats(n, plan)
    once = epochs * math.ceil(n / batch)
    assert often == 1 if once >= least else (often - 1) * once < least <= often * once


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "electra", "modernbert", "gpt2"])
def test_the_head_of_a_multi_label_model_begins_with_the_labels_frequencies(kind: str, tmp_path: Path) -> None:
    base_models.bring(str(tiny.model(tmp_path / "source", kind)), tmp_path / "vanilla")
    encoder, machine = base_models.open_base(tmp_path / "vanilla"), runtime.start(13, 1, "fp32")

    def bias(task: Task) -> np.ndarray | None:
        model = classifier.new(encoder, contract.new_card("transformer", task, Path(__file__), 0, 32, None), machine, None, GOLD)
        found = [weight.detach().numpy() for name, weight in model.named_parameters() if name.endswith("bias") and weight.shape == (4,)]
        return found[0] if found else None

    if kind == "gpt2":
        assert bias(MANY) is None, "a decoder's head has no bias"
        return
    assert 1 / (1 + np.exp(-bias(MANY))) == pytest.approx([0.5, 0.2, 0.05, 0.01], abs=0.005)
    assert bias(ONE) == pytest.approx(0, abs=0.2), "one label per text: weights make all labels alike"


@pytest.mark.slow
def test_a_pretrained_layer_that_is_as_wide_as_there_are_labels_stays_as_it_was() -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    sizes = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    model = Qwen2ForSequenceClassification(Qwen2Config(**sizes, num_labels=4, pad_token_id=0))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert before["model.layers.0.self_attn.k_proj.bias"].shape == (4,), "as wide as there are labels, and with a bias"
    classifier.begin_at_frequencies(model, GOLD)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_epochs_are_told_apart_also_when_no_label_reaches_a_half(monkeypatch: pytest.MonkeyPatch) -> None:
    gold = np.zeros((200, 4), dtype=np.int8)
    gold[:60, 0] = 1
    valid = Examples([str(number) for number in range(200)], ["a text"] * 200, gold)
    encoder = base_models.BaseModel(Path("none"), "", None)

    def f1(low: float, high: float) -> float:
        logits = np.full((200, 4), -6.0, dtype=np.float32)
        logits[:, 0] = np.where(gold[:, 0] > 0, high, low)
        monkeypatch.setattr(transformer.TransformerLabeler, "logits", lambda *_: logits)
        return classifier.valid_f1(None, encoder, contract.new_card("transformer", MANY, Path(__file__), 0, 32, None), valid, 8, None)

    assert f1(-4.0, -0.5) > 0.9 and f1(-4.0, -4.0) < 0.5, "at a threshold of 0.5 both would be 0"
