"""python -m tests.attack --minutes 10 --seed 1: attacks a project so long, and prints what was tried and what came out."""

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.attack import check, disks, fuzz, kills, together
from tests.attack.figures import Figures

SHARES = {"fuzz": 0.25, "kills": 0.4, "several": 0.15, "whole": 0.1}  # of the time; the rest is for many at once


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1), default=10.0, show_default=True, help="How long, without the time to make the projects.")
@click.option("--seed", type=int, default=1, show_default=True, help="What everything is drawn from.")
def main(minutes: float, seed: int) -> None:
    """Attack a project, and print the figures as a table."""
    figures, whole = Figures(), 60 * minutes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            check.run(folder / "rounds", max(4, round(6 * minutes)), random.Random(seed), figures)
            click.echo(f"{figures.tried[check.ATTACK]} rounds reconciled", err=True)
            fuzz.run(folder / "fuzz/here", time.monotonic() + SHARES["fuzz"] * whole, random.Random(seed), figures)
            click.echo(f"{figures.tried[fuzz.ATTACK]} files fuzzed", err=True)
            kills.all_of_it(folder / "kills", False, False, SHARES["kills"] * whole, random.Random(seed), figures)
            kills.all_of_it(folder / "several", False, True, SHARES["several"] * whole, random.Random(seed), figures)
            if minutes >= 5:
                kills.all_of_it(folder / "whole", True, False, SHARES["whole"] * whole, random.Random(seed), figures)
            disks.run(folder / "disks", figures)
            click.echo(f"{figures.tried['a stage killed']} stages and {figures.tried['a command killed']} commands killed", err=True)
            together.run(folder / "together", time.monotonic() + 0.1 * whole, round(6 * minutes), random.Random(seed), figures)
    finally:  # also where somebody ends it before its time
        click.echo(figures.table())
        for line in figures.found[:60]:
            click.echo(line, err=True)
    raise SystemExit(not figures.clean)


if __name__ == "__main__":
    main()
