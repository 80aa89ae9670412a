"""The command that looks after the project itself: `labelrounds doctor`."""

import contextlib

import click

from labelrounds.core import lock, paths
from labelrounds.core.errors import Command


@click.command(cls=Command)
@click.option("--fix", is_flag=True, help="Mend what can be mended without losing anything.")
def doctor(fix: bool) -> None:
    """Look for damaged files, lost work, old locks and other versions, and say what to do.

    With --fix it removes damaged objects of DVC's cache and what killed processes have left behind.
    """
    from labelrounds.people import doctor

    ill = 0
    with lock.project("data", "models", paths.METRICS) if fix else contextlib.nullcontext():
        for name, findings in doctor.examine():
            click.echo(f"{name}: {'fine' if not findings else f'{len(findings)} to look at'}")
            for finding in findings:
                if fix and finding.mend:
                    finding.mend()
                ill += not (fix and finding.mend)
                click.echo(f"  {'mended: ' if fix and finding.mend else ''}{finding.what}")
    if ill:
        raise SystemExit(1)
