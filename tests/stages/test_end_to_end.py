"""The loop as a user turns it: from `labelrounds init` to a second round, killed and undisturbed, with real `dvc repro`."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests import tiny
from tests.conftest import BASELINE, ENVIRONMENT, Project, clone

pytestmark = pytest.mark.slow

SMALL = {
    "runtime__threads": 1,
    "runtime__checkpoint_seconds": 0,
    "model__max_length": 32,
    "adapt__epochs": 2,
    "adapt__head_steps": 8,
    "adapt__batch_size": 16,
    "adapt__valid": 0.2,
    "finetune__epochs": 3,
    "finetune__batch_size": 16,
    "predict__shard_size": 64,
    "predict__precision": 0.5,
    "predict__risk": 0.5,
    "select__size": 12,
    "select__candidates": 40,
    "unlabelled__size": 100,
    # What other methods do is tested stage by stage; two recipes beside each other are the demo's.
    "recipes": {"adapted": {"encoder": "adapted", "method": "supervised"}, **BASELINE},
}
EVERY_ROUND = [
    "split",
    "finetune@adapted",
    "evaluate@adapted",
    "finetune@baseline",
    "evaluate@baseline",
    "predict",
    "gate",
    "agreement",
    "stop",
    "select",
    "suspects",
    "report",
]


def new_project(folder: Path, kind: str = "bert", headless: bool = True, **params) -> Project:
    """Returns a clone whose base model is a tiny one beside it."""
    project = clone(folder / "project")
    base = tiny.model(folder / "base", kind, headless=headless)
    project.params(model__base=str(base), **{**SMALL, **params})
    return project


def table(path: Path, columns: list[str], rows) -> Path:
    """Writes a CSV as a user's export would."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def stages_run(output: str) -> list[str]:
    """Returns the stages that `dvc repro` ran, in order."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def md5s(project: Project) -> dict[str, str]:
    """Returns the md5 of every dep and out in dvc.lock, by stage and path."""
    lock = yaml.safe_load(project.read("dvc.lock"))["stages"]
    return {f"{stage}: {entry['path']}": entry["md5"] for stage, found in lock.items() for key in ("deps", "outs") for entry in found.get(key, [])}


def fill_in(path: Path, answers: dict[str, str], column: str = "label") -> int:
    """Fills in a file from `labelrounds next` as a person would; returns the number of rows."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row[column], row["annotator"] = answers[row["text"]], "ana"
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def without_network() -> tuple[str, ...]:
    """Returns what goes before a command to cut its network, where this machine allows that."""
    words = ("unshare", "--map-root-user", "--net")
    try:
        return words if subprocess.run([*words, "true"], capture_output=True).returncode == 0 else ()
    except FileNotFoundError:
        return ()


OFFLINE = without_network()


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str], dict[str, str]]:
    """A user's Chinese project after the first `dvc repro`: (project, everybody's answers, md5s of the first round)."""
    folder = tmp_path_factory.mktemp("chinese")
    project = new_project(folder)
    answers = dict(tiny.texts(320, seed=3, chinese=True))
    texts = list(answers)
    pool = table(folder / "新闻.csv", ["标题", "来源"], ([text, "网"] for text in texts))
    labelled = table(folder / "labelled.csv", ["标题", "label"], ((text, answers[text]) for text in texts[:120]))
    said = project.run("labelrounds", "init", "--pool", str(pool), "--labelled", str(labelled), "--text-column", "标题").stdout
    assert "120 labels are in data/rounds/01.csv" in said and "multi-class" in said
    project.commit("our own project")
    ran = project.run(*OFFLINE, "dvc", "repro").stdout
    assert set(stages_run(ran)) == {"base", "corpus", "adapt", "unlabelled", *EVERY_ROUND}
    project.commit("round 01")
    return project, answers, md5s(project)


def test_the_whole_loop_runs_without_a_network(chinese) -> None:
    """The fixture ran every stage with the network cut; the base model was a folder, so even `base` had nothing to fetch."""
    if not OFFLINE:
        pytest.skip("this machine does not let a process cut its own network (unshare --net)")
    reached = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    assert "unreachable" in chinese[0].run(*OFFLINE, "python", "-c", reached, code=1).stderr
    assert stages_run(chinese[0].run(*OFFLINE, "dvc", "repro").stdout) == []


def test_a_repro_without_any_change_runs_nothing(chinese) -> None:
    project, _, _ = chinese
    assert stages_run(project.run("dvc", "repro").stdout) == []
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_the_screen_shows_no_warnings_of_libraries(chinese, tmp_path: Path) -> None:
    project, _, _ = chinese
    done = project.run("python", "-m", "stages.evaluate", "adapted")
    assert "arning" not in done.stderr and "MISSING" not in done.stdout + done.stderr


