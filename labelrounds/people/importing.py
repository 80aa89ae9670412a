"""From a filled-in file to the next round: checked as a whole, then written as a whole."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labelrounds.core import params, paths, revisions
from labelrounds.core.errors import UserError, at, first_of
from labelrounds.core.task import Task
from labelrounds.people import snapshot
from labelrounds.people.exchange import columns, reading
from labelrounds.pool import reader, retired
from labelrounds.rounds import audits, names, record, schema, vote


@dataclass(frozen=True)
class Imported:
    """What an import did in `folder`; `path` is None where there was nothing new, `overruled` counts the known ones that a later round changed.

    history : the snapshot of what the model knew before; None, with the reason in `stale`, where there was none to take
    """

    folder: Path
    path: Path | None
    written: int
    texts: int
    known: int
    overruled: int
    unfilled: int
    history: Path | None = None
    stale: str = ""


def import_labels(
    sources: Sequence[str | Path], annotator: str | None, settings: params.Params, wanted: columns.Wanted | None = None, format: str | None = None
) -> Imported:
    """Writes the new labels in `sources` as one round, or the checks in audits' forms as one file of data/audits.

    wanted : the columns that the user named; format : of the files, known from their content where it is None. Raises a
    UserError, and writes nothing, if any row is wrong.
    """
    task = settings.labelled_task()
    folder = folder_of(sources)
    wanted = replace(wanted or columns.Wanted(), task=task, known_text=settings.data.text_column)
    read = [reading.read(source, wanted, format) for source in sources]
    annotations = [stated.annotation() for found in read for stated in found.rows]
    annotations = [replace(annotation, annotator=annotation.annotator or annotator or "") for annotation in annotations]
    unfilled = sum(found.unfilled for found in read)
    if not annotations:
        reasons = sum((found.left_out for found in read), Counter())
        out = ", ".join(f"{count} {why}" for why, count in reasons.items() if count)
        hint = f"; write {task.spell(())} where none applies" if task.multi_label else ""
        raise UserError(f"{at(sources[0])}: no row has a label ({out}). Fill in at least one{hint}.")
    return bring(annotations, folder, settings, unfilled)


def bring(annotations: list[record.Annotation], folder: Path, settings: params.Params, unfilled: int = 0) -> Imported:
    """Writes those of `annotations` that are new as the next file of `folder`, wherever they come from.

    unfilled : how many rows had no label. Raises a UserError, and writes nothing, if any annotation is wrong.
    """
    task = settings.labelled_task()
    check_labels_of_today(annotations)
    annotations = one_opinion_each(annotations, task)
    earlier = record.read_all(task, folder)
    before = {statement(a) for a in earlier}
    newest = {asked(a): names.number(a.round) for a in earlier}
    in_force = {(asked(a), a.labels) for a in earlier if names.number(a.round) == newest[asked(a)]}
    new = [a for a in annotations if statement(a) not in before]
    old = [a for a in annotations if statement(a) in before]
    known = len(old)
    overruled = sum((asked(a), a.labels) not in in_force for a in old)
    if not new:
        return Imported(folder, None, 0, 0, known, overruled, unfilled)
    if folder == paths.AUDITS:
        check_drawn(new, task)
    retired.refuse((a.id, a.where) for a in new)
    carried = {a.id for a in earlier if a.text is not None}
    in_pool = reader.find(settings.data.pool, settings.data.text_column, {a.id for a in new})
    unknown = [a for a in new if a.text is None and a.id not in in_pool and a.id not in carried]
    if unknown:
        raise first_of(
            [
                f"{a.where}: nobody knows the id {a.id}: it is not in the pool ({settings.data.pool}), and the row has no text. Give its text, or remove the row."
                for a in unknown
            ],
            "row",
        )
    texts = {a.id: a.text for a in new if a.text is not None and a.id not in in_pool}
    learns = folder == paths.ROUNDS and vote.deciding(new) and vote.deciding(earlier)
    history, stale = keep_history(settings) if learns else (None, "")
    path = write_round(new, texts, task, folder)
    tell_git(path, *([history] if history else []))
    return Imported(folder, path, len(new), len({a.id for a in new}), known, overruled, unfilled, history, stale)


def tell_git(*paths: Path) -> None:
    """Adds new files to git's index: `dvc exp run --temp` leaves out what git does not know, without a word. Elsewhere nothing happens."""
    with contextlib.suppress(UserError):
        revisions.git("add", "--", *map(str, paths))


