"""The project that is attacked: a clone with a tiny model, a small pool and one round, and its commands as processes."""

import os
import signal
import subprocess
import time
from pathlib import Path

from labelrounds.core import files
from labelrounds.pool.identity import text_id
from tests import tiny
from tests.conftest import BASELINE, ENVIRONMENT, Project
from tests.stages.test_end_to_end import new_project, table

OUTS = ("data/split", "data/corpus", "data/predictions", "data/queue", "data/evaluated", "data/unlabelled", "models", "metrics")
FIRST = ["base", "split", "corpus"]
BRIEF = ["split", "finetune baseline", "evaluate baseline", "predict", "gate", "agreement", "stop", "select", "suspects", "report"]
# With a model that adapts and one that is brought; the other stages are killed in the brief project, where they take less.
LONG = ["base", "base other", "corpus", "adapt", "unlabelled", "finetune adapted", "evaluate adapted", "predict", "select", "suspects"]
WHOLE = ["base", "base other", "split", "corpus", "adapt", "unlabelled", "finetune adapted", "finetune baseline", "evaluate adapted", "evaluate baseline",
         "predict", "gate", "agreement", "stop", "select", "suspects", "report"]  # fmt: skip


def made(folder: Path, whole: bool, several: bool = False) -> tuple[Project, dict[str, str]]:
    """Returns (a project with its first round, {text: label}); whole : with a model to adapt and to fine-tune

    several : a task with several labels per text
    """
    recipes = (
        {}
        if whole
        else {"recipes": BASELINE, "deploy": "baseline", "select__strategy": "margin", "suspects__judge": "none", "suspects__encoder": "vanilla"}
    )
    project = new_project(folder, **recipes)
    if whole:
        project.params(bases={"other": str(tiny.model(folder / "other", headless=True, seed=1))})
    rows = tiny.multi_label_texts(240, seed=3) if several else [(text, (label,)) for text, label in tiny.texts(240, seed=3)]
    answers = {text: ";".join(labels) or "-" for text, labels in rows}
    for path in (project.folder / "data/rounds").glob("*.csv"):
        path.unlink()
    for name in ("data/dvc.yaml", "data/dvc.lock", "dvc.lock"):
        (project.folder / name).unlink(missing_ok=True)
    for folder_name in ("data/snapshots", "data/audits"):
        for path in (project.folder / folder_name).rglob("*.*"):
            if path.is_file() and path.name != "README.md":
                path.unlink()
    table(project.folder / "data/pool.csv", ["text"], ([text] for text in answers))
    project.params(task__type="multi-label" if several else "multi-class", task__labels=sorted(tiny.TOPICS), data__pool="data/pool.csv")
    first = list(answers)[:120]
    column = "labels" if several else "label"
    table(project.folder / "data/rounds/01.csv", ["id", column, "annotator"], ([text_id(text), answers[text], "ana"] for text in first))
    return project, answers


def started(project: Project, *command: str) -> subprocess.Popen[str]:
    """Starts a command of the project in a process group of its own."""
    return subprocess.Popen(
        command,
        cwd=project.folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str, float]:
    """Returns (exit code, what it printed, seconds it took from now); one that never ends is killed and has the code -1."""
    began = time.monotonic()
    try:
        said = process.communicate(timeout=seconds)[0]
        return process.returncode, said, time.monotonic() - began
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return -1, process.communicate()[0], time.monotonic() - began


def ran(project: Project, *command: str) -> tuple[int, str, float]:
    """Runs a command to its end."""
    return ended(started(project, *command))


def stage(name: str) -> list[str]:
    """Returns the words that run a stage; `finetune baseline` has an argument."""
    script, *arguments = name.split()
    return ["python", "-m", f"stages.{script}", *arguments]


def digests(project: Project) -> dict[str, str]:
    """Returns {path: SHA-256} of all that stages make."""
    return {
        f"{top}/{path}": digest
        for top in OUTS
        if (project.folder / top).is_dir()
        for path, digest in files.folder_digests(project.folder / top).items()
    }


def left_over(project: Project) -> list[str]:
    """Returns the temporary files and folders that lie about in the project."""
    return sorted(
        path.relative_to(project.folder).as_posix()
        for path in project.folder.rglob(".*")
        if path.name.endswith((".tmp", ".made", ".new", ".old")) and ".git/" not in path.as_posix() and ".dvc/" not in path.as_posix()
    )
