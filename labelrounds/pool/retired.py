"""Texts that were withdrawn for good: data/retired.txt holds their ids, so that none comes back by accident."""

from collections.abc import Iterable

from labelrounds.core import files, paths
from labelrounds.core.errors import at, first_of


def read() -> set[str]:
    """Returns the ids of the withdrawn texts."""
    return set(files.read_text(paths.RETIRED).split()) if paths.RETIRED.is_file() else set()


def add(ids: Iterable[str]) -> None:
    """Writes further ids down."""
    with files.atomic(paths.RETIRED) as file:
        file.writelines(f"{identity}\n" for identity in sorted(read() | set(ids)))


def refuse(rows: Iterable[tuple[str, str]]) -> None:
    """Raises a UserError if one of the rows, as (id, place), is a withdrawn text."""
    gone = read()
    found = [
        f"{where}: the text {identity} was withdrawn for good ({at(paths.RETIRED)}). Remove the row." for identity, where in rows if identity in gone
    ]
    if found:
        raise first_of(found, "row")
