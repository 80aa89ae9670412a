"""The error that nobody has foreseen: one sentence on the screen, and a file that says where in the code it happened.

The file holds no text, no label, no parameter and no key: the places in the code with their lines, the kinds of the errors and the
versions. What an error says of itself may quote a text, so it stays out.
"""

import datetime
import importlib.metadata
import linecache
import os
import platform
import tempfile
import traceback
from pathlib import Path

from labelrounds.core.errors import UserError, at

SHOW = "LABELROUNDS_TRACEBACK"  # set this environment variable, and the traceback is shown instead
LIBRARIES = ("labelrounds", "click", "dvc", "torch", "transformers", "tokenizers", "scikit-learn", "numpy", "pyarrow", "pandas", "pydantic")


def told(error: BaseException, command: str) -> UserError:
    """Returns the error for the screen, after its report is written; raises `error` itself where SHOW is set.

    command : the words of the command, without what was given to it
    """
    if os.environ.get(SHOW):
        raise error
    report = written(f"labelrounds-error-{datetime.datetime.now():%Y-%m-%d-%H%M%S}-{os.getpid()}.txt", as_text(error, command))
    kind, place = type(error).__name__, _place(error)
    where = f"{at(report)} says where; it holds none of your texts, labels and keys. Please send it with your report of this fault." if report else ""
    return UserError(f"labelrounds has a fault that nobody has foreseen ({kind} at {place}). {where}".rstrip())


def as_text(error: BaseException, command: str) -> str:
    """Returns the report: the command's words, the versions, and the places in the code, innermost last."""
    lines = [f"command: {command}", f"python: {platform.python_version()} on {platform.system()} {platform.machine()}"]
    lines += [f"{name}: {_version(name)}" for name in LIBRARIES]
    for number, one in enumerate(_chain(error)):
        lines += ["", f"{'raised' if not number else 'after'}: {type(one).__module__}.{type(one).__qualname__}"]
        for frame, line in traceback.walk_tb(one.__traceback__):
            code = frame.f_code
            lines.append(f"  {_short(code.co_filename)}:{line} in {code.co_qualname}")
            if _is_ours(code.co_filename) and (source := linecache.getline(code.co_filename, line).strip()):
                lines.append(f"    {source}")
    return "\n".join(lines) + "\n"


def written(name: str, content: str) -> Path | None:
    """Writes the report to the working directory, or where that cannot be written to the system's folder for temporary files."""
    for folder in (Path("."), Path(tempfile.gettempdir())):
        try:
            (folder / name).write_text(content, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return folder / name
    return None


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found and len(found) < 10:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _place(error: BaseException) -> str:
    """Returns the innermost line of ours that was running."""
    ours = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_ours(frame.f_code.co_filename)]
    return f"{_short(ours[-1][0])}:{ours[-1][1]}" if ours else "an unknown place"


def _is_ours(path: str) -> bool:
    return Path(path).is_absolute() and bool({"labelrounds", "stages", "studies"} & set(Path(_short(path)).parts[:1]))


def _short(path: str) -> str:
    """Returns a path from the package on, without the names of people's folders."""
    parts = Path(path).parts
    for start in ("site-packages", "dist-packages"):
        if start in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(start) :])
    top = Path(__file__).parents[2]
    return Path(path).relative_to(top).as_posix() if Path(path).is_relative_to(top) else "/".join(parts[-2:])


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
