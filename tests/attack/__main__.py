"""python -m tests.attack --minutes 10 --seed 1: attacks a project so long, and prints what was tried and what came out."""

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.attack import check, disks, fuzz, kills, together, typed
from tests.attack.figures import Figures

CALLS, KILLS, AT_ONCE = 100, 1 / 10, 2  # of each minute: fuzzed calls; kills of each stage and command; imports at once


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
            turns, began = max(1, round(KILLS * minutes)), time.monotonic()

            def until(share: float) -> float:
                """Returns when this share of the time is over: what has not been tried by then is left out."""
                return began + share * whole

            check.run(folder / "rounds", max(4, min(60, round(6 * minutes))), random.Random(seed), figures)
            click.echo(f"{figures.tried[check.ATTACK]} rounds reconciled", err=True)
            fuzz.run(folder / "fuzz/here", until(0.25), random.Random(seed), figures, round(CALLS * minutes))
            click.echo(f"{figures.tried[fuzz.ATTACK]} calls fuzzed", err=True)
            kills.run(folder / "kills", turns, until(0.65), random.Random(seed), figures)
            click.echo(f"{figures.tried['a stage killed']} stages killed", err=True)
            typed.run(folder / "typed", turns, until(0.9), random.Random(seed), figures)
            click.echo(f"{figures.tried[typed.ATTACK]} commands killed", err=True)
            disks.run(folder / "disks", figures)
            together.run(folder / "together", until(1.0), max(6, round(AT_ONCE * minutes)), random.Random(seed), figures)
    finally:  # also where somebody ends it before its time
        click.echo(figures.table())
        for line in figures.found[:60]:
            click.echo(line, err=True)
    raise SystemExit(not figures.clean)


if __name__ == "__main__":
    main()
