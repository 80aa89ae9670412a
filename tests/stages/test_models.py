"""The stages from the base model to the next queue, one after another in a clone, and killed in between."""

import csv
import importlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

from labelrounds.core import files, params, paths, registry, tables
from labelrounds.labelers import linear
from labelrounds.models import base_models, corpus, objectives, runtime
from labelrounds.pool.identity import near_duplicate_key, text_id
from labelrounds.rounds import record
from tests import tiny
from tests.conftest import Project, clone

LABELS = sorted(tiny.TOPICS)
STRATEGIES = registry.names(registry.STRATEGIES)
TEST_METRICS = ("n", "fingerprint", "ece", "ece_raw", "accuracy", "f1_micro", "f1_macro", "f1_weighted", "roc_auc", "f1", "ci95")


class Killed(BaseException):
    """What a test raises where a process would die: nothing catches it."""


def run(folder: Path, name: str, *arguments: str, code: int = 0) -> str:
    """Runs one stage in this process, in the project; returns what it shows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = click.testing.CliRunner().invoke(importlib.import_module(f"stages.{name}").main, list(arguments))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def ask(folder: Path, *arguments: str, stdin: str | None = None, code: int = 0) -> str:
    """Runs `labelrounds label` in the project; returns what it prints."""
    from labelrounds.people.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = click.testing.CliRunner().invoke(main, ["label", *arguments], input=stdin)
    assert done.exit_code == code, done.output
    return done.output if code else done.stdout


def copied(project: Project, folder: Path) -> Project:
    """Returns a copy of the project that a test may change."""
    shutil.copytree(project.folder, folder / "copy", ignore=shutil.ignore_patterns(".git"))
    return Project(folder / "copy")


def set_up(project: Project, multi_label: bool = False) -> Project:
    """Gives a clone a pool with groups, duplicates and near-duplicates, and a first round of 80 labels; splits it."""
    for path in (project.folder / "data/rounds").glob("*.csv"):
        path.unlink()
    rows = [(text, ";".join(labels) or "-") for text, labels in tiny.multi_label_texts(160)] if multi_label else tiny.texts(160)
    pool = [(text, f"customer {number // 3}" if number % 7 == 0 else "") for number, (text, _) in enumerate(rows)]
    pool += [(f"{text.upper()} {number}!", "") for number, (text, _) in enumerate(rows) if number % 4 == 0]
    pool += [(text, "") for number, (text, _) in enumerate(rows) if number % 50 == 0]
    pool += [(f"{rows[0][0]} and the {rows[81][0]}, " * 5, "")]
    project.write("data/pool.csv", files.csv_text(["text", "group"], pool))
    column = "labels" if multi_label else "label"
    project.write("data/rounds/01.csv", files.csv_text(["text", column, "annotator"], ((text, cell, "Ann") for text, cell in rows[:80])))
    project.params(
        task__labels=LABELS,
        task__type="multi-label" if multi_label else "multi-class",
        runtime__threads=1,
        runtime__precision="fp32",
        deploy="baseline",
        model__max_length=32,
        adapt__epochs=2,
        adapt__learning_rate=2e-3,
        adapt__head_steps=10,
        adapt__batch_size=8,
        adapt__valid=0.2,
        finetune__epochs=6,
        finetune__learning_rate=5e-3,
        predict__shard_size=50,
        select__size=8,
        select__candidates=30,
    )
    run(project.folder, "split")
    run(project.folder, "corpus")
    return project


def csv_rows(project: Project, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(project.read(path).removeprefix("\ufeff"))))


def pool_texts(project: Project) -> list[str]:
    return [row["text"] for row in csv_rows(project, "data/pool.csv")]


def predictions(project: Project) -> list[dict[str, Any]]:
    import pyarrow.parquet

    shards = sorted((project.folder / "data/predictions/shards").iterdir())
    return [row for shard in shards for row in pyarrow.parquet.read_table(shard).to_pylist()]


@pytest.fixture(scope="module")
def based(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone in which the baseline is trained, measured and deployed: no torch anywhere."""
    project = set_up(clone(tmp_path_factory.mktemp("baseline") / "project"))
    for name in (["finetune", "baseline"], ["evaluate", "baseline"], ["predict"], ["gate"], ["select"]):
        run(project.folder, *name)
    return project


