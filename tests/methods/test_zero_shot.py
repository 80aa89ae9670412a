"""Labelers that train no network: nearest neighbours, a linear probe, and zero-shot by descriptions or by inference."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core import examples, files, params, paths
from labelrounds.core.task import Task
from labelrounds.labelers import contract, nearest, nli
from labelrounds.methods import jobs, probe, zero_shot
from labelrounds.models import sources
from tests import tiny
from tests.conftest import BASELINE
from tests.small import PROPERTY, SmallProject, project

TASK = Task("multi-class", ("billing", "delivery", "praise"))
MULTI = Task("multi-label", TASK.labels)
DESCRIPTIONS = {label: " ".join(words) for label, words in tiny.TOPICS.items()}


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


# The rules, on arrays


def test_a_copy_of_a_labelled_text_gets_its_label() -> None:
    known = unit(np.random.default_rng(0).normal(size=(30, 8)))
    gold = np.eye(3, dtype=int)[np.arange(30) % 3]
    found = nearest.vote(known, known, gold, 5, TASK)
    assert (found.argmax(axis=1) == gold.argmax(axis=1)).all()


@PROPERTY
@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.integers(0, 99))
def test_votes_are_probabilities_and_no_label_is_impossible(n: int, k: int, multi_label: bool, seed: int) -> None:
    draw = np.random.default_rng(seed)
    known, wanted = unit(draw.normal(size=(max(n, k), 4))), unit(draw.normal(size=(6, 4)))
    gold = draw.integers(0, 2, size=(len(known), 3)) if multi_label else np.eye(3, dtype=int)[draw.integers(0, 3, len(known))]
    task = MULTI if multi_label else TASK
    card = contract.Card("nearest", task.type, list(task.labels), [0.5] * 3, 1.0, None, None, {})
    found = contract.probabilities(nearest.vote(wanted, known, gold, k, task), card)
    assert np.isfinite(found).all() and (found > 0).all() and (found < 1).all()
    if not multi_label:
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_nearer_neighbours_weigh_more() -> None:
    known = unit(np.asarray([[1, 0.05], [1, 0.9], [1, -0.9]]))
    gold = np.asarray([[1, 0, 0], [0, 1, 0], [0, 1, 0]])
    assert nearest.vote(unit(np.asarray([[1.0, 0.0]])), known, gold, 3, TASK).argmax() == 0


@PROPERTY
@given(st.integers(0, 99), st.booleans())
def test_zero_shot_ranks_labels_by_their_similarity(seed: int, multi_label: bool) -> None:
    draw = np.random.default_rng(seed)
    described, texts = unit(draw.normal(size=(4, 6))), unit(draw.normal(size=(5, 6)))
    weights, bias = zero_shot.head(described, MULTI if multi_label else TASK, 20.0)
    similarity = texts @ described[:3].T
    logits = texts @ weights.T + bias
    assert (np.argsort(logits, axis=1) == np.argsort(similarity, axis=1)).all()
    np.testing.assert_allclose(logits[:, 0] - logits[:, 1], 20.0 * (similarity[:, 0] - similarity[:, 1]), atol=1e-4)


def test_a_description_that_is_a_sentence_is_asked_as_it_stands() -> None:
    assert zero_shot.hypothesis("refunds") == "This example is refunds."
    assert zero_shot.hypothesis("Somebody wants money back.") == "Somebody wants money back."


# Made from models on disk


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sealed models: `vanilla`, and `nli`, whose outputs tell inference."""
    import torch
    from transformers import BertForSequenceClassification

    folder = tmp_path_factory.mktemp("models")
    sources.bring(str(tiny.model(folder / "source")), folder / "vanilla")
    torch.manual_seed(0)
    names = {0: "contradiction", 1: "ENTAILMENT", 2: "neutral"}
    model = BertForSequenceClassification.from_pretrained(folder / "source", num_labels=3, id2label=names, label2id={v: k for k, v in names.items()})
    model.save_pretrained(folder / "judge")
    tiny.tokenizer().save_pretrained(folder / "judge")
    sources.bring(str(folder / "judge"), folder / "nli")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: Path) -> SmallProject:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "BASE_MODELS", models)
    made = project(tmp_path, TASK.labels)
    made.params(task__descriptions=DESCRIPTIONS, model__max_length=32, runtime__threads=1, runtime__precision="fp32")
    return made


