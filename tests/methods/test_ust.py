"""Self-training: the arithmetic of uncertainty, and teacher and students that come out the same after a kill."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core import files
from labelrounds.methods import ust
from tests import tiny
from tests.conftest import BASELINE, Project, clone
from tests.small import FEWER, PROPERTY
from tests.stages.test_models import LABELS, Killed, assert_measured, copied, csv_rows, dying, run, set_up


def passes_of(seed: int, t: int, n: int, k: int, multi_label: bool, sure: float) -> np.ndarray:
    """Returns probabilities of shape (t, n, k); the larger `sure`, the nearer to 0 and 1."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, sure, (t, n, k))
    if multi_label:
        return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    found = np.exp(logits - logits.max(axis=2, keepdims=True))
    return found / found.sum(axis=2, keepdims=True)


any_passes = st.builds(
    passes_of,
    st.integers(0, 2**31),
    st.integers(2, 6),
    st.integers(1, 20),
    st.integers(2, 12),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 3.0, 300.0]),
)


@given(any_passes, st.booleans())
@PROPERTY
def test_disagreement_is_between_0_and_1_however_many_labels_there_are(passes: np.ndarray, multi_label: bool) -> None:
    found = ust.bald(passes, multi_label)
    assert found.shape == passes.shape[1:2]
    assert (found >= 0).all() and (found <= 1).all(), "1 - BALD, the preference for easy texts, is never negative"


@pytest.mark.parametrize("k", [2, 3, 6, 77])
def test_passes_that_are_sure_of_different_labels_disagree_wholly_and_equal_ones_not_at_all(k: int) -> None:
    at_odds = np.eye(k)[:, None, :]
    assert ust.bald(at_odds, False) == pytest.approx([1.0]), "in nats this is ln k, above 1 from three labels on"
    unsure = np.full((k, 1, k), 1 / k)
    assert ust.bald(unsure, False) == pytest.approx([0.0], abs=1e-9), "passes that are all unsure agree"
    assert ust.bald(np.stack([np.ones((1, k)), np.zeros((1, k))]), True) == pytest.approx([1.0])


@given(any_passes, st.booleans(), st.integers(1, 8), st.sampled_from(["easy", "hard"]), st.integers(0, 99))
@PROPERTY
def test_a_draw_holds_each_text_once_and_of_each_label_what_there_is_up_to_the_number_asked_for(
    passes: np.ndarray, multi_label: bool, per_label: int, how: str, seed: int
) -> None:
    pseudo = ust.pseudo_labels(passes, multi_label)
    disagreement = ust.bald(passes, multi_label)
    chosen = ust.draw(disagreement, pseudo, per_label, how, np.random.default_rng(seed))
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    for group in (*pseudo.T.astype(bool), ~pseudo.any(axis=1)):
        assert group[chosen].sum() >= min(per_label, group.sum()), "a label that no text got gives none, and stops nothing"
        assert multi_label or group[chosen].sum() <= per_label
    again = ust.draw(disagreement, pseudo, per_label, how, np.random.default_rng(seed))
    assert again.tolist() == chosen.tolist()


