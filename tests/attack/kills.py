"""Kills of every stage at random moments; after each the stage runs again, and every byte of its outputs is compared."""

import os
import random
import signal
import time
from pathlib import Path

from tests.attack import place
from tests.attack.figures import Figures
from tests.conftest import Project

SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


def strike(project: Project, command: list[str], after: float, draw: random.Random) -> bool:
    """Starts a command, sends it a signal after so many seconds, and says whether it was still running."""
    process = place.started(project, *command)
    time.sleep(after)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, draw.choice(SIGNALS))
    place.ended(process, 60)
    return alive


def stages(
    project: Project, names: list[str], turns: int, until: float, draw: random.Random, figures: Figures, first: list[str] | None = None
) -> None:
    """Kills each stage so many times, or until the time is over; after each kill the bytes must be those of the run before it all.

    first : the stages that run once before, in order; without them `names`
    """
    attack = "a stage killed"
    took: dict[str, float] = {}
    for name in first or names:
        code, said, took[name] = place.ran(project, *place.stage(name))
        if code:
            figures.fault(attack, "lost or wrong", f"{name} does not run at all: {said[-300:]}")
            return
    whole = place.digests(project)
    for name in names * turns:
        if time.monotonic() > until:
            return
        # One that had ended before the signal came is struck again, sooner.
        if not any(strike(project, place.stage(name), draw.uniform(0.1, 1.0) * took[name] / times, draw) for times in (1, 1, 2, 4)):
            continue
        code, said, again = place.ran(project, *place.stage(name))
        # A stage trains as long as it trains: it hangs if it takes much longer than undisturbed.
        figures.ended(attack, code, said, max(0.0, again - 10 * took[name] - 30), name)
        figures.each[f"stage {name}"] += 1
        after = place.digests(project)
        if code or after != whole:
            changed = sorted(path for path in whole.keys() | after.keys() if whole.get(path) != after.get(path))
            figures.fault(attack, "lost or wrong", f"{name}: exit {code}, other bytes in {changed[:5]} {said[-200:] if code else ''}")
            return
        if left := place.left_over(project):
            figures.fault(attack, "lost or wrong", f"{name} left {left[:3]}")


def check_labels(project: Project, given: dict[str, str], attack: str, figures: Figures) -> None:
    """Counts labels that are in no round, or in two."""
    found: list[tuple[str, str]] = []
    for path in sorted((project.folder / "data/rounds").glob("*.csv")):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        column = header.split(",").index("label")
        if path.stem != "01":
            found += [(row.split(",")[0], row.split(",")[column]) for row in rows]
    if sorted(found) != sorted(given.items()):
        lost, more = set(given.items()) - set(found), len(found) - len(set(found))
        figures.fault(attack, "lost or wrong", f"{len(lost)} labels lost, {more} doubled")


def run(folder: Path, turns: int, until: float, draw: random.Random, figures: Figures, only: tuple[str, ...] = ()) -> None:
    """Kills every stage: in a project with models to train, in one without, and in one with several labels per text.

    only : these stages alone
    """
    project, _ = place.made(folder / "whole", whole=True)
    stages(project, [name for name in place.LONG if not only or name in only], turns, until, draw, figures, place.WHOLE)
    for several in (False, True) if not only or set(place.BRIEF) & set(only) else ():
        project, _ = place.made(folder / f"several-{several}", whole=False, several=several)
        brief = [name for name in place.BRIEF if (not only or name in only) and not (several and name == "split")]
        stages(project, brief, turns if not several else max(1, turns // 2), until, draw, figures, [*place.FIRST, *place.BRIEF[1:]])
