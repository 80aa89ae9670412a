"""The commands that say how good the labels are: status, results, compare, history, report, curve, label."""

from pathlib import Path

import click

from labelrounds.core import paths
from labelrounds.core.errors import Command, at


@click.command(cls=Command)
@click.option("--target", type=click.FloatRange(0.01, 0.99), help="A macro-F1: how many labels may it take?  [default: the next multiple of 0.05]")
def status(target: float | None) -> None:
    """Count the labels per round, label and person, and say what they brought, what a target may take, and what comes next."""
    from labelrounds.core import files, params
    from labelrounds.people import status

    with files.as_stages_write(paths.METRICS):
        status.show(params.load(), target)


@click.command(cls=Command)
def results() -> None:
    """Show each labeler's F1 on the test set, how much of the pool is labelled, and where the queue lies."""
    from labelrounds.core import files, params
    from labelrounds.people import results

    with files.as_stages_write(paths.METRICS):
        results.show_results(params.load())


@click.command(cls=Command)
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


@click.command(cls=Command)
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


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--no-texts", is_flag=True, help="Leave out all texts and the names of people, so that the page may leave.")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser: FILE, or metrics/report.html.")
def report(file: Path | None, no_texts: bool, show: bool) -> None:
    """Write the page of metrics/report.html to FILE, one HTML file that needs no network, or open it."""
    from labelrounds.people import report_page

    if file is None and (no_texts or not show):
        raise click.UsageError("Name a FILE to write the page to, or open the page of the last `dvc repro`: labelrounds report --open")
    if file is not None:
        report_page.write(file, no_texts)
    if show:
        report_page.show(file or paths.REPORT)


@click.command(cls=Command)
def curve() -> None:
    """Show the learning curve: F1 by number of labels, and what the recipes gain over each other."""
    from labelrounds.core import files, params
    from labelrounds.people import results

    with files.as_stages_write(paths.METRICS):
        results.show_curve(params.load())


@click.command(cls=Command)
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
