"""The studies' READMEs tell the truth: their tables are what their results give."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from labelrounds.models import sources
from studies.few_labels import __main__ as few_labels
from studies.semi_supervised import compare
from tests import tiny
from tests.conftest import ROOT
from tests.small import SmallProject

README = (ROOT / "studies/semi_supervised/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(path.name for path in compare.RESULTS.glob("*")) if compare.RESULTS.is_dir() else [])
def test_the_tables_are_those_of_the_results(name: str) -> None:
    shown = re.search(rf"<!-- {name} -->\n```\n(.*?)```\n<!-- /{name} -->", README, re.DOTALL)
    assert shown and shown[1].rstrip() == compare.report(name).rstrip()


def test_a_difference_is_paired_by_seed_and_half_measured_seeds_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    reached = {"supervised": [0.5, 0.7, 0.6], "ust": [0.52, 0.72]}
    for method, values in reached.items():
        for seed, value in enumerate(values, 1):
            path = tmp_path / "toy" / f"{seed}-{method}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"method": method, "seed": seed, "test": {"f1_macro": value}}))
    supervised, ust = compare.report("toy").splitlines()[1:]
    assert supervised.split()[1:3] == ["60.0", "10.0"] and "+2.0 [+2.0, +2.0]" in ust and ust.split()[1] == "62.0"


def test_labels_are_drawn_per_class_and_never_twice() -> None:
    gold = np.eye(3, dtype=np.int64)[[0] * 10 + [1] * 4 + [2] * 20]
    found = compare.Examples([str(i) for i in range(34)], [f"text {i}" for i in range(34)], gold)
    drawn, rest = compare.per_class(found, 6, np.random.default_rng(1))
    assert drawn.gold.sum(axis=0).tolist() == [6, 4, 6]
    assert sorted(drawn.ids + rest.ids, key=int) == found.ids


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True], ids=["multi-class", "multi-label"])
def test_few_labels_gives_every_arm_the_same_texts_and_computes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multi_label: bool
) -> None:
    here = SmallProject(tmp_path)
    here.write("params.yaml", (ROOT / "params.yaml").read_bytes())
    here.params(runtime__reproducible="machine")
    here.params(finetune__epochs=1, finetune__min_steps=0, model__max_length=32, runtime__precision="fp32", runtime__threads=1)
    rows = [(text, ";".join(labels) or "-") for text, labels in tiny.multi_label_texts(120)] if multi_label else tiny.texts(120)
    column = "labels" if multi_label else "label"
    here.table("train.csv", ["text", column], rows[:80])
    here.table("test.csv", ["text", column], rows[80:])
    sources.bring(str(tiny.model(tmp_path / "source")), tmp_path / "models/encoder/vanilla")
    monkeypatch.chdir(tmp_path)
    words = ["made", "--set", "topics=train.csv,test.csv", "--sizes", "30", "--seeds", "2", "--arms", "supervised,before,regression"]
    done = CliRunner().invoke(few_labels.main, words)
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    assert "Lead of supervised" in done.output and "±" in done.output
    results = [json.loads(line) for line in here.read("made/results.jsonl").splitlines()]
    assert [(row["seed"], row["arm"]) for row in results] == [(seed, arm) for seed in (1, 2) for arm in ("supervised", "before", "regression")]
    assert all(0 <= row["f1_macro"] <= 1 and row["test"] == 40 for row in results)
    here.write("made/results.jsonl", "".join(f"{json.dumps(row)}\n" for row in results[:-1]))
    assert CliRunner().invoke(few_labels.main, [*words, "--workers", "2"]).exit_code == 0
    assert [json.loads(line) for line in here.read("made/results.jsonl").splitlines()] == results, "the same bytes, and only what was missing"
