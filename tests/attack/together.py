"""Many at once: imports of one file and of many, stages beside themselves, and rounds that land under a stage of a real `dvc repro`."""

import json
import random
import time
from pathlib import Path

from labelrounds.pool.identity import text_id
from labelrounds.rounds import unread
from tests.attack import place
from tests.attack.figures import Figures
from tests.attack.kills import check_labels
from tests.conftest import Project
from tests.stages.test_end_to_end import table

AT_ONCE = 100  # processes: each needs some 80 MB
READERS = {"split": ["split"], "agreement": ["agreement"], "stop": ["stop"], "select": ["select"], "suspects": ["suspects"], "report": ["report"]}


def same_file(project: Project, answers: dict[str, str], times: int, figures: Figures) -> None:
    """Imports one file so many times at once: one round, each label once."""
    attack = "one file imported at once"
    texts = list(answers)[120:124]
    table(project.folder / "same.csv", ["text", "label", "annotator"], ([text, answers[text], "eve"] for text in texts))
    running = [place.started(project, "labelrounds", "import", "same.csv") for _ in range(times)]
    for process in running:
        code, said, _ = place.ended(process)
        figures.ended(attack, code, said, 0, "import same.csv")
        if code:
            figures.fault(attack, "lost or wrong", said[-200:])
    check_labels(project, {text_id(text): answers[text] for text in texts}, attack, figures)


def beside_repro(project: Project, answers: dict[str, str], times: int, draw: random.Random, figures: Figures) -> None:
    """Imports so many files at once while `dvc repro` runs, then runs it again: the rounds and what was learnt must agree."""
    attack = "imports beside dvc repro"
    texts = list(answers)[124 : 124 + times]
    given = {text_id(text): answers[text] for text in list(answers)[120:124]} | {text_id(text): answers[text] for text in texts}
    repro = place.started(project, "dvc", "repro")
    waiting = []
    for number, text in enumerate(texts):
        table(project.folder / f"one-{number}.csv", ["text", "label", "annotator"], [[text, answers[text], "eve"]])
    for number in range(len(texts)):
        waiting.append((number, place.started(project, "labelrounds", "import", f"one-{number}.csv")))
        if len(waiting) == AT_ONCE or number == len(texts) - 1:
            for which, process in waiting:
                code, said, _ = place.ended(process)
                while code == 1 and "is still at work in this project" in said:  # refused, and told so
                    figures.ended(attack, code, said, 0, f"import one-{which}.csv")
                    code, said, _ = place.ran(project, "labelrounds", "import", f"one-{which}.csv")
                figures.ended(attack, code, said, 0, f"import one-{which}.csv")  # so many share a processor: what hangs is killed, and its code odd
                if code:
                    figures.fault(attack, "lost or wrong", said[-200:])
            waiting = []
    code, said, _ = place.ended(repro, 600)
    if "Traceback" in said:
        figures.fault(attack, "tracebacks", said[-300:])
    check_labels(project, given, attack, figures)
    settle(project, attack, figures)


def settle(project: Project, attack: str, figures: Figures) -> None:
    """Runs `dvc repro` to its end; then what was split must be all that the rounds say."""
    code, said, _ = place.ran(project, "dvc", "repro")
    if code:
        figures.fault(attack, "lost or wrong", f"dvc repro: {said[-400:]}")
        return
    learnt = {name: found["annotations"] for name, found in json.loads(project.read("metrics/split.json"))["rounds"].items()}
    rounds = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) - 1 for path in (project.folder / "data/rounds").glob("*.csv")}
    if learnt != rounds:
        lost = {name: (count, learnt.get(name)) for name, count in rounds.items() if learnt.get(name) != count}
        figures.fault(attack, "lost or wrong", f"up to date without these rounds: {lost}")


