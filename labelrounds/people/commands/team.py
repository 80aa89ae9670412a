"""The commands for several people in one repository: show, merge, setup-git."""

from pathlib import Path

import click

from labelrounds.core.errors import Command


@click.command(cls=Command)
@click.argument("round")
@click.option("--md", "as_markdown", is_flag=True, help="Markdown for a pull request: only where the texts may be shown.")
@click.option("--as-diff", is_flag=True, hidden=True, help="What git calls after `labelrounds setup-git`.")
def show(round: str, as_markdown: bool, as_diff: bool) -> None:
    """Show the labels of ROUND with their texts: a name or number of data/rounds or data/audits, or a file."""
    from labelrounds.core import params
    from labelrounds.people import show

    if as_diff:
        click.echo(show.as_diff(Path(round)), nl=False)
        return
    found, rows = show.read(round, params.load())
    click.echo(show.as_markdown(found, rows) if as_markdown else show.as_text(rows))


@click.command(cls=Command)
@click.argument("branch", required=False)
@click.option("--no-repro", is_flag=True, help="Do not run what is stale.")
def merge(branch: str | None, no_repro: bool) -> None:
    """Merge BRANCH, or finish the merge under way: keep all labels, then run what is stale.

    One side of dvc.lock and the metrics is taken, and `dvc repro` makes them anew. What only a person can decide is listed.
    Nothing is committed.
    """
    from labelrounds.people import merging

    merging.merge(branch, not no_repro)


@click.command("setup-git", cls=Command)
@click.option("--undo", is_flag=True, help="Remove it again.")
def setup_git(undo: bool) -> None:
    """Tell this clone's git to show texts beside labels in `git diff`, and a worktree where the data is."""
    from labelrounds.people import git_setup

    git_setup.set_up(undo)
