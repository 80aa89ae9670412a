"""What an export holds: texts with the model's suggestion, or with what people said of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labelrounds.core import params, registry
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import NONE, SEPARATOR, Task
from labelrounds.people.exchange.said import EXTRAS, Said
from labelrounds.pool import reader
from labelrounds.rounds import names, record, sampling, schema


@dataclass(frozen=True)
class Item:
    """One text. `suggestion` is None where the model says nothing; `confidence` is how sure it is, as text."""

    id: str
    text: str
    suggestion: tuple[str, ...] | None = None
    confidence: str = ""
    said: tuple[Said, ...] = field(default=())


@dataclass(frozen=True)
class Export:
    """Texts to write. model : the labeler whose suggestions they hold"""

    items: list[Item]
    task: Task
    model: str

    def rows(self) -> Iterator[tuple[Item, Said | None]]:
        """Yields one row per annotation, and one for each text without any."""
        for item in self.items:
            for stated in item.said or (None,):
                yield item, stated

    def extras(self) -> list[str]:
        """Returns which of the columns beside the label hold anything; `annotator` always."""
        used = {name for item in self.items for stated in item.said for name in stated.extras()}
        return [name for name in EXTRAS if name == "annotator" or name in used]


def of_queue(settings: params.Params) -> Export:
    """Returns the queue without what is labelled already, with the model's suggestions."""
    task = settings.labelled_task()
    changes = schema.read()

    def today(cell: str) -> tuple[str, ...] | None:
        labels = [] if cell == NONE else cell.split(SEPARATOR) if task.multi_label else [cell]
        found = {schema.renamed(label.strip(), task, changes) for label in labels}
        return tuple(label for label in task.labels if label in found) if cell and found <= set(task.labels) else None

    items = [Item(asked.id, asked.text, today(asked.suggestion), asked.confidence) for asked in sampling.draw_queue(task)[0]]
    return Export(items, task, settings.deploy)


def of_labels(settings: params.Params) -> Export:
    """Returns every labelled text with the annotations that are in force: those of its newest round, and all second opinions."""
    task = settings.labelled_task()
    annotations = [found for found in in_force(record.read_all(task)) if not found.gone]
    if not annotations:
        raise UserError("there are no labels yet, so there is nothing to write. Without --labelled the queue is written.")
    texts = {annotation.id: annotation.text for annotation in annotations if annotation.text is not None}
    in_pool = reader.find(settings.data.pool, settings.data.text_column, {annotation.id for annotation in annotations} - set(texts))
    texts |= {identity: row.text for identity, row in in_pool.items()}
    lost = [annotation for annotation in annotations if annotation.id not in texts]
    if lost:
        raise UserError(f"{lost[0].where}: nobody knows the text {lost[0].id}: it is not in {at(settings.data.pool)}, nor in the round.")
    by_text: dict[str, list[Said]] = {}
    for found in annotations:
        stated = Said(texts[found.id] or "", found.labels, found.where, found.id, **{name: getattr(found, name) for name in EXTRAS})
        by_text.setdefault(found.id, []).append(stated)
    return Export([Item(identity, said[0].text, said=tuple(said)) for identity, said in by_text.items()], task, settings.deploy)


def in_force(annotations: Iterable[record.Annotation]) -> list[record.Annotation]:
    """Returns the annotations of each text's newest round, and the newest second opinion of each person. annotations : oldest round first"""
    annotations = list(annotations)
    newest = {_kind(a): names.number(a.round) for a in annotations}
    return [a for a in annotations if newest[_kind(a)] == names.number(a.round)]


def _kind(annotation: record.Annotation) -> tuple[str, str | None]:
    """Returns what a newer round replaces: the labels of a text, or one person's second opinion on it."""
    return annotation.id, annotation.annotator if annotation.source == record.OPINION else None


def write(path: Path, format: str, export: Export) -> None:
    """Writes an export; what is there already is never overwritten."""
    module = registry.find(registry.FORMATS, format, "format")
    suffix = path.suffix.lower()
    if suffix not in module.SUFFIXES:
        known = ", ".join(known or "a folder, so a name without a dot" for known in module.SUFFIXES)
        raise UserError(f"{at(path)}: the format {format} is written as {known}. Choose another name, or another --format.")
    if path.exists():
        raise UserError(f"{at(path)} is there already and may hold what somebody typed. Choose another name, or remove it yourself.")
    if not path.parent.is_dir():
        raise UserError(f"{at(path.parent)}: there is no such folder. Make it first, or choose another place.")
    module.write(path, export)
