"""The page people look at: metrics/report.html, one file that needs no network and no script.

Every section appears when the files are there that it shows, and says in one line what is missing otherwise. Texts
and labels are written by anybody: the template escapes all of them, and `shown` takes out what could reorder a line.
"""

import importlib.resources
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at
from labelrounds.report import errors, labour, landscape, sections, state
from labelrounds.report.formats import coded, cut, digits, many, number, percent, score, shown, span
from labelrounds.report.sections import CRITERIA, Project, read_csv, read_json
from labelrounds.rounds import queue, record

MARK = '<meta name="generator" content="labelrounds">'


def page(project: Project) -> str:
    """Returns the page as HTML; the same files give the same bytes."""
    from markupsafe import Markup

    with files.as_stages_write(paths.METRICS, paths.SNAPSHOTS, paths.SPLIT):
        return _template().render(**facts(project), mark=Markup(MARK), project=project) + "\n"


@cache
def _template() -> Any:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {found.__name__: found for found in (coded, cut, digits, many, number, percent, score, shown, span)} | {"svg": Markup}
    environment.globals["criteria"] = CRITERIA
    return environment.from_string(importlib.resources.files("labelrounds.report").joinpath("templates/report.html").read_text(encoding="utf-8"))


def facts(project: Project) -> dict[str, Any]:
    """Returns everything that the template shows; None where its file is not there."""
    split, predicted, adapted, people = (read_json(paths.METRICS / f"{name}.json") for name in ("split", "predict", "adapt", "agreement"))
    measured = {name: found["test"] for name in project.labelers if (found := read_json(paths.METRICS / f"{name}.json")) is not None}
    deployed = measured.get(project.deployed)
    folder = paths.METRICS / project.deployed
    said = read_csv(folder / "test.csv")
    pages = {
        "split": split,
        "predicted": predicted,
        "adapted": adapted,
        "measured": measured,
        "deployed": deployed,
        "labels": sections.per_label(read_csv(folder / "labels.csv"), deployed),
        "confusion": sections.confusion(said, project.task),
        "reliability": sections.reliability(read_csv(folder / "reliability.csv"), deployed),
        "panels": errors.panels(said, project.task),
        "wrong": None if said is None else errors.wrong(said, project),
        "labelers_plot": sections.labelers_plot(measured, project.deployed),
        "history": sections.history(said, deployed, split, project),
        "people": people,
        "agreement": sections.agreement(people, project),
        "labour": labour.per_week(record.read_all(project.task), project),
        "stop": read_json(paths.METRICS / "stop.json"),
        "gate": sections.gate(read_json(paths.METRICS / "gate.json")),
        "audit": read_json(paths.METRICS / "audit.json"),
        "map": landscape.of_pool(project),
        "suspects": sections.suspects(read_csv(paths.SUSPECTS), project),
    }
    return pages | {"state": state.sentences(pages, len(queue.read()) if paths.QUEUE.is_file() else 0)}


def check_target(path: Path) -> None:
    """Raises a UserError unless the page may be written to `path`: only an older page is overwritten."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f'{at(path)}: the page is HTML; expected a name such as "{path.stem or "report"}.html".')
    if not path.parent.is_dir():
        raise UserError(f"{at(path.parent)}: there is no such folder. Make it first, or choose another place.")
    if path.exists() and (not path.is_file() or MARK.encode() not in path.read_bytes()[:2000]):
        raise UserError(f"{at(path)} is there already and is no page of labelrounds. Choose another name, or remove it yourself.")


def project_of(settings: Any, texts: bool) -> Project:
    """Returns what the page of these parameters is about; names of people are read from the rounds."""
    task = settings.labelled_task()
    people = {annotation.annotator for annotation in record.read_all(task)}
    return Project(task, labelers_of(settings), settings.deploy, tuple(sorted(people)), texts, settings.seed)


def labelers_of(settings: Any) -> tuple[str, ...]:
    """Returns the names of the labelers that the page shows; a further recipe or a prompt may be deployed."""
    return tuple(dict.fromkeys((*settings.recipes, settings.deploy)))


def sources(labelers: Sequence[str]) -> list[Path]:
    """Returns the files that the page of these labelers is made from, those that are there."""
    names = ("split", "predict", "adapt", "agreement", "stop", "gate", "audit", "suspects", *labelers)
    found = [
        paths.TRAIN,
        paths.VALID,
        paths.TEST,
        paths.QUEUE,
        paths.MAP,
        paths.SUSPECTS,
        paths.SNAPSHOTS,
        *(paths.METRICS / f"{name}.json" for name in names),
        *(paths.METRICS / name for name in ("agreement", *labelers)),
    ]
    return [path for path in found if path.exists()]
