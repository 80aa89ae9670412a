"""What is wrong with a project on this machine: damaged files, lost work, old locks, other versions; and what of it can be mended safely."""

import contextlib
import hashlib
import importlib.metadata
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import files, leftovers, lock, params, paths
from labelrounds.core.errors import UserError, at
from labelrounds.rounds import record, unread

MENDED = "its stage makes it again: run `dvc pull`, or `dvc repro`"


@dataclass(frozen=True)
class Finding:
    """What is wrong, with what to do; mend : does it, where nothing can be lost by it"""

    what: str
    mend: Callable[[], object] | None = None


def examine() -> Iterator[tuple[str, list[Finding]]]:
    """Yields (what was looked at, what is wrong with it); nothing is changed."""
    yield "manifests of the models", list(manifests())
    yield "the test set", list(test_set())
    yield "rounds that the split has read", list(rounds_read())
    yield "DVC's cache", list(cache())
    yield "kept responses", list(responses())
    yield "locks", list(locks())
    yield "half-written files", list(half_written())
    yield "versions", list(versions())


def manifests() -> Iterator[Finding]:
    """Models of which a file is not the one that was sealed."""
    for top in (paths.BASE_MODELS, paths.LABELERS, paths.LANGUAGE_MODELS):
        for manifest in sorted(top.glob(f"*/{files.MANIFEST}")):
            try:
                files.verify(manifest.parent)
            except UserError as error:
                yield Finding(error.message)


def test_set() -> Iterator[Finding]:
    """A test set that is not the one that was split."""
    measured = paths.METRICS / "split.json"
    if not (measured.is_file() and paths.TEST.is_file()):
        return
    try:
        expected = files.read_json(measured).get("fingerprint")
    except UserError as error:
        yield Finding(error.message)
        return
    found = files.sha256(paths.TEST)[:16]
    if found != expected:
        yield Finding(
            f"{at(paths.TEST)}: its fingerprint is {found}, but {at(measured)} says {expected}. If you are not in the middle of a run, it is damaged: "
            f"`dvc repro --force split` makes it again; the damaged object of DVC's cache, if there is one, is named below."
        )


def rounds_read() -> Iterator[Finding]:
    """Rounds that DVC takes for read, and that the split has not seen."""
    if not Path("dvc.lock").is_file():
        return
    with contextlib.suppress(UserError):
        strange = unread.strange(record.read_all(params.load().labelled_task()))
        if strange and _dvc("status", "split", "--json").strip() == "{}":
            yield Finding(
                f"{at(paths.ROUNDS)}: DVC says that the split has read {', '.join(strange)}, and it has not, or not as it is now: "
                f"a file came, went or changed while it ran. {unread.CURE}"
            )


def cache() -> Iterator[Finding]:
    """Objects of DVC's cache whose content is not what their name says, among those that dvc.lock and *.dvc name."""
    top = Path(_dvc("cache", "dir").strip() or ".dvc/cache") / "files/md5"
    for out, digest in _outs():
        for path, name in _parts(Path(out), digest, top):
            thing = top / name[:2] / name[2:]
            if thing.is_file() and _md5(thing) != name.removesuffix(".dir"):
                yield Finding(
                    f"{thing}: damaged: it is an object of DVC's cache for {path}, and its content is another. Delete it and {path}; then {MENDED}.",
                    lambda thing=thing, path=path: _remove(thing, path),
                )


def responses() -> Iterator[Finding]:
    """Kept responses that cannot be read."""
    if paths.RESPONSES.is_file():
        try:
            with contextlib.closing(sqlite3.connect(f"file:{paths.RESPONSES}?mode=ro", uri=True)) as kept:
                said = kept.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.Error as error:
            said = str(error)
        if said != "ok":
            yield Finding(f"{at(paths.RESPONSES)}: damaged ({said[:100]}). Move it away; then everything is asked again.")


