"""The commands that ask people for labels: draw, next, quick, audit, serve."""

from pathlib import Path
from typing import Any

import click

from labelrounds.core import lock, paths
from labelrounds.core.errors import Command, at


@click.command(cls=Command)
@click.argument("n", type=click.IntRange(1))
@click.argument("file", type=click.Path(path_type=Path), default="round.csv")
@lock.project()
def draw(n: int, file: Path) -> None:
    """Draw N texts at random into FILE, to label: the first round, before any model.

    Only rounds drawn so may be holdout rounds, since only they represent the pool.
    """
    from labelrounds.core import params
    from labelrounds.rounds import queue
    from labelrounds.rounds.sampling import draw_at_random

    settings = params.load()
    asked, left = draw_at_random(n, settings)
    queue.write_form(file, asked, settings.labelled_task() if settings.task.labels else None)
    some = "" if len(asked) == n else f" (of {n}: no more unlabelled, distinct texts are left)"
    click.echo(f"{len(asked)} texts{some}, drawn at random from {left} that nobody has labelled, wait in {at(file)}.")
    show_how_to_label(file, settings)


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--no-suggestions", is_flag=True, help="Leave out what the model would say, so that it sways nobody.")
@click.option("--again", type=click.IntRange(1), metavar="N", help="N test texts for second opinions, in place of the queue. They change no label.")
@click.option("--suspects", is_flag=True, help="Labels that look wrong, in place of the queue: to label again, blind.")
@lock.project()
def next(file: Path, no_suggestions: bool, again: int | None, suspects: bool) -> None:
    """Copy the queue to FILE, to fill in: a CSV, or a workbook if its name ends in .xlsx.

    With --again or --suspects the texts are others, and neither a label nor a suggestion is shown.
    """
    from dataclasses import replace

    from labelrounds.core import params
    from labelrounds.people import freshness
    from labelrounds.rounds import queue, record, sampling

    settings = params.load()
    task = settings.labelled_task()
    if again and suspects:
        raise click.UsageError("--again and --suspects exclude each other.")
    if again:
        asked, total = sampling.draw_again(again, settings)
        queue.write_form(file, asked, task, record.OPINION)
        click.echo(f"{len(asked)} of {total} test texts wait in {at(file)}, for second opinions: a copy for each person. The test set's labels stay.")
        show_how_to_label(file, settings)
        return
    if suspects:
        asked, total = sampling.draw_suspects(settings)
        queue.write_form(file, asked, task, record.CORRECTION)
        click.echo(f"{len(asked)} of {total} texts whose label looks wrong wait in {at(file)}. Your answer will be their label, the same or another.")
        show_how_to_label(file, settings)
        return
    asked, total = sampling.draw_queue(task)
    if no_suggestions:
        asked = [replace(entry, suggestion="", confidence="") for entry in asked]
    queue.write_form(file, asked, task)
    skipped = f" ({total - len(asked)} more of the queue are labelled already)" if len(asked) < total else ""
    click.echo(f"{len(asked)} texts{skipped} wait in {at(file)}.")
    for line in freshness.warning(settings):
        click.echo(line)
    show_how_to_label(file, settings)
    if not record.round_files():
        click.echo(
            "These texts were chosen by a model, so they cannot give the test set: import a random round before them (labelrounds draw 200 FILE)."
        )


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@lock.project()
def quick(file: Path) -> None:
    """Choose the next texts in seconds and write them to FILE, to fill in, without `dvc repro`.

    A linear probe on the base model's vectors learns from all rounds. The pool's vectors are kept, so that the next call
    reads only new texts.
    """
    from labelrounds.core import params
    from labelrounds.people import quick
    from labelrounds.rounds import queue

    settings = params.load()
    found = quick.choose(settings)
    queue.write_form(file, found.asked, settings.labelled_task())
    click.echo(
        f"A probe ({found.head}) learnt from {found.texts} texts; macro-F1 {found.reached:.3f} on training texts that it had not seen. "
        f"{found.embedded} of {found.pool} pool texts were new to it."
    )
    click.echo(f"{len(found.asked)} texts wait in {at(file)}. The pipeline's own queue stays as it is.")
    show_how_to_label(file, settings)


@click.command(cls=Command)
@click.argument("n", type=click.IntRange(1))
@click.argument("file", type=click.Path(path_type=Path), default="audit.csv")
@lock.project(paths.DRAWN)
def audit(n: int, file: Path) -> None:
    """Draw N of the texts that the model labelled alone into FILE, for people to check.

    The form does not show what the model said. Bring it back with `labelrounds import FILE`: the next `dvc repro`
    reports the realised precision with its exact interval (metrics/audit.json), and lets less through where it is
    below the promise.
    """
    from labelrounds.core import params
    from labelrounds.rounds import audits

    settings = params.load()
    count, size = audits.draw(n, file, settings)
    click.echo(f"{count} texts, drawn at random from {size} that are labelled automatically, wait in {at(file)}.")
    show_how_to_label(file, settings)


@click.command(cls=Command)
@click.option("--queue", "source", flag_value="queue", default=True, help="The texts that the model asks for.  [default]")
@click.option("--round", "form", type=click.Path(path_type=Path), metavar="FILE", help="The rows of a file to fill in that have no label yet.")
@click.option("--again", type=click.IntRange(1), metavar="N", help="N test texts for second opinions. They change no label.")
@click.option("--suspects", "source", flag_value="suspects", help="Labels that look wrong, to label again.")
@click.option("--audit", "checks", type=click.IntRange(1), metavar="N", help="N of the texts that the model labelled alone.")
@click.option("--settle", "source", flag_value="settle", help="Texts on which people disagree, with what each of them said.")
@click.option("--blind", is_flag=True, help="Show no suggestions; with --settle, no names.")
@click.option("--port", type=click.IntRange(0, 65535), default=8642, show_default=True, help="0: any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="An address of this machine, for others to reach; needs --person.")
@click.option("--person", "people", multiple=True, metavar="NAME", help="Who may enter, each by a link of their own. Repeat it.")
@click.option("--new-link", "renewed", multiple=True, metavar="NAME", help="Give somebody another link; the old one ends.")
@click.option("--known-as", multiple=True, metavar="HOST", help="Another address under which browsers reach the page, such as that of a proxy.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
def serve(source: str, form: Path | None, again: int | None, checks: int | None, blind: bool, no_browser: bool, **where: Any) -> None:
    """Label on a page in the browser, alone or with others.

    Every answer is on disk before the next text shows. `Finish the round` on the page, or `labelrounds import` later,
    writes the round.
    """
    from labelrounds.core import params
    from labelrounds.people.serve import run

    if sum([form is not None, again is not None, checks is not None, source != "queue"]) > 1:
        raise click.UsageError("--queue, --round, --again, --suspects, --audit and --settle exclude each other.")
    settings = params.load()
    run.serve(run.loader(source, form, again, checks, blind, settings), settings, no_browser=no_browser, **where)


def show_how_to_label(file: Path, settings: Any) -> None:
    """Says what to type into the file and what to do then."""
    from labelrounds.core import params

    task = settings.labelled_task() if settings.task.labels else None
    if task is None:
        click.echo(f"Name your labels in {params.PATH} (task.labels), then fill in the column `label`.")
    else:
        how = f"joined by `;`, or `{task.spell(())}` where none applies" if task.multi_label else "one per text"
        shown = ", ".join(task.labels[:20]) + (" …" if len(task.labels) > 20 else "")
        click.echo(f"Fill in the column `{task.column}`: {shown} ({how}).")
    click.echo(f"Then: labelrounds import {at(file)}")
