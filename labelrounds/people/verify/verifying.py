"""`labelrounds verify`: runs the pipeline in a scratch clone, and compares it with a second run or with what a commit holds.

Or it runs nothing, and compares what the last `dvc repro` left here with what a commit holds.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelrounds.core import revisions
from labelrounds.people.verify import levels, runs
from labelrounds.people.verify.levels import Found, Run


@dataclass(frozen=True)
class Wanted:
    """revision : whose committed results to compare with; None: those of a second run. stage : that one alone, on the committed inputs

    here : compare what lies in the working tree, and run nothing
    level : what the comparison must reach; where it does not, the clones stay to be looked at
    """

    revision: str | None
    stage: str | None
    level: str
    worktree: bool
    width: float
    seed: int
    here: bool = False


def verify(wanted: Wanted, say: Callable[[str], None]) -> tuple[Found, Path | None]:
    """Returns (what was found, the folder where the clones wait; None where the level is reached, or nothing ran)."""
    repository = Path(runs.output_of("git", "rev-parse", "--show-toplevel", cwd=Path.cwd()).strip())
    revision = revisions.resolve(wanted.revision).hash if wanted.revision else None
    if wanted.stage:
        runs.check_stage(repository, wanted.stage)
    if not wanted.here and runs.output_of("git", "status", "--porcelain", cwd=repository):
        included = (
            "with the changes of tracked files, without untracked files" if wanted.worktree else "without what is not committed (see --worktree)"
        )
        say(f"This verifies HEAD, {included}.")
    with room() as (folder, keep):
        if wanted.here:
            one = Run(runs.read_locks(repository, tracked=True), repository)
            order = runs.in_order(one.stages)
        else:
            one, order = ran(repository, folder / "run-1", wanted, say, "run 1" if revision is None else "run")
        if revision is None:
            other, _ = ran(repository, folder / "run-2", wanted, say, "run 2")
        else:
            other = committed(repository, folder / "committed", revision, one)
            if wanted.stage:
                one, other = (Run({name: stage for name, stage in run.stages.items() if name == wanted.stage}, run.folder) for run in (one, other))
        found = levels.compared(one, other, order, wanted.width, wanted.seed)
        if not found.reaches(wanted.level) and not wanted.here:
            keep()
            return found, folder
    return found, None


def ran(repository: Path, clone: Path, wanted: Wanted, say: Callable[[str], None], title: str) -> tuple[Run, list[str]]:
    """Returns a run of the pipeline, or of one stage, in a clone, and the order of its stages."""
    runs.make_clone(repository, clone, wanted.worktree)
    if wanted.stage:
        runs.bring_results(clone)
        runs.check_inputs(clone, wanted.stage)
    else:
        runs.bring_data(repository, clone)
    order = runs.reproduce(clone, title, say, wanted.stage)
    stages = runs.read_locks(clone)
    runs.check_computed(stages if wanted.stage is None else {wanted.stage: stages.get(wanted.stage)}, order, title)
    return Run(stages, clone), order


def committed(repository: Path, clone: Path, revision: str, run: Run) -> Run:
    """Returns what a commit holds; its files are brought only where digests differ, so that bytes compare without them."""
    runs.make_clone(repository, clone, revision=revision)
    stages = runs.read_locks(clone)
    if any(levels.differing_outs(name, run.stages, stages) for name in run.stages.keys() | stages.keys()):
        runs.bring_results(clone)
    return Run(stages, clone)


@contextmanager
def room() -> Iterator[tuple[Path, Callable[[], None]]]:
    """Yields (a temporary folder for clones, what keeps it); what commands leave in the temporary folder, as DVC does, goes with it."""
    folder, kept, before = Path(tempfile.mkdtemp(prefix="verify-")), [], os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder / "temporary")
    os.mkdir(os.environ["TMPDIR"])
    try:
        yield folder, lambda: kept.append(True)
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
