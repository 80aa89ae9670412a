"""A pool that lives, through DVC: it grows, a labelled text leaves it, and a text is withdrawn for good."""

from pathlib import Path

import pytest

from labelrounds.core import tables
from labelrounds.pool.identity import text_id
from tests import tiny
from tests.conftest import BASELINE, Project
from tests.stages.test_end_to_end import new_project, stages_run, table

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[str]]:
    """A user's project after its first round, and 200 texts of which its pool holds 160."""
    folder = tmp_path_factory.mktemp("living")
    project = new_project(folder, adapt__epochs=0, deploy="baseline", recipes=BASELINE, suspects__judge="none", report__texts=False)
    rows = tiny.texts(200, seed=5)
    pool = table(folder / "pool.csv", ["text"], ([text] for text, _ in rows[:160]))
    labelled = table(folder / "labelled.csv", ["text", "label"], rows[:100])
    project.run("labelrounds", "init", "--pool", str(pool), "--labelled", str(labelled))
    project.commit("our own project")
    project.run("dvc", "repro")
    project.commit("round 01")
    return project, [text for text, _ in rows]


def test_a_pool_that_grows_loses_a_labelled_text_and_a_withdrawn_one(living, tmp_path: Path) -> None:
    project, texts = living
    more = table(tmp_path / "may.csv", ["text"], ([text] for text in texts[160:]))
    said = project.run("labelrounds", "pool", "add", str(more)).stdout
    assert "40 rows, 40 new texts" in said and "data/pool holds 200 rows in 2 files now, tracked by DVC" in said
    assert "The queue is older than the pool" in project.run("labelrounds", "status").stdout
    ran = project.run("dvc", "repro").stdout
    learns = {"base", "adapt", "unlabelled", "finetune@baseline", "evaluate@baseline"}
    assert {"split", "corpus", "predict", "gate", "select"} <= set(stages_run(ran)) and not learns & set(stages_run(ran))
    assert "predict: 40 of 200 texts scored" in ran
    project.commit("forty more")

    gone = project.folder / "data/pool/000-pool.csv"
    lines = gone.read_text(encoding="utf-8").splitlines(keepends=True)
    test = next(tables.rows(project.folder / "data/split/test.csv")).cells["text"]
    gone.chmod(0o644)
    gone.write_text("".join(line for line in lines if line.strip() != test), encoding="utf-8")
    project.run("dvc", "add", "-q", "data/pool")
    before = (project.folder / "data/split/test.csv").read_bytes()
    ran = project.run("dvc", "repro").stdout
    assert "Warning: 1 labelled texts have left the pool" in ran and test in project.read("data/rounds/01.csv")
    assert (project.folder / "data/split/test.csv").read_bytes() == before
    assert "up to date" in project.run("dvc", "status").stdout, "DVC has recorded the round as it is now"
    project.commit("a text has left")

    said = project.run("labelrounds", "retire", "--yes", test).stdout
    assert "git's history still holds 1 of them" in said and "DVC's cache still holds" in said
    ran = project.run("dvc", "repro").stdout
    assert f"1 texts of the last commit's test set are no longer in it: {text_id(test)} (without a label now)" in ran
    held = project.run("git", "grep", "-l", text_id(test), code=None).stdout.split()
    assert held == [] and test not in project.read("data/split/test.csv")
