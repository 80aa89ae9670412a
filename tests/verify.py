"""Prove that the pipeline gives the same bytes twice: `make verify`.

HEAD ──► two fresh clones, `dvc repro --force` in each ──► every out, metric and plot compared, stage by stage

Two clones prove more than two runs in one folder: they share neither results nor DVC's cache, scratch or path, so
the second run can only compute. Of this repository they get what git has and the data that `dvc add` keeps.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from labelrounds.core.errors import Command, UserError

RUNNING = re.compile(r"^Running stage '(?P<name>.+)':$")


@dataclass(frozen=True)
class Stage:
    """What a dvc.lock says about one stage that ran; digests by path."""

    cmd: str
    deps: dict[str, str]
    params: dict[str, Any]
    outs: dict[str, str]


@dataclass(frozen=True)
class Row:
    """One out, metric or plot in both runs; None where a run did not make it."""

    stage: str
    path: str
    first: str | None
    second: str | None

    @property
    def same(self) -> bool:
        return self.first is not None and self.first == self.second


def stages_of(lock: dict[str, Any], prefix: str = "") -> dict[str, Stage]:
    """Returns the stages of one parsed dvc.lock by name; `prefix` is what DVC writes before names outside the root, as `data/dvc.yaml:`."""

    def digests(entries: list[dict[str, Any]]) -> dict[str, str]:
        return {entry["path"]: str(entry.get(entry.get("hash", "md5"))) for entry in entries}

    return {
        prefix + name: Stage(str(stage["cmd"]), digests(stage.get("deps", [])), stage.get("params", {}), digests(stage.get("outs", [])))
        for name, stage in (lock.get("stages") or {}).items()
    }


def read_locks(folder: Path) -> dict[str, Stage]:
    """Returns the stages of every dvc.lock in a clone, named as DVC names them from the root."""
    found: dict[str, Stage] = {}
    for path in sorted(folder.rglob("dvc.lock")):
        place = path.parent.relative_to(folder)
        lock = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        found |= stages_of(lock, "" if place == Path() else f"{place.as_posix()}/dvc.yaml:")
    return found


def compare(first: dict[str, Stage], second: dict[str, Stage], order: list[str]) -> list[Row]:
    """Returns a row per out of each stage of either run, in the given order of stages; the unordered come last."""
    names = [*order, *(name for name in [*first, *second] if name not in order)]
    rows = []
    for name in dict.fromkeys(names):
        one, two = (run[name].outs if name in run else {} for run in (first, second))
        rows += [Row(name, path, one.get(path), two.get(path)) for path in dict.fromkeys([*one, *two])]
    return rows


def first_difference(rows: list[Row]) -> str | None:
    """Returns the name of the first stage whose outs differ, or None."""
    return next((row.stage for row in rows if not row.same), None)


def explain(name: str, first: dict[str, Stage], second: dict[str, Stage]) -> str:
    """Says what a stage that differs had read in both runs, and so whether the stage itself is to blame."""
    if name not in first or name not in second:
        return f"{name} ran in only one of the two runs."
    one, two = first[name], second[name]
    same = [path for path in one.deps if one.deps[path] == two.deps.get(path)]
    changed = [path for path in dict.fromkeys([*one.deps, *two.deps]) if path not in same]
    if one.params != two.params:
        changed.append("its params")
    if one.cmd != two.cmd:
        changed.append("its command")
    lines = [f"First difference: {name}", f"  the same in both runs: {', '.join(same) or 'no dep'}"]
    if changed:
        lines.append(f"  not the same: {', '.join(changed)}. So look there first.")
    else:
        lines.append(f"  So `{one.cmd}` made other bytes from the same inputs: look for a missing seed, a time, a path, a set's order, or threads.")
    return "\n".join(lines)


def table(rows: list[Row]) -> str:
    """Returns one line per row: stage, path, the digest of each run, same or DIFFERS."""
    cells = [("stage", "out", "run 1", "run 2", "")]
    cells += [(row.stage, row.path, (row.first or "-")[:12], (row.second or "-")[:12], "same" if row.same else "DIFFERS") for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def differing_files(path: str, first: Path, second: Path) -> list[str]:
    """Returns the files under `path` that differ between two clones, relative to the clones."""

    def files(clone: Path) -> set[str]:
        return {file.relative_to(clone).as_posix() for file in (clone / path).rglob("*") if file.is_file()} or {path}

    def content(file: Path) -> bytes | None:
        return file.read_bytes() if file.is_file() else None

    return sorted(name for name in files(first) | files(second) if content(first / name) != content(second / name))


def output_of(*command: str | Path, cwd: Path) -> str:
    """Returns what a command prints, or raises a UserError with its last words."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment(cwd))
    if done.returncode:
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


