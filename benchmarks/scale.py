"""A large pool on one machine: what each step of a round costs. `python -m benchmarks.scale`

A project with a generated pool and the labeler `baseline` (TF-IDF) is made in a temporary folder, once as CSV and once as
parquet. A round is drawn, labelled, brought in and learnt from. Then these steps run as people and DVC run them, each in a
process of its own: split, predict, gate, select, status, import, draw. The table says how many CPU seconds (user and system)
and how much memory at most each took. `--against COMMIT` runs a clone of that commit in the same way, and says whether every
file that the steps wrote has the same bytes. `--texts 100000` takes a minute.
"""

import contextlib
import csv
import itertools
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from labelrounds.core import files, params
from labelrounds.core.params import editing

ROOT = Path(__file__).parents[1]
LABELS = ["billing", "delivery", "praise"]
WORDS = {"billing": ["invoice", "refund", "charge"], "delivery": ["parcel", "courier", "late"], "praise": ["great", "love", "thanks"]}
STEPS = {
    "split": ["stages.split"],
    "predict": ["stages.predict"],
    "gate": ["stages.gate"],
    "select": ["stages.select"],
    "status": ["labelrounds.people.cli", "status"],
    "import": ["labelrounds.people.cli", "import", "round-02.csv"],
    "draw": ["labelrounds.people.cli", "draw", "100", "more.csv"],
}
SECONDS, MEGABYTES = 90, 400  # the goal for a million texts
MADE = ("data/split", "data/predictions", "data/queue", "data/rounds", "data/snapshots", "metrics", "round-02.csv", "more.csv")


class Cost(NamedTuple):
    """CPU seconds, user and system; memory at most, in megabytes."""

    seconds: float
    megabytes: float


