"""The commands that bring texts and labels in, and write them out: init, import, export."""

from collections.abc import Callable
from pathlib import Path

import click

from labelrounds.core import lock, paths
from labelrounds.core.errors import Command, at


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


@click.command(cls=Command)
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


@click.command("import", cls=Command)
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


@click.command(cls=Command)
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
