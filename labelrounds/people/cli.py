"""The command `labelrounds`: what people type. Each subcommand is a few lines that call a floor below."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from labelrounds.core import journal, lock, paths
from labelrounds.core.errors import Group, UserError, at
from labelrounds.people import pool_commands


class Commands(Group):
    """Subcommands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="labelrounds")
def main() -> None:
    """Label text in rounds: people label a few, a model learns, and says which to label next.

    \b
    labelrounds init --pool texts.csv      a clone becomes your project
    labelrounds draw 200 round-01.csv      the first texts to label, at random
    labelrounds import round-01.csv        their labels become the first file of data/rounds
    dvc repro                              train, measure, predict, choose the next queue
    labelrounds next round-02.csv          the queue, to fill in; then import again
    labelrounds audit 100 audit.csv        is what the model labels alone as right as promised?
    """
    if journal.waits():
        with lock.project("data", "params.yaml"):
            if said := journal.settle():
                click.echo(said, err=True)
    if not Path("params.yaml").is_file() and not {"-h", "--help"} & set(sys.argv):
        raise UserError(f"{os.getcwd()} is not a labelrounds project: there is no params.yaml. Go to the top of your clone.")


def columns_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of what reads labelled files: which columns, which format."""
    options = (
        click.option("--text-column", help="The column with the text.  [default: found by its name and content]"),
        click.option("--label-column", help="The column with the label, or the question.  [default: found likewise, or one 0/1 column per label]"),
        click.option("--format", metavar="NAME", help="What wrote the labelled files, such as label-studio.  [default: known from their content]"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.option(
    "--pool", "pool_file", required=True, type=click.Path(path_type=Path), help="All texts: csv, tsv, jsonl or parquet, also .gz; a file or a folder."
)
@click.option(
    "--labelled", multiple=True, type=click.Path(path_type=Path), help="Labels you have already; each file becomes a round. Repeat it for more."
)
@columns_options
@click.option("--multi-label", is_flag=True, help="A text may have several labels, joined by `;` or in 0/1 columns.")
@click.option("--yes", is_flag=True, help="Do not ask before removing files that are not the demo's.")
@lock.project("data", paths.METRICS, "models", "params.yaml")
def init(
    pool_file: Path,
    labelled: tuple[Path, ...],
    text_column: str | None,
    label_column: str | None,
    format: str | None,
    multi_label: bool,
    yes: bool,
) -> None:
    """Turn this clone into your own project: the demo goes, your texts and labels come.

    Labels may come from Label Studio, doccano, Prodigy, Argilla, spaCy, datasets, a workbook or any table: see docs/exchange.md.
    """
    from labelrounds.people import init as project
    from labelrounds.people.exchange.columns import Wanted

    project.start(pool_file, labelled, Wanted(text_column, label_column, multi_label), format, yes)


@main.command()
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


@main.command()
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


@main.command()
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


@main.command("import")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--annotator", help="Who labelled, where the file names nobody.")
@columns_options
@lock.project(paths.ROUNDS, paths.AUDITS, paths.SNAPSHOTS)
def import_(files: tuple[Path, ...], annotator: str | None, text_column: str | None, label_column: str | None, format: str | None) -> None:
    """Check the labels in FILES and write them as the next round, such as data/rounds/03-5f1c2a.csv.

    The form of an audit (`labelrounds audit`) goes to data/audits instead. Without FILES, what people labelled on
    the page (`labelrounds serve`) becomes a round.

    The files may come from other tools, too: see docs/exchange.md. Rows without a label are left out and counted. Labels that a round holds already are not written twice.
    """
    from labelrounds.core import params
    from labelrounds.people import importing
    from labelrounds.people.exchange.columns import Wanted

    if not files:
        from labelrounds.people.serve import finish

        for line in finish.all_waiting(params.load()):
            click.echo(line)
        return
    done = importing.import_labels(files, annotator, params.load(), Wanted(text_column, label_column), format)
    if done.known:
        click.echo(f"{done.known} labels are in {at(done.folder)} already and were not written again.")
    if done.overruled:
        click.echo(
            f"{done.overruled} of these a later round has changed; that stands. To change one back, add a round by hand, number {importing.record.next_number(done.folder):02d}."
        )
    if done.unfilled:
        click.echo(f"{done.unfilled} rows have no label yet and were left out: fill them in and import the file again.")
    if done.path is None:
        click.echo("Nothing new to write.")
        return
    click.echo(f"{done.written} labels of {done.texts} texts are in {at(done.path)} now.")
    if done.history:
        click.echo(f"What the model knew before is kept in {at(done.history)}, to see what this round changes.")
    elif done.stale:
        click.echo(f"What the model knew before this round is not kept ({done.stale}): metrics/stop.json will compare across it.")
    kept = f"{at(done.history)}, " if done.history else ""
    click.echo(f"Next: dvc repro && dvc metrics diff; then commit {at(done.path)}, {kept}dvc.lock and metrics.")


@main.command()
@click.option("--format", required=True, metavar="NAME", help="argilla, doccano, excel, hugging-face, label-studio, prodigy, spacy or table.")
@click.option("--labelled", is_flag=True, help="Everything that people labelled, in place of the queue.")
@click.argument("file", type=click.Path(path_type=Path))
def export(format: str, labelled: bool, file: Path) -> None:
    """Write the queue with the model's suggestions to FILE, for another tool; or everything labelled.

    What people do there comes back with `labelrounds import`. docs/exchange.md says what each format keeps.
    """
    from labelrounds.core import params
    from labelrounds.people.exchange import items

    settings = params.load()
    found = items.of_labels(settings) if labelled else items.of_queue(settings)
    items.write(file, format, found)
    count = sum(len(item.said) for item in found.items)
    what = f"{count} annotations of {len(found.items)} texts are" if labelled else f"{len(found.items)} texts to label are"
    click.echo(f"{what} in {at(file)} now. What comes back: labelrounds import FILE")


@main.command()
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


@main.command()
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


@main.command()
def status() -> None:
    """Count the labels per round, per label and per person, and say what comes next."""
    from labelrounds.core import params
    from labelrounds.people import status

    status.show(params.load())


@main.group(invoke_without_command=True)
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


@main.command()
def results() -> None:
    """Show each labeler's F1 on the test set, how much of the pool is labelled, and where the queue lies."""
    from labelrounds.core import files, params
    from labelrounds.people import results

    with files.as_stages_write(paths.METRICS):
        results.show_results(params.load())


