"""Kills at random moments: every stage, and the commands that write; after each the same work again, and every byte compared."""

import os
import random
import signal
import time
from pathlib import Path

from labelrounds.pool.identity import text_id
from tests.attack import place
from tests.attack.figures import Figures
from tests.conftest import Project
from tests.stages.test_end_to_end import table

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


def stages(project: Project, names: list[str], seconds: float, draw: random.Random, figures: Figures) -> None:
    """Runs each stage once, then kills them in turn for so long; the bytes must be those of the run before it all."""
    attack = "a stage killed"
    took: dict[str, float] = {}
    for name in names:
        code, said, took[name] = place.ran(project, *place.stage(name))
        if code:
            figures.fault(attack, "lost or wrong", f"{name} does not run at all: {said[-300:]}")
            return
    whole = place.digests(project)
    turn = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        name = names[turn % len(names)]
        turn += 1
        if not strike(project, place.stage(name), draw.uniform(0.1, 1.0) * took[name], draw):
            continue
        code, said, again = place.ran(project, *place.stage(name))
        # A stage trains as long as it trains: it hangs if it takes much longer than undisturbed.
        figures.ended(attack, code, said, max(0.0, again - 10 * took[name] - 30), name)
        after = place.digests(project)
        if code or after != whole:
            changed = sorted(path for path in whole.keys() | after.keys() if whole.get(path) != after.get(path))
            figures.fault(attack, "lost or wrong", f"{name}: exit {code}, other bytes in {changed[:5]} {said[-200:] if code else ''}")
            return
        if left := place.left_over(project):
            figures.fault(attack, "lost or wrong", f"{name} left {left[:3]}")


def commands(project: Project, answers: dict[str, str], seconds: float, draw: random.Random, figures: Figures) -> None:
    """Kills import, draw, audit and next, and types them again: each label is there once, and no draw is lost."""
    attack = "a command killed"
    project.params(predict__precision=0.5, predict__risk=0.5)
    place.ran(project, *place.stage("gate"))
    free = iter(list(answers)[120:])
    given: dict[str, str] = {}
    took = 1.0
    turn = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        kind = ["import", "draw", "audit", "next"][turn % 4]
        turn += 1
        form = f"form-{turn}.csv"
        if kind == "import":
            texts = [text for _, text in zip(range(3), free, strict=False)]
            if not texts:
                return
            table(project.folder / form, ["text", "label", "annotator"], ([text, answers[text], "ben"] for text in texts))
            given |= {text_id(text): answers[text] for text in texts}
        words = {"import": ["import", form], "draw": ["draw", "5", form], "audit": ["audit", "2", form], "next": ["next", form]}[kind]
        began = time.monotonic()
        alive = strike(project, ["labelrounds", *words], draw.uniform(0.1, 1.1) * took, draw)
        if not alive:
            took = max(0.3, time.monotonic() - began)
        drawn = list((project.folder / "data/audits/drawn").glob("*.csv"))
        if not (project.folder / form).exists() or kind in ("import", "audit"):
            code, said, again = place.ran(project, "labelrounds", *words)
            figures.ended(attack, code, said, again, " ".join(words))
            finished = (project.folder / form).exists() and ("is there already" in said or "nothing to audit" in said)
            if code and not finished:
                figures.fault(attack, "lost or wrong", f"{words}: {said[-300:]}")
        else:
            figures.tried[attack] += 1
        if kind == "audit":
            known = {row.split(",")[0] for path in (project.folder / "data/audits/drawn").glob("*.csv") for row in path.read_text().splitlines()[1:]}
            asked = {row.split(",")[0].strip("'\ufeff") for path in project.folder.glob("form-*.csv") for row in path.read_text().splitlines()[1:]}
            if known - asked:
                figures.fault(attack, "lost or wrong", f"{len(known - asked)} texts drawn for an audit that nobody was asked ({len(drawn)} audits)")
        check_labels(project, given, attack, figures)
        if left := place.left_over(project):
            figures.fault(attack, "lost or wrong", f"{words} left {left[:3]}")


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


def all_of_it(folder: Path, whole: bool, several: bool, seconds: float, draw: random.Random, figures: Figures) -> None:
    """Kills stages for two thirds of the time, commands for the rest."""
    project, answers = place.made(folder, whole, several)
    names = place.LONG if whole else place.BRIEF
    if not whole:
        place.ran(project, *place.stage("base"))
    stages(project, names, seconds if several or whole else 0.65 * seconds, draw, figures)
    if not several and not whole:
        commands(project, answers, 0.35 * seconds, draw, figures)
