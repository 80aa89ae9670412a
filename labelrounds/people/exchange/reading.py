"""From a file to what people said in it: the format is known from the content, or named; what was read is said in a sentence."""

from pathlib import Path

import click

from labelrounds.core import registry
from labelrounds.core.errors import UserError, at
from labelrounds.people.exchange import doubts, said, source
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.said import Read

PLAIN = "table"  # what a file is that no tool's module recognises
ROWS = (PLAIN, "excel", "hugging-face")  # whose rows say by a label column alone what the label is


def formats() -> tuple[str, ...]:
    """Returns the names of the formats, a plain table last."""
    names = registry.names(registry.FORMATS)
    return (*(name for name in names if name != PLAIN), PLAIN)


def read(path: str | Path, wanted: Wanted, format: str | None = None) -> Read:
    """Returns what people said in a file, and says on the screen how it was read.

    format : its format, known from the content where it is None. What cannot be read, or cannot be a label, is a UserError.
    """
    path = Path(path)
    found = source.load(path)
    automatic = format is None
    if format is None:
        format = next(name for name in formats() if registry.find(registry.FORMATS, name, "format").recognises(found))
        if format in ROWS:
            doubts.check_answers(found)
    module = registry.find(registry.FORMATS, format, "format")
    if not found.records:
        raise UserError(f"{at(path)}: no rows found. Expected one row per text.")
    try:
        read: Read = module.read(found, wanted)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # other shapes than a tool writes
        raise UserError(f"{at(path)}: not {module.NAME} as that tool writes it ({error}). Export it again, or name another --format.") from None
    if automatic and wanted.task is None:
        doubts.check_numbers(read)
    read = said.checked(read, wanted.task, wanted.multi_label)
    say(path, read, format == PLAIN)
    return read


def say(path: Path, read: Read, plain: bool) -> None:
    """Says on the screen how a file was read: of a plain table with the usual columns nothing."""
    notes = "; ".join(read.notes)
    if not plain:
        click.echo(f"{at(path)} {read.sentence()}{f'; {notes}' if notes else ''}.")
    elif notes:
        click.echo(f"{at(path)}: {notes}.")
    for warning in doubts.warnings(label for stated in read.rows for label in stated.labels):
        click.echo(f"Warning: {warning}")
