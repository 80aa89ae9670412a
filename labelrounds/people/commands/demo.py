"""The demo's own command: its texts, and people who label them."""

from pathlib import Path

import click

from labelrounds.core.errors import Group, at


@click.group(cls=Group)
def demo() -> None:
    """The demo's texts, and its people."""


@demo.command("pool")
def demo_pool() -> None:
    """Bring the demo's texts and the ratings that people gave them."""
    from labelrounds.people import demo

    click.echo(f"demo: {demo.make_pool()} texts in {demo.POOL}.")


@demo.command("annotate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--raters", type=click.IntRange(1, 20), help="So many single raters, who disagree as real raters do, in place of their mean.")
def demo_annotate(file: Path, raters: int | None) -> None:
    """Fill in FILE as the demo's people would: the mean of all raters, or single ones."""
    from labelrounds.people import demo

    count = demo.annotate(file, raters)
    click.echo(
        f"{count} labels by {'the crowd' if raters is None else f'{raters} raters per text'} are in {at(file)}. Next: labelrounds import {at(file)}"
    )
