"""Runs of the pipeline in clones of their own, and what their dvc.lock say.

A clone shares neither results nor DVC's cache, scratch or path with the repository, so the run can only compute. It gets what git
has, and the data that `dvc add` keeps.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from labelrounds.core.errors import UserError, did_you_mean

REMOTE = "working-repository"
RUNNING = re.compile(r"^Running stage '(?P<name>.+)':$")


@dataclass(frozen=True)
class Stage:
    """What a dvc.lock says about one stage that ran; digests by path."""

    cmd: str
    deps: dict[str, str]
    params: dict[str, Any]
    outs: dict[str, str]


def stages_of(lock: dict[str, Any], prefix: str = "") -> dict[str, Stage]:
    """Returns the stages of one parsed dvc.lock by name; `prefix` is what DVC writes before names outside the root, as `data/dvc.yaml:`."""

    def digests(entries: list[dict[str, Any]]) -> dict[str, str]:
        return {entry["path"]: str(entry.get(entry.get("hash", "md5"))) for entry in entries}

    return {
        prefix + name: Stage(str(stage["cmd"]), digests(stage.get("deps", [])), stage.get("params", {}), digests(stage.get("outs", [])))
        for name, stage in (lock.get("stages") or {}).items()
    }


def read_locks(folder: Path, tracked: bool = False) -> dict[str, Stage]:
    """Returns the stages of every dvc.lock in a clone, named as DVC names them from the root. tracked : of those that git knows"""
    if tracked:
        names = output_of("git", "ls-files", "-z", "dvc.lock", "*/dvc.lock", cwd=folder).split("\0")
        paths = [folder / name for name in names if name and (folder / name).is_file()]
    else:
        paths = list(folder.rglob("dvc.lock"))
    found: dict[str, Stage] = {}
    for path in sorted(paths):
        place = path.parent.relative_to(folder)
        found |= read_lock(path, "" if place == Path() else f"{place.as_posix()}/dvc.yaml:")
    return found


def read_lock(path: Path, prefix: str = "") -> dict[str, Stage]:
    """Returns the stages of one dvc.lock."""
    return stages_of(YAML(typ="safe").load(path.read_text(encoding="utf-8")), prefix)


def differing_files(path: str, first: Path, second: Path) -> list[str]:
    """Returns the files under `path` that differ between two clones, relative to the clones."""

    def files(clone: Path) -> set[str]:
        return {file.relative_to(clone).as_posix() for file in (clone / path).rglob("*") if file.is_file()} or {path}

    def content(file: Path) -> bytes | None:
        return file.read_bytes() if file.is_file() else None

    return sorted(name for name in files(first) | files(second) if content(first / name) != content(second / name))


def output_of(*command: str | Path, cwd: Path, code: int | None = 0) -> str:
    """Returns what a command prints, or raises a UserError with its last words (code None: it may fail)."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment(cwd))
    if done.returncode and code is not None:
        raise UserError(f"`{' '.join(map(str, command))}` failed in {cwd}:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def environment(clone: Path) -> dict[str, str]:
    """Returns the environment for commands in a clone: this Python's commands, but the clone's own code."""
    # `labelrounds` is installed from the working repository; PYTHONPATH makes it import the clone's modules. A fixed
    # hash seed would hide that a set's order reaches a file. Inside a git hook, git's own names point elsewhere.
    dropped = ("PYTHONHASHSEED", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**kept, "PATH": path, "PYTHONPATH": str(clone)}


def make_clone(repository: Path, clone: Path, worktree: bool = False, revision: str | None = None) -> None:
    """Clones HEAD, or a revision; with `worktree` also the uncommitted changes of tracked files. Of data it has none yet."""
    output_of("git", "clone", "-q", *(["--no-checkout"] if revision else []), repository, clone, cwd=repository)
    if revision:
        output_of("git", "checkout", "-q", revision, cwd=clone)
    if worktree:
        changed = output_of("git", "diff", "--name-only", "--no-renames", "-z", "HEAD", cwd=repository)
        for name in filter(None, changed.split("\0")):
            (clone / name).unlink(missing_ok=True)
            if (repository / name).exists():
                (clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(repository / name, clone / name)
    # Never a cache that is shared between projects: the run would find its results there.
    dvc("cache", "dir", "-q", "--local", clone / ".dvc" / "cache", cwd=clone)
    dvc("remote", "add", "-q", "--local", REMOTE, dvc("cache", "dir", cwd=repository).strip(), cwd=clone)


def bring_data(repository: Path, clone: Path) -> None:
    """Brings what `dvc add` keeps to a clone, and nothing of what stages make, the memory of earlier runs included."""
    for lock in clone.rglob("dvc.lock"):
        lock.unlink()
    tracked = [name for name in output_of("git", "ls-files", "-z", "*.dvc", cwd=clone).split("\0") if name and (clone / name).is_file()]
    if tracked:
        try:
            dvc("pull", "-q", "-r", REMOTE, *tracked, cwd=clone)
        except UserError as error:
            raise UserError(
                f"{error.message}\nThe cache of {repository} lacks data of {', '.join(tracked)}. Bring it with `dvc pull`, or, if the data "
                "changed here, keep it with `dvc commit`; then run again."
            ) from error


def bring_results(clone: Path) -> None:
    """Brings what the clone's dvc.lock names, as far as the repository's cache has it."""
    dvc("pull", "-q", "--allow-missing", "-r", REMOTE, cwd=clone, code=None)


def check_stage(repository: Path, name: str) -> None:
    """Raises a UserError if no dvc.lock has a stage."""
    stages = read_locks(repository, tracked=True)
    if name not in stages:
        raise UserError(f"--stage {name}: dvc.lock has no such stage.{did_you_mean(name, stages)} It has {', '.join(stages)}.")


def check_inputs(clone: Path, name: str) -> None:
    """Raises a UserError if what a stage reads is not there, since the cache lacks it."""
    stage = read_locks(clone).get(name)
    lacking = [] if stage is None else [path for path in stage.deps if not (clone / path).exists()]
    if lacking:
        raise UserError(f"{name} reads {', '.join(lacking)}, which the cache here lacks as committed. Bring it with `dvc pull`, then run again.")


def in_order(stages: dict[str, Stage]) -> list[str]:
    """Returns the names of stages, each after those whose outs it reads."""
    makers = {out: name for name, stage in stages.items() for out in stage.outs}
    before = {
        name: {maker for out, maker in makers.items() if maker != name and any(within(dep, out) for dep in stage.deps)}
        for name, stage in stages.items()
    }
    return list(TopologicalSorter(before).static_order())


def within(path: str, out: str) -> bool:
    return path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/")


def dvc(*words: str | Path, cwd: Path, code: int | None = 0) -> str:
    """Returns what a DVC command prints; a UserError where it fails (code None: no matter)."""
    return output_of(sys.executable, "-m", "dvc", *words, cwd=cwd, code=code)


def reproduce(clone: Path, title: str, say: Callable[[str], None], stage: str | None = None) -> list[str]:
    """Runs the whole pipeline in a clone, or one stage alone, and returns its stages in the order in which they ran."""
    ran: list[str] = []
    log = clone.with_suffix(".log")
    command = [sys.executable, "-m", "dvc", "repro", "--force", *(["--single-item", stage] if stage else [])]
    with (
        open(log, "w", encoding="utf-8") as file,
        subprocess.Popen(
            command, cwd=clone, env=environment(clone), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as run,
    ):
        assert run.stdout is not None
        for line in run.stdout:
            file.write(line)
            if found := RUNNING.match(line.rstrip()):
                ran.append(found["name"])
                say(f"{title}: {found['name']}")
    if run.returncode:
        last = "".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[-30:])
        raise UserError(f"`dvc repro --force` failed in a fresh clone, {title}. Its last lines:\n{last}")
    return ran


def check_computed(stages: dict[str, Any], ran: list[str], title: str) -> None:
    """Raises a UserError if a stage did not run: then nothing is proved."""
    idle = [name for name in stages if name not in ran]
    if idle or not ran:
        raise UserError(f"{title} did not compute {', '.join(idle) or 'anything'}: so it proves nothing.")
