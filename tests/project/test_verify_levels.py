"""`labelrounds verify` gives prepared departures the level that they deserve, on a real pipeline with a tiny model."""

import json
import re

import pytest

from tests import tiny
from tests.conftest import Project, clone

pytestmark = pytest.mark.long
KEPT = ("base", "split", "finetune", "evaluate", "predict", "gate", "select")


def shortened(pipeline: str) -> str:
    """Returns dvc.yaml with the stages that labels, models and decisions need."""
    head, _, rest = pipeline.partition("stages:\n")
    found = {part.partition(":")[0].strip(): part for part in re.split(r"\n(?=  \w+:\n)", rest.partition("\n# `dvc plots show`")[0])}
    return head + "stages:\n" + "\n".join(found[name].rstrip() for name in KEPT).replace("      - data/unlabelled\n", "") + "\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose results are committed, with the tag `results`."""
    folder = tmp_path_factory.mktemp("levels")
    made = clone(folder / "project")
    for path in [*(made.folder / "data/rounds").glob("*.csv"), *made.folder.glob("data/dvc.*"), made.folder / "dvc.lock"]:
        path.unlink(missing_ok=True)
    made.run("git", "rm", "-rq", "--cached", "metrics")
    rows = tiny.texts(160)
    made.write("data/pool.csv", "text\n" + "".join(f"{text}\n" for text, _ in rows))
    made.write("data/rounds/01.csv", "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows[:120]))
    made.params(
        task__labels=sorted(tiny.TOPICS), model__base=str(tiny.model(folder / "base")), model__max_length=32, runtime__threads=1,
        runtime__precision="fp32", runtime__reproducible="machine", finetune__epochs=6, finetune__min_steps=0, finetune__learning_rate=0.005, predict__precision=0.5,
        predict__risk=0.5, select__size=8, recipes={"vanilla": {"encoder": "vanilla", "method": "supervised"}}, deploy="vanilla",
    )  # fmt: skip
    made.write("dvc.yaml", shortened(made.read("dvc.yaml")))
    made.run("dvc", "add", "-q", "data/pool.csv")
    made.run("dvc", "repro", "-q")
    made.commit("results")
    made.run("git", "tag", "results")
    return made


def departed(project: Project, *options: str, **params) -> tuple[int, dict]:
    """Returns (the exit code, what `verify` says as JSON) of HEAD with other parameters, against the committed results."""
    project.run("git", "checkout", "-q", "-B", "departure", "results")
    if params:
        project.params(**params)
        project.commit("departure")
    done = project.run("labelrounds", "verify", "--against", "results", "--json", *options, code=None)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def levels_of(said: dict) -> dict[str, str]:
    return {told["stage"]: told["level"] for told in said["stages"]}


def test_nothing_changed(project: Project) -> None:
    code, said = departed(project)
    assert (code, said["level"], said["first"]) == (0, "bytes", None)


def test_another_number_of_threads_changes_nothing_that_a_person_would_see(project: Project) -> None:
    code, said = departed(project, "--level", "conclusions", runtime__threads=3)
    assert code == 0 and said["level"] in ("bytes", "decisions", "conclusions")
    assert next(told for told in said["stages"] if told["stage"] == "finetune@vanilla")["changed"] == ["runtime.threads"]


def test_another_precision_gives_other_bytes_and_the_same_conclusions(project: Project) -> None:
    code, said = departed(project, "--level", "conclusions", "--width", "0.2", runtime__precision="bf16")
    assert code == 0, said
    assert said["level"] in ("decisions", "conclusions")
    assert said["first"] == "finetune@vanilla"
    assert levels_of(said)["split"] == "bytes"
