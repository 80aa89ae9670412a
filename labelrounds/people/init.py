"""A clone becomes your project: the demo goes, your texts and labels come.

Everything is read and checked before anything is removed or written, and all files change at once or not at all
(`core.journal`): a failure or a kill leaves the clone as it was. Git history is never touched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from labelrounds.core import files, journal, params, paths, portable
from labelrounds.core.errors import UserError, at
from labelrounds.core.params import editing, rules
from labelrounds.core.task import MULTI_CLASS, MULTI_LABEL, Task
from labelrounds.people import clearing, importing, tracking
from labelrounds.people.exchange import columns, reading
from labelrounds.people.exchange.said import Read
from labelrounds.pool import reader
from labelrounds.rounds import names, record, schema, shares

DEMO_PROMPT = "studies/llm/prompts/sentiment"
MULTI_LABEL_EPOCHS = 10
MACHINE = "machine"  # of runtime.reproducible
PROMISE = 0.95  # of automatic labels, until a team chooses its own
MANY = 1000  # labels, above which it asks
SPARE = 10_000_000  # bytes for everything but the pool
WITHOUT_GIT = "[core]\n    no_scm = true\n"


def start(pool_file: Path, labelled: Sequence[Path], wanted: columns.Wanted, format: str | None, yes: bool) -> None:
    """Turns the clone in the working directory into a project of `pool_file` and the `labelled` files.

    wanted : the columns that the user named; format : of the labelled files, known from their content where it is None
    """
    settings = params.load()
    check_place()
    text_name = columns.find_text_column(pool_file, wanted.text_column)
    size, foreign = check_pool(pool_file, text_name)
    read = [reading.read(path, replace(wanted, known_text=text_name), format) for path in labelled]
    several = wanted.multi_label or any(found.multi_label for found in read)
    task = Task(MULTI_LABEL if several else MULTI_CLASS, tuple(dict.fromkeys(label for found in read for label in found.labels)))
    check_labels(task, read, yes)
    rounds = [round_of(path, found, task, pool_file, text_name) for path, found in zip(labelled, read, strict=True)]
    kept = place_of(pool_file)
    first = len({annotation.id for annotation in rounds[0][0]}) if rounds else 0
    new_params, told = edited_params(settings, task, kept, text_name, first)
    check_space(pool_file)
    going = clearing.leftovers(pool_file, labelled)
    clearing.ask_before_removing(going, yes)

    with journal.change() as change:
        for path in going:
            change.remove(path)
        write_params(change, new_params)
        change.put(paths.SCHEMA).write_text(f"{schema.BEGIN}\n", encoding="utf-8", newline="\n")
        places = [write_round(change, number, task, *said) for number, said in enumerate(rounds, first_number(going))]
        write_pool(change, pool_file, kept)
    for line in told:
        click.echo(line)
    for path, found, (annotations, _), place in zip(labelled, read, rounds, places, strict=True):
        left_out = f"; {found.unfilled} rows without a label were left out" if found.unfilled else ""
        click.echo(f"{at(path)}: {len(annotations)} labels are in {at(place)} now{left_out}.")
    click.echo(f"{size} texts are in {kept}, tracked by DVC.")
    say_what_next(task, labelled, foreign)


def check_place() -> None:
    """Raises a UserError where a project cannot begin; it can without git."""
    if not Path("dvc.yaml").is_file():
        raise UserError("there is no dvc.yaml here. Run this at the top of a clone of labelrounds.")
    if not Path(".dvc").is_dir():
        raise UserError("there is no folder .dvc here, so DVC cannot track the pool. Clone labelrounds with git, or type `dvc init`.")


def has_git() -> bool:
    """Says whether the project is in a git repository."""
    try:
        return Path(".git").exists() or not subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True).returncode
    except FileNotFoundError:
        return False


def check_space(pool_file: Path) -> None:
    """Raises a UserError where the disk cannot hold the pool and DVC's copy of it."""
    files_of_it = [path for path in pool_file.rglob("*") if path.is_file()] if pool_file.is_dir() else [pool_file]
    needed, free = 2 * sum(path.stat().st_size for path in files_of_it) + SPARE, shutil.disk_usage(".").free
    if free < needed:
        raise UserError(
            f"the disk is too small: the pool and DVC's copy of it need {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free. "
            "Nothing was changed. Free some space, then run the same command again."
        )


