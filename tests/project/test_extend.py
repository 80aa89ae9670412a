"""What docs/extend.md promises: a method, a labeler kind and a selection strategy are one file each, found by their names."""

import json
import re
from pathlib import Path

import pytest

from tests import tiny
from tests.conftest import BASELINE
from tests.graph import ROOT
from tests.stages.test_end_to_end import new_project

PAGE = (ROOT / "docs/extend.md").read_text(encoding="utf-8")
SHARES = '''
from dataclasses import replace

from labelrounds.core import files
from labelrounds.core.params import Section
from labelrounds.labelers import contract
from labelrounds.methods.jobs import Job

NEEDS = ("labels",)


class Settings(Section):
    """Nothing of its own."""


def make(job: Job) -> str:
    train, _ = job.examples()
    card = job.card("shares", len(train))
    made = job.folder / "made"
    contract.write_card(made, replace(card, training=card.training | {"shares": train.gold.mean(axis=0).tolist()}), ("numpy",))
    files.seal(made)
    files.publish(made, job.out)
    return f"{len(train)} texts"
'''


def sample(begins: str) -> str:
    """Returns the page's block of code that begins so."""
    return next(block for block in re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL) if block.startswith(begins))


@pytest.mark.slow
def test_a_new_method_kind_and_strategy_are_one_file_each_and_run_through_dvc_repro(tmp_path: Path) -> None:
    project = new_project(tmp_path, adapt__epochs=0, select__size=5, suspects__judge="none", report__texts=False)
    for path in [*(project.folder / "data/rounds").glob("*.csv"), *project.folder.glob("data/dvc.*"), project.folder / "dvc.lock"]:
        path.unlink(missing_ok=True)
    rows = tiny.texts(120)
    project.write("data/pool.csv", "text\n" + "".join(f"{text}\n" for text, _ in rows))
    project.write("data/rounds/01.csv", "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows[:80]))
    project.params(task__labels=sorted(tiny.TOPICS))
    project.commit("my texts")

    project.write("labelrounds/methods/centroid.py", sample('"""Nearest centroid'))
    project.write("labelrounds/methods/shares.py", SHARES)
    project.write("labelrounds/labelers/shares.py", sample('"""Shares'))
    project.write("labelrounds/measures/strategies/runner_up.py", sample('"""Runner-up'))
    project.write("params.yaml", project.read("params.yaml") + sample("centroid:") + "shares: {}\n")
    recipes = {"mine": {"encoder": "vanilla", "method": "centroid"}, "share": {"encoder": "vanilla", "method": "shares"}}
    project.params(recipes={**recipes, **BASELINE}, deploy="mine", select__strategy="runner-up")
    project.run("dvc", "repro", "select", "evaluate@mine", "evaluate@share")

    assert "runner-up" in project.read("params.yaml") and len(project.read("data/queue/next.csv").splitlines()) == 6
    shares = json.loads(project.read("metrics/share.json"))["test"]
    assert len({f1 for f1 in shares["f1"].values() if f1}) == 1, "every text gets the most frequent label"
    assert json.loads(project.read("metrics/mine.json"))["trained_on"] > 0
    changed = project.run("git", "status", "--porcelain", "--untracked-files=all", "labelrounds", "stages", "dvc.yaml", "studies").stdout
    assert sorted(line.split()[-1] for line in changed.splitlines()) == [
        "labelrounds/labelers/shares.py",
        "labelrounds/measures/strategies/runner_up.py",
        "labelrounds/methods/centroid.py",
        "labelrounds/methods/shares.py",
    ]
