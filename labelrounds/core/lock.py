"""The lock of a project: one command writes at a time, and none under a stage that is reading.

    project(*writes)     held by a command that changes `writes`; a decorator, too
    at_work(*writes)     who is reading them: a stage, or the `dvc repro` that will record what its stage has read

DVC hashes what a stage reads only after the stage has ended. A round that lands in between would be recorded as read and never
be learnt from. So a command waits until nobody reads what it writes, and a stage begins only when no command is writing.
"""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from filelock import FileLock, Timeout

from labelrounds.core import leftovers, paths
from labelrounds.core.errors import UserError, at

LOCK, HOLDER = paths.SCRATCH / "lock", paths.SCRATCH / "holder"
PROCESS = "process"  # who is at work in a stage's folder of scratch/
DVC = Path(".dvc/tmp/rwlock")
PATIENCE = 15.0  # seconds that a command waits for one and the same process
STAGES_PATIENCE = 600.0  # seconds that a stage waits for a command
SILENT = 1.0  # seconds of waiting before it says so
PAUSE = 0.05


@dataclass(frozen=True)
class Holder:
    """A process at work: its id, what was typed, and what it does with which paths."""

    pid: int
    command: str
    does: str
    token: str = ""  # another one each time that the lock is taken

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid or 'unknown'}), which {self.does}"


@contextlib.contextmanager
def project(*writes: str | Path) -> Iterator[None]:
    """Holds the project's lock while no stage reads what the block `writes`; inside another such block it changes nothing.

    A UserError names the process that held it for 15 seconds without a pause. As a decorator it goes under click's options.
    """
    lock = _lock(LOCK)
    if lock.is_locked:
        yield
        return
    _wait(lambda: _take(lock, writes), PATIENCE)
    try:
        HOLDER.write_text(json.dumps({"pid": os.getpid(), "command": _typed(), "token": secrets.token_hex(4)}), encoding="utf-8")
        tidy()
        yield
    finally:
        HOLDER.unlink(missing_ok=True)
        lock.release()


def let_commands_end() -> None:
    """Returns when no command is writing; a stage calls it after it has said in its folder of scratch/ what it reads."""
    lock = _lock(LOCK)

    def free() -> Holder | None:
        holder = _take(lock, ())
        if holder is None:
            lock.release()
        return holder

    if not lock.is_locked:
        _wait(free, STAGES_PATIENCE)


def at_work(*writes: str | Path) -> Holder | None:
    """Returns a process that reads one of the paths `writes`, or None."""
    return _stage_at_work(writes) or _dvc_at_work(writes)


def tidy() -> list[Path]:
    """Removes what killed commands and stages have left half-written in the project; returns it."""
    return [*leftovers.sweep(Path(".")), *leftovers.sweep(Path("data"), paths.METRICS, Path("models"), paths.SCRATCH, depth=3)]


def _lock(path: Path) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.absolute(), is_singleton=True)


def _take(lock: FileLock, writes: tuple[str | Path, ...]) -> Holder | None:
    """Takes the lock and returns None, or returns who is in the way; it never keeps the lock while a stage reads."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        found = read(HOLDER)
        return Holder(found.get("pid", 0), found.get("command", "labelrounds"), "is writing", found.get("token", ""))
    reader = None
    try:
        reader = at_work(*writes)
    except BaseException:
        lock.release()
        raise
    if reader is not None:
        lock.release()
    return reader


def _wait(attempt: Callable[[], Holder | None], patience: float) -> None:
    """Calls `attempt` until it returns None; a UserError if the same process is in the way for longer than `patience` seconds."""
    began = since = time.monotonic()
    before, said = None, False
    while (holder := attempt()) is not None:
        now = time.monotonic()
        if holder != before:
            before, since = holder, now
        if now - since > patience:
            raise UserError(
                f"{holder}, is still at work in this project after {patience:.0f} seconds. Nothing was written. "
                "Run the same command again when it has ended."
            )
        if not said and now - began > SILENT:
            click.echo(f"Waiting for {holder} …", err=True)
            said = True
        time.sleep(PAUSE)


def _stage_at_work(writes: tuple[str | Path, ...]) -> Holder | None:
    for process in (*paths.SCRATCH.glob(f"*/{PROCESS}"), *paths.SCRATCH.glob(f"*/*/{PROCESS}")):
        found = read(process)
        wanted = _overlap(found.get("reads", ()), writes)
        if wanted is None or found.get("pid") == os.getpid():
            continue
        lock = FileLock(process.with_name("lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return Holder(found.get("pid", 0), found.get("command", "a stage"), f"reads {at(wanted)}")
        lock.release()  # its process was killed
    return None


def _dvc_at_work(writes: tuple[str | Path, ...]) -> Holder | None:
    """Returns the DVC process whose stage reads or writes one of the paths, by DVC's own list; it forgets those that were killed."""
    found = next(filter(None, (read(DVC) for _ in _moments(5) if DVC.is_file())), {})
    try:
        entries = [(path, entry["pid"], entry["cmd"], "reads") for path, readers in found.get("read", {}).items() for entry in readers]
        entries += [(path, entry["pid"], entry["cmd"], "writes") for path, entry in found.get("write", {}).items()]
    except (AttributeError, KeyError, TypeError):
        return None  # DVC cannot read it either, and says so
    for path, pid, command, does in entries:
        if _overlap([path], writes) is not None and leftovers.running(pid) and not _is_ancestor(pid):
            return Holder(pid, command, f"{does} {at(path)}")
    return None


def _is_ancestor(pid: int) -> bool:
    """Says whether a process began this one: a command inside a stage need not wait for its own DVC."""
    own = os.getpid()
    while own > 1:
        if own == pid:
            return True
        try:
            own = int(Path(f"/proc/{own}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return os.getppid() == pid
    return False


def _overlap(ones: Any, others: Any) -> str | None:
    """Returns the first of `ones` that is, holds, or lies in one of the `others`."""
    wholes = [Path(other).absolute() for other in others]
    for one in ones:
        path = Path(one).absolute()
        if any(path == whole or path in whole.parents or whole in path.parents for whole in wholes):
            return str(one)
    return None


def _moments(n: int) -> Iterator[int]:
    """Counts to n with a pause after each: DVC writes its list over the old one, so a look may find half of it."""
    for number in range(n):
        yield number
        time.sleep(PAUSE / 5)


def _typed() -> str:
    context = click.get_current_context(silent=True)
    return context.command_path if context else "labelrounds"


def read(path: Path) -> dict[str, Any]:
    """Returns an object of JSON; empty where there is none, or where somebody is writing it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
