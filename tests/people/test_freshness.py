"""A queue that is older than what it was made from says so, and a pool that has grown says what adapting to it costs."""

import contextlib
from pathlib import Path

import pytest
import yaml

from labelrounds.people import freshness
from labelrounds.pool.identity import text_id
from tests.small import LABELS, SmallProject, project, sentences

TEXTS = sentences(60)


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """A project whose dvc.lock records that a queue was made from what is there."""
    made = project(tmp_path)
    made.pool(TEXTS[:40])
    made.round("01", dict(zip(TEXTS[:36], LABELS * 12, strict=True)))
    made.write("data/rounds/README.md", "not a round")
    made.write(".dvcignore", "/data/rounds/README.md\n.*.tmp\n")
    made.table(
        "data/queue/next.csv", ["id", "text", "suggestion", "confidence", "uncertainty"], [[text_id(TEXTS[38]), TEXTS[38], "good", "0.9", "0.1"]]
    )
    lock(made, "aaa.dir", "aaa.dir")
    return made


def lock(here: SmallProject, trained: str, selected_by: str) -> None:
    with contextlib.chdir(here.folder):
        deps = [{"path": path, "md5": freshness.digest_of(Path(path))} for path in ("data/pool.csv", "data/rounds")]
    labeler = {"path": "models/labeler/baseline"}
    stages = {"finetune@baseline": {"outs": [labeler | {"md5": trained}]}, "select": {"deps": [*deps, labeler | {"md5": selected_by}]}}
    here.write("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))


def said(here: SmallProject) -> list[str]:
    return [line for line in here.command("status").splitlines() if "The queue is older than" in line]


def test_a_fresh_queue_is_not_warned_of(here: SmallProject) -> None:
    assert said(here) == [] and "older" not in here.command("next", "a.csv")


def test_a_queue_older_than_the_pool_the_rounds_or_the_model_says_so(here: SmallProject) -> None:
    here.pool(TEXTS[:45])
    assert said(here) == ["The queue is older than the pool: `dvc repro` makes a new one."]
    here.round("02", {TEXTS[37]: "good"})
    assert said(here) == ["The queue is older than the pool and the rounds: `dvc repro` makes a new one."]
    assert "The queue is older than the pool and the rounds" in here.command("next", "a.csv")
    lock(here, "bbb.dir", "aaa.dir")
    assert said(here) == ["The queue is older than the model: `dvc repro` makes a new one."]
    lock(here, "bbb.dir", "bbb.dir")
    assert said(here) == []
    here.params(deploy="vanilla")
    assert said(here) == ["The queue is older than the model: `dvc repro` makes a new one."]


def test_what_came_after_the_last_adaptation_and_what_it_costs_is_told(here: SmallProject) -> None:
    here.params(corpus__pool_until=40)
    assert "came to the pool after" not in here.command("status")
    here.pool(TEXTS)
    shown = here.command("status")
    assert "20 of 60 rows came to the pool after" in shown and "set it to 60" in shown and "1.5 times the work of now" in shown


def test_the_digest_of_a_folder_is_the_one_that_dvc_records(tmp_path: Path) -> None:
    made = SmallProject(tmp_path)
    made.write("folder/b.csv", "b")
    made.write("folder/a/a.csv", "a")
    made.run("git", "init", "-q")
    made.run("dvc", "init", "-q")
    made.run("dvc", "add", "-q", "folder")
    assert yaml.safe_load(made.read("folder.dvc"))["outs"][0]["md5"] == freshness.digest_of(made.folder / "folder")