def check_pool(path: Path, text_column: str) -> tuple[int, bool]:
    """Returns (number of texts, whether most letters are beyond ASCII) after reading every row."""
    size = letters = beyond = 0
    for row in reader.stream(path, text_column):
        size += 1
        if size <= 2000:
            letters += sum(map(str.isalpha, row.text))
            beyond += sum(character.isalpha() and not character.isascii() for character in row.text)
    if not size:
        raise UserError(f"{at(path)}: there are no rows below the header. Expected one row per text.")
    return size, 2 * beyond > letters


def check_labels(task: Task, read: Sequence[Read], yes: bool) -> None:
    """Raises a UserError for a label that params.yaml could not hold, or a single one in all; asks where there are very many, unless `yes`."""
    if read and len(task.labels) == 1 and not task.multi_label:
        raise UserError(f'the labelled files hold only the label "{task.labels[0]}"; two or more are needed. Is --label-column right?')
    for label in task.labels:
        if wrong := rules.wrong_label(label):
            raise UserError(f"{wrong} Rename it in the labelled files. Nothing was changed.")
    if len(task.labels) > MANY and not yes:
        examples = ", ".join(f'"{label}"' for label in task.labels[:5])
        said = f"The labelled files hold {len(task.labels):,} different labels, such as {examples}."
        if not sys.stdin.isatty():
            raise UserError(f"{said} Is --label-column right? If it is, run it again with --yes.")
        click.echo(said)
        click.confirm("Are these the labels?", abort=True)


def round_of(path: Path, found: Read, task: Task, pool_file: Path, text_column: str) -> tuple[list[record.Annotation], dict[str, str]]:
    """Returns (what a labelled file says, the texts that the pool lacks); a UserError for what could not be a round."""
    if not found.rows:
        out = ", ".join(f"{count} {why}" for why, count in found.left_out.items())
        raise UserError(f"{at(path)}: no row has a label ({out}). Fill in at least one, or leave --labelled out.")
    annotations = importing.one_opinion_each([stated.annotation() for stated in found.rows], task)
    in_pool = reader.find(pool_file, text_column, {annotation.id for annotation in annotations})
    texts = {annotation.id: annotation.text for annotation in annotations if annotation.text is not None and annotation.id not in in_pool}
    unknown = [annotation for annotation in annotations if annotation.id not in in_pool and annotation.id not in texts]
    if unknown:
        raise UserError(
            f"{unknown[0].where}: nobody knows the id {unknown[0].id}: it is not in {at(pool_file)}, and the row has no text "
            f"({len(unknown)} such rows of {at(path)}). Give the text, or remove the row."
        )
    return annotations, texts


def place_of(pool_file: Path) -> Path:
    """Returns where the pool will stand: data/pool.* or data/pool/."""
    suffixes = "".join(pool_file.suffixes[-2:]) if pool_file.suffix.lower() == ".gz" else pool_file.suffix
    return Path("data/pool") if pool_file.is_dir() else Path("data") / f"pool{suffixes.lower()}"


