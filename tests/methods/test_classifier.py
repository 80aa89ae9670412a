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
from labelrounds.methods import classifier, heads
from labelrounds.models import base_models, runtime, sources, training
from tests import tiny

LABELS = ("billing", "delivery", "praise", "rare")
ONE, MANY = Task("multi-class", LABELS), Task("multi-label", LABELS)
GOLD = np.zeros((200, 4), dtype=np.int8)
GOLD[:100, 0] = GOLD[:40, 1] = GOLD[:10, 2] = GOLD[:2, 3] = 1
PLAN = Finetune(epochs=1, patience=2, learning_rate=1e-4, batch_size=8, warmup=0.1, weight_decay=0.01, class_weights="auto")
TEXTS = [text for text, _ in tiny.texts(200)]


def train(task: Task) -> Examples:
    """Returns 200 texts: of many labels as GOLD has them, of one per text in turn."""
    return Examples([str(number) for number in range(200)], TEXTS, GOLD if task is MANY else np.eye(4, dtype=np.int8)[np.arange(200) % 4])


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
@pytest.mark.parametrize("pooled", ["mean", "cls", "last"])
def test_a_head_begins_with_what_the_frozen_vectors_say_or_with_the_labels_frequencies(kind: str, pooled: str, tmp_path: Path) -> None:
    sources.bring(str(tiny.model(tmp_path / "source", kind)), tmp_path / "vanilla")
    encoder, machine = base_models.open_base(tmp_path / "vanilla"), runtime.start(13, 1, "fp32")
    own_class = pooled == ("last" if kind == "gpt2" else "cls")

    def begun(task: Task, head: str, steps: int = 400) -> tuple[np.ndarray, np.ndarray | None]:
        card = contract.new_card("transformer", task, Path(__file__), 0, 32, None, pooled)
        model = classifier.new(encoder, card, machine, PLAN.model_copy(update={"head": head, "min_steps": steps}), train(task))
        assert transformer.is_pooled(model) is not own_class, "a class of transformers where it has one"
        layer = heads.head_of(model, 4)
        return layer.weight.detach().numpy(), None if layer.bias is None else layer.bias.detach().numpy()

    random, bias = begun(MANY, "random")
    assert (begun(MANY, "random")[0] == random).all(), "drawn from the seed alone"
    assert not np.allclose(begun(ONE, "probe")[0], random) and not np.allclose(begun(ONE, "means")[0], random)
    assert (begun(MANY, "auto")[0] == random).all(), "50 texts and 100 steps per label: the head has time to learn"
    if bias is None:
        assert kind == "gpt2" and own_class, "a decoder's own head has no bias"
        return
    assert 1 / (1 + np.exp(-bias)) == pytest.approx([0.5, 0.2, 0.05, 0.01], abs=0.005)
    assert begun(ONE, "random")[1] == pytest.approx(0, abs=0.2), "one label per text: weights make all labels alike"


def test_a_head_begins_at_the_probe_where_texts_or_steps_are_few_per_label() -> None:
    assert heads.beginning(n_texts=40, steps=1000, n_labels=6) == "probe"
    assert heads.beginning(n_texts=100, steps=100, n_labels=6) == "random"
    assert heads.beginning(n_texts=770, steps=193, n_labels=77) == "probe", "each label's row sees three steps"
    assert heads.beginning(n_texts=7700, steps=1925, n_labels=77) == "random"
    assert classifier.steps(770, PLAN.model_copy(update={"epochs": 4, "batch_size": 16, "min_steps": 100})) == 196
    assert classifier.steps(20, PLAN.model_copy(update={"epochs": 4, "batch_size": 16, "min_steps": 100})) == 4 * math.ceil(20 * 13 / 16)


@pytest.mark.slow
@pytest.mark.parametrize("task", [ONE, MANY])
@pytest.mark.parametrize("pooled", ["mean", "cls"])
def test_a_model_says_before_its_first_step_what_the_probe_says(task: Task, pooled: str, tmp_path: Path) -> None:
    sources.bring(str(tiny.model(tmp_path / "source", "bert")), tmp_path / "vanilla")
    encoder, machine = base_models.open_base(tmp_path / "vanilla"), runtime.start(13, 1, "fp32")
    card = contract.new_card("transformer", task, Path(__file__), 0, 32, None, pooled)
    examples = train(task)
    model = classifier.new(encoder, card, machine, PLAN.model_copy(update={"head": "probe"}), examples)
    rows = transformer.tokenize(examples.texts, encoder.tokenizer, 32)
    vectors = heads.read_by_head(model, heads.head_of(model, 4), rows, encoder.tokenizer, machine)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    weights, bias = heads.fit(unit, examples.gold, task, "probe")
    said = transformer.TransformerLabeler(card, "", model.eval(), encoder.tokenizer, machine).logits(examples.texts, 8)
    expected = vectors / np.linalg.norm(vectors, axis=1).mean() @ weights.T + bias
    assert said == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("task", [ONE, MANY])
@pytest.mark.parametrize("how", ["means", "probe"])
def test_a_label_without_a_text_stays_at_random_weights(task: Task, how: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 8))
    gold = np.zeros((40, 4), dtype=np.int64)
    gold[np.arange(40), np.arange(40) % 3] = 1
    _, bias = heads.fit(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), gold, task, how)
    assert np.isfinite(bias[:3]).all() and bias[3] == -np.inf


def test_the_head_learns_faster_and_lower_layers_slower_where_that_is_asked_for() -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    from labelrounds.models.pooled import PooledClassifier

    sizes = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_labels": 4}
    for model in (BertForSequenceClassification(BertConfig(**sizes)), PooledClassifier(BertModel(BertConfig(**sizes)), "mean")):
        assert classifier.rates(model, PLAN) is None, "all alike unless something is asked for"
        rate = classifier.rates(model, PLAN.model_copy(update={"head_learning_rate": 1e-3, "layer_decay": 0.5}))
        found = {name: rate(name) for name, _ in model.named_parameters()}
        assert {value for name, value in found.items() if name.startswith(("classifier", "score"))} == {10.0}
        assert {value for name, value in found.items() if ".layer.1." in name} == {1.0}
        assert {value for name, value in found.items() if ".layer.0." in name} == {0.5}
        assert {value for name, value in found.items() if ".embeddings." in name} == {0.25}
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        training.regroup(optimizer, model, rate)
        rates = {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
        assert {name: pytest.approx(rates[id(weight)] / 1e-4) for name, weight in model.named_parameters()} == found


@pytest.mark.slow
def test_a_pretrained_layer_that_is_as_wide_as_there_are_labels_is_no_head() -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    sizes = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    model = Qwen2ForSequenceClassification(Qwen2Config(**sizes, num_labels=4, pad_token_id=0))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert before["model.layers.0.self_attn.k_proj.bias"].shape == (4,), "as wide as there are labels, and with a bias"
    assert heads.head_of(model, 4) is model.score
    heads.begin(model, [], GOLD, MANY, "random", 0, None, runtime.start(13, 1, "fp32"))
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