def job_of(here: SmallProject, encoder: str, method: str, n: int = 0, multi_label: bool = False) -> jobs.Job:
    if multi_label:
        here.params(task__type="multi-label")
    rows = tiny.multi_label_texts(n) if multi_label else [(text, (label,)) for text, label in tiny.texts(n)]
    task = MULTI if multi_label else TASK
    cut = 2 * n // 3
    for name, part in (("train", rows[:cut]), ("valid", rows[cut:])):
        here.table(f"{name}.csv", ["id", "text", task.column], ((str(i), text, task.spell(labels)) for i, (text, labels) in enumerate(part)))
    settings = params.load()
    recipe = params.Recipe(encoder=encoder, method=method)
    return jobs.Job(method, recipe, settings, Path("train.csv"), Path("valid.csv"), Path("scratch"), Path("made") / method)


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True], ids=["multi-class", "multi-label"])
@pytest.mark.parametrize(
    ("encoder", "method", "n"), [("vanilla", "nearest", 90), ("vanilla", "probe", 90), ("vanilla", "zero-shot", 0), ("nli", "zero-shot", 0)]
)
def test_a_labeler_comes_back_from_disk_and_scores_any_text(here: SmallProject, encoder: str, method: str, n: int, multi_label: bool) -> None:
    job = job_of(here, encoder, method, n, multi_label)
    said = jobs.make_labeler(job)
    first = files.folder_digests(job.out)
    assert jobs.make_labeler(job) == said and files.folder_digests(job.out) == first, "the same job gives the same bytes"
    found = contract.load(job.out, job.machine)
    texts = [text for text, _ in tiny.texts(20, seed=5)] + ["", "日本語", "x " * 500]
    counted: list[int] = []
    scores = found.scores(texts, 4, counted.append)
    assert scores.shape == (23, 3) and scores.dtype == np.float32 and np.isfinite(scores).all() and sum(counted) == 23
    np.testing.assert_allclose(scores, found.scores(texts, 23), atol=1e-4)
    if not multi_label:
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    vectors = found.embed(texts[:5], 2)
    assert vectors.shape[0] == 5 and vectors.dtype == np.float32
    assert found.card.base == {"encoder": encoder, "fingerprint": files.fingerprint(job.base)}
    assert not list(job.out.rglob("*.bin")) and not list(job.out.rglob("*.pkl"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nearest", "probe"])
def test_nearest_neighbours_and_a_probe_learn_the_topics_from_the_words_of_the_texts(here: SmallProject, method: str) -> None:
    job = job_of(here, "vanilla", method, 240)
    jobs.make_labeler(job)
    found = contract.load(job.out, job.machine)
    rows = tiny.texts(300, seed=0)[240:]
    decided = contract.decide(found.scores([text for text, _ in rows], 16), found.card)
    right = sum(one == (label,) for one, (_, label) in zip(decided, rows, strict=True))
    assert right > 0.5 * len(rows), f"{right} of {len(rows)}: a third would be chance"


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True], ids=["multi-class", "multi-label"])
def test_a_probe_without_validation_texts_is_calibrated_on_what_its_own_parts_have_not_seen(here: SmallProject, multi_label: bool) -> None:
    job = job_of(here, "vanilla", "probe", 90, multi_label)
    here.table("valid.csv", ["id", "text", "labels" if multi_label else "label"], [])
    said = jobs.make_labeler(job)
    card = contract.load(job.out, job.machine).card
    assert "60 texts" in said and "that it had not seen" in said
    assert card.platt is not None if multi_label else card.temperature != 1.0
    assert 0 < card.training["out_of_fold_f1_macro"] < 1


