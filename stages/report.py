"""Make the page that people look at: where the loop stands, with its plots, tables and errors.

metrics/, data/rounds, data/split/test.csv ──► metrics/report.html
"""

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.report import render


@click.command(cls=Command)
@click.option("--no-texts", is_flag=True, help="Leave out all texts and the names of people (so does report.texts: false).")
def main(no_texts: bool) -> None:
    settings = params.load()
    project = render.project_of(settings, settings.report.texts and not no_texts)
    with files.unchanged(paths.ROUNDS, *render.sources(project.labelers)):
        page = render.page(project)
    with files.atomic(paths.REPORT) as file:
        file.write(page)
    click.echo(f"report: {len(page.encode()) / 1000:.0f} kB {'with' if project.texts else 'without'} texts in {paths.REPORT}.")


if __name__ == "__main__":
    main()
