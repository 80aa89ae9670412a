"""A clone becomes your project: the demo goes, your texts and labels come.

Everything is read and checked before anything is removed or written; git history is never touched.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from labelrounds.core import files, lock, params, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import MULTI_CLASS, MULTI_LABEL, Task
from labelrounds.people import importing
from labelrounds.people.exchange import columns, reading
from labelrounds.people.exchange.said import Read
from labelrounds.pool import reader
from labelrounds.rounds import record

DEMO_PROMPT = "studies/llm/prompts/sentiment"
DEMO_PIPELINE = (Path("data/dvc.yaml"), Path("data/dvc.lock"))
MULTI_LABEL_EPOCHS = 10
MANY = 1000  # labels, above which it asks
MADE = (
    "dvc.lock",
    "models/encoder",
    "models/labeler",
    "data/split",
    "data/corpus",
    "data/unlabelled",
    "data/predictions",
    "data/queue",
    "data/demo",
)


def start(pool_file: Path, labelled: Sequence[Path], wanted: columns.Wanted, format: str | None, yes: bool) -> None:
    """Turns the clone in the working directory into a project of `pool_file` and the `labelled` files.

    wanted : the columns that the user named; format : of the labelled files, known from their content where it is None
    """
    params.load()
    if not Path("dvc.yaml").is_file():
        raise UserError("there is no dvc.yaml here. Run this at the top of a clone of labelrounds.")
    text_name = columns.find_text_column(pool_file, wanted.text_column)
    size, foreign = check_pool(pool_file, text_name)
    read = [reading.read(path, replace(wanted, known_text=text_name), format) for path in labelled]
    several = wanted.multi_label or any(found.multi_label for found in read)
    task = Task(MULTI_LABEL if several else MULTI_CLASS, tuple(dict.fromkeys(label for found in read for label in found.labels)))
    check_labels(task, read, yes)
    rounds = [round_of(path, found, task, pool_file, text_name) for path, found in zip(labelled, read, strict=True)]
    going = leftovers(pool_file, labelled)
    ask_before_removing(going, yes)

    kept = replace_pool(pool_file, going)
    write_params(task, kept, text_name)
    track(kept)
    for path, found, (annotations, texts) in zip(labelled, read, rounds, strict=True):
        written = importing.write_round(annotations, texts, task, shared=False)  # a project begins once: nobody else has a round 01
        left_out = f"; {found.unfilled} rows without a label were left out" if found.unfilled else ""
        click.echo(f"{at(path)}: {len(annotations)} labels are in {at(written)} now{left_out}.")
    click.echo(f"{size} texts are in {kept}, tracked by DVC.")
    say_what_next(task, labelled, foreign)


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
    """Raises a UserError for a single label in all; asks where there are very many, unless `yes`."""
    if read and len(task.labels) == 1 and not task.multi_label:
        raise UserError(f'the labelled files hold only the label "{task.labels[0]}"; two or more are needed. Is --label-column right?')
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


def leftovers(pool_file: Path, labelled: Sequence[Path]) -> list[Path]:
    """Returns what goes: the demo's files, everything the pipeline made, and rounds and pools of before."""
    given = {path.resolve() for path in (pool_file, *labelled)}
    found = [
        *DEMO_PIPELINE,
        *map(Path, MADE),
        *sorted(path for path in paths.SCRATCH.glob("*") if path not in (lock.LOCK, lock.HOLDER)),
        *sorted(Path("metrics").glob("*")),
        *sorted(paths.EVALUATED.glob("*.json")),
        *sorted(paths.ROUNDS.glob("*.csv")),
        *sorted(paths.AUDITS.glob("*.csv")),
        *sorted(paths.DRAWN.glob("*.csv")),
        *sorted(paths.SNAPSHOTS.glob("*.json")),
        *sorted(Path("studies").glob("*/dvc.lock")),
        *sorted(Path("studies").glob("*/points/*.jsonl")),
        *sorted(paths.LANGUAGE_MODELS.glob("*/")),
        *sorted(Path("data").glob("pool*")),
    ]
    return [path for path in found if path.exists() and path.resolve() not in given]


