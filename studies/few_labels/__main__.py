"""Measure what each way of labelling makes of few labels, on data sets whose labels are known.

    python -m studies.few_labels FOLDER --set trec=train.csv,test.csv --sizes 32,100,400 --seeds 5

Every arm of a seed gets the same labelled texts, drawn at random; texts that an arm takes for validation count among them. A
result is written to FOLDER/results.jsonl as soon as it is known, and never computed twice. Run it where the base model is.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from labelrounds.core import params, paths
from labelrounds.core.errors import Command, UserError
from studies.few_labels import figures
from studies.few_labels.arms import ARMS, UNASKED, own_arm
from studies.few_labels.cell import Cell, measure


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "sets",
    multiple=True,
    required=True,
    metavar="NAME=TRAIN,TEST[:SIZES]",
    help="A data set: files with the columns text and label (or labels), and its own numbers of labels, such as :385,770.",
)
@click.option("--sizes", default="32,100,400", show_default=True, help="Numbers of labels in all.")
@click.option("--seeds", default=5, show_default=True)
@click.option("--arms", default=",".join(UNASKED), show_default=True, help="Which ways of labelling.")
@click.option(
    "--try",
    "tried",
    multiple=True,
    metavar="NAME:KEY=VALUE,…",
    help="An arm of your own: supervised with other parameters, such as finetune.head=probe.",
)
@click.option("--most-test", default=2000, show_default=True, help="Test texts of a set: of more, a random sample of so many.")
@click.option("--workers", default=1, show_default=True, help="Labelers made at once, each by a process of its own.")
def main(folder: Path, sets: tuple[str, ...], sizes: str, seeds: int, arms: str, tried: tuple[str, ...], most_test: int, workers: int) -> None:
    known_arms = ARMS | dict(map(own_arm, tried))
    chosen = [*filter(None, arms.split(",")), *(name for name in known_arms if name not in ARMS)]
    if unknown := [name for name in chosen if name not in known_arms]:
        raise UserError(f'there is no arm "{unknown[0]}". Expected some of: {", ".join(ARMS)}.')
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.jsonl"
    known = {key(row): row for row in map(json.loads, kept.read_text(encoding="utf-8").splitlines())} if kept.is_file() else {}
    base, encoder = params.PATH.resolve(), paths.VANILLA.resolve()
    cells = []
    for one in sets:
        name, _, where = one.partition("=")
        where, _, own = where.partition(":")
        train, _, test = where.partition(",")
        for size in map(int, (own or sizes).split(",")):
            for seed in range(1, seeds + 1):
                for arm in chosen:
                    place = Path(train).resolve(), Path(test).resolve(), most_test
                    cells.append(Cell(name, *place, size, seed, arm, known_arms[arm], base, encoder, folder.resolve()))
    asked = {cell.key for cell in cells}
    with tqdm(total=len(cells), initial=len(asked & set(known)), desc="few labels", unit="labeler") as bar, open(kept, "a", encoding="utf-8") as file:
        for row in measured([cell for cell in cells if cell.key not in known], workers):
            known[key(row)] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            bar.set_postfix_str(f"{row['set']}, {row['labels']} labels, seed {row['seed']}, {row['arm']}")
            bar.update()
    click.echo(figures.table([known[cell.key] for cell in cells], chosen))


def measured(cells: list[Cell], workers: int) -> Iterator[dict[str, Any]]:
    """Yields the row of each cell: in their order, or with several workers as soon as each is known. The first error is raised last."""
    if workers == 1:
        yield from map(measure, cells)
        return
    failed: list[BaseException] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:  # a fork would share the parent's threads and its GPU
        for done in as_completed([pool.submit(measure, cell) for cell in cells]):
            if (error := done.exception()) is None:
                yield done.result()
            else:
                failed.append(error)
    if failed:
        raise failed[0]


def key(row: dict[str, Any]) -> tuple[str, int, int, str]:
    """Returns what a result is of."""
    return row["set"], row["labels"], row["seed"], row["arm"]


if __name__ == "__main__":
    main()
