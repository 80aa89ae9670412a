"""A pool that grows: how many texts `predict` scores. `python -m benchmarks.growing_pool`

A project with generated texts and the labeler `baseline` (TF-IDF) is made in a temporary folder. The whole pool is scored, then
a file comes to it by `labelrounds pool add`, then that file leaves again. The last line says whether the predictions have the
same bytes as those of a run that had nothing kept. `--pool 20000 --more 200` takes some seconds.
"""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from labelrounds.core import files, params, paths
from labelrounds.core.params import editing

ROOT = Path(__file__).parents[1]
LABELS = ["billing", "delivery", "praise"]
WORDS = {"billing": ["invoice", "refund", "charge"], "delivery": ["parcel", "courier", "late"], "praise": ["great", "love", "thanks"]}


@click.command()
@click.option("--pool", default=100_000, show_default=True, help="Texts of the pool at first.")
@click.option("--more", default=1_000, show_default=True, help="Texts that come to it.")
def main(pool: int, more: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        build(pool, more)
        for stage in (["split"], ["corpus"], ["finetune", "baseline"]):
            run("stages." + stage[0], *stage[1:])
        click.echo(f"the pool of {pool:,}:  {predicted()}")
        run("labelrounds.people.cli", "pool", "add", "more.csv")
        click.echo(f"{more:,} more:  {predicted()}")
        grown = files.folder_digests(paths.SHARDS)
        shutil.rmtree(paths.SCRATCH)
        click.echo(f"nothing kept:  {predicted()}")
        click.echo(f"the same bytes: {'yes' if files.folder_digests(paths.SHARDS) == grown else 'NO'}")
        (Path(params.load().data.pool) / "001-more.csv").unlink()
        click.echo(f"the file leaves:  {predicted()}")


def build(pool: int, more: int) -> None:
    """Writes params.yaml, the pool, a round of 300 labels, and the file that comes later."""
    draw = random.Random(13)
    shutil.copyfile(ROOT / params.PATH, params.PATH)
    project = params.PATH.read_text(encoding="utf-8").replace("\ndeploy: adapted ", "\ndeploy: baseline ")
    params.PATH.write_text(project, encoding="utf-8")
    editing.write({("task", "labels"): LABELS, ("task", "descriptions"): {}, ("data", "pool"): "data/pool.csv", ("data", "text_column"): "text"})
    rows = []
    for number in range(pool + more):
        label = draw.choice(LABELS)
        letters = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=9))
        rows.append((f"my {draw.choice(WORDS[label])} about {letters}, number {number}", label))
    files.write_csv("data/pool.csv", ["text"], ([text] for text, _ in rows[:pool]))
    files.write_csv("more.csv", ["text"], ([text] for text, _ in rows[pool:]))
    files.write_csv("data/rounds/01.csv", ["text", "label"], rows[:300])
    files.write_csv(paths.UNLABELLED, ["id", "text", "augmented"], [])


def predicted() -> str:
    """Runs `predict` as DVC does, its outputs removed before, and returns what it says."""
    shutil.rmtree(paths.SHARDS, ignore_errors=True)
    return run("stages.predict").strip().splitlines()[-1]


def run(module: str, *arguments: str) -> str:
    """Runs a module of ours; returns what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", module, *arguments], check=True, capture_output=True, text=True, env=environment).stdout


if __name__ == "__main__":
    main()