@main.command()
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


@main.command()
@click.argument("branch", required=False)
@click.option("--no-repro", is_flag=True, help="Do not run what is stale.")
def merge(branch: str | None, no_repro: bool) -> None:
    """Merge BRANCH, or finish the merge under way: keep all labels, then run what is stale.

    One side of dvc.lock and the metrics is taken, and `dvc repro` makes them anew. What only a person can decide is listed.
    Nothing is committed.
    """
    from labelrounds.people import merging

    merging.merge(branch, not no_repro)


@main.command("setup-git")
@click.option("--undo", is_flag=True, help="Remove it again.")
def setup_git(undo: bool) -> None:
    """Tell this clone's git to show texts beside labels in `git diff`, and a worktree where the data is."""
    from labelrounds.people import git_setup

    git_setup.set_up(undo)


@main.command()
@click.argument("revision", required=False, metavar="[REV")
@click.argument("other", required=False, metavar="[REV2]]")
@click.option("--labeler", metavar="NAME", help="The labeler to compare.  [default: the deployed one]")
@click.option("--against", metavar="NAME", help="Another labeler, at REV, to compare it with.  [default: the same one]")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON, with all texts that flipped.")
@click.option("--md", "as_markdown", is_flag=True, help="Markdown for a pull request: ids, no texts.")
def compare(revision: str | None, other: str | None, labeler: str | None, against: str | None, as_json: bool, as_markdown: bool) -> None:
    """Say whether the labeler at REV2 is better than at REV.

    Without REV2 the working tree is compared with REV; without both, two labelers of the working tree with each other.
    It reads what each said of the test texts from git (metrics/NAME/test.csv): no data, no model.
    """
    import json

    from labelrounds.core import params
    from labelrounds.people import compare, comparison_text

    settings = params.load()
    if as_json and as_markdown:
        raise click.UsageError("--json and --md exclude each other.")
    name = labeler or settings.deploy
    if revision is None and against in (None, name):
        raise click.UsageError("Name a revision to compare with (labelrounds compare HEAD), or another labeler (--against baseline).")
    before, after = compare.read_side(revision, against or name), compare.read_side(other, name)
    found = compare.compare(before, after, settings.seed)
    if as_markdown:
        click.echo(comparison_text.as_markdown(found))
        return
    found = compare.with_texts(found, settings)
    click.echo(json.dumps(comparison_text.as_dict(found), indent=2, ensure_ascii=False) if as_json else comparison_text.as_text(found))


@main.command()
@click.option("--labeler", metavar="NAME", help="Which labeler.  [default: the deployed one]")
@click.option("--json", "as_json", is_flag=True, help="A list of JSON objects, oldest first.")
@click.option("--plot", "path", metavar="FILE.svg", type=click.Path(path_type=Path), help="Draw it, too.")
def history(labeler: str | None, as_json: bool, path: Path | None) -> None:
    """Show what each round bought: macro-F1 with its interval, from git history."""
    import json

    from labelrounds.core import params
    from labelrounds.people import history

    settings = params.load()
    name = labeler or settings.deploy
    entries, notes = history.read(name, settings.seed)
    if path:
        history.plot(entries, name, path)
    click.echo(json.dumps(history.as_list(entries), indent=2) if as_json else history.as_text(entries, name))
    if not as_json:
        for line in [*notes, *([f"Drawn in {at(path)}."] if path else [])]:
            click.echo(f"\n{line}")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--no-texts", is_flag=True, help="Leave out all texts and the names of people, so that the page may leave.")
def report(file: Path, no_texts: bool) -> None:
    """Write the page of metrics/report.html to FILE: one HTML file that needs no network."""
    from labelrounds.core import files, params
    from labelrounds.report import render

    render.check_target(file)
    project = render.project_of(params.load(), not no_texts)
    with files.atomic(file) as target:
        target.write(render.page(project))
    click.echo(f"{at(file)} is there now, {'with' if project.texts else 'without'} texts.")


@main.command()
def curve() -> None:
    """Show the learning curve: F1 by number of labels, and what the recipes gain over each other."""
    from labelrounds.core import params
    from labelrounds.people import results

    results.show_curve(params.load())


@main.command()
@click.argument("texts", nargs=-1)
@click.option("--file", "source", help="Read texts from a file: a table with the text column, or one text per line; `-` for standard input.")
@click.option("--labeler", "name", help="Which labeler to ask.  [default: the deployed one]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per text, with every label's score.")
def label(texts: tuple[str, ...], source: str | None, name: str | None, as_json: bool) -> None:
    """Say what the deployed labeler makes of TEXTS, with its confidence."""
    from labelrounds.core import params
    from labelrounds.people import inference

    settings = params.load()
    wanted = inference.read_texts(texts, source, settings)
    for line in inference.answers(wanted, name or settings.deploy, settings, as_json):
        click.echo(line)


main.add_command(pool_commands.pool)
main.add_command(pool_commands.retire)


@main.command()
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


@main.group()
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


if __name__ == "__main__":
    main()