@click.command()
@click.option("--texts", default=1_000_000, show_default=True, help="Texts of the pool.")
@click.option("--format", "formats", multiple=True, default=["csv", "parquet"], show_default=True, type=click.Choice(["csv", "jsonl", "parquet"]))
@click.option("--against", metavar="COMMIT", help="A commit of this repository to compare with.")
def main(texts: int, formats: tuple[str, ...], against: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = clone(against, Path(folder) / "before") if against else None
        for name in formats:
            place = Path(folder) / name
            costs, made = measured(ROOT, place, texts, name)
            old, same = measured(before, place, texts, name) if before else ({}, made)
            show(f"{texts:,} texts, {name}", costs, old)
            if before:
                click.echo(f"the same bytes as {against}: {'yes' if made == same else f'NO: {differing(made, same)}'}\n")
    factor = texts / 1_000_000
    click.echo(f"goal: {SECONDS * factor:g} CPU seconds" + (f" and {MEGABYTES} MB" if texts == 1_000_000 else " at a million texts' rate"))


def clone(commit: str, folder: Path) -> Path:
    """Clones this repository at a commit."""
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
    return folder


def measured(code: Path, project: Path, texts: int, name: str) -> tuple[dict[str, Cost], dict[str, str]]:
    """Makes a project in the folder `project` and runs the steps there; returns ({step: its cost}, {file that they wrote: its digest}).

    code : the repository to run. The project's path is the same for all of them, and goes at the end
    """
    project.mkdir()
    with contextlib.chdir(project):
        build(code, texts, name)
        run(code, "labelrounds.people.cli", "draw", "400", "round-01.csv")
        label("round-01.csv", "label")
        run(code, "labelrounds.people.cli", "import", "round-01.csv")
        costs = {}
        for step, command in STEPS.items():
            if step == "predict":
                run(code, "stages.finetune", "baseline")
            elif step == "import":
                run(code, "stages.evaluate", "baseline")
                run(code, "labelrounds.people.cli", "next", "round-02.csv")
                label("round-02.csv", "label")
            costs[step] = run(code, *command)
        made = {str(file): files.sha256(file) for place in MADE for file in sorted([Path(place), *Path(place).rglob("*")]) if file.is_file()}
    shutil.rmtree(project)
    return costs, made


def build(code: Path, texts: int, name: str) -> None:
    """Writes params.yaml and the pool."""
    project = (code / params.PATH).read_text(encoding="utf-8").replace("\ndeploy: adapted ", "\ndeploy: baseline ")
    params.PATH.write_text(project, encoding="utf-8")
    editing.write(
        {("task", "labels"): LABELS, ("task", "descriptions"): {}, ("data", "pool"): f"data/pool.{name}", ("data", "text_column"): "text"}
        | {("split", "holdout_rounds"): ["01"], ("runtime", "reproducible"): "machine"}
    )
    Path("data").mkdir()
    if name == "parquet":
        write_parquet(Path("data/pool.parquet"), generated(texts))
    elif name == "jsonl":
        import json

        with files.atomic("data/pool.jsonl") as file:
            file.writelines(json.dumps({"text": text, "ref": ref}) + "\n" for text, ref in generated(texts))
    else:
        files.write_csv("data/pool.csv", ["text", "ref"], generated(texts))


def write_parquet(path: Path, rows: Iterator[tuple[str, str]]) -> None:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([("text", pyarrow.string()), ("ref", pyarrow.string())])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while some := list(itertools.islice(rows, 50_000)):
            writer.write_table(pyarrow.table([list(column) for column in zip(*some, strict=True)], schema=schema))


def generated(texts: int) -> Iterator[tuple[str, str]]:
    """Yields (text, a column of the pool's own): 5 to 20 words, as frequent as words are (Zipf), one in a hundred a near-copy of another."""
    draw = random.Random(13)
    known = ["".join(draw.choices("etaoinshrdlucmfwygpbvkxqjz", weights=range(26, 0, -1), k=draw.randint(2, 9))) for _ in range(20_000)]
    weights = list(itertools.accumulate(1 / (place + 3) for place in range(len(known))))
    last = "my great parcel"
    for number in range(texts):
        if draw.random() >= 0.01:
            words = draw.choices(known, cum_weights=weights, k=draw.randint(5, 20))
            words[draw.randrange(len(words))] = draw.choice(WORDS[draw.choice(LABELS)])
            last = " ".join(words)
            yield f"{last.capitalize()}.", f"r{number}"
        else:
            yield f"{last.upper()}!", f"r{number}"


def label(form: str, column: str) -> None:
    """Fills in a form as its texts say."""
    with open(form, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row[column] = next((name for name in LABELS if set(WORDS[name]) & set(row["text"].lower().strip(".!").split())), LABELS[0])
    files.write_csv(form, list(rows[0]), (row.values() for row in rows), bom=True)


def run(code: Path, module: str, *arguments: str) -> Cost:
    """Runs a module of the repository `code`; returns what it cost."""
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=said, stderr=subprocess.STDOUT, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise click.ClickException(f"{module} {' '.join(arguments)}: {said.read()}")
    return cost(used)


def cost(used: resource.struct_rusage) -> Cost:
    """Returns what a process cost. Linux counts memory in kilobytes, macOS in bytes."""
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / (1_000_000 if sys.platform == "darwin" else 1_000))


def differing(one: dict[str, str], other: dict[str, str]) -> str:
    return ", ".join(sorted(path for path in {**one, **other} if one.get(path) != other.get(path)))


def show(title: str, costs: dict[str, Cost], old: dict[str, Any]) -> None:
    """Prints a table: each step, and all of them together."""
    click.echo(f"{title:<28}{'CPU s':>8}{'MB':>7}" + (f"{'before':>10}{'MB':>7}{'times':>7}" if old else ""))
    costs, old = (
        {**some, "together": Cost(sum(c.seconds for c in some.values()), max(c.megabytes for c in some.values()))} if some else {}
        for some in (costs, old)
    )
    for step, (seconds, megabytes) in costs.items():
        line = f"{step:<28}{seconds:>8.1f}{megabytes:>7.0f}"
        click.echo(line + (f"{old[step].seconds:>10.1f}{old[step].megabytes:>7.0f}{old[step].seconds / seconds:>7.1f}" if old else ""))
    click.echo("")


if __name__ == "__main__":
    main()
