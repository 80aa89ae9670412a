"""Make the page that people look at, and the few numbers that `dvc metrics diff` shows.

metrics/, data/rounds, data/split/*.csv, data/queue ──► metrics/report.html, metrics/summary.json
"""

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.report import render, summary
from labelrounds.rounds import record, unread


@click.command(cls=Command)
@click.option("--no-texts", is_flag=True, help="Leave out all texts and the names of people (so does report.texts: false).")
def main(no_texts: bool) -> None:
    settings = params.load()
    with reading("report", paths.ROUNDS, paths.SCHEMA, *render.sources(render.labelers_of(settings))):
        project = render.project_of(settings, settings.report.texts and not no_texts)
        unread.check(record.read_all(project.task))
        page, numbers = render.page(project), summary.of(project)
        with files.atomic(paths.REPORT) as file:
            file.write(page)
        files.write_json(paths.METRICS / "summary.json", numbers)
    click.echo(f"report: {len(page.encode()) / 1000:.0f} kB {'with' if project.texts else 'without'} texts in {paths.REPORT}.")


if __name__ == "__main__":
    main()
