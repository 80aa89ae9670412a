"""Scores that are kept from run to run: scratch/scores/LABELER/PART.parquet, so that a pool that grows has only its new texts scored.

A part is the texts of one file of the pool, `predict.shard_size` at most; its name is a digest of these texts in their order,
the folder's one of everything else that its scores follow from. So a kept part is the part that would be made again.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from labelrounds.core import paths

ROOM = paths.SCRATCH / "scores"


def folder(labeler: str, room: Path = ROOM) -> Path:
    """Returns the folder in `room` for what one labeler says, with nothing else beside it. labeler : a fingerprint of it and of the machine"""
    own = room / labeler
    own.mkdir(parents=True, exist_ok=True)
    clean(room, [own])
    return own


def name(texts: Sequence[str]) -> str:
    """Returns the file name of the part that holds these texts, in this order and with nothing else."""
    return hashlib.sha256(json.dumps(texts, ensure_ascii=True).encode()).hexdigest()[:32] + ".parquet"


def clean(room: Path, wanted: Iterable[Path]) -> None:
    """Removes everything in `room` that is not `wanted`."""
    wanted = set(wanted)
    for path in room.iterdir():
        if path in wanted:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
