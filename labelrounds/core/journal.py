"""A change of many files that happens whole or not at all, a SIGKILL at any moment included.

    change()     a block in which new files are made beside their places; at its end all take their places
    settle()     what a killed change left: before its turning point it is undone, after it it is finished

New files stand in `.labelrounds-new/` of the folder that they are meant for, so that taking a place is a rename. What goes is
renamed into `.labelrounds-old/`, and removed at the very end. The journal, one file at the top of the project, lists all of it,
with the state of the change:

    making     no file has its place yet: to undo it is to remove what was made
    turned     everything is made, and nothing is missing but the renames, each of which can be tried again
    done       every file has its place: what is left is to remove the old ones
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelrounds.core import files, leftovers
from labelrounds.core.errors import UserError, at

JOURNAL = Path(".labelrounds-change.json")
NEW, OLD = ".labelrounds-new", ".labelrounds-old"
MAKING, TURNED, DONE = "making", "turned", "done"


class Change:
    """Which paths come (`put`) and which go (`remove`); nothing has happened yet to what is there."""

    def __init__(self) -> None:
        self.puts: list[Path] = []
        self.removes: list[Path] = []
        self.made: list[Path] = []  # folders that were not there before
        self.state = MAKING

    def put(self, path: str | Path) -> Path:
        """Returns where to make the new file or folder that will stand at `path`, over what is there."""
        path = Path(path)
        if path not in self.puts:
            lacking = [folder for folder in reversed(path.parents) if not folder.exists()]
            self.made += [folder for folder in lacking if folder not in self.made]
            self.puts.append(path)
            self.write()
        staged = staged_at(path)
        remove(staged)
        staged.parent.mkdir(parents=True, exist_ok=True)
        return staged

    def remove(self, path: str | Path) -> None:
        """Lets what stands at `path` go."""
        if (path := Path(path)) not in self.removes:
            self.removes.append(path)

    def write(self, state: str | None = None) -> None:
        """Writes the journal in one step, in a new `state` where one is given."""
        self.state = state or self.state
        lists = {name: [path.as_posix() for path in getattr(self, name)] for name in ("puts", "removes", "made")}
        files.write_json(JOURNAL, {"state": self.state, **lists})

    def check(self) -> None:
        """Raises a UserError if a path lies where nothing can be renamed: on a disk of its own, or in a folder that is read-only."""
        lacking = [path for path in self.puts if not os.path.lexists(staged_at(path))]
        if lacking:
            raise FileNotFoundError(f"nothing was made for {lacking[0]}")
        for path in (*self.puts, *self.removes):
            parent = next(folder for folder in path.parents if folder.exists())
            if not os.access(parent, os.W_OK | os.X_OK):
                raise UserError(f"{at(parent)}: permission denied: {at(path)} cannot be replaced. Check who owns the folder, then run again.")
            if path.is_mount():
                raise UserError(f"{at(path)} is a disk of its own, so it cannot be replaced in one step. Unmount it, then run again.")


def staged_at(path: Path) -> Path:
    """Returns where the new file for `path` is made."""
    return path.parent / NEW / path.name


def set_aside_at(path: Path) -> Path:
    """Returns where the old file of `path` waits until all is done."""
    return path.parent / OLD / path.name


@contextlib.contextmanager
def change() -> Iterator[Change]:
    """Yields a Change to fill; carries it out when the block ends, or leaves every file as it was where anything fails.

    The caller holds the project's lock, so that no other change is under way. What an earlier one left is settled first.
    """
    settle()
    made = Change()
    try:
        made.write()
        yield made
        # What is put is removed first: then every step is a rename to a free name.
        for path in made.puts:
            if os.path.lexists(path):
                made.remove(path)
        made.check()
        made.write(TURNED)
        forward(made)
    except BaseException:
        back(made)
        raise
    end(made)


def forward(made: Change) -> None:
    """Takes every step that is not taken yet."""
    for path in made.removes:
        aside = set_aside_at(path)
        if not os.path.lexists(aside) and os.path.lexists(path):
            aside.parent.mkdir(exist_ok=True)
            os.rename(path, aside)
    for path in made.puts:
        if os.path.lexists(staged := staged_at(path)):
            os.rename(staged, path)


def back(made: Change) -> None:
    """Takes every step back; then nothing is left of the change."""
    if made.state == TURNED:
        for path in reversed(made.puts):
            if not os.path.lexists(staged := staged_at(path)) and os.path.lexists(path):
                os.rename(path, staged)
        for path in reversed(made.removes):
            if os.path.lexists(aside := set_aside_at(path)):
                os.rename(aside, path)
        into(made, MAKING)
    undo(made)


def into(made: Change, state: str) -> None:
    """Writes the journal in a new state; on a full disk it goes, since what is left then is mere cleaning."""
    try:
        made.write(state)
    except OSError:
        JOURNAL.unlink(missing_ok=True)


def undo(made: Change) -> None:
    """Removes what was made for a change that takes no place."""
    clean(made)
    for folder in reversed(made.made):
        with contextlib.suppress(OSError):  # somebody else's files are in it now
            folder.rmdir()
    JOURNAL.unlink(missing_ok=True)


def end(made: Change) -> None:
    """Removes the old files of a change whose files have all taken their places."""
    into(made, DONE)
    clean(made)
    JOURNAL.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Removes a file, a link or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clean(made: Change) -> None:
    """Removes the folders of new and old files."""
    for parent in dict.fromkeys(path.parent for path in (*made.puts, *made.removes)):
        for name in (NEW, OLD):
            shutil.rmtree(parent / name, ignore_errors=True)


def settle() -> str:
    """Undoes or finishes what a killed change left; returns what was done in a sentence, empty where there was nothing."""
    leftovers.sweep(JOURNAL.parent)
    if not JOURNAL.is_file():
        return ""
    made = read()
    if made.state != MAKING:
        if made.state == TURNED:
            forward(made)
        end(made)
        return "A command that was killed while it replaced files has been finished now."
    undo(made)
    return "A command was killed before it had replaced any file. What it left has been removed."


def waits() -> bool:
    """Says whether a killed change left anything to settle."""
    return JOURNAL.is_file() or bool(leftovers.left_over(JOURNAL.parent))


def check_whole() -> None:
    """Raises a UserError if a killed change waits to be finished: until then files of two states stand beside each other."""
    if JOURNAL.is_file() and read().state == TURNED:
        raise UserError(f"{at(JOURNAL)}: a command was killed while it replaced files. Type `labelrounds status`: that settles it.")


def read() -> Change:
    """Returns what the journal lists; a damaged one is a UserError."""
    made = Change()
    try:
        found: dict[str, Any] = json.loads(JOURNAL.read_text(encoding="utf-8"))
        made.state = {state: state for state in (MAKING, TURNED, DONE)}[found["state"]]
        for name in ("puts", "removes", "made"):
            getattr(made, name).extend(map(Path, found[name]))
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{at(JOURNAL)}: damaged. Look for the folders {NEW} and {OLD}, put back what you need, then remove them and this file."
        ) from None
    return made
