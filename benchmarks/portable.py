"""What portable bytes need and cost: settings × the same bytes on other processors × time. `make portable`

Bytes: a tiny project runs all stages of dvc.yaml once on this machine, where its results are committed, and once per processor model that
qemu-user plays (Debian: `apt-get install qemu-user`). All models, predictions and metrics are compared, and `git status` must say nothing.
One processor that departs settles it: a setting is not tried on the processors after that one.

Time: the processor time of `finetune vanilla` on this project's split, for a few dozen steps, in turns; `dvc repro split base` (or `dvc pull`)
first. Without the one or the other its column is empty.

`--table` runs nothing: it writes the md5s of dvc.lock into docs/machines.md, where other machines' results can be compared with them.
"""

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from labelrounds.core import files, paths, portable
from labelrounds.people.verify import runs
from tests import tiny
from tests.conftest import BASELINE, Project, clone

QEMU = "qemu-x86_64"
PROCESSORS = ("Haswell", "EPYC", "Skylake-Client")
MADE = ("data", "models", "metrics")  # folders to compare
PAGE = Path("docs/machines.md")
NOTED = ("models/", "data/predictions/shards", "data/predictions/labelled.csv", "data/queue/next.csv", "metrics/summary.json")
STAGES = (
    "base", "split", "corpus", "adapt", "unlabelled", "finetune adapted", "finetune baseline", "evaluate adapted", "evaluate baseline",
    "predict", "gate", "agreement", "stop", "select", "suspects", "report",
)  # fmt: skip
# Runs stages in one process, each as `python -m stages.NAME` would; imports are under way before the clock starts.
CHILD = """
import json, runpy, sys, time
import stages
import numpy, scipy.optimize, sklearn.linear_model, torch, transformers
import labelrounds.methods.classifier, labelrounds.models.training
from transformers import Trainer
taken = {}
for words in json.loads(sys.argv[1]):
    name, *arguments = words.split()
    sys.argv = [name, *arguments]
    begun = time.process_time()
    try:
        runpy.run_module(f"stages.{name}", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise
    taken[words] = time.process_time() - begun
print("taken", json.dumps(taken))
"""


@dataclass(frozen=True)
class Setting:
    """A row: changes of params.yaml, and variables that stand in the environment besides."""

    name: str
    params: dict[str, str]
    variables: dict[str, str]


ATEN = {"ATEN_CPU_CAPABILITY": "avx2"}
ONEDNN = {**ATEN, "ONEDNN_MAX_CPU_ISA": "AVX2"}
MACHINE = {"runtime__reproducible": "machine"}
FP32 = {**MACHINE, "runtime__precision": "fp32"}
SETTINGS = (
    Setting("machine", MACHINE, {}),
    Setting("fp32", FP32, {}),
    Setting("+ ATen capped", FP32, ATEN),
    Setting("+ oneDNN capped", FP32, ONEDNN),
    Setting("+ MKL AVX2,STRICT", FP32, {**ONEDNN, "MKL_CBWR": "AVX2,STRICT"}),
    Setting("+ MKL COMPATIBLE instead", FP32, {**ONEDNN, "MKL_CBWR": "COMPATIBLE"}),
    Setting("portable", {"runtime__precision": "auto", "runtime__reproducible": portable.PORTABLE}, {}),
)


