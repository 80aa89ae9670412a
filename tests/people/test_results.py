"""`labelrounds status` counts what there is and says what comes next; `results` shows what the models make of it."""

import json
from pathlib import Path

import pytest

from labelrounds.core.screen import table
from labelrounds.pool.identity import text_id
from tests.conftest import BASELINE
from tests.small import SmallProject, project, sentences

POOL = sentences(12)


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    made = project(tmp_path)
    made.pool(POOL)
    return made


def test_before_any_label_status_says_how_to_begin(here: SmallProject) -> None:
    assert here.command("status") == "12 texts in the pool, no labels yet. Next: labelrounds draw 200 round-01.csv\n"


def test_status_counts_labels_per_round_per_label_and_per_person(here: SmallProject) -> None:
    here.round("01", {POOL[0]: "good", POOL[1]: "bad", POOL[2]: "good"}, "Ann")
    here.table(
        "data/rounds/02.csv",
        ["id", "label", "annotator"],
        [[text_id(POOL[0]), "bad", "Ann"], [text_id(POOL[3]), "good", "Ann"], [text_id(POOL[3]), "bad", ""]],
    )
    assert here.command("status") == (
        "6 labels of 4 texts; 12 texts in the pool.\n\n"
        "round  labels  texts  people\n"
        "01          3      3       1\n"
        "02          3      2       2\n\n"
        "label  given  texts now\n"
        "good       3          1\n"
        "bad        3          2\n"
        "other      0          0\n\n"
        "person       labels  minutes  median seconds  same as others\n"
        "Ann               5        -               -  0% of 1\n"
        "(not named)       1        -               -  -\n\n"
        "1 texts are tied and train nothing until a later round settles them (metrics/split.csv lists them).\n"
        "Next: dvc repro\n"
    )


def test_status_says_how_many_texts_wait_in_the_queue(here: SmallProject) -> None:
    here.round("01", {POOL[0]: "good"})
    rows = ([text_id(text), text, "good", "0.5", "0.9"] for text in POOL[:3])
    here.table("data/queue/next.csv", ["id", "text", "suggestion", "confidence", "uncertainty"], rows)
    assert here.command("status").endswith("Next: labelrounds next FILE.csv (2 texts wait in the queue)\n")
    here.round("02", dict.fromkeys(POOL[1:3], "bad"))
    assert here.command("status").endswith("Next: dvc repro\n")


def test_before_any_result_results_say_so(here: SmallProject) -> None:
    assert here.command("results") == "There are no results yet. Run `dvc repro`.\n"


def test_results_show_each_labeler_and_mark_the_deployed_one(here: SmallProject) -> None:
    here.params(recipes={"adapted": {"encoder": "adapted", "method": "supervised"}, **BASELINE})
    for name, f1 in (("adapted", 0.75), ("baseline", 0.5)):
        ci95 = {"f1_macro": [f1 - 0.125, f1 + 0.125]} if name == "adapted" else None  # the baseline is as an older version measured it
        test = {"n": 40, "f1_macro": f1, "f1_micro": f1, "accuracy": f1, "f1": {"good": f1, "bad": f1, "other": None}}
        test |= {"ci95": ci95} if ci95 else {}
        here.write(f"metrics/{name}.json", json.dumps({"test": test, "valid": test} | ({"trained_on": 30} if ci95 else {})))
    here.write("metrics/predict.json", json.dumps({"n": 12, "human": 2, "auto": 6, "review": 4}))
    shown = here.command("results")
    assert shown.splitlines()[:3] == [
        "labeler     labels  macro-F1  95 % interval   micro-F1  accuracy   good    bad  other",
        "adapted         30     0.750  0.625 to 0.875     0.750     0.750  0.750  0.750      -",
        "baseline *       -     0.500  -                  0.500     0.500  0.500  0.500      -",
    ]
    assert "F1 on 40 test texts; labels: how many texts it learnt from; * is deployed." in shown
    assert "Of 12 pool texts 2 are labelled by people, 6 (50%) are auto" in shown


def test_a_studys_labelers_stand_beside_those_of_the_loop_unless_they_were_measured_on_other_texts(here: SmallProject) -> None:
    recipe = {"encoder": "vanilla", "method": "nearest"}
    here.params(recipes={"adapted": recipe, **BASELINE}, further={"old": recipe, "near": recipe}, prompts={}, deploy="adapted")
    for name, fingerprint in (("adapted", "now"), ("near", "now"), ("old", "then"), ("baseline", "now")):
        test = {
            "n": 40,
            "fingerprint": fingerprint,
            "f1_macro": 0.5,
            "f1_micro": 0.5,
            "accuracy": 0.5,
            "f1": dict.fromkeys(("good", "bad", "other"), 0.5),
        }
        here.write(f"metrics/{name}.json", json.dumps({"trained_on": 30, "test": test, "valid": test}))
    shown = here.command("results")
    assert [line.split()[0] for line in shown.splitlines()[1:4]] == ["adapted", "baseline", "near"]
    assert "Measured on other test texts, so not shown: old." in shown


def test_a_table_without_rows_is_its_header() -> None:
    assert table(["label", "n"], []) == "label  n"