def keep_history(settings: params.Params) -> tuple[Path | None, str]:
    """Returns (the snapshot of what the model knows before the new round, why there is none); nothing here stops an import."""
    try:
        return snapshot.keep(settings), ""
    except snapshot.Stale as reason:
        return None, str(reason)
    except (UserError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:  # a damaged model, metrics file or shard
        return None, f"what is on disk cannot be read: {getattr(error, 'message', error)}"


def asked(annotation: record.Annotation) -> tuple[str, str, bool]:
    """Returns who was asked for what: a label of a text, or a second opinion on it, which replaces no label."""
    return annotation.id, annotation.annotator, annotation.source == record.OPINION


def statement(annotation: record.Annotation) -> tuple[str, str, tuple[str, ...], str]:
    """Returns what makes an annotation the same as another one; who confirms a suspected label says something new."""
    own = annotation.source if annotation.source in (record.OPINION, record.CORRECTION, record.ADJUDICATED) else ""
    return annotation.id, annotation.annotator, annotation.labels, own


def folder_of(sources: Sequence[str | Path]) -> Path:
    """Returns where the labels in `sources` go: data/audits for the forms of audits, data/rounds for all others."""
    forms = [source for source in sources if is_audit(source)]
    if forms and len(forms) < len(sources):
        raise UserError(
            f"{at(forms[0])} is the form of an audit, which never trains; the other files are labels to train on. Import them one after the other."
        )
    return paths.AUDITS if forms else paths.ROUNDS


def check_labels_of_today(annotations: list[record.Annotation]) -> None:
    """Raises a UserError for a label that was split or retired: a person can still say which of today's applies."""
    gone = [a for a in annotations if a.gone]
    if gone:
        changes = schema.read()
        raise first_of([f"{a.where}: {schema.told(a.gone, changes)} Write one of today's labels, or empty the cell." for a in gone], "row")


def check_drawn(annotations: list[record.Annotation], task: Task) -> None:
    """Raises a UserError for a text that no audit has drawn: what people chose themselves is no random sample."""
    known = audits.drawn(task)
    strange = [a for a in annotations if a.id not in known]
    if strange:
        raise first_of(
            [
                f"{a.where}: the text {a.id} was not drawn for an audit (see {at(paths.DRAWN)}). Remove the row, or its column `audit`."
                for a in strange
            ],
            "row",
        )


def is_audit(source: str | Path) -> bool:
    """Says whether a file is the form of an audit; a folder or a zip is another tool's."""
    return Path(source).suffix.lower() != ".zip" and not Path(source).is_dir() and audits.is_form(source)


def one_opinion_each(annotations: list[record.Annotation], task: Task) -> list[record.Annotation]:
    """Returns each named person's label of a text once; a UserError where one gives a text two labels, also across files."""
    seen: dict[tuple[str, str, bool], record.Annotation] = {}
    kept = []
    for annotation in annotations:
        previous = seen.setdefault(asked(annotation), annotation)
        if previous is annotation or not annotation.annotator:
            kept.append(annotation)
        elif previous.labels != annotation.labels:
            raise UserError(
                f'{annotation.where}: {annotation.annotator} gives text {annotation.id} the label "{task.spell(annotation.labels)}", but '
                f'"{task.spell(previous.labels)}" at {previous.where}. One person has one opinion per round: remove one row.'
            )
    return kept


def write_round(annotations: list[record.Annotation], texts: dict[str, str], task: Task, folder: Path = paths.ROUNDS, shared: bool = True) -> Path:
    """Writes the next round, or the next file of another `folder`, and returns its path; texts stand in it only where the pool lacks them.

    shared : as for `record.add`
    """
    return record.add(*cells_of(annotations, texts, task), folder, shared)


def cells_of(annotations: list[record.Annotation], texts: dict[str, str], task: Task) -> tuple[list[str], list[list[str]]]:
    """Returns (the columns of a round, its rows). texts : {id: text} of those that must stand in the round, since the pool lacks them"""
    columns = ["id", *(["text"] if texts else []), task.column, "annotator"]
    columns += ["source"] if any(a.source != "human" for a in annotations) else []
    columns += [name for name in ("note", *record.HOW) if any(getattr(a, name) for a in annotations)]
    rows = [asdict(a) | {"text": texts.get(a.id, ""), task.column: task.spell(a.labels)} for a in annotations]
    return columns, [[row[name] for name in columns] for row in rows]
