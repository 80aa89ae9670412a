"""The user's error: one clear message, exit code 1, never a traceback.

    UserError            a mistake in files, parameters or the surroundings that a person can correct
    Command              a click command that also turns a full disk into a UserError

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
    """Says whether `error` is a full disk, as Python, safetensors or torch report it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    text = str(error).lower()
    return "no space left on device" in text or "os error 28" in text or "file write failed" in text


class Command(click.Command):
    """A click command whose full disk, unreadable or read-only file is a UserError like any other."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            raise
        except Exception as error:
            if out_of_space(error):
                where = getattr(error, "filename", None)
                raise UserError(
                    f"the disk is full{f' at {at(where)}' if where else ''}: no space left on device. "
                    "Nothing half-written is left behind. Free some space and run the same command again."
                ) from error
            if isinstance(error, PermissionError):
                raise UserError(f"{at(error.filename)}: permission denied. Check who owns it, then run again.") from error
            raise
