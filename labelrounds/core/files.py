"""Files and folders that appear whole or not at all, and their digests."""

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import platform
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at
from labelrounds.core.named import Named

MANIFEST = "manifest.json"


def sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file, or of a folder's file names and contents, in hex."""
    path = Path(path)
    if path.is_dir():
        total = hashlib.sha256()
        for name, digest in folder_digests(path).items():
            total.update(f"{name}\0{digest}\n".encode())
        return total.hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(folder: str | Path) -> dict[str, str]:
    """Returns {relative path: SHA-256} of every file under `folder`, sorted by path."""
    folder = Path(folder)
    found = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in found}


@contextlib.contextmanager
def atomic(path: str | Path, mode: str = "w", new: bool = False) -> Iterator[Any]:
    """Opens a temporary file beside `path` that takes its name when the block ends without an error.

    `new=True` refuses to replace a file that is there (FileExistsError). Text is UTF-8 with `\\n` line ends.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.{process_mark()}.", suffix=".tmp", dir=path.parent)
    try:
        text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        with os.fdopen(handle, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        if new:
            _take_name(temporary, path)
        else:
            os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _take_name(temporary: str, path: Path) -> None:
    """Gives a file its name unless somebody has it: a link fails then, a rename would replace."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        # exFAT and some network file systems know no links: an empty file takes the name first.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.replace(temporary, path)
    else:
        os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_text(path: str | Path) -> str:
    """Returns a file of UTF-8 text; one that is none is a UserError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{at(path)}: byte {error.start + 1} is not UTF-8 text, so the file is damaged, or a program saved it in another encoding: save it as UTF-8. "
            f"Or restore it from git (`git checkout -- {at(path)}`); if a stage makes it, remove it and run `dvc repro`."
        ) from None


def read_json(path: str | Path, hint: str = "Remove it, then run `dvc repro`.") -> dict[str, Any]:
    """Returns the object that a JSON file holds; a UserError with the `hint` where there is no such file, or something else in it.

    A key that it, or an object in it, lacks is a UserError, too, where somebody asks for it.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_hook=lambda one: Named(one, path))
    except FileNotFoundError:
        raise UserError(f"{at(path)}: there is no such file yet. Run `dvc repro`, or `dvc pull`.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{at(path)}: not JSON ({str(error)[:100]}). {hint}") from None
    if not isinstance(found, dict):
        raise UserError(f"{at(path)}: found {type(found).__name__}, expected an object ({{…}}), as labelrounds writes it. {hint}")
    return found


@contextlib.contextmanager
def as_stages_write(*places: str | Path) -> Iterator[None]:
    """Turns what breaks in the block, where files that stages write are taken apart, into a UserError that names their `places`.

    Such a file may be JSON and still lack what is looked for: people edit them, and merges mend them by halves.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        broken = isinstance(error, (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)) or type(error).__name__ == "UndefinedError"
        if not broken or os.environ.get("LABELROUNDS_TRACEBACK"):
            raise
        raise UserError(
            f"{' or '.join(at(place) for place in places)}: a file there lacks what labelrounds writes ({type(error).__name__}: {str(error)[:80]}). "
            "Restore it from git (`git checkout -- metrics data/snapshots`), or make it again with `dvc repro --force`."
        ) from error


def write_json(path: str | Path, value: Any, new: bool = False) -> None:
    """Writes `value` as indented JSON, keys in the order given; a NaN is an error."""
    with atomic(path, new=new) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


class _UnixLines:
    """Ends the rows of a csv.writer in `\\n`.

    Asked for `lineterminator="\\n"`, Python before 3.13 leaves a bare carriage return in a cell unquoted, and
    nobody can read that row again.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def write_csv(path: str | Path, columns: list[str], rows: Iterable[Iterable[Any]], bom: bool = False, new: bool = False, delimiter: str = ",") -> int:
    """Writes a CSV with a header and returns the number of rows; `bom` marks it as UTF-8 for Excel."""
    count = 0
    with atomic(path, new=new) as file:
        if bom:
            file.write("\ufeff")
        writer = csv.writer(file if bom else _UnixLines(file), delimiter=delimiter)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def csv_text(columns: list[str], rows: Iterable[Iterable[Any]]) -> str:
    """Returns the same CSV as `write_csv` writes, as a string."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(_UnixLines(buffer))
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def beside(path: str | Path, kind: str = "made") -> Path:
    """Returns a name beside `path`, on its disk, that no other process takes; `sweep` finds what a killed one leaves there.

    kind : made, new or old
    """
    path = Path(path)
    return path.parent / f".{path.name}.{process_mark()}.{secrets.token_hex(4)}.{kind}"


def publish(made: str | Path, folder: str | Path) -> None:
    """Moves the finished folder `made` to `folder` in one step, over what is there."""
    made, folder = Path(made), Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = beside(folder, "old")
    for _ in range(100):  # another process may publish there at this moment
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder, aside)
        try:
            os.replace(made, folder)
            break
        except OSError as error:
            if error.errno == errno.EXDEV:
                # models/ or data/ may be a mount of its own: copy beside the target, then rename there.
                near = beside(folder, "new")
                shutil.copytree(made, near)
                shutil.rmtree(made)
                made = near
            elif error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                if aside.exists() and not folder.exists():
                    os.replace(aside, folder)
                raise
            shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def process_mark() -> str:
    """Returns what a name beside a file says of the process that writes it: `number-machine`."""
    return f"{os.getpid()}-{zlib.crc32(platform.node().encode()):08x}"


def seal(folder: str | Path) -> str:
    """Writes `manifest.json` with the SHA-256 of every file in `folder`; returns the fingerprint of it all."""
    folder = Path(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    write_json(folder / MANIFEST, folder_digests(folder))
    return fingerprint(folder)


def fingerprint(folder: str | Path) -> str:
    """Returns the first 16 hex digits of the SHA-256 of a sealed folder's manifest."""
    return sha256(Path(folder) / MANIFEST)[:16]


def verify(folder: str | Path) -> None:
    """Raises a UserError unless every file of a sealed folder is there with the bytes it was sealed with."""
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{at(folder)}: no {MANIFEST} here, so this is not a model that labelrounds made. Run `dvc repro`.")
    sealed = read_json(folder / MANIFEST, f"Remove {at(folder)}, then run `dvc repro` (or `dvc checkout` after `dvc pull`).")
    for name, digest in sealed.items():
        found = sha256(folder / name) if (folder / name).is_file() else "no file"
        if found != digest:
            raise UserError(
                f"{at(folder / name)}: damaged: its SHA-256 is {found[:12]}, the manifest says {str(digest)[:12]}. "
                f"Remove {at(folder)}, then run `dvc repro` (or `dvc checkout` after `dvc pull`)."
            )


@contextlib.contextmanager
def unchanged(*paths: str | Path) -> Iterator[None]:
    """Raises a UserError if an input changes before the block ends.

    DVC hashes a stage's inputs after its command: without this check an edit made in between would be
    recorded as the source of outputs that never saw it.
    """
    before = {path: _signature(Path(path)) for path in paths}
    yield
    for path, signature in before.items():
        if _signature(Path(path)) != signature:
            raise UserError(f"{at(path)} changed while it was being read. What this run made of it does not count; run `dvc repro` again.")


def _signature(path: Path) -> list[tuple[Any, ...]]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [(str(file), *_stamp(file)) for file in files if not file.is_dir()]


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:  # not there any more, or a link to nothing
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