@click.command()
@click.option("--only", multiple=True, type=click.Choice([setting.name for setting in SETTINGS]), help="These settings alone; repeat it.")
@click.option("--processors", default=" ".join(PROCESSORS), show_default=True, help="The processor models to play; empty: none.")
@click.option("--repetitions", default=3, show_default=True, help="Trainings of each setting, in turns; 0: none.")
@click.option("--table", "noted", is_flag=True, help="Only write the md5s of dvc.lock into docs/machines.md.")
def main(only: tuple[str, ...], processors: str, repetitions: int, noted: bool) -> None:
    if noted:
        page = with_digests(PAGE.read_text(encoding="utf-8"))
        with files.atomic(PAGE) as file:
            file.write(page)
        return
    settings = [setting for setting in SETTINGS if not only or setting.name in only]
    played = processors.split() if shutil.which(QEMU) else []
    measured = repetitions if (paths.BASE_MODELS / "vanilla").is_dir() and paths.TRAIN.is_file() else 0
    with tempfile.TemporaryDirectory() as folder:
        seconds = cost(settings, measured, Path(folder) / "cost") if measured else {}
        differing = {}
        if played:
            project = tiny_project(Path(folder) / "tiny")
            differing = {setting.name: compared(project, setting, played, Path(folder) / "runs") for setting in reversed(settings)}
    click.echo("\n".join(table(settings, played, differing, seconds)))


def table(settings: list[Setting], played: list[str], differing: dict[str, dict[str, list[str]]], seconds: dict[str, list[float]]) -> Iterator[str]:
    """Yields the lines of a Markdown table. differing : {setting: {processor: paths}}; seconds : {setting: one per repetition}"""
    yield f"| settings | {''.join(f'{name} | ' for name in played)}time |"
    yield f"|---|{'---|' * len(played)}---|"
    base = statistics.median(seconds[settings[0].name]) if seconds else 0
    for setting in settings:
        cells = [told(differing[setting.name].get(name)) for name in played]
        time = f"{statistics.median(seconds[setting.name]) / base:.2f} ({statistics.median(seconds[setting.name]):.1f} s)" if seconds else ""
        yield f"| {' | '.join([setting.name, *cells, time])} |"


def told(paths: list[str] | None) -> str:
    if paths is None:
        return "not tried"
    return f"{len(paths)} files differ" if paths else "same bytes, git clean"


def with_digests(page: str) -> str:
    """Returns a page with a new table between `<!-- digests -->` and `<!-- /digests -->`: what dvc.lock says of the main results."""
    outs = {path: digest for stage in runs.read_lock(Path("dvc.lock")).values() for path, digest in stage.outs.items()}
    rows = [f"| `{path}` | `{outs[path]}` |" for path in sorted(outs) if path.startswith(NOTED)]
    lines = "\n".join(["<!-- digests -->", "| out | md5 |", "|---|---|", *rows, "<!-- /digests -->"])
    return re.sub(r"<!-- digests -->.*<!-- /digests -->", lines, page, flags=re.DOTALL)


def cost(settings: list[Setting], repetitions: int, folder: Path) -> dict[str, list[float]]:
    """Returns {setting: seconds of processor time of each training}."""
    project = clone(folder)
    for path in (paths.SPLIT, paths.BASE_MODELS / "vanilla"):
        shutil.copytree(path, project.folder / path, dirs_exist_ok=True)
    project.params(finetune__epochs=1, finetune__min_steps=0, runtime__checkpoint_seconds=3600)
    begun = project.read("params.yaml")
    seconds: dict[str, list[float]] = {setting.name: [] for setting in settings}
    for number in range(repetitions):
        for setting in settings:
            shutil.rmtree(project.folder / "models/labeler", ignore_errors=True)
            project.write("params.yaml", begun)
            taken = ran(project, setting, ["finetune vanilla"])["finetune vanilla"]
            seconds[setting.name].append(taken)
            click.echo(f"{number + 1}: {setting.name}: {taken:.1f} s", err=True)
    return seconds