def make_clone(repository: Path, clone: Path, worktree: bool) -> None:
    """Clones HEAD, with `worktree` also the uncommitted changes of tracked files, and brings the data of its .dvc files."""
    output_of("git", "clone", "-q", repository, clone, cwd=repository)
    if worktree:
        changed = output_of("git", "diff", "--name-only", "--no-renames", "-z", "HEAD", cwd=repository)
        for name in filter(None, changed.split("\0")):
            (clone / name).unlink(missing_ok=True)
            if (repository / name).exists():
                (clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(repository / name, clone / name)
    # Without the locks nothing of an earlier run is known here: what they say afterwards, this run has made.
    for lock in clone.rglob("dvc.lock"):
        lock.unlink()
    # Never a cache that is shared between projects: the run would find its results there.
    output_of("dvc", "cache", "dir", "-q", "--local", clone / ".dvc" / "cache", cwd=clone)
    tracked = [name for name in output_of("git", "ls-files", "-z", "*.dvc", cwd=clone).split("\0") if name and (clone / name).is_file()]
    if tracked:
        cache = output_of("dvc", "cache", "dir", cwd=repository).strip()
        output_of("dvc", "remote", "add", "-q", "--local", "working-repository", cache, cwd=clone)
        try:
            output_of("dvc", "pull", "-q", "-r", "working-repository", *tracked, cwd=clone)
        except UserError as error:
            raise UserError(
                f"{error.message}\nThe cache of {repository} lacks data of {', '.join(tracked)}. Bring it with `dvc pull`, or, if the data "
                "changed here, keep it with `dvc commit`; then run again."
            ) from error


def reproduce(clone: Path, title: str) -> list[str]:
    """Runs the whole pipeline in a clone and returns its stages in the order in which they ran."""
    ran: list[str] = []
    log = clone.with_suffix(".log")
    command = ["dvc", "repro", "--force"]
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
                click.echo(f"{title}: {found['name']}")
    if run.returncode:
        last = "".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[-30:])
        raise UserError(f"`dvc repro --force` failed in a fresh clone, {title}. Its last lines:\n{last}")
    return ran


def verify(repository: Path, folder: Path, worktree: bool) -> bool:
    """Runs the pipeline in two clones inside `folder`, prints the comparison and returns whether all was the same."""
    clones = [folder / "run-1", folder / "run-2"]
    orders, locks = [], []
    for number, clone in enumerate(clones, 1):
        make_clone(repository, clone, worktree)
        orders.append(reproduce(clone, f"run {number}"))
        locks.append(read_locks(clone))
        idle = [name for name in locks[-1] if name not in orders[-1]]
        if idle or not orders[-1]:
            raise UserError(f"run {number} did not compute {', '.join(idle) or 'anything'}: so it proves nothing.")
    rows = compare(*locks, orders[0])
    click.echo(f"\n{table(rows)}\n")
    guilty = first_difference(rows)
    if guilty is None:
        click.echo(f"The same bytes twice: {len(rows)} outs, metrics and plots of {len(locks[0])} stages.")
        published = {name: stage.outs for name, stage in read_locks_at_head(repository).items()}
        others = [row.stage for row in rows if published.get(row.stage, {}).get(row.path) != row.first]
        if others:
            click.echo(f"Note: the committed dvc.lock has other bytes from {others[0]} on: made on another machine, or stale (make fresh tells).")
        return True
    click.echo(explain(guilty, *locks))
    files = [name for row in rows if row.stage == guilty and not row.same for name in differing_files(row.path, *clones)]
    click.echo(f"  files: {', '.join(files)}")
    click.echo(f"Both runs wait in {folder} to be looked at; remove it when you are done.")
    return False


def read_locks_at_head(repository: Path) -> dict[str, Stage]:
    """Returns the stages of every dvc.lock that is committed."""
    found: dict[str, Stage] = {}
    for name in filter(None, output_of("git", "ls-tree", "-r", "-z", "--name-only", "HEAD", cwd=repository).split("\0")):
        if Path(name).name == "dvc.lock":
            lock = YAML(typ="safe").load(output_of("git", "show", f"HEAD:{name}", cwd=repository))
            found |= stages_of(lock, name.removesuffix("dvc.lock") + "dvc.yaml:" if "/" in name else "")
    return found


@click.command(cls=Command)
@click.option("--worktree", is_flag=True, help="Include the changes of tracked files that are not committed.")
def main(worktree: bool) -> None:
    """Run the pipeline of HEAD in two fresh clones and compare every out, metric and plot.

    Exits with 1 and names the first stage that differs, if one does. The clones are made in the temporary folder
    (set TMPDIR for another) and stay there only after a difference.
    """
    here = Path.cwd()
    repository = Path(output_of("git", "rev-parse", "--show-toplevel", cwd=here).strip())
    if output_of("git", "status", "--porcelain", cwd=repository):
        uncommitted = "with the changes of tracked files, without untracked files" if worktree else "without what is not committed (see --worktree)"
        click.echo(f"This verifies HEAD, {uncommitted}.")
    folder = Path(tempfile.mkdtemp(prefix="verify-"))
    keep = False
    try:
        # What commands leave in the temporary folder, as DVC does, goes with the rest.
        os.environ["TMPDIR"] = str(folder / "temporary")
        os.mkdir(os.environ["TMPDIR"])
        keep = not verify(repository, folder, worktree)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if keep else 0)


if __name__ == "__main__":
    main()