def assert_measured(project: Project, name: str, multi_label: bool = False, method: str = "") -> dict[str, Any]:
    """Checks the names that outsiders rely on in metrics/NAME.json and metrics/NAME/; returns the metrics."""
    metrics = json.loads(project.read(f"metrics/{name}.json"))
    split = json.loads(project.read("metrics/split.json"))
    assert list(metrics) == ["trained_on", "test", "valid", *(["training"] if method else [])]
    assert metrics["trained_on"] == split["train"]
    assert not method or metrics["training"]["method"] == method
    for side in ("test", "valid"):
        found = metrics[side]
        assert set(found) == {*TEST_METRICS, *(["jaccard"] if multi_label else [])}
        assert list(found["f1"]) == LABELS
        assert found["n"] == split[side]
        assert set(found["ci95"]) == set(found) - {"n", "fingerprint", "ci95", "ece", "ece_raw"} and list(found["ci95"]["f1"]) == LABELS
        low, high = found["ci95"]["f1_macro"]
        assert 0 <= low <= found["f1_macro"] <= high <= 1
    assert metrics["test"]["fingerprint"] == split["fingerprint"]
    column = "labels" if multi_label else "label"
    gold = {row["id"]: row[column] for row in csv_rows(project, "data/split/test.csv")}
    rows = csv_rows(project, f"metrics/{name}/test.csv")
    assert list(rows[0]) == ["id", "gold", "predicted", *(f"score_{label}" for label in LABELS)]
    assert {row["id"]: row["gold"] for row in rows} == gold
    right = sum(row["gold"] == row["predicted"] for row in rows) / len(rows)
    assert metrics["test"]["accuracy"] == pytest.approx(right, abs=1e-6)
    assert [row["label"] for row in csv_rows(project, f"metrics/{name}/labels.csv")] == LABELS
    told = json.loads(project.read(f"data/evaluated/{name}.json"))
    folder = files.folder_digests(project.folder / f"metrics/{name}")
    assert told == {f"{name}.json": files.sha256(project.folder / f"metrics/{name}.json"), **folder}, "what the report depends on"
    return metrics


def assert_predicted(project: Project, column: str = "label") -> None:
    """Checks that every pool text has one row, whose decision follows from its confidence and its label's cut, or from a person."""
    settings = params.load(project.folder / "params.yaml")
    texts, rows = pool_texts(project), predictions(project)
    assert [row["id"] for row in rows] == [text_id(text) for text in texts]
    cuts = {label: found["cut"] for label, found in json.loads(project.read("metrics/gate.json"))["labels"].items()}

    def decision(row: dict[str, Any]) -> str:
        given = [label for label in row[column].split(";") if label != "-"]
        cut = cuts[min(given, key=lambda label: row[f"score_{label}"]) if given else "-"]
        return "auto" if cut is not None and row["confidence"] >= cut else "review"

    if column == "label":
        assert all(row["confidence"] == max(row[f"score_{label}"] for label in LABELS) == row[f"score_{row['label']}"] for row in rows)
    fingerprint = files.fingerprint(project.folder / "models/labeler" / settings.deploy)
    assert {row["labeler"] for row in rows} == {fingerprint}
    people = {row["id"]: row[column] for row in csv_rows(project, "data/split/labels.csv")}
    flat = csv_rows(project, "data/predictions/labelled.csv")
    assert [row["text"] for row in flat] == texts and list(flat[0]) == ["id", "text", column, "confidence", "decision", "group"]
    for row, predicted in zip(flat, rows, strict=True):
        expected = ("human", people[row["id"]]) if row["id"] in people else (decision(predicted), predicted[column])
        assert (row["decision"], row[column].removeprefix("'")) == expected, "what a person said stands, whatever the model says"
    metrics = json.loads(project.read("metrics/predict.json"))
    assert metrics["n"] == len(texts) == metrics["auto"] + metrics["review"] + metrics["human"]