def edited_params(settings: params.Params, task: Task, kept: Path, text_column: str, first: int) -> tuple[str, list[str]]:
    """Returns (params.yaml with the task and the pool in it, what else changes as sentences); every other line and comment stays.

    first : texts with a label in the first labelled file, which are the first round; 0 without one
    """
    asked = [name for name, prompt in settings.prompts.items() if prompt.prompt == DEMO_PROMPT]  # the guideline is about other labels
    still = {prompt.model for name, prompt in settings.prompts.items() if name not in asked}
    unused = dict.fromkeys(settings.prompts[name].model for name in asked if settings.prompts[name].model not in still)
    compared = list(settings.learning_curve.recipes)
    changes: dict[editing.Keys, Any] = {
        ("task", "type"): task.type,
        ("task", "labels"): list(task.labels),
        ("task", "descriptions"): editing.GONE,  # those of other labels
        ("data", "pool"): kept.as_posix(),
        ("data", "text_column"): text_column,
        ("split", "holdout_rounds"): ["01"],
        **{("prompts", name): editing.GONE for name in asked},
        **{("language_models", name): editing.GONE for name in unused},
    }
    if settings.deploy in asked:
        changes["deploy",] = next(iter(settings.recipes))
    if set(compared) & set(asked):
        changes["learning_curve", "recipes"] = [name for name in compared if name not in asked]
    told = []
    if first:
        share = shares.choose(first, len(task.labels), task.multi_label)
        changes |= {("split", "valid"): share.valid, ("split", "test"): share.test}
        told.append(str(share))
    if settings.runtime.reproducible == portable.PORTABLE:
        changes["runtime", "reproducible"] = MACHINE
        told.append("runtime.reproducible is machine now, was portable: models use all that your processor or GPU has (params.yaml).")
    if (promised := settings.predict.precision) != PROMISE:
        changes["predict", "precision"] = PROMISE
        told.append(f"predict.precision is {PROMISE} now, was {promised}: the demo's promise suits the demo's people (params.yaml).")
    if task.multi_label:  # one decision per label takes longer to learn than one per text
        for knob, least in (("epochs", MULTI_LABEL_EPOCHS), ("patience", MULTI_LABEL_EPOCHS // 2)):
            if (now := getattr(settings.finetune, knob)) < least:
                told.append(f"finetune.{knob} is {least} now, was {now}: several labels per text take longer to learn (params.yaml).")
                changes["finetune", knob] = least
    return editing.edited(params.PATH.read_text(encoding="utf-8"), changes), told


def write_params(change: journal.Change, text: str) -> None:
    """Stages params.yaml, and reads it as the pipeline will; a UserError for what it could not hold."""
    staged = change.put(params.PATH)
    with files.atomic(staged) as file:
        file.write(text)
    params.load(staged)


def first_number(going: Sequence[Path]) -> int:
    """Returns the number of the first new round: 01, unless a round stays since it was given as a labelled file."""
    stay = [names.number(path.stem) for path in paths.ROUNDS.glob("*.csv") if path not in going and names.is_name(path.stem)]
    return max(stay, default=0) + 1


def write_round(change: journal.Change, number: int, task: Task, annotations: list[record.Annotation], texts: dict[str, str]) -> Path:
    """Stages one labelled file as a round, and returns its place. A project begins once: nobody else has a round of that number."""
    place = paths.ROUNDS / f"{number:02d}.csv"
    with files.atomic(change.put(place)) as file:
        file.write(files.csv_text(*importing.cells_of(annotations, texts, task)))
    return place


def write_pool(change: journal.Change, pool_file: Path, kept: Path) -> None:
    """Stages a copy of the pool, and has DVC keep it: its pointer names the file as it lies beside it, so both can be moved."""
    staged = change.put(kept)
    copy_of = linked if pool_file.resolve() == kept.resolve() else shutil.copyfile
    if pool_file.is_dir():
        shutil.copytree(pool_file, staged, copy_function=copy_of)
    else:
        copy_of(pool_file, staged)
    change.put(tracking.pointer(kept))
    with tempfile.TemporaryDirectory() as settings:
        environment = dict(os.environ)
        if not has_git():
            (Path(settings) / "config").write_text(WITHOUT_GIT)
            environment["DVC_GLOBAL_CONFIG_DIR"] = settings
            own = Path(".dvc/config.local")
            before = own.read_text(encoding="utf-8") if own.is_file() else ""
            change.put(own).write_text(before if "no_scm" in before else before + WITHOUT_GIT, encoding="utf-8")
        done = subprocess.run([sys.executable, "-m", "dvc", "add", "-q", str(staged)], capture_output=True, text=True, env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise UserError(f"DVC cannot track {at(pool_file)}: {reason}. Nothing was changed.")


def linked(source: str | Path, target: str | Path) -> None:
    """Gives a file a second name, or copies it where the disk knows no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def say_what_next(task: Task, labelled: Sequence[Path], foreign: bool) -> None:
    """Says what was found and what to type now."""
    if not has_git():
        click.echo(
            "There is no git here: nothing keeps your rounds and metrics of before, and labelrounds compare and history have no past to read. "
            "To begin: git init, then dvc config --local --unset core.no_scm."
        )
    if foreign:
        click.echo(
            "Most of your texts are not in Latin letters, and the demo's base model knows English: name one for your language in params.yaml (model.base)."
        )
    if not labelled:
        click.echo("Next: name your labels in params.yaml (task.labels), then draw the first texts to label:\n  labelrounds draw 200 round-01.csv")
        return
    shown = ", ".join(task.labels[:12]) + (" …" if len(task.labels) > 12 else "")
    click.echo(f"task: {task.type}, {len(task.labels)} labels: {shown} (task.labels in params.yaml).")
    click.echo("Round 01 gives validation and test texts: its scores hold for the pool if it was drawn from it at random.")
    click.echo("Next: dvc repro; then commit everything that `git status` shows." if has_git() else "Next: dvc repro.")
