"""One of several candidates: a person is asked where there is a terminal; without one it is an error that names them."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from labelrounds.core.errors import UserError, at


def one(path: Path, candidates: Sequence[str], noun: str, option: str) -> str:
    """Returns the only candidate, or the one that a person picks. noun : what it would hold, such as `the label`"""
    if len(candidates) == 1:
        return candidates[0]
    shown = ", ".join(f'"{name}"' for name in candidates)
    if not sys.stdin.isatty():
        raise UserError(f"{at(path, 1)}: {noun} may stand in several columns: {shown}. Name the right one: {option} {_quoted(candidates[0])}")
    click.echo(f"{at(path)}: {noun} may stand in several columns ({option} names one):")
    for number, name in enumerate(candidates, 1):
        click.echo(f"  {number}  {name}")
    return candidates[click.prompt("Which one?", type=click.IntRange(1, len(candidates))) - 1]


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
