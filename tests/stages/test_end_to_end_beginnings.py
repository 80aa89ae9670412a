"""How projects begin: without a single label, and with several labels per text on a decoder."""

import json
from pathlib import Path

import pytest

from tests import tiny
from tests.stages.test_end_to_end import EVERY_ROUND, fill_in, new_project, stages_run, table

pytestmark = pytest.mark.slow


def test_before_any_label_repro_says_how_to_begin_and_the_draw_begins_it(tmp_path: Path) -> None:
    project = new_project(tmp_path, adapt__epochs=0, suspects__judge="none")
    answers = dict(tiny.texts(200, seed=5))
    pool = table(tmp_path / "pool.csv", ["text"], ([text] for text in answers))
    assert "labelrounds draw 200" in project.run("labelrounds", "init", "--pool", str(pool)).stdout
    failed = project.run("dvc", "repro", code=None)
    assert failed.returncode != 0 and "labelrounds draw 200" in failed.stdout + failed.stderr
    project.params(task__labels=sorted(tiny.TOPICS), deploy="baseline", recipes={})
    assert "labelrounds import first.csv" in project.run("labelrounds", "draw", "80", "first.csv").stdout
    fill_in(project.folder / "first.csv", answers)
    project.run("labelrounds", "import", "first.csv")
    project.run("dvc", "repro")
    results = project.run("labelrounds", "results").stdout
    assert "baseline *" in results and "12 texts to label" in results


def test_multi_label_one_hot_files_go_from_init_to_a_second_round(tmp_path: Path) -> None:
    """As in SemEval: ID, Tweet and one 0/1 column per emotion; a decoder as the base."""
    project = new_project(tmp_path, kind="gpt2", headless=False)
    answers = dict(tiny.multi_label_texts(300, seed=7))
    texts, names = list(answers), sorted(tiny.TOPICS)
    pool = table(tmp_path / "unlabeled.csv", ["ID", "Tweet"], ((f"t{number}", text) for number, text in enumerate(texts)))
    one_hot = ([f"t{number}", text, *(int(name in answers[text]) for name in names)] for number, text in enumerate(texts[:150]))
    labelled = table(tmp_path / "labeled.csv", ["ID", "Tweet", *names], one_hot)
    said = project.run("labelrounds", "init", "--pool", str(pool), "--labelled", str(labelled), "--text-column", "Tweet").stdout
    assert "multi-label" in said
    project.run("dvc", "repro")
    for name in ("adapted", "baseline"):
        test = json.loads(project.read(f"metrics/{name}.json"))["test"]
        assert {"n", "fingerprint", "accuracy", "jaccard", "f1_micro", "f1_macro", "f1_weighted", "roc_auc", "f1"} <= set(test)
    assert json.loads(project.read("metrics/adapt.json"))["objective"] == "causal"
    project.run("labelrounds", "next", "round-02.csv")
    fill_in(project.folder / "round-02.csv", {text: ";".join(labels) or "-" for text, labels in answers.items()}, "labels")
    project.run("labelrounds", "import", "round-02.csv")
    assert sorted(stages_run(project.run("dvc", "repro").stdout)) == sorted(EVERY_ROUND)