def ask_before_removing(going: Sequence[Path], yes: bool) -> None:
    """Asks, unless `yes`, before anything goes that is not the demo's."""
    is_demo = DEMO_PIPELINE[0].is_file()
    own = [path for path in going if not (is_demo and is_the_demos(path))]
    if not own or yes:
        return
    click.echo("These files are not the demo's and would be removed:")
    for path in own:
        click.echo(f"  {path}")
    if not sys.stdin.isatty() and not sys.stdin.readable():
        raise UserError("nobody is there to ask. Run it again with --yes if they may go.")
    click.confirm("Remove them?", abort=True)


def is_the_demos(path: Path) -> bool:
    """Says whether a leftover came with the clone: of rounds, those that the demo's crowd labelled."""
    if path.parent in (paths.ROUNDS, paths.AUDITS):
        try:
            return all(row.cells.get("annotator", "").startswith(("crowd", "rater-")) for row in tables.rows(path))
        except UserError:
            return False
    return path.parent != Path("data") or path.as_posix() in MADE or path.name in ("pool.csv", "dvc.yaml", "dvc.lock")


def replace_pool(pool_file: Path, going: Sequence[Path]) -> Path:
    """Removes what goes, copies the pool to its place, data/pool.* or data/pool/, and returns that."""
    suffixes = "".join(pool_file.suffixes[-2:]) if pool_file.suffix.lower() == ".gz" else pool_file.suffix
    target = Path("data/pool") if pool_file.is_dir() else Path("data") / f"pool{suffixes.lower()}"
    beside = target.with_name(f".{target.name}.new")
    in_place = target.resolve() == pool_file.resolve()
    if not in_place and pool_file.is_dir():
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(pool_file, beside)
    elif not in_place:
        shutil.copyfile(pool_file, beside)
    for path in going:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not in_place:
        beside.rename(target)
    return target


def write_params(task: Task, kept: Path, text_column: str) -> None:
    """Writes the task and the pool into params.yaml; every other line and comment stays."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 10_000
    tree: Any = yaml.load(params.PATH.read_text(encoding="utf-8"))
    labels = CommentedSeq(DoubleQuotedScalarString(label) for label in task.labels)
    labels.fa.set_flow_style()
    tree["task"]["type"] = task.type
    tree["task"]["labels"] = labels
    tree["task"].pop("descriptions", None)  # those of other labels
    asked = [name for name, prompt in tree["prompts"].items() if prompt["prompt"] == DEMO_PROMPT] if tree.get("prompts") else []
    for name in asked:  # the guideline is about other labels
        model = tree["prompts"].pop(name)["model"]
        if model in tree["language_models"] and model not in [prompt["model"] for prompt in tree["prompts"].values()]:
            del tree["language_models"][model]
    if tree["deploy"] in asked:
        tree["deploy"] = next(iter(tree["recipes"]))
    tree["learning_curve"]["recipes"][:] = [name for name in tree["learning_curve"]["recipes"] if name not in asked]
    tree["data"]["pool"] = str(kept)
    tree["data"]["text_column"] = text_column
    if task.multi_label:  # one decision per label takes longer to learn than one per text
        for knob, least in (("epochs", MULTI_LABEL_EPOCHS), ("patience", MULTI_LABEL_EPOCHS // 2)):
            if tree["finetune"][knob] < least:
                click.echo(
                    f"finetune.{knob} is {least} now, was {tree['finetune'][knob]}: several labels per text take longer to learn (params.yaml)."
                )
                tree["finetune"][knob] = least
    tree["split"]["holdout_rounds"][:] = [DoubleQuotedScalarString("01")]
    with files.atomic(params.PATH) as file:
        yaml.dump(tree, file)
    params.load()


def track(kept: Path) -> None:
    """Tracks the pool with DVC."""
    done = subprocess.run([sys.executable, "-m", "dvc", "add", "-q", str(kept)], capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            f"dvc could not track {kept}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'it gave no reason'}. Run `dvc add {kept}`."
        )


def say_what_next(task: Task, labelled: Sequence[Path], foreign: bool) -> None:
    """Says what was found and what to type now."""
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
    click.echo("Next: dvc repro; then commit everything that `git status` shows.")