@pytest.mark.parametrize(("how", "preferred"), [("easy", 0), ("hard", 1)])
def test_easy_prefers_texts_on_which_the_passes_agree_and_hard_those_on_which_they_do_not(how: str, preferred: int) -> None:
    disagreement = np.repeat([0.02, 0.6], 500)
    pseudo = np.tile([[1, 0]], (1000, 1))
    chosen = ust.draw(disagreement, pseudo, 100, how, np.random.default_rng(1))
    counts = np.bincount(chosen // 500, minlength=2)
    assert counts[preferred] > 1.7 * counts[1 - preferred] and counts[1 - preferred] > 0


@given(any_passes, st.booleans())
@PROPERTY
def test_weights_are_positive_and_one_on_average(passes: np.ndarray, multi_label: bool) -> None:
    pseudo = ust.pseudo_labels(passes, multi_label)
    weights = ust.confidence_weights(passes, pseudo, multi_label)
    assert weights.shape == (pseudo.shape if multi_label else pseudo.shape[:1])
    assert (weights > 0).all() and weights.mean() == pytest.approx(1)


def test_a_weight_comes_from_the_variance_of_the_predicted_label_not_of_the_first() -> None:
    # Both texts are label 1. For the first text label 0 hardly varies but label 1 does; for the second it is the other way round.
    one = [[0.10, 0.5, 0.40], [0.10, 0.9, 0.00]]
    other = [[0.05, 0.7, 0.25], [0.25, 0.7, 0.05]]
    passes = np.stack([one, other], axis=1)
    pseudo = ust.pseudo_labels(passes, False)
    assert pseudo.argmax(axis=1).tolist() == [1, 1]
    weights = ust.confidence_weights(passes, pseudo, False)
    assert weights[1] > weights[0]


def test_the_chosen_model_is_the_last_that_was_kept() -> None:
    models = (("teacher", 0.5, True), ("student 1", 0.7, True), ("student 2", 0.71, False))
    found = [ust.Candidate(name, valid, 1, {}, kept) for name, valid, kept in models]
    assert ust.chosen(found).name == "student 1"
    told = ust.report(found)
    assert told["chosen"] == "student 1" and told["teacher"] == {"valid_f1_macro": 0.5, "epochs": 1}


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
@FEWER
def test_a_sample_of_texts_is_an_even_draw_in_their_order_of_the_seed_alone(size: int, n: int, seed: int) -> None:
    from labelrounds.pool.unlabelled import Unlabelled

    names = [f"{number:03d}" for number in range(size)]
    texts = Unlabelled(names, names, names)
    np.random.seed(n)
    found = texts.sample(n, np.random.default_rng(seed))
    np.random.seed(n + 1)
    assert found == texts.sample(n, np.random.default_rng(seed))
    assert found.ids == sorted(set(found.ids)) and len(found) == min(n, size) and found.texts == found.augmented == found.ids


# With a tiny transformer, stage by stage


SETTINGS = {
    "unlabelled__size": 60,
    "finetune__epochs": 4,
    "ust__iterations": 2,
    "ust__sample": 40,
    "ust__passes": 3,
    "ust__per_label": 8,
    "uda__epochs": 2,
    "uda__batch_size": 16,
}


def prepared(folder: Path, multi_label: bool = False) -> Project:
    """Returns a clone that is ready to make a recipe `ust` and a recipe `uda`: split, encoders and texts without labels."""
    project = set_up(clone(folder / "project"), multi_label)
    recipes = BASELINE | {name: {"encoder": "adapted", "method": name} for name in ("supervised", "ust", "uda")}
    project.params(model__base=str(tiny.model(folder / "source")), adapt__epochs=1, recipes=recipes, further={}, **SETTINGS)
    for name in ("base", "adapt", "unlabelled"):
        run(project.folder, name)
    (project.folder / "data/split/test.csv").rename(project.folder / "test.csv")  # whoever reads it now fails
    return project


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return prepared(tmp_path_factory.mktemp("semi"))


@pytest.fixture(scope="module")
def taught(ready: Project) -> Project:
    """The project after an undisturbed `finetune` of every recipe, none of which could read the test set."""
    for name in ("supervised", "ust", "uda"):
        run(ready.folder, "finetune", name)
    return ready


def card_of(project: Project, name: str) -> dict[str, Any]:
    return json.loads(project.read(f"models/labeler/{name}/labeler.json"))


@pytest.mark.slow
def test_self_training_tells_which_model_validation_chose_and_what_each_learnt_from(taught: Project, tmp_path: Path) -> None:
    project = copied(taught, tmp_path)
    (project.folder / "test.csv").rename(project.folder / "data/split/test.csv")
    run(project.folder, "evaluate", "ust")
    told = assert_measured(project, "ust", method="ust")["training"]
    assert told == {name: value for name, value in card_of(project, "ust")["training"].items() if name not in ("n", "fingerprint")}
    models = {name: told[name.replace(" ", "_")]["valid_f1_macro"] for name in ("teacher", "student 1", "student 2")}
    best = "teacher"
    for name in ("student 1", "student 2"):
        error = told[name.replace(" ", "_")]["standard_error"]
        assert error >= 0
        best = name if models[name] - models[best] > error else best
    assert told["chosen"] == best
    for name in ("student_1", "student_2"):
        assert sum(told[name]["pseudo_labels"].values()) == told[name]["pseudo_labelled"] > 0
        assert all(count <= 8 for count in told[name]["pseudo_labels"].values())
    # The metrics of validation are those of the model that was chosen.
    assert json.loads(project.read("metrics/ust.json"))["valid"]["f1_macro"] == models[told["chosen"]]


@pytest.mark.slow
def test_the_teacher_is_what_supervised_training_gives(taught: Project) -> None:
    scores = {name: card_of(taught, name)["training"] for name in ("ust", "uda")}
    assert scores["ust"]["teacher"]["valid_f1_macro"] == scores["uda"]["supervised"]["valid_f1_macro"]


@pytest.mark.slow
def test_self_training_that_is_killed_anywhere_gives_the_same_bytes(taught: Project, tmp_path: Path) -> None:
    from labelrounds.labelers import transformer
    from labelrounds.methods import classifier

    project = copied(taught, tmp_path)
    before = files.folder_digests(project.folder / "models/labeler/ust")
    shutil.rmtree(project.folder / "models/labeler/ust")
    project.params(runtime__checkpoint_seconds=0)
    steps = card_of(taught, "ust")["training"]["teacher"]["epochs"] * -(-len(csv_rows(project, "data/split/train.csv")) // 16)
    # In the teacher's training, before a student's, in the second pass of dropout, within a student's training, and before all is saved.
    moments = [
        (classifier, "each_loss", 3),
        (classifier, "new", 2),
        (np, "save", 2),
        (classifier, "each_loss", 2),
        (ust, "report", 1),
        (transformer, "save", 1),
    ]
    assert steps > 3
    for module, name, at in moments:
        killed_at(project, "ust", module, name, at)
    run(project.folder, "finetune", "ust")
    assert files.folder_digests(project.folder / "models/labeler/ust") == before


def killed_at(project: Project, recipe: str, module: Any, name: str, at: int) -> None:
    """Runs `finetune` and dies in place of the call number `at` of a function."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, dying(getattr(module, name), at))
        with pytest.raises(Killed):
            run(project.folder, "finetune", recipe)
    assert not (project.folder / f"models/labeler/{recipe}").exists()


@pytest.mark.slow
def test_multi_label_self_training_and_consistency_go_all_the_way(tmp_path: Path) -> None:
    project = prepared(tmp_path, multi_label=True)
    for name in ("ust", "uda"):
        run(project.folder, "finetune", name)
    (project.folder / "test.csv").rename(project.folder / "data/split/test.csv")
    for name in ("ust", "uda"):
        run(project.folder, "evaluate", name)
        told = assert_measured(project, name, multi_label=True, method=name)["training"]
        assert told["method"] == name
    assert set(told["supervised"]["shares"]) == {*LABELS, "no label"}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["ust", "uda"])
def test_a_pool_without_unlabelled_texts_says_what_to_do(recipe: str, taught: Project, tmp_path: Path) -> None:
    project = copied(taught, tmp_path)
    train = csv_rows(project, "data/split/train.csv")
    rows = ((row["id"], row["text"].upper(), row["text"]) for row in train)
    project.write("data/unlabelled/texts.csv", files.csv_text(["id", "text", "augmented"], rows))
    said = run(project.folder, "finetune", recipe, code=1)
    assert "the pool leaves no text without a label to learn from" in said and "out of `recipes`" in said