def assert_asked(project: Project, size: int) -> list[dict[str, str]]:
    """Checks that the queue holds nothing that is labelled, held out, or like another text of it; returns it."""
    queue = csv_rows(project, "data/queue/next.csv")
    assert len(queue) == size
    assert list(queue[0]) == ["id", "text", "suggestion", "confidence", "uncertainty", "group"]
    settings = params.load(project.folder / "params.yaml")
    annotations = record.read_all(settings.labelled_task(), project.folder / "data/rounds")
    labelled = {annotation.id for annotation in annotations}
    labelled_keys = {near_duplicate_key(text) for text in pool_texts(project) if text_id(text) in labelled}
    heldout = set(project.read("data/split/heldout.txt").split())
    keys = [near_duplicate_key(row["text"]) for row in queue]
    assert not {row["id"] for row in queue} & (labelled | heldout)
    assert not set(keys) & labelled_keys and len(set(keys)) == len(keys)
    assert {row["text"] for row in queue} <= set(pool_texts(project))
    assert all(row["id"] == text_id(row["text"]) for row in queue)
    said = {row["id"]: row["label"] for row in predictions(project)} if not settings.labelled_task().multi_label else {}
    assert all(row["suggestion"] == said[row["id"]] for row in queue if said)
    return queue


# With the baseline: quick


def test_the_baseline_is_measured_predicts_the_pool_and_fills_the_queue(based: Project) -> None:
    metrics = assert_measured(based, "baseline")
    assert metrics["test"]["f1_macro"] > 0.6
    assert_predicted(based)
    assert_asked(based, 8)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_strategy_asks_for_what_is_labelled_held_out_or_asked_already(strategy: str, based: Project, tmp_path: Path) -> None:
    project = copied(based, tmp_path)
    project.params(select__strategy=strategy)
    before = project.read("data/queue/next.csv")
    # A round that came after the predictions counts as well.
    answered = [row["id"] for row in csv_rows(project, "data/queue/next.csv")][:3]
    project.write("data/rounds/02.csv", files.csv_text(["id", "label"], ((identity, LABELS[0]) for identity in answered)))
    run(project.folder, "select")
    asked = assert_asked(project, 8)
    after = project.read("data/queue/next.csv")
    run(project.folder, "select")
    assert project.read("data/queue/next.csv") == after != before, "the same queue from the same inputs"
    if strategy in ("least-confidence", "margin", "entropy"):
        sure = [float(row["uncertainty"]) for row in asked]
        assert sure == sorted(sure, reverse=True)


def test_a_queue_larger_than_what_is_left_holds_all_that_is_left_and_says_so(based: Project, tmp_path: Path) -> None:
    project = copied(based, tmp_path)
    project.params(select__size=1000, select__strategy="entropy")
    said = run(project.folder, "select")
    queue = csv_rows(project, "data/queue/next.csv")
    assert f"select: {len(queue)} texts (of 1000 asked for: no more are left)" in said
    assert_asked(project, len(queue))
    held = set(project.read("data/split/heldout.txt").split())
    labelled = {row["id"] for row in csv_rows(project, "data/split/labels.csv")}
    keys = {near_duplicate_key(text) for text in pool_texts(project) if text_id(text) in labelled}
    left = {near_duplicate_key(text) for text in pool_texts(project) if text_id(text) not in held | labelled} - keys
    assert {near_duplicate_key(row["text"]) for row in queue} == left


