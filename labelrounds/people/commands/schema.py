"""The command about the labels themselves: `labelrounds schema`."""

from pathlib import Path
from typing import Any

import click

from labelrounds.core import lock
from labelrounds.core.errors import Group, at
from labelrounds.people.commands.labelling import show_how_to_label


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def schema(ctx: click.Context) -> None:
    """Show the labels and how they came to be, or change them: rounds stay as they are."""
    from labelrounds.core import params
    from labelrounds.people import schema

    if ctx.invoked_subcommand is None:
        schema.show(params.load())


@schema.command("rename")
@click.argument("old")
@click.argument("new")
@lock.project("data", "params.yaml")
def schema_rename(old: str, new: str) -> None:
    """Give the label OLD the name NEW."""
    _change_labels("rename", [old], [new])


@schema.command("merge")
@click.argument("labels", nargs=-1, required=True)
@click.option("--into", required=True, help="The label that they become: a new name, or one of them.")
@lock.project("data", "params.yaml")
def schema_merge(labels: tuple[str, ...], into: str) -> None:
    """Make one label of LABELS."""
    _change_labels("merge", labels, [into])


@schema.command("split")
@click.argument("label")
@click.option("--into", "into", multiple=True, required=True, help="A label that it becomes; repeat it for each. The old name may be one.")
@click.option("--form", type=click.Path(path_type=Path), default="relabel.csv", show_default=True, help="The file for the texts to label again.")
@lock.project("data", "params.yaml")
def schema_split(label: str, into: tuple[str, ...], form: Path) -> None:
    """Replace LABEL by several, and write its texts to a file, to label again."""
    _change_labels("split", [label], into, form)


@schema.command("add")
@click.argument("label")
@lock.project("data", "params.yaml")
def schema_add(label: str) -> None:
    """Add LABEL after all others."""
    _change_labels("add", [], [label])


@schema.command("retire")
@click.argument("label")
@lock.project("data", "params.yaml")
def schema_retire(label: str) -> None:
    """Take LABEL away: its texts have no label until they get another (multi-label: they keep their others)."""
    _change_labels("retire", [label], [])


@schema.command("relabel")
@click.argument("file", type=click.Path(path_type=Path), default="relabel.csv")
def schema_relabel(file: Path) -> None:
    """Write the texts whose label was split or retired to FILE, to label again."""
    from labelrounds.core import params
    from labelrounds.rounds import queue, record, sampling

    settings = params.load()
    asked = sampling.draw_outdated(settings)
    queue.write_form(file, asked, settings.labelled_task(), record.CORRECTION)
    click.echo(f"{len(asked)} texts whose label is no more wait in {at(file)}, to label again.")
    show_how_to_label(file, settings)


def _change_labels(kind: str, labels: Any, into: Any, form: Path | None = None) -> None:
    import datetime

    from labelrounds.core import params
    from labelrounds.people import schema
    from labelrounds.rounds import queue

    before = params.load()
    if form is not None:
        queue.check_target(form)
    made = schema.change(kind, labels, into, before, datetime.date.today())
    schema.told(made, before)
    if form is not None and schema.sampling.outdated(params.load()):
        schema_relabel.callback(form)  # type: ignore[misc]
