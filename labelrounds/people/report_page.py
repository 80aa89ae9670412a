"""The report page on the way to people: a copy that may leave, or the page itself in the browser."""

import webbrowser
from pathlib import Path

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import UserError, at


def write(file: Path, no_texts: bool) -> None:
    """Writes the page of metrics/report.html to `file`."""
    from labelrounds.report import render

    render.check_target(file)
    project = render.project_of(params.load(), not no_texts)
    with files.atomic(file) as target:
        target.write(render.page(project))
    click.echo(f"{at(file)} is there now, {'with' if project.texts else 'without'} texts.")


def show(file: Path = paths.REPORT) -> None:
    """Opens a page in the browser, and says where it lies for those who have none here; no page is a UserError."""
    if not file.is_file():
        raise UserError(f"{at(file)}: the page is not here yet. Run `dvc repro report` (or `dvc pull report`) first.")
    opened = webbrowser.open(file.resolve().as_uri())
    click.echo(f"{at(file)} is open in your browser now." if opened else f"No browser could be opened here. The page: {file.resolve().as_uri()}")
