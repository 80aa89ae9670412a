"""Consistency training: schedules, losses and the guard against collapse."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core import files
from labelrounds.core.task import Task
from labelrounds.methods import consistency, uda
from tests.conftest import Project
from tests.methods.test_ust import SETTINGS, card_of, copied, killed_at, ready, run, taught  # noqa: F401  (fixtures)
from tests.small import PROPERTY
from tests.stages.test_models import assert_measured, csv_rows

SHARES = st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any).map(lambda counts: np.asarray(counts) / sum(counts))


@given(st.sampled_from(consistency.SCHEDULES), st.integers(2, 100), st.floats(0, 1), st.floats(0, 1))
@PROPERTY
def test_the_threshold_rises_from_chance_to_one(schedule: str, outcomes: int, one: float, other: float) -> None:
    early, late = (consistency.signal_threshold(schedule, done, outcomes) for done in sorted((one, other)))
    assert 1 / outcomes - 1e-9 <= early <= late <= 1 + 1e-9


@pytest.mark.parametrize("outcomes", [2, 6])
def test_exp_releases_the_labels_last_and_log_first(outcomes: int) -> None:
    for done in (0.1, 0.5, 0.9):
        exp, linear, log = (consistency.signal_threshold(name, done, outcomes) for name in ("exp", "linear", "log"))
        assert exp < linear < log
    assert consistency.signal_threshold("linear", 0.5, 2) == 0.75
    assert consistency.signal_threshold("none", 0.0, outcomes) == 1
    assert consistency.signal_threshold("exp", 0.5, 2) == pytest.approx(0.5 * np.exp(-2.5) + 0.5)
    assert consistency.signal_threshold("log", 0.5, 2) == pytest.approx(0.5 * (1 - np.exp(-2.5)) + 0.5)


@given(SHARES, st.floats(0, 1))
@PROPERTY
def test_the_guard_is_silent_where_nothing_changed_and_wakes_where_one_label_takes_all(reference: np.ndarray, limit: float) -> None:
    assert uda.swallowing(reference, reference, limit) is None
    for label in range(len(reference)):
        everything = np.eye(len(reference))[label]
        found = uda.swallowing(everything, reference, limit)
        assert found == (label if limit > 0 and reference[label] < 1 else None)


def test_a_label_that_rightly_holds_most_texts_wakes_no_guard() -> None:
    assert uda.swallowing(np.asarray([0.93, 0.07]), np.asarray([0.9, 0.1]), 0.5) is None
    assert uda.swallowing(np.asarray([0.96, 0.04]), np.asarray([0.9, 0.1]), 0.5) == 0
    assert uda.swallowing(np.asarray([0.4, 0.6]), np.asarray([0.5, 0.5]), 0.5) is None


def test_shares_count_texts_without_a_label_too() -> None:
    decided = np.asarray([[1, 1], [0, 1], [0, 0], [0, 0]])
    assert uda.label_shares(decided).tolist() == [0.25, 0.5, 0.5]


def test_the_report_says_why_the_supervised_model_was_kept() -> None:
    task = Task("multi-class", ("a", "b"))

    def told(*epochs: float) -> dict:
        shares = [[1.0, 0.0, 0.0] if score == uda.COLLAPSED else [0.5, 0.5, 0.0] for score in epochs]
        return uda.report(uda.Outcome(0.6, list(epochs), [0.4, 0.6, 0.0], shares, 0.02), task)

    assert told(0.5, 0.7)["chosen"] == "epoch 2" and not told(0.5, 0.7)["fell_back"]
    assert told(0.5, 0.61)["fell_back"] and told(0.5, 0.61)["standard_error"] == 0.02, "less than one standard error may be chance"
    assert told(0.5, 0.6)["chosen"] == "supervised: not better than supervised on validation by more than chance" and told(0.5, 0.6)["fell_back"]
    collapsed = told(-1.0, -1.0)
    assert collapsed["chosen"] == "supervised: collapsed in every epoch" and collapsed["collapsed_epochs"] == 2
    assert collapsed["epoch_1"] == {"collapsed": True, "shares": {"a": 1.0, "b": 0.0}}
    assert told(-1.0, 0.7)["chosen"] == "epoch 2" and told(-1.0, 0.7)["collapsed_epochs"] == 1


# With torch


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True])
def test_consistency_is_nothing_between_equals_and_pulls_the_copy_alone(multi_label: bool) -> None:
    import torch

    torch.manual_seed(1)
    one = torch.randn(8, 4, requires_grad=True)
    equal = consistency.consistency_loss(one * 5, one.detach() * 5, 1.0, 0.0, multi_label)
    assert float(equal) == pytest.approx(0, abs=1e-5)
    other = torch.randn(8, 4, requires_grad=True)
    loss = consistency.consistency_loss(one, other, 0.4, 0.0, multi_label)
    loss.backward()
    assert loss.item() > 0.01 and one.grad is None and other.grad.abs().sum() > 0, "no gradient flows into the original"


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True])
def test_texts_of_which_the_model_is_not_sure_do_not_count(multi_label: bool) -> None:
    import torch

    original = torch.tensor([[0.1, 0.0], [9.0, -9.0]])
    copy = torch.tensor([[5.0, -5.0], [0.0, 0.0]], requires_grad=True)
    consistency.consistency_loss(original, copy, 0.4, 0.8, multi_label).backward()
    assert (copy.grad[0] == 0).all() and (copy.grad[1] != 0).all()
    assert float(consistency.consistency_loss(original / 3, copy.detach(), 0.4, 1.0, multi_label)) == 0, "nobody is that sure"


@pytest.mark.slow
def test_the_divergence_is_that_of_the_sharpened_target() -> None:
    import torch

    original, copy = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[0.2, 0.3, 0.1]])
    target, found = (original / 0.5).softmax(-1)[0].numpy(), copy.softmax(-1)[0].numpy()
    expected = float((target * np.log(target / found)).sum())
    assert float(consistency.consistency_loss(original, copy, 0.5, 0.0, False)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_annealing_holds_back_texts_that_the_model_is_sure_of() -> None:
    import torch

    task = Task("multi-class", ("a", "b"))
    logits = torch.tensor([[3.0, 0.0], [0.2, 0.0]], requires_grad=True)
    labels, weights = torch.tensor([0, 0]), torch.ones(2)
    consistency.supervised_loss(logits, labels, weights, 0.7, task).backward()
    assert (logits.grad[0] == 0).all() and (logits.grad[1] != 0).all()
    whole = consistency.supervised_loss(logits, labels, weights, 1.0, task)
    assert whole.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item())
    assert consistency.supervised_loss(logits, labels, weights, 0.5, task).item() == 0
    many = Task("multi-label", ("a", "b"))
    logits = torch.tensor([[3.0, 0.1]], requires_grad=True)
    consistency.supervised_loss(logits, torch.tensor([[1.0, 1.0]]), weights, 0.7, many).backward()
    assert logits.grad[0, 0] == 0 and logits.grad[0, 1] != 0


# With a tiny transformer, stage by stage


@pytest.mark.slow
def test_consistency_training_tells_what_each_epoch_reached(taught: Project, tmp_path: Path) -> None:  # noqa: F811
    project = copied(taught, tmp_path)
    (project.folder / "test.csv").rename(project.folder / "data/split/test.csv")
    run(project.folder, "evaluate", "uda")
    metrics = assert_measured(project, "uda", method="uda")
    told = metrics["training"]
    kept = "supervised" if told["fell_back"] else told["chosen"].replace(" ", "_")
    assert metrics["valid"]["f1_macro"] == told[kept]["valid_f1_macro"]
    epochs = [name for name in told if name.startswith("epoch_")]
    assert epochs == [f"epoch_{number}" for number in range(1, 1 + SETTINGS["uda__epochs"])]
    for name in epochs:
        assert sum(told[name]["shares"].values()) == pytest.approx(1)
        assert ("collapsed" in told[name]) != ("valid_f1_macro" in told[name]), "an epoch that collapsed was not chosen by its score"


@pytest.mark.slow
def test_consistency_training_that_is_killed_anywhere_gives_the_same_bytes(taught: Project, tmp_path: Path) -> None:  # noqa: F811
    from labelrounds.labelers import transformer
    from labelrounds.methods import classifier

    project = copied(taught, tmp_path)
    before = files.folder_digests(project.folder / "models/labeler/uda")
    shutil.rmtree(project.folder / "models/labeler/uda")
    project.params(runtime__checkpoint_seconds=0)
    # In the supervised training, before the second, within its epochs, between two files of an epoch's end, and before all is saved.
    moments = [
        (classifier, "each_loss", 3),
        (classifier, "new", 2),
        (consistency, "consistency_loss", 2),
        (uda, "swallowing", 1),
        (consistency, "consistency_loss", 3),
        (transformer, "save", 1),
    ]
    for module, name, at in moments:
        killed_at(project, "uda", module, name, at)
    run(project.folder, "finetune", "uda")
    assert files.folder_digests(project.folder / "models/labeler/uda") == before


@pytest.mark.slow
def test_where_every_epoch_collapses_the_supervised_model_stands_in(taught: Project, tmp_path: Path) -> None:  # noqa: F811
    project = copied(taught, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uda, "swallowing", lambda found, reference, limit: 0)
        said = run(project.folder, "finetune", "uda")
    told = card_of(project, "uda")["training"]
    assert told["chosen"] == "supervised: collapsed in every epoch" and told["collapsed_epochs"] == 2 and "by supervised: collapsed" in said
    weights = [(project.folder / f"models/labeler/{name}/model.safetensors").read_bytes() for name in ("uda", "supervised")]
    assert weights[0] == weights[1], "byte for byte the supervised recipe's model"


@pytest.mark.slow
def test_consistency_alone_collapses_and_the_guard_sees_it(taught: Project, tmp_path: Path) -> None:  # noqa: F811
    """Where the copies are all one sentence, and agreeing with them is all that counts, a model calls everything the same."""
    project = copied(taught, tmp_path)
    rows = [(row["id"], row["text"], "my invoice refund charge payment price") for row in csv_rows(project, "data/unlabelled/texts.csv")]
    project.write("data/unlabelled/texts.csv", files.csv_text(["id", "text", "augmented"], rows))
    project.params(uda__weight=1000.0, uda__confidence=0.0, uda__temperature=1.0, uda__epochs=4)
    run(project.folder, "finetune", "uda")
    told = card_of(project, "uda")["training"]
    assert told["collapsed_epochs"] > 0
    assert max(told["epoch_4"]["shares"].values()) > 0.8