def test_a_probe_judges_every_text_by_a_model_that_has_not_seen_it_or_its_near_duplicates() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(40, 16)))
    vectors[1::2] = vectors[::2]  # each text twice, as near-duplicates with labels of pure chance
    gold = np.eye(2, dtype=int)[np.repeat(np.random.default_rng(1).integers(0, 2, 20), 2)]
    words = [f"{first}{second}" for first in "abcd" for second in "efghi"]
    texts = [f"{words[number // 2]}{'!' * (number % 2)}" for number in range(40)]
    card = contract.Card("linear-probe", "multi-class", ["one", "other"], [0.5] * 2, 1.0, 8, None, {})
    settings = probe.Settings(inverse_regularization=(1.0, 100.0), folds=10)
    _, reached, unseen = probe.choose(vectors, examples.Examples(texts, texts, gold), card, settings, 13)
    assert unseen.shape == (40, 2) and reached < 0.8, "seen, its twin would tell each label: the score would be 1"
    _, alone, _ = probe.choose(vectors, examples.Examples(texts, [f"a{'b' * n}" for n in range(40)], gold), card, settings, 13)
    assert alone > reached, "texts that are no near-duplicates by their words may be judged by their twins"


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True], ids=["multi-class", "multi-label"])
@pytest.mark.parametrize(("pooling", "valid"), [("mean", True), ("mean", False), ("last", True), ("cls", False)])
def test_a_fine_tuned_labeler_comes_back_from_disk_with_the_head_it_was_trained_with(
    here: SmallProject, pooling: str, valid: bool, multi_label: bool
) -> None:
    here.params(model__pooling=pooling, finetune__epochs=1, finetune__min_steps=0)
    job = job_of(here, "vanilla", "supervised", 90, multi_label)
    if not valid:
        here.table("valid.csv", ["id", "text", "labels" if multi_label else "label"], [])
    said = jobs.make_labeler(job)
    assert ("no validation texts" in said) is not valid
    found = contract.load(job.out, job.machine)
    assert found.card.pooling == pooling and found.card.kind == "transformer"
    texts = [text for text, _ in tiny.texts(12, seed=5)]
    scores = found.scores(texts, 4)
    assert np.isfinite(scores).all() and np.ptp(scores) > 0
    from transformers import AutoModel, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if pooling == "cls" else AutoModel
    _, info = kind.from_pretrained(job.out, output_loading_info=True)
    assert not info["missing_keys"], "plain transformers reads it: the whole where it has a class for it, otherwise the encoder"


@pytest.mark.slow
def test_zero_shot_tells_the_topics_from_their_descriptions_alone(here: SmallProject) -> None:
    job = job_of(here, "vanilla", "zero-shot")
    jobs.make_labeler(job)
    found = contract.load(job.out, job.machine)
    texts = [" ".join(words[:3]) for words in tiny.TOPICS.values()]
    assert contract.decide(found.scores(texts, 3), found.card) == [(label,) for label in tiny.TOPICS]


@pytest.mark.slow
def test_inference_gives_what_the_zero_shot_pipeline_of_transformers_gives(here: SmallProject, models: Path) -> None:
    from transformers import pipeline

    texts = [text for text, _ in tiny.texts(6)]
    for multi_label in (False, True):
        job = job_of(here, "nli", "zero-shot", 0, multi_label)
        bare = job.settings.task.model_copy(update={"descriptions": {}})
        jobs.make_labeler(dataclasses.replace(job, settings=job.settings.model_copy(update={"task": bare})))
        found = contract.load(job.out, job.machine).scores(texts, 8)
        judge = pipeline("zero-shot-classification", model=str(models / "nli"), device="cpu")
        for row, said in zip(found, judge(texts, list(TASK.labels), multi_label=multi_label), strict=True):
            expected = dict(zip(said["labels"], said["scores"], strict=True))
            np.testing.assert_allclose(row, [expected[label] for label in TASK.labels], atol=1e-4)


@pytest.mark.slow
def test_which_output_is_entailment_is_read_from_the_models_own_labels(models: Path) -> None:
    assert nli.knows_inference(models / "nli") and not nli.knows_inference(models / "vanilla")


@pytest.mark.slow
def test_before_the_first_label_there_is_a_queue_and_afterwards_a_test_set(here: SmallProject, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from click.testing import CliRunner

    from stages import finetune
    from tests.stages.test_models import run

    monkeypatch.undo()
    monkeypatch.chdir(here.folder)
    shutil.copytree(models / "vanilla", here.folder / "models/encoder/vanilla")
    rows = tiny.texts(80)
    here.pool(text for text, _ in rows)
    here.params(recipes={"zero": {"encoder": "vanilla", "method": "zero-shot"}, **BASELINE}, deploy="zero", select__size=10)
    (here.folder / "data/rounds").mkdir(parents=True)
    assert "with `split.holdout_rounds: []` and `deploy: zero-shot`" in here.wrong("split")
    here.params(split__holdout_rounds=[])
    assert "no labels yet, so nothing is held out" in here.split()
    for name, words in (("finetune", ["zero"]), ("predict", []), ("select", [])):
        run(here.folder, name, *words)
    assert len(here.rows("data/queue/next.csv")) == 10
    assert "import a random round before them" in here.command("next", "warm.csv")
    assert "there are no labels yet" in CliRunner().invoke(finetune.main, ["baseline"]).output
    here.round("01", {text: label for text, label in rows[:40]})
    assert "split.holdout_rounds names no round" in here.wrong("split")
    here.params(split__holdout_rounds=["01"])
    assert "40 labels of 40 texts" in here.split()
