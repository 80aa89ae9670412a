"""The commands about texts that come and go: `labelrounds pool`, `labelrounds retire`."""

from pathlib import Path

import click

from labelrounds.core import lock, paths
from labelrounds.core.errors import Command, Group


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def pool(context: click.Context) -> None:
    """Say what the pool holds, file by file. `labelrounds pool add FILE` brings more."""
    if context.invoked_subcommand is None:
        from labelrounds.core import params
        from labelrounds.people import pools

        pools.show(params.load())


@pool.command()
@click.argument("sources", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--text-column", help="The column with the text.  [default: that of the pool, or found by its name]")
@click.option("--adapt", is_flag=True, help="Models adapt to the new texts, too: the next `dvc repro` takes as long as the first.")
@lock.project("data", paths.METRICS, "params.yaml")
def add(sources: tuple[Path, ...], text_column: str | None, adapt: bool) -> None:
    """Bring the texts of FILEs into the pool, and say how many are new, known, near-duplicates, or near held-out texts.

    The next `dvc repro` scores the new texts alone, and adapts no model again. A pool of one file becomes a folder of files.
    """
    from labelrounds.core import params
    from labelrounds.people import pools

    pools.add(sources, text_column, adapt, params.load())


@click.command(cls=Command)
@click.argument("targets", metavar="[ID|TEXT|FILE]...", nargs=-1)
@click.option("--near", is_flag=True, help="Their near-duplicates in the pool, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@lock.project("data", paths.METRICS, "models", "params.yaml")
def retire(targets: tuple[str, ...], near: bool, yes: bool) -> None:
    """Withdraw texts and their labels for good, because a person asked for it.

    They go from the pool, rounds, audits, snapshots, predictions, the queue and the report. It says what git's history and DVC's
    cache still hold. Without arguments, what a killed run has left undone is finished.
    """
    from labelrounds.core import params
    from labelrounds.people import retire

    retire.retire(targets, near, yes, params.load())