def tiny_project(folder: Path) -> Project:
    """Returns a project of generated texts and a tiny model, of which no stage has run yet: what each run begins at."""
    project = clone(folder / "project")
    for path in [*(project.folder / "data/rounds").glob("*.csv"), *project.folder.glob("data/dvc.*"), project.folder / "dvc.lock"]:
        path.unlink(missing_ok=True)
    shutil.rmtree(project.folder / "metrics")
    rows = tiny.texts(90)
    project.write("data/pool.csv", "text\n" + "".join(f"{text}\n" for text, _ in rows))
    project.write("data/rounds/01.csv", "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows[:70]))
    project.params(
        task__labels=sorted(tiny.TOPICS), model__base=str(tiny.model(folder / "base")), model__max_length=32, model__pooling="mean",
        adapt__epochs=1, adapt__batch_size=16, adapt__valid=0.2, finetune__epochs=2, finetune__min_steps=0,
        predict__shard_size=64, predict__precision=0.5, predict__risk=0.5, select__size=8, select__candidates=20, select__strategy="entropy-kmeans",
        recipes={"adapted": {"encoder": "adapted", "method": "supervised"}, **BASELINE},
    )  # fmt: skip
    project.run("python", "-m", "compileall", "-q", "labelrounds", "stages")  # copies keep it: a played processor compiles slowly
    return project


def compared(project: Project, setting: Setting, processors: list[str], room: Path) -> dict[str, list[str]]:
    """Returns {processor: the files that it made otherwise than this machine, or that `git status` names}, up to the first that departs."""
    here = made(project, setting, None, room)
    committed = commit(room)
    found: dict[str, list[str]] = {}
    for processor in processors:
        there = made(project, setting, processor, room)
        differing = {path for path in here.keys() | there.keys() if here.get(path) != there.get(path)}
        found[processor] = sorted(differing | set(changed(room, committed)))
        click.echo(f"{setting.name}, {processor}: {told(found[processor])} of {len(here)} {' '.join(found[processor][:3])}", err=True)
        if found[processor]:
            break
    return found


def commit(room: Path) -> Path:
    """Commits the results that lie in the room, as DVC and git hold them; returns the git directory, which outlives the files."""
    project, kept = Project(room / "project"), room / "committed.git"
    project.run("dvc", "commit", "-q", "-f", "dvc.yaml")
    project.commit("results")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(project.folder / ".git", kept)
    return kept


def changed(room: Path, committed: Path) -> list[str]:
    """Returns what `git status` names in a clone of what is committed, in which the results of the room were made, dvc.lock included."""
    project = Project(room / "project")
    project.run("dvc", "commit", "-q", "-f", "dvc.yaml")
    done = project.run("git", f"--git-dir={committed}", f"--work-tree={project.folder}", "status", "--porcelain")
    return [line[3:] for line in done.stdout.splitlines()]


def made(project: Project, setting: Setting, processor: str | None, room: Path) -> dict[str, str]:
    """Returns {path: SHA-256} of what the stages make of the project by this setting, on a processor model (None: this machine)."""
    copy = Project(room / "project")
    shutil.rmtree(copy.folder, ignore_errors=True)
    shutil.copytree(project.folder, copy.folder, symlinks=True)
    ran(copy, setting, list(STAGES), processor)
    return {f"{name}/{path}": digest for name in MADE for path, digest in files.folder_digests(copy.folder / name).items()}


def ran(project: Project, setting: Setting, stages: list[str], processor: str | None = None) -> dict[str, float]:
    """Runs stages of the project in a process of its own; returns {stage: seconds of processor time}."""
    project.params(**setting.params)
    python = [QEMU, "-cpu", processor, os.path.realpath(sys.executable)] if processor else [sys.executable]
    known = [project.folder, sysconfig.get_paths()["purelib"]] if processor else [project.folder]
    environment = {name: value for name, value in os.environ.items() if name not in portable.SETTINGS}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, known)), "PYTHONDONTWRITEBYTECODE": "1", **setting.variables}
    done = subprocess.run([*python, "-c", CHILD, json.dumps(stages)], cwd=project.folder, env=environment, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("taken ")]
    if done.returncode or not lines:
        raise click.ClickException(f"{setting.name}, {processor or 'here'}: the stages failed\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return json.loads(lines[-1].removeprefix("taken "))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
