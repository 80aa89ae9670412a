"""A short attack: each kind of it a little, every figure but `tried` 0. `make attack` does the same for as long as one likes."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from labelrounds.pool.identity import text_id
from tests.attack import check, fuzz, kills, place, together, typed
from tests.attack.figures import Figures
from tests.conftest import ROOT, Project
from tests.stages.test_end_to_end import table

pytestmark = pytest.mark.slow


def test_every_stage_of_the_pipeline_and_every_command_that_writes_is_killed() -> None:
    """`base other` is the stage bring, which runs the script of base."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    killed = {"bring" if name == "base other" else name.split()[0] for name in (*place.BRIEF, *place.LONG)}
    assert killed == set(pipeline)
    assert {name.split()[0] for name in place.WHOLE} == {script.split()[2].removeprefix("stages.") for script in map(_command, pipeline.values())}
    writing = {one.name for one in typed.COMMANDS} | {"serve"}
    assert writing | typed.LEFT_OUT == set(typed.leaves()) and not writing & typed.LEFT_OUT


def _command(stage: dict[str, Any]) -> str:
    return stage.get("do", stage)["cmd"]


def test_a_killed_import_and_a_killed_audit_are_whole_when_they_are_typed_again(tmp_path: Path) -> None:
    figures = Figures()
    typed.run(tmp_path, 1, time.monotonic() + 120, random.Random(7), figures, ("import", "audit"))
    assert figures.clean and figures.tried[typed.ATTACK] == 2, figures.found


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str]]:
    """A project of DVC with one round, nothing of it run yet."""
    project, answers = place.made(tmp_path_factory.mktemp("attacked"), whole=False)
    return project, answers


def test_rounds_are_reconciled_by_a_checker_that_uses_none_of_our_code(tmp_path: Path) -> None:
    figures = Figures()
    check.run(tmp_path / "rounds", 8, random.Random(7), figures)
    assert figures.clean and figures.tried[check.ATTACK] == 8, figures.found


def test_damaged_files_are_one_sentence_each_and_change_nothing(tmp_path: Path) -> None:
    figures = Figures()
    fuzz.run(tmp_path / "fuzz" / "here", time.monotonic() + 60, random.Random(7), figures, most=40)
    assert figures.clean and figures.tried[fuzz.ATTACK] >= 20, figures.found


def test_killed_stages_and_stages_beside_themselves_leave_the_bytes_of_one_run(attacked: tuple[Project, dict[str, str]]) -> None:
    project, _ = attacked
    figures = Figures()
    kills.stages(project, ["split"], 2, time.monotonic() + 60, random.Random(7), figures)
    together.splits(project, 3, figures)
    assert figures.clean and figures.tried["the same stage at once"] == 3, figures.found


def test_a_round_that_comes_while_split_reads_is_not_lost(attacked: tuple[Project, dict[str, str]]) -> None:
    """By the real `dvc repro`, which hashes the rounds after the stage has read them."""
    project, answers = attacked
    figures = Figures()
    together.landing(project, answers, "split", 1, random.Random(7), figures)
    assert figures.clean and figures.tried["a round copied under a stage"] == 1, figures.found


def test_an_import_waits_for_a_running_split_and_the_next_repro_learns_from_it(attacked: tuple[Project, dict[str, str]]) -> None:
    project, answers = attacked
    text = list(answers)[130]
    table(project.folder / "more.csv", ["text", "label", "annotator"], [[text, answers[text], "ben"]])
    running = place.started(project, "dvc", "repro", "--single-item", "--force", "split")
    process = project.folder / "scratch/split/process"
    while running.poll() is None and not process.is_file():
        time.sleep(0.001)
    assert "1 labels of 1 texts" in project.run("labelrounds", "import", "more.csv").stdout
    assert place.ended(running)[0] == 0, "nothing changed under the stage"
    assert "Running stage 'split'" in project.run("dvc", "repro", "--single-item", "split").stdout
    assert text_id(text) in project.read("data/split/labels.csv")


def test_one_file_imported_at_once_is_one_round(attacked: tuple[Project, dict[str, str]]) -> None:
    project, answers = attacked
    for path in (project.folder / "data/rounds").glob("*.csv"):
        if path.stem != "01":
            path.unlink()
    figures = Figures()
    together.same_file(project, answers, 4, figures)
    assert figures.clean, figures.found
