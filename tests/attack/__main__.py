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

PARTS = ("rounds", "fuzz", "stages", "commands", "disks", "together")
CALLS, KILLS, AT_ONCE = 100, 1 / 10, 2  # of each minute: fuzzed calls; kills of each stage and command; imports at once


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1), default=10.0, show_default=True, help="How long, without the time to make the projects.")
@click.option("--seed", type=int, default=1, show_default=True, help="What everything is drawn from.")
@click.option("--only", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS, help="A part of it; repeat it for more.  [default: all]")
@click.option("--kill", "names", multiple=True, metavar="NAME", help="Of the stages and commands only this one; repeat it for more.")
def main(minutes: float, seed: int, parts: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Attack a project, and print the figures as a table."""
    figures, turns, began = Figures(), max(1, round(KILLS * minutes)), time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def until(share: float) -> float:
        """Returns when this share of the time is over: what has not been tried by then is left out."""
        return began + (share if len(parts) > 1 else 1) * 60 * minutes

    def attack(part: str, folder: Path, draw: random.Random) -> None:
        match part:
            case "rounds":
                check.run(folder, max(4, min(60, round(6 * minutes))), draw, figures)
            case "fuzz":
                fuzz.run(folder / "here", until(0.25), draw, figures, round(CALLS * minutes))
            case "stages":
                kills.run(folder, turns, until(0.65), draw, figures, names)
            case "commands":
                typed.run(folder, turns, until(0.9), draw, figures, names)
            case "disks":
                disks.run(folder, figures)
            case "together":
                together.run(folder, until(1.0), max(6, round(AT_ONCE * minutes)), draw, figures)

    try:
        with tempfile.TemporaryDirectory() as place:
            for part in PARTS:
                if part in parts:
                    attack(part, Path(place) / part, random.Random(seed))
                    click.echo(f"{part}: {sum(figures.tried.values()):,} tries so far, {len(figures.found)} faults", err=True)
    finally:  # also where somebody ends it before its time
        click.echo(figures.table())
        for line in figures.found[:60]:
            click.echo(line, err=True)
    raise SystemExit(not figures.clean)


if __name__ == "__main__":
    main()
