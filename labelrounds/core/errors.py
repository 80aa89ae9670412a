"""The user's error: one clear message, exit code 1, never a traceback.

    UserError            a mistake in files, parameters or the surroundings that a person can correct
    Command, Group       click's, that show no traceback: a full disk is a UserError, too, and so is what nobody has foreseen

Every message says where, what was found, what was expected and what to do.
"""

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click


class UserError(click.ClickException):
    """A mistake that the user can correct; click prints it as `Error: …` and exits with 1."""


def at(path: str | Path, line: int | None = None) -> str:
    """Returns `path` or `path:line`, relative to the working directory where that is shorter."""
    shown = os.path.relpath(path)
    shown = str(path) if shown.startswith("..") else shown
    return shown if line is None else f"{shown}:{line}"


def no_labels() -> UserError:
    """Returns the error for a project without a single label; it says how to begin."""
    return UserError(
        "there are no labels yet. Draw a first round at random, label it, bring it in:\n"
        "  labelrounds draw 200 round-01.csv\n"
        "  (fill in the label column, in a spreadsheet or a text editor)\n"
        "  labelrounds import round-01.csv\n"
        "  dvc repro\n"
        "A labeler that needs no labels can begin before them, with `split.holdout_rounds: []` and `deploy: zero-shot` in params.yaml."
    )


def first_of(problems: Sequence[str | UserError], noun: str = "problem") -> UserError:
    """Returns one error for many `problems`: the first in full, the places of four more, and the count."""
    said = [problem.message if isinstance(problem, UserError) else problem for problem in problems[:5]]
    message = said[0]
    if len(problems) > 1:
        places = [problem.split(": ", 1)[0] for problem in said[1:]]
        message += f"\n{len(problems)} {noun}s of this kind in all; also at {', '.join(places)}"
        message += " …" if len(problems) > 5 else ""
    return UserError(message)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean "…"?` for the nearest of `known`, or an empty string."""
    import difflib

    known = list(known)
    folded = {name.casefold(): name for name in reversed(known)}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f' Did you mean "{folded[near[0]]}"?' if near else ""


def out_of_space(error: BaseException) -> bool:
    """Says whether `error` is a full disk, as Python, safetensors, torch or SQLite report it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    text = str(error).lower()
    return any(sign in text for sign in ("no space left on device", "os error 28", "file write failed", "unexpected pos", "disk is full"))


def read_only(error: BaseException) -> bool:
    """Says whether `error` is a file system that cannot be written to."""
    return (isinstance(error, OSError) and error.errno == errno.EROFS) or "read-only file system" in str(error).lower()


def foreseen(error: BaseException) -> UserError | None:
    """Returns the error of the surroundings that `error` means, such as a full disk; None where it is a fault of ours."""
    name = getattr(error, "filename", None)
    name = name if isinstance(name, (str, Path)) else ""
    where = f" at {at(name)}" if name else ""
    if out_of_space(error):
        return UserError(
            f"the disk is full{where}: no space left on device. Nothing half-written is left behind. Free some space and run the same command again."
        )
    if read_only(error):
        return UserError(f"the file system is read-only{where}: nothing was written. Run this in a copy that you can write to.")
    if type(error).__module__ == "sqlite3":
        return UserError(
            f"the kept responses (data/responses) cannot be read or written: {error}. Move the folder away; then everything is asked again."
        )
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return UserError("there is not enough memory. Lower `batch_size` or `model.max_length` in params.yaml, or use a machine with more.")
    if isinstance(error, PermissionError):
        return UserError(f"{at(name) if name else 'a file'}: permission denied. Check who owns it, then run again.")
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return UserError("what was given is not UTF-8 text. Save it as UTF-8, then run again.")
    if isinstance(error, OSError) and where:
        hint = " `dvc repro` makes it where a stage does, and `dvc pull` brings it." if isinstance(error, FileNotFoundError) else " Check the path."
        return UserError(f"{at(name)}: {(error.strerror or type(error).__name__).lower()}.{hint}")
    return None


class Told:
    """What makes a click command tell every error in one sentence: those of the surroundings, and the unforeseen with a report."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)  # type: ignore[misc]
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            known = foreseen(error)
            if known is None:
                from labelrounds.core import unforeseen

                known = unforeseen.told(error, ctx.command_path)
            raise known from error


class Command(Told, click.Command):
    """A click command that tells every error in one sentence."""


class Group(Told, click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type