def test_a_killed_run_gives_the_bytes_of_an_undisturbed_one(chinese, tmp_path: Path) -> None:
    """SIGKILL in adapt (head and encoder), finetune and predict; once only dvc dies and leaves its stage behind."""
    undisturbed, _, expected = chinese
    project = Project(tmp_path / "killed")
    subprocess.run(["git", "clone", "-q", str(undisturbed.folder), str(project.folder)], check=True)
    project.run("git", "checkout", "-q", "HEAD~1")
    (project.folder / "data/pool.csv").write_bytes((undisturbed.folder / "data/pool.csv").read_bytes())
    moments = [
        ("scratch/adapt/*/head/checkpoint-*", True),
        ("scratch/adapt/*/all/history.json", True),
        ("scratch/finetune/adapted/*/checkpoint-*", True),
        ("scratch/finetune/adapted/*/history.json", False),
        ("scratch/scores/*/*.parquet", True),
    ]
    struck = [strike(project, pattern, whole_group) for pattern, whole_group in moments]
    assert struck == [True] * len(moments)
    project.run("dvc", "repro")
    assert md5s(project) == expected
    project.run("git", "add", "-A")
    assert project.run("git", "diff", "--cached", "--stat", "origin/main", "--", "metrics").stdout == "", "and the same metrics"


def strike(project: Project, pattern: str, whole_group: bool) -> bool:
    """Starts `dvc repro`, kills it as soon as `pattern` is there (with its stage, or dvc alone); says whether it came to that."""
    run = subprocess.Popen(
        ["dvc", "repro"], cwd=project.folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while run.poll() is None and time.monotonic() < deadline:
        if any(project.folder.glob(pattern)):
            if whole_group:
                os.killpg(run.pid, signal.SIGKILL)
            else:
                os.kill(run.pid, signal.SIGKILL)
            run.wait()
            return True
        time.sleep(0.002)
    os.killpg(run.pid, signal.SIGKILL)
    return False


def test_a_second_round_trains_again_but_never_adapts_again_nor_moves_the_test_set(chinese) -> None:
    project, answers, _ = chinese
    before = {name: (project.folder / "data/split" / name).read_bytes() for name in ("test.csv", "valid.csv", "heldout.txt")}
    project.run("labelrounds", "next", "to-label.csv")
    count = fill_in(project.folder / "to-label.csv", answers)
    assert count == 12
    said = project.run("labelrounds", "import", "to-label.csv").stdout
    assert "12 labels of 12 texts are in data/rounds/02-" in said
    (project.folder / "to-label.csv").unlink()
    assert project.read("data/rounds/02.csv").startswith("id,label,annotator\n"), "texts of the pool stay out of git"
    assert sorted(stages_run(project.run("dvc", "repro").stdout)) == sorted(EVERY_ROUND)
    assert before == {name: (project.folder / "data/split" / name).read_bytes() for name in before}
    [second] = [found for name, found in json.loads(project.read("metrics/split.json"))["rounds"].items() if name.startswith("02-")]
    assert second["train"] == 12 and second["test"] == 0
    table = project.run("dvc", "metrics", "diff").stdout
    assert "texts.train" in table and set(re.findall(r"metrics/\S+", table)) == {"metrics/summary.json"}
    assert len(table.splitlines()) <= 30 and max(map(len, table.splitlines())) <= 100, "it fits a terminal"
    assert "ci95" in project.read("metrics/adapted.json") and "ci95" not in table, "intervals are lists, and the table stays one line per score"


def test_going_back_to_an_older_round_takes_its_results_from_the_cache(chinese) -> None:
    project, _, expected = chinese
    project.commit("round 02")
    project.run("git", "checkout", "-q", "HEAD~1")
    project.run("dvc", "checkout")
    assert stages_run(project.run("dvc", "repro").stdout) == []
    assert md5s(project) == expected
    project.run("git", "checkout", "-q", "main")
    project.run("dvc", "checkout")


def test_the_deployed_labeler_answers_on_the_command_line(chinese) -> None:
    project, answers, _ = chinese
    text = next(iter(answers))
    assert text in project.run("labelrounds", "label", text).stdout
    assert json.loads(project.run("labelrounds", "label", "--json", text).stdout)["label"] in tiny.CHINESE


@pytest.mark.long  # two minutes; most of it is what the tests above do, too
def test_a_studys_labeler_that_is_deployed_belongs_to_the_round(tmp_path: Path) -> None:
    recipe = {"encoder": "vanilla", "method": "nearest"}
    project = new_project(tmp_path, adapt__epochs=0, recipes={}, further={"near": recipe, "idle": recipe}, deploy="near", suspects__judge="none")
    texts = tiny.texts(160, seed=5)
    table(project.folder / "pool.csv", ["text"], ([text] for text, _ in texts))
    table(project.folder / "labels.csv", ["text", "label"], texts[:100])
    project.run("labelrounds", "init", "--pool", "pool.csv", "--labelled", "labels.csv")
    ran = stages_run(project.run("dvc", "repro").stdout)
    assert {"studies/labelers/dvc.yaml:finetune@near", "studies/labelers/dvc.yaml:evaluate@near", "predict", "report"} <= set(ran)
    assert not [name for name in ran if name.endswith("@idle")]
    assert (
        "the deployed labeler reaches a macro-F1 of" in project.read("metrics/report.html")
        and "near *" in project.run("labelrounds", "results").stdout
    )
    project.run("dvc", "checkout")
    assert not stages_run(project.run("dvc", "repro").stdout)
    project.run("dvc", "repro", "studies/labelers/dvc.yaml")
    assert "idle" in project.run("labelrounds", "results").stdout and not stages_run(project.run("dvc", "repro").stdout), (
        "a study makes nothing stale"
    )