def landing(project: Project, answers: dict[str, str], stage: str, number: int, draw: random.Random, figures: Figures) -> None:
    """Copies a round into data/rounds by hand while the stage reads them: it must fail, or the next `dvc repro` must see the round."""
    attack = "a round copied under a stage"
    text = list(answers)[-number]
    if stage != "split":  # the rounds of the tries before
        place.ran(project, "dvc", "repro", "--single-item", "split")
    # Something for the stage to do: without a change DVC would not run it.
    running = place.started(project, "dvc", "repro", "--single-item", "--force", stage)
    process = project.folder / "scratch" / stage / "process"
    deadline = time.monotonic() + 60
    while running.poll() is None and not process.is_file() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(draw.choice([0, 0, 0.05, 0.2]))
    path = project.folder / f"data/rounds/{60 + number}.csv"
    table(path, ["id", "label", "annotator"], [[text_id(text), answers[text], "by hand"]])
    code, said, _ = place.ended(running)
    figures.tried[attack] += 1
    if "Traceback" in said:
        figures.fault(attack, "tracebacks", said[-300:])
    if code == 0:
        seen = stage == "split" and f'"{60 + number}"' in project.read("metrics/split.json")
        if not seen and "up to date" in place.ran(project, "dvc", "status", stage)[1]:
            in_the_last_moment(project, stage, figures)
    elif "changed while it was being read" not in said and unread.CURE not in said:
        figures.fault(attack, "lost or wrong", f"{stage} failed otherwise: {said[-300:]}")


def in_the_last_moment(project: Project, stage: str, figures: Figures) -> None:
    """The round came after the stage's last look and before DVC hashed the rounds, so DVC takes it for read. It must not stay unread.

    No stage can close this moment: DVC hashes what a stage has read when its process is gone. So it must be noticed. If the stage
    was the split, the report refuses to be made, and says what to do. If it was another, the split is stale, since DVC hashed the
    rounds for it at another time. Its record of them (metrics/split.json) then changes, and on that record every stage that reads
    rounds depends (tests/project/test_graph.py).
    """
    attack = "a round in the last moment"
    figures.tried[attack] += 1
    if stage != "split":
        if "up to date" in place.ran(project, "dvc", "status", "split")[1]:
            figures.fault(attack, "lost or wrong", f"{stage} has not read the round, and the split has not either")
        return
    code, said, _ = place.ran(project, *place.stage("report"))
    if code != 1 or unread.CURE not in said:
        figures.fault(attack, "lost or wrong", f"the report does not notice: {said[-300:]}")
    code, said, _ = place.ran(project, "dvc", "repro", "--force", "--single-item", "split")
    if code:
        figures.fault(attack, "lost or wrong", f"the cure is none: {said[-300:]}")


def splits(project: Project, times: int, figures: Figures) -> None:
    """Runs the stage split so many times at once: data/split is whole afterwards."""
    attack = "the same stage at once"
    whole = place.digests(project)
    running = [place.started(project, *place.stage("split")) for _ in range(times)]
    for process in running:
        code, said, _ = place.ended(process)
        figures.ended(attack, code, said, 0, "split")
    if place.digests(project) != whole:
        figures.fault(attack, "lost or wrong", "data/split is not what one run makes")


def run(folder: Path, until: float, times: int, draw: random.Random, figures: Figures) -> None:
    """Tries all of this, as often as the time allows."""
    project, answers = place.made(folder, whole=False)
    project.run("dvc", "init", "-q", code=None)
    code, said, _ = place.ran(project, "dvc", "repro")
    if code:
        figures.fault("imports beside dvc repro", "lost or wrong", f"dvc repro does not run: {said[-500:]}")
        return
    splits(project, 3, figures)
    same_file(project, answers, min(times, 8), figures)
    beside_repro(project, answers, min(times, 100), draw, figures)
    number = 0
    while time.monotonic() < until or number < 1:
        number += 1
        landing(project, answers, list(READERS)[(number - 1) % len(READERS)], number, draw, figures)
        if number >= 40:
            break
    settle(project, "a round copied under a stage", figures)