def locks() -> Iterator[Finding]:
    """Notes of processes that are gone."""
    for note in (lock.HOLDER, *sorted(paths.SCRATCH.glob(f"**/{lock.PROCESS}"))):
        pid = lock.read(note).get("pid")
        if note.is_file() and not (isinstance(pid, int) and leftovers.running(pid)):
            yield Finding(
                f"{at(note)}: left by process {pid}, which is gone. Nobody waits for it; it may be removed.",
                lambda note=note: note.unlink(missing_ok=True),
            )
    found = lock.read(lock.DVC)
    with contextlib.suppress(AttributeError, KeyError, TypeError):
        readers = [entry for entries in found.get("read", {}).values() for entry in entries]
        gone = {entry["pid"] for entry in (*readers, *found.get("write", {}).values()) if not leftovers.running(entry["pid"])}
        if gone:
            yield Finding(
                f"{at(lock.DVC)}: names process {', '.join(map(str, sorted(gone)))}, which is gone. DVC forgets it by itself at its next run."
            )


def half_written() -> Iterator[Finding]:
    """Temporary files of processes that are gone."""
    places = [(Path("."), 0), *((top, 3) for top in (Path("data"), paths.METRICS, Path("models"), paths.SCRATCH))]
    for path in (path for top, depth in places for path in leftovers.left_over(top, depth)):
        yield Finding(f"{at(path)}: half-written by a process that is gone.", lambda path=path: _remove(path))
    for path in sorted(Path(".").glob("labelrounds-error-*.txt")):
        yield Finding(f"{at(path)}: the report of a fault. Send it to the makers of labelrounds, then remove it.")


def versions() -> Iterator[Finding]:
    """Libraries of another version than the tests ran with."""
    pinned = Path("constraints.txt")
    other = []
    for line in pinned.read_text(encoding="utf-8").splitlines() if pinned.is_file() else ():
        wanted = re.fullmatch(r"([A-Za-z0-9._-]+)==([^\s;]+).*", line)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            if wanted and (found := importlib.metadata.version(wanted[1])).partition("+")[0] != wanted[2].partition("+")[0]:
                other.append(f"{wanted[1]} {found} (tested with {wanted[2]})")
    if other:
        yield Finding(
            f"{', '.join(other[:8])}{' …' if len(other) > 8 else ''}: results may differ in their last digits. `make install` sets the versions."
        )


def _outs() -> Iterator[tuple[str, str]]:
    """Yields (path, md5) of every out that dvc.lock and the *.dvc files name."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    for path in (
        Path("dvc.lock"),
        *sorted(Path("data").glob("*.dvc")),
        *sorted(Path("data").glob("dvc.lock")),
        *sorted(Path("studies").glob("*/dvc.lock")),
    ):
        with contextlib.suppress(OSError, YAMLError, UnicodeDecodeError, AttributeError, TypeError, KeyError):
            tree: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
            stages = tree["stages"].values() if "stages" in tree else [tree]
            top = path.parent if path.suffix == ".dvc" or path.parent == Path("data") else Path(".")
            for out in (out for stage in stages for out in stage.get("outs", ()) if "md5" in out):
                yield (top / out["path"]).as_posix(), out["md5"]


def _parts(out: Path, digest: str, top: Path) -> Iterator[tuple[Path, str]]:
    """Yields (path, md5) of an out and of every file in it."""
    yield out, digest
    if digest.endswith(".dir"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            for entry in json.loads((top / digest[:2] / digest[2:]).read_text(encoding="utf-8")):
                yield out / entry["relpath"], entry["md5"]


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _dvc(*words: str) -> str:
    """Returns what a DVC command prints; empty where it fails."""
    done = subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True, errors="replace")
    return done.stdout if done.returncode == 0 else ""


def _remove(*gone: Path) -> None:
    for path in gone:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.exists() or path.is_symlink():
            path.parent.chmod(path.parent.stat().st_mode | 0o700)
            path.unlink()