@pytest.mark.parametrize(("precision", "expected"), [(0.5, {"human", "auto", "review"}), (0.999, {"human", "review"})])
def test_the_precision_promised_decides_between_auto_and_review(precision: float, expected: set[str], based: Project, tmp_path: Path) -> None:
    project = copied(based, tmp_path)
    project.params(predict__precision=precision, predict__risk=0.2)
    said = run(project.folder, "gate")
    assert_predicted(project)
    decided = {row["decision"] for row in csv_rows(project, "data/predictions/labelled.csv")}
    assert decided - {"review"} == expected - {"review"}
    gate = json.loads(project.read("metrics/gate.json"))
    assert gate["precision"] == precision and gate["valid"] == len(csv_rows(project, "data/split/valid.csv"))
    if "auto" not in expected:
        assert "a person must look at all of them" in said and "more validation texts" in said and gate["open"] == 0


@pytest.mark.slow
def test_the_size_of_a_shard_changes_no_label(based: Project, tmp_path: Path) -> None:
    project = copied(based, tmp_path)
    for size in (7, 10_000):
        project.params(predict__shard_size=size)
        run(project.folder, "predict")
        run(project.folder, "gate")
        assert predictions(project) == predictions(based)
        assert project.read("data/predictions/labelled.csv") == based.read("data/predictions/labelled.csv")
        assert len(list((project.folder / "data/predictions/shards").iterdir())) == -(-len(pool_texts(based)) // size)


def test_a_killed_predict_goes_on_with_the_first_unfinished_part(based: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = copied(based, tmp_path)
    before = files.folder_digests(project.folder / "data/predictions/shards")
    shutil.rmtree(project.folder / "data/predictions")
    shutil.rmtree(project.folder / "scratch/scores")
    scored: list[int] = []
    original = linear.LinearLabeler.scores

    def counting(self: Any, texts: list[str], *arguments: Any) -> Any:
        if len(scored) == 2:
            raise Killed
        scored.append(len(texts))
        return original(self, texts, *arguments)

    monkeypatch.setattr(linear.LinearLabeler, "scores", counting)
    with pytest.raises(Killed):
        run(project.folder, "predict")
    assert not (project.folder / "data/predictions").exists(), "nothing half-made appears"
    scored[:] = [0, 0, 0]  # out of the killer's reach
    run(project.folder, "predict")
    assert scored[3:] == [50] * ((len(pool_texts(project)) - 100) // 50) + [len(pool_texts(project)) % 50]
    assert files.folder_digests(project.folder / "data/predictions/shards") == before
    assert [path.name for path in (project.folder / "scratch/predict").iterdir()] == ["lock"]


@pytest.mark.slow
def test_a_predict_killed_at_its_very_end_scores_nothing_again(based: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = copied(based, tmp_path)
    before = files.folder_digests(project.folder / "data/predictions")
    shutil.rmtree(project.folder / "scratch/scores")

    def die(*arguments: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(files, "publish", die)
        with pytest.raises(Killed):
            run(project.folder, "predict")
    monkeypatch.setattr(linear.LinearLabeler, "scores", die)
    run(project.folder, "predict")
    assert files.folder_digests(project.folder / "data/predictions") == before


@pytest.mark.parametrize("module", ["write_csv", "write_json"])
def test_a_killed_gate_gives_the_same_bytes(module: str, based: Project, tmp_path: Path) -> None:
    project = copied(based, tmp_path)
    before = {name: files.folder_digests(project.folder / name) for name in ("data/predictions", "metrics")}
    (project.folder / "data/predictions/labelled.csv").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, module, dying(getattr(files, module), 1))
        with pytest.raises(Killed):
            run(project.folder, "gate")
    run(project.folder, "gate")
    assert {name: files.folder_digests(project.folder / name) for name in before} == before


def test_people_ask_the_labeler_by_argument_file_and_standard_input(based: Project, tmp_path: Path) -> None:
    text = "my invoice refund please"
    answer = ask(based.folder, text)
    label, confidence, said = answer.split(maxsplit=2)
    assert label in LABELS and 0 <= float(confidence) <= 1 and said.strip() == text
    (tmp_path / "texts.txt").write_text(f"{text}\n\ngreat, thanks\n")
    (tmp_path / "texts.csv").write_text(f'text,other\n{text},1\n"great, thanks",2\n')
    from_lines, from_table = (ask(based.folder, "--file", str(tmp_path / name)) for name in ("texts.txt", "texts.csv"))
    assert from_lines == from_table == ask(based.folder, "--file", "-", stdin=f"{text}\ngreat, thanks\n")
    assert len(from_lines.splitlines()) == 2
    found = [json.loads(line) for line in ask(based.folder, text, "great, thanks", "--json").splitlines()]
    assert [list(one) for one in found] == [["text", "label", "confidence", "scores"]] * 2
    assert found[0]["label"] == label and list(found[0]["scores"]) == LABELS
    assert found[0]["confidence"] == max(found[0]["scores"].values())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "give texts"),
        (["text", "--file", "-"], "give texts"),
        (["  "], "no text to label"),
        (["text", "--labeler", "basline"], 'Did you mean "baseline"?'),  # codespell:ignore basline
        (["--file", "nothing.txt"], "nothing.txt"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_clear_error(arguments: list[str], expected: str, based: Project) -> None:
    said = ask(based.folder, *arguments, code=1)
    assert said.startswith("Error: ") and expected in said


def test_a_damaged_labeler_stops_every_stage_that_reads_it(based: Project, tmp_path: Path) -> None:
    project = copied(based, tmp_path)
    weights = project.folder / "models/labeler/baseline" / linear.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    for name in (["evaluate", "baseline"], ["predict"]):
        assert "damaged" in run(project.folder, *name, code=1)


@pytest.mark.slow
def test_multi_label_goes_all_the_way_with_the_baseline(project: Project) -> None:
    set_up(project, multi_label=True)
    for name in (["finetune", "baseline"], ["evaluate", "baseline"], ["predict"], ["gate"]):
        run(project.folder, *name)
    assert_measured(project, "baseline", multi_label=True)
    assert_predicted(project, "labels")
    assert {row["labels"].count(";") for row in predictions(project)} >= {0, 1} and "-" in {row["labels"] for row in predictions(project)}
    for strategy in STRATEGIES:
        project.params(select__strategy=strategy)
        run(project.folder, "select")
        assert_asked(project, 8)
    found = json.loads(ask(project.folder, "my invoice refund", "--json"))
    assert list(found) == ["text", "labels", "confidence", "scores"] and isinstance(found["labels"], list)


@pytest.mark.slow
def test_without_validation_texts_all_labels_train_and_the_gate_labels_nothing_alone(project: Project) -> None:
    set_up(project)
    project.params(split__valid=0.0, recipes={"baseline": {"encoder": "vanilla", "method": "tfidf"}}, predict__precision=0.5)
    for name in (["split"], ["finetune", "baseline"], ["evaluate", "baseline"], ["predict"], ["gate"], ["select"], ["agreement"]):
        run(project.folder, *name)
    assert not csv_rows(project, "data/split/valid.csv")
    assert set(json.loads(project.read("metrics/baseline.json"))) == {"trained_on", "test"}
    assert {row["decision"] for row in csv_rows(project, "data/predictions/labelled.csv")} == {"human", "review"}


def test_a_recipe_or_a_labeler_that_there_is_not_is_named(based: Project) -> None:
    assert 'there is no recipe "adaptd" in params.yaml. Did you mean "adapted"?' in run(based.folder, "finetune", "adaptd", code=1)
    assert "models/labeler/vanilla: there is no labeler here yet. Run `dvc repro`" in run(based.folder, "evaluate", "vanilla", code=1)


# With transformers: the whole way


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone in which every stage has run with a tiny BERT."""
    folder = tmp_path_factory.mktemp("transformer")
    project = set_up(clone(folder / "project"))
    project.params(model__base=str(tiny.model(folder / "source")), deploy="adapted", select__strategy="entropy-coreset")
    stages = [
        "base",
        "adapt",
        "finetune adapted",
        "finetune vanilla",
        "finetune baseline",
        "evaluate adapted",
        "evaluate vanilla",
        "evaluate baseline",
    ]
    project.said = {name: run(project.folder, *name.split()) for name in [*stages, "predict", "gate", "select"]}
    return project


@pytest.mark.slow
def test_every_stage_runs_in_turn_and_says_in_one_line_what_it_did(tuned: Project) -> None:
    for name, said in tuned.said.items():
        *before, last = said.strip().splitlines()
        assert last.startswith(f"{name.split()[0]}"), said
        assert not any("warn" in line.lower() for line in before), said
    for name in ("adapted", "vanilla", "baseline"):
        assert_measured(tuned, name)
    assert_predicted(tuned)
    assert_asked(tuned, 8)


@pytest.mark.slow
def test_adapting_lowers_the_loss_on_held_out_pieces_and_keeps_the_best_epoch(tuned: Project) -> None:
    metrics = json.loads(tuned.read("metrics/adapt.json"))
    assert metrics["objective"] == "masked" and metrics["loss"]["after"] < metrics["loss"]["before"]
    curve = csv_rows(tuned, "metrics/adapt.csv")
    assert [(row["phase"], row["epoch"]) for row in curve] == [("before", "0"), ("epoch", "1"), ("epoch", "2")]
    assert min(float(row["loss"]) for row in curve) == pytest.approx(metrics["loss"]["after"], abs=1e-6)
    files.verify(tuned.folder / "models/encoder/adapted")


@pytest.mark.slow
def test_no_model_folder_holds_a_pickle_or_the_trainers_state(tuned: Project) -> None:
    found = [path for path in (tuned.folder / "models").rglob("*") if path.is_file() and path.name != "README.md"]
    assert {path.suffix for path in found} <= {".json", ".safetensors", ".jinja", ".txt"}
    assert not [path for path in found if path.name in ("trainer_state.json", "training_args.bin")]
    left = [path for path in (tuned.folder / "scratch").rglob("*") if path.is_file() and path.name != "lock"]
    assert {path.relative_to(tuned.folder).parts[1] for path in left} <= {"scores"}, "no checkpoint outlives its run; the pool's scores are kept"


@pytest.mark.slow
def test_a_fine_tuned_labeler_names_its_base_and_its_training_data(tuned: Project) -> None:
    card = json.loads(tuned.read("models/labeler/adapted/labeler.json"))
    assert card["base"] == {"encoder": "adapted", "fingerprint": files.fingerprint(tuned.folder / "models/encoder/adapted")}
    assert card["training"] == {
        "n": len(csv_rows(tuned, "data/split/train.csv")),
        "fingerprint": files.sha256(tuned.folder / "data/split/train.csv")[:16],
    }
    assert card["labels"] == LABELS and card["max_length"] == 32


@pytest.mark.slow
def test_shards_of_seven_texts_get_the_same_labels_from_a_transformer(tuned: Project, tmp_path: Path) -> None:
    project = copied(tuned, tmp_path)
    project.params(predict__shard_size=7, predict__batch_size=3)
    run(project.folder, "predict")
    for one, other in zip(predictions(project), predictions(tuned), strict=True):
        assert one["id"] == other["id"]
        assert all(abs(one[f"score_{label}"] - other[f"score_{label}"]) < 1e-4 for label in LABELS)
        top = sorted(one[f"score_{label}"] for label in LABELS)
        assert one["label"] == other["label"] or top[-1] - top[-2] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["entropy-kmeans", "entropy-coreset", "margin"])
def test_the_queue_is_clean_with_a_transformers_vectors_too(strategy: str, tuned: Project, tmp_path: Path) -> None:
    project = copied(tuned, tmp_path)
    project.params(select__strategy=strategy)
    run(project.folder, "select")
    assert_asked(project, 8)


@pytest.mark.slow
def test_the_next_texts_come_in_seconds_from_a_probe_which_reads_only_what_is_new_in_the_pool(tuned: Project, tmp_path: Path) -> None:
    here = copied(tuned, tmp_path)
    first = here.run("labelrounds", "quick", "first.csv").stdout
    size = len(pool_texts(here))
    assert f"{size} of {size} pool texts were new" in first and "The pipeline's own queue stays as it is." in first
    assert f"0 of {size} pool texts were new" in here.run("labelrounds", "quick", "second.csv").stdout
    assert here.read("first.csv") == here.read("second.csv")
    labelled = {row["id"] for row in csv_rows(here, "data/split/labels.csv")} | set(here.read("data/split/heldout.txt").split())
    asked = csv_rows(here, "first.csv")
    assert asked and not labelled & {row["id"].lstrip("'") for row in asked} and all(row["suggestion"] for row in asked)


@pytest.mark.slow
def test_the_command_label_starts_a_transformer_with_nothing_else_on_the_screen(tuned: Project) -> None:
    done = tuned.run("python", "-m", "labelrounds.people.cli", "label", "my invoice refund", "--json")
    assert json.loads(done.stdout)["label"] in LABELS
    assert done.stderr == ""


@pytest.mark.slow
def test_adapt_and_finetune_run_twice_give_the_same_bytes(tuned: Project, tmp_path: Path) -> None:
    project = copied(tuned, tmp_path)
    before = {name: files.folder_digests(project.folder / name) for name in ("models/encoder/adapted", "models/labeler/adapted", "metrics")}
    project.params(runtime__checkpoint_seconds=0)
    for name in (["adapt"], ["finetune", "adapted"], ["evaluate", "adapted"]):
        run(project.folder, *name)
    assert {name: files.folder_digests(project.folder / name) for name in before} == before


def dying(original: Callable[..., Any], at: int) -> Callable[..., Any]:
    """Returns a function that does as `original`, but dies in place of its call number `at`."""
    count = 0

    def replaced(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            raise Killed
        return original(*arguments, **options)

    return replaced


@pytest.mark.slow
def test_a_killed_finetune_gives_the_same_bytes(tuned: Project, tmp_path: Path) -> None:
    from labelrounds.labelers import transformer

    project = copied(tuned, tmp_path)
    before = files.folder_digests(project.folder / "models/labeler/adapted")
    project.params(runtime__checkpoint_seconds=0)
    # Killed at the end of the second epoch, then once more when all that is left to do is to save.
    for module, name, at in ((files, "write_json", 2), (transformer, "save", 1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, dying(getattr(module, name), at))
            with pytest.raises(Killed):
                run(project.folder, "finetune", "adapted")
    assert files.folder_digests(project.folder / "models/labeler/adapted") == before, "the old one stands until the new one is whole"
    shutil.rmtree(project.folder / "models/labeler/adapted")
    run(project.folder, "finetune", "adapted")
    assert files.folder_digests(project.folder / "models/labeler/adapted") == before


@pytest.mark.slow
def test_a_base_without_a_head_gets_one_and_a_killed_adapt_gives_the_same_bytes(tuned: Project, tmp_path: Path) -> None:
    project = copied(tuned, tmp_path)
    project.params(model__base=str(tiny.model(tmp_path / "source", headless=True)), runtime__checkpoint_seconds=0)
    run(project.folder, "base")
    said = run(project.folder, "adapt")
    assert "a new one trains for 10 steps with the encoder frozen" in said
    assert [row["phase"] for row in csv_rows(project, "metrics/adapt.csv")] == ["before", "head", "epoch", "epoch"]
    before = {name: files.folder_digests(project.folder / name) for name in ("models/encoder/adapted", "metrics")}
    shutil.rmtree(project.folder / "models/encoder/adapted")
    # Killed in the head's training, in the whole model's, and when all that is left to do is to save.
    for module, name, at in ((objectives, "masked_loss", 9), (objectives, "masked_loss", 26), (base_models, "save_language_model", 1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, dying(getattr(module, name), at))
            with pytest.raises(Killed):
                run(project.folder, "adapt")
        assert not (project.folder / "models/encoder/adapted").exists()
    run(project.folder, "adapt")
    assert {name: files.folder_digests(project.folder / name) for name in before} == before


@pytest.mark.slow
def test_a_decoder_goes_all_the_way_for_multi_label(project: Project, tmp_path: Path) -> None:
    set_up(project, multi_label=True)
    project.params(model__base=str(tiny.model(tmp_path / "gpt2", "gpt2")), deploy="adapted", adapt__epochs=1, finetune__epochs=2)
    for name in (["base"], ["adapt"], ["finetune", "adapted"], ["evaluate", "adapted"], ["predict"], ["gate"], ["select"]):
        run(project.folder, *name)
    assert json.loads(project.read("metrics/adapt.json"))["objective"] == "causal"
    assert_measured(project, "adapted", multi_label=True)
    assert_predicted(project, "labels")
    assert_asked(project, 8)


@pytest.mark.slow
def test_the_corpus_to_adapt_to_holds_every_text_once_and_nothing_that_is_held_out(tuned: Project, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tuned.folder)
        settings = params.load()
        runtime.start(settings.seed, 1, "fp32")
        encoder = base_models.open_base(paths.VANILLA)
        found_texts = corpus.read(encoder, settings.model.max_length, settings.adapt.valid, tmp_path)
        heldout = set(paths.HELDOUT.read_text().split())
        texts = list(dict.fromkeys(row.cells["text"] for row in tables.rows(settings.data.pool)))
    found = [[tuple(row["input_ids"]) for row in side] for side in (found_texts.train, found_texts.valid)]

    def pieces(text: str) -> list[tuple[int, ...]]:
        encoded = encoder.tokenizer([text], truncation=True, max_length=settings.model.max_length, return_overflowing_tokens=True)
        return [tuple(ids) for ids in encoded["input_ids"]]

    held = {text for text in texts if text_id(text) in heldout}
    kept = [text for text in texts if text not in held]
    # The split holds out the near-duplicates of held-out texts, and their groups.
    near = {near_duplicate_key(text) for text in held}
    assert not [text for text in kept if near_duplicate_key(text) in near]
    assert not {piece for text in held for piece in pieces(text)} & {*found[0], *found[1]}
    assert sorted(piece for text in kept for piece in pieces(text)) == sorted([*found[0], *found[1]])
    assert len(max((pieces(text) for text in kept), key=len)) > 1, "a long text is read in pieces, to its end"
    valid = {near_duplicate_key(text) for text in kept if corpus.is_valid(text, settings.adapt.valid)}
    sides_of = [{near_duplicate_key(text) for text in kept if set(pieces(text)) <= set(side)} for side in found]
    assert sides_of[1] == valid and not sides_of[0] & valid, "near-duplicates measure together or train together"


@pytest.mark.slow
def test_a_pool_that_leaves_nothing_to_adapt_to_says_what_to_do(tuned: Project, tmp_path: Path) -> None:
    project = copied(tuned, tmp_path)
    heldout = sorted({text_id(text) for text in pool_texts(project)})
    project.write("data/split/heldout.txt", "".join(f"{identity}\n" for identity in heldout))
    run(project.folder, "corpus")
    said = run(project.folder, "adapt", code=1)
    assert "leaves 0 texts to adapt to" in said and "adapt.epochs: 0" in said


@pytest.mark.slow
def test_without_epochs_the_base_is_handed_on_as_it_is(tuned: Project, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    project = copied(tuned, tmp_path)
    project.params(adapt__epochs=0)
    run(project.folder, "adapt")
    vanilla, adapted = (load_file(str(project.folder / f"models/encoder/{name}/model.safetensors")) for name in ("vanilla", "adapted"))
    assert set(vanilla) == set(adapted) and all(np.array_equal(vanilla[name], adapted[name]) for name in vanilla)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adapt", "finetune vanilla"])
def test_a_max_length_beyond_the_base_model_is_one_clear_error(name: str, tuned: Project, tmp_path: Path) -> None:
    project = copied(tuned, tmp_path)
    project.params(model__max_length=65)
    said = run(project.folder, *name.split(), code=1)
    assert "model.max_length is 65, but the base model reads at most 64 tokens" in said
