"""Work in progress that survives a kill: scratch/STAGE/FINGERPRINT/, one process at a time.

A stage that is killed finds its own checkpoints again only while its inputs, parameters and code are the
same, because the folder's name is a fingerprint of all three. So an old checkpoint never meets new inputs.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from filelock import FileLock, Timeout

from labelrounds.core import files, lock, params, paths

CODE = (Path(__file__).parents[1], Path(__file__).parents[2] / "stages")
LIBRARIES = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")


def fingerprint_of(inputs: Sequence[str | Path], settings: Any) -> str:
    """Returns 16 hex digits over the digests of `inputs`, the `settings`, all of our code and the libraries' versions."""
    known = {
        "inputs": {str(path): files.sha256(path) for path in inputs},
        "settings": repr(settings),
        "code": [files.sha256(path) for folder in CODE for path in sorted(folder.rglob("*.py"))],
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def scratch(stage: str, inputs: Sequence[str | Path], settings: Any, *also: str | Path) -> Iterator[Path]:
    """Yields the folder for this stage's checkpoints, under the stage's lock; removes it after success.

    Folders of other fingerprints go. also : what the stage reads besides, which old checkpoints may meet
    """
    room = paths.SCRATCH / stage
    with reading(stage, *inputs, *also):
        folder = room / fingerprint_of(inputs, settings)
        for other in room.iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other)
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)


@contextmanager
def reading(stage: str, *inputs: str | Path) -> Iterator[None]:
    """Holds the stage's lock; at the end of the block an input, or a parameter in use, that has changed is a UserError.

    Put a stage's whole work into the block, its last write included: DVC hashes the inputs only after the stage, and records
    them as what the outputs were made from. Waits while another process holds the lock: a killed `dvc repro` leaves its stage
    running, and two of them must not write the same files.
    """
    room = paths.SCRATCH / stage
    room.mkdir(parents=True, exist_ok=True)
    with _locked(room, inputs), files.unchanged(*inputs), params.unchanged():
        yield


@contextmanager
def _locked(room: Path, inputs: Sequence[str | Path]) -> Iterator[None]:
    held, owner = FileLock(room / "lock"), room / lock.PROCESS
    try:
        held.acquire(timeout=0)
    except Timeout:
        at_work = lock.read(owner).get("pid", "?")
        click.echo(f"Process {at_work} is still at work on this stage: waiting for it (end it to take over).")
        held.acquire()
    try:
        command = f"python -m stages.{room.relative_to(paths.SCRATCH).as_posix().replace('/', ' ')}"
        owner.write_text(json.dumps({"pid": os.getpid(), "command": command, "reads": [str(path) for path in inputs]}), encoding="utf-8")
        lock.let_commands_end()
        lock.tidy()
        yield
    finally:
        owner.unlink(missing_ok=True)
        held.release()
