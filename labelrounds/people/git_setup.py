"""What a clone's git needs to be told once: how to show a round, and where a worktree finds the data."""

import subprocess
import sys
from pathlib import Path

import click

from labelrounds.core import revisions
from labelrounds.core.errors import UserError

DRIVER = "diff.labelrounds.textconv"


def textconv() -> str:
    """Returns the command that git calls with a file of labels; without labelrounds at that place the file is shown as it is."""
    python = sys.executable.replace("'", "'\\''")
    return f'f() {{ \'{python}\' -m labelrounds.people.cli show --as-diff "$1" 2>/dev/null || cat "$1"; }}; f'


def set_up(undo: bool) -> None:
    """Writes the clone's own git configuration, or removes what it wrote; in a linked worktree also where DVC's cache is."""
    if undo:
        revisions.git("config", "--local", "--remove-section", "diff.labelrounds")
        click.echo("`git diff` shows the files of labels as they are again.")
        return
    done = revisions.git("config", "--local", DRIVER, textconv())
    if done.returncode:
        raise UserError(f"git does not write its configuration: {done.stderr.decode('utf-8', 'replace').strip()}")
    # Texts may not be copied into git: its cache of what it has shown is a note in the repository.
    revisions.git("config", "--local", "diff.labelrounds.cachetextconv", "false")
    click.echo("`git diff` shows the text beside each label now, on this machine. Nothing of it goes into git.")
    share_cache()


def share_cache() -> None:
    """Lets a linked worktree use the DVC cache of the clone that it belongs to; elsewhere nothing changes."""
    common, own = (
        Path(revisions.git("rev-parse", "--path-format=absolute", flag).stdout.decode().strip()) for flag in ("--git-common-dir", "--git-dir")
    )
    cache = common.parent / ".dvc/cache"
    if common == own or not cache.parent.is_dir():
        return
    done = subprocess.run([sys.executable, "-m", "dvc", "config", "--local", "cache.dir", str(cache)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"DVC does not write its configuration: {done.stderr.strip()}")
    click.echo(f"This worktree uses the data in {cache}: type `dvc checkout`.")
