"""The commands about machines: does the pipeline give the same again, and on what does that depend."""

import json

import click

from labelrounds.core.errors import Command, at
from labelrounds.people.verify.levels import BYTES, CONCLUSIONS, DECISIONS


@click.command(cls=Command)
@click.option("--against", metavar="REV", help="Compare with what this commit holds, in place of a second run.")
@click.option("--committed", is_flag=True, help="The same as --against HEAD.")
@click.option("--here", is_flag=True, help="Run nothing: compare what the last `dvc repro` left here.")
@click.option("--stage", metavar="NAME", help="Run this stage alone, on the committed inputs, such as finetune@adapted.")
@click.option("--level", type=click.Choice([BYTES, DECISIONS, CONCLUSIONS]), default=BYTES, show_default=True, help="What must be the same.")
@click.option("--width", default=0.1, show_default=True, help="How wide the interval of a conclusion may be, in macro-F1.")
@click.option("--worktree", is_flag=True, help="Include the changes of tracked files that are not committed.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def verify(against: str | None, committed: bool, here: bool, stage: str | None, level: str, width: float, worktree: bool, as_json: bool) -> None:
    """Run the pipeline of HEAD in a fresh clone, and say stage by stage what is the same.

    Bytes; or decisions: labels, queue and gate; or conclusions: what each labeler is worth. Exits with 1 below --level. The clones
    are made in the temporary folder (set TMPDIR for another), and stay there only where the level is not reached.
    """
    from labelrounds.core import params
    from labelrounds.people.verify import levels, verifying

    if against and committed:
        raise click.UsageError("--against and --committed exclude each other.")
    if here and worktree:
        raise click.UsageError("--here compares what lies here as it is: leave out --worktree.")
    revision = against or ("HEAD" if committed or stage or here else None)
    wanted = verifying.Wanted(revision, stage, level, worktree, width, params.load().seed, here)
    found, kept = verifying.verify(wanted, lambda line: click.echo(line, err=as_json))
    if as_json:
        click.echo(json.dumps(levels.as_dict(found, level), indent=2, ensure_ascii=False))
    else:
        click.echo(f"\n{levels.table(found)}\n\n{levels.summary(found)}")
    if kept:
        click.echo(f"The clones wait in {kept} to be looked at; remove the folder when you are done.", err=as_json)
    if not found.reaches(level):
        raise SystemExit(1)


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--keep", is_flag=True, help="Write it to machine.json, beside dvc.lock.")
def machine(as_json: bool, keep: bool) -> None:
    """Show what bytes may depend on here: processor, kernels, threads, precision, versions, and runtime.reproducible."""
    from labelrounds.core import params
    from labelrounds.people import machine

    found = machine.describe(params.load())
    click.echo(json.dumps(found, indent=2) if as_json else machine.as_text(found))
    if keep:
        machine.keep(found)
        click.echo(f"Kept in {at(machine.RECORD)}: commit it with dvc.lock.", err=as_json)
