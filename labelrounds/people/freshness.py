"""Whether the queue still fits what it was made from, and what adapting again would cost."""

import hashlib
import json
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from labelrounds.core import params, paths

LOCK, IGNORE = Path("dvc.lock"), Path(".dvcignore")


def queue_is_older_than(settings: params.Params) -> list[str]:
    """Returns what has changed since the stage `select` made the queue: the pool, the rounds, the model. Empty without a dvc.lock.

    What DVC recorded is compared with what is there: no stage runs, and DVC is not started.
    """
    stages = locked()
    if "select" not in stages or not paths.QUEUE.is_file():
        return []
    known = digests(stages["select"].get("deps", []))
    labeler = f"{paths.LABELERS}/{settings.deploy}"
    made = {path: digest for stage in stages.values() for path, digest in digests(stage.get("outs", [])).items()}
    changed = {
        "the pool": known.get(settings.data.pool) != digest_of(Path(settings.data.pool)),
        "the rounds": known.get(str(paths.ROUNDS)) != digest_of(paths.ROUNDS),
        "the model": labeler not in known or made.get(labeler, known[labeler]) != known[labeler],
    }
    return [name for name, yes in changed.items() if yes]


def warning(settings: params.Params) -> list[str]:
    """Returns a sentence about a queue that is older than what it was made from, in a list that is empty for a fresh one."""
    older = queue_is_older_than(settings)
    return [f"The queue is older than {' and '.join(older)}: `dvc repro` makes a new one."] if older else []


def adaptation(size: int, settings: params.Params) -> list[str]:
    """Returns how much of a pool of `size` rows no model has adapted to, and what it costs to change that; empty if there is nothing."""
    until = settings.corpus.pool_until
    if not until or until >= size:
        return []
    adapting = (
        f"adapting reads {size:,} rows {settings.adapt.epochs} times, {size / until:.1f} times the work of now; " if settings.adapt.epochs else ""
    )
    return [
        f"{size - until:,} of {size:,} rows came to the pool after the texts that models learn from without labels (corpus.pool_until: {until}). "
        f"To take them in, set it to {size} and run `dvc repro`: {adapting}then every recipe trains anew, and all {size:,} rows are scored."
    ]


def locked() -> dict[str, Any]:
    """Returns the stages as dvc.lock recorded them; empty where it cannot be read."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(LOCK.read_text(encoding="utf-8"))["stages"]
    except (OSError, ValueError, YAMLError, TypeError, KeyError):
        return {}


def digests(entries: list[Mapping[str, Any]]) -> dict[str, str]:
    """Returns {path: digest} of deps or outs in dvc.lock."""
    return {entry["path"]: entry.get("md5", "") for entry in entries}


def digest_of(path: Path) -> str:
    """Returns what DVC calls a file or folder in dvc.lock; empty where there is none."""
    if path.is_file():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    if not path.is_dir():
        return ""
    inside = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file() and not ignored(file))
    listed = [{"md5": digest_of(file), "relpath": name} for name, file in inside]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def ignored(path: Path) -> bool:
    """Says whether .dvcignore leaves a file out: by its whole path from the top, or by a pattern for its name."""
    patterns = IGNORE.read_text(encoding="utf-8").split() if IGNORE.is_file() else []
    return any(f"/{path.as_posix()}" == pattern if pattern.startswith("/") else fnmatch(path.name, pattern) for pattern in patterns)
