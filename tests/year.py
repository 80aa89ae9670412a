"""A year of a team, in an hour: `python -m tests.year` (or `make year`) plays it with a tiny model and reconciles every label.

26 rounds by two people, 8 additions to the pool, 3 changes of the labels, 4 merges of branches, 3 texts that are withdrawn,
and a new model. After every merge and every fourth round, tests/reconcile.py looks whether a label is lost or wrong.
"""

import csv
import random
import sys
import tempfile
import time
from pathlib import Path

import click
import yaml

from tests import reconcile, tiny
from tests.conftest import BASELINE, clone

SMALL = {
    "runtime__threads": 1,
    "seed": 7,
    "adapt__epochs": 1,
    "adapt__batch_size": 16,
    "finetune__epochs": 1,
    "finetune__batch_size": 16,
    "model__max_length": 32,
    "agreement__leave_out": [],
    "suspects__encoder": "vanilla",
    "split__valid": 0.3,
    "split__test": 0.4,
    "predict__batch_size": 32,
    "predict__precision": 0.5,
    "predict__risk": 0.5,
    "select__size": 10,
    "select__candidates": 40,
    "unlabelled__size": 50,
    "recipes": BASELINE,
    "deploy": "baseline",
}
EACH_ROUND = ("select",)  # what the next form needs; the rest runs before each check, and everything at the merges and at the end
CHECKED = ("evaluate@baseline", "gate")


class Team:
    """A project, the truth about its texts, and what two people do in it."""

    def __init__(self, folder: Path, seed: int, without: tuple[str, ...] = ()) -> None:
        """Begins with round 01. without : stages that this project's pipeline shall not have, so that it is faster"""
        self.folder, self.draw = folder, random.Random(seed)
        corpus = tiny.texts(460, seed=seed)
        self.truth = dict(corpus)
        self.names = {label: label for label in (*tiny.TOPICS, "other")}  # as they were at first: as they are now
        self.parts = [[text for text, _ in corpus[start : start + 35]] for start in range(180, 460, 35)]
        for number, part in enumerate(self.parts[4:]):  # texts of no topic, for the label that comes in the year
            others = [" ".join(self.draw.sample(tiny.FILLER, 7)) + f" {'xyzuvw'[number]}" for _ in range(6)]
            part += others
            self.truth |= dict.fromkeys(others, "other")
        first = [text for text, _ in corpus[:180]]
        tiny.model(folder / "base", headless=True)
        self.project = clone(folder / "project")
        self.project.params(model__base=str(folder / "base"), **SMALL)
        stages = yaml.safe_load(self.project.read("dvc.yaml"))["stages"]
        if without:
            self.project.write("dvc.yaml", yaml.safe_dump({"stages": {name: stage for name, stage in stages.items() if name not in without}}))
        self.table(folder / "pool/part-000.csv", ["text"], ([text] for text in first))
        labelled = self.table(folder / "labelled.csv", ["text", "label", "annotator"], ([text, self.truth[text], "ana"] for text in first[:80]))
        self.project.run("labelrounds", "init", "--yes", "--pool", str(folder / "pool"), "--labelled", str(labelled))
        self.commands = self.project.run("labelrounds", "--help").stdout
        self.retired: set[str] = set()
        self.counts: dict[str, int] = {}
        self.repro()
        self.project.commit("round 01")

    def table(self, path: Path, columns: list[str], rows) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        return path

    def can(self, command: str) -> bool:
        return f"\n  {command} " in self.commands

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def repro(self, *targets: str) -> None:
        self.project.run("dvc", "repro", "-q", *targets)

    def says(self, text: str) -> str:
        """Returns what a person says of a text: the truth, or in one of twenty cases another label."""
        known = sorted(set(self.names[label] for label in tiny.TOPICS))
        return self.draw.choice(known) if self.draw.random() < 0.05 else self.names[self.truth[text]]

    def label(self, who: str, both: float = 0.2) -> None:
        """One round: the queue, filled in by one person, now and then partly by both; imported, run and committed."""
        form = self.folder / "form.csv"
        form.unlink(missing_ok=True)
        self.project.run("labelrounds", "next", str(form))
        with open(form, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            row["label"], row["annotator"] = self.says(row["text"].lstrip("'")), who
        second = {"ana": "ben", "ben": "ana"}[who]
        rows += [{**row, "label": self.says(row["text"].lstrip("'")), "annotator": second} for row in rows if self.draw.random() < both]
        self.table(form, list(rows[0]), (row.values() for row in rows))
        self.last = rows
        self.project.run("labelrounds", "import", str(form))
        self.repro(*EACH_ROUND)
        self.project.commit(f"a round of {who}")
        self.count("rounds")

    def grow(self) -> None:
        """A part of the pool comes."""
        if not self.can("pool") or not self.parts:
            return
        path = self.table(self.folder / f"new-{len(self.parts)}.csv", ["text"], ([text] for text in self.parts.pop(0)))
        self.project.run("labelrounds", "pool", "add", str(path))
        self.project.commit("more texts")
        self.count("additions")

    def schema(self, *words: str) -> None:
        """The labels change."""
        if not self.can("schema"):
            return
        self.project.run("labelrounds", "schema", *words)
        olds, new = {"rename": (words[1:2], words[-1]), "add": ((), words[-1]), "merge": (words[1:3], words[-1])}[words[0]]
        self.names |= {first: new for first, now in self.names.items() if now in olds}
        self.project.commit(" ".join(words))
        self.count("schema changes")

    def change_model(self) -> None:
        """Another base model, and from here on another seed."""
        tiny.model(self.folder / "other base", headless=True, seed=1)
        self.project.params(model__base=str(self.folder / "other base"), seed=8)
        self.repro(*EACH_ROUND)
        self.project.commit("another model")
        self.count("model changes")

    def retire(self, side: str = "") -> None:
        """A person asks for the deletion of a text of this side; without one, of a text that has just been labelled on a branch."""
        if not self.can("retire"):
            return
        if side:
            rows = list(csv.DictReader((self.project.folder / f"data/split/{side}.csv").read_text(encoding="utf-8").splitlines()))
        identity = self.draw.choice(rows if side else self.last)["id"].lstrip("'")
        self.project.run("labelrounds", "retire", "--yes", identity)
        self.repro(*EACH_ROUND)
        self.retired.add(identity)
        self.project.commit("a text withdrawn")
        self.count("retired texts")

    def merge(self, on_main=(), on_branch=()) -> None:
        """Both label at the same time, one on a branch; other things happen on both sides; then the branches are merged."""
        run = self.project.run
        run("git", "checkout", "-q", "-b", "ben")
        self.label("ben")
        for happens in on_branch:
            happens()
        run("git", "checkout", "-q", "main")
        run("dvc", "checkout", "-q")
        for happens in on_main:
            happens()
        self.label("ana")
        run("labelrounds", "merge", "ben")
        self.project.commit("merge")
        run("git", "branch", "-q", "-d", "ben")
        self.count("merges")
        self.check("after a merge")

    def check(self, when: str) -> None:
        wrong = reconcile.check(self.project.folder, self.retired)
        print(f"{when}: {self.counts}: {'; '.join(wrong) or 'every label reconciles'}", flush=True)
        assert not wrong, wrong
        assert self.project.run("git", "status", "--porcelain").stdout == "", "something is left over"


def play(team: Team, rounds: int) -> None:
    """The year, as far as `rounds` rounds go."""
    plan = {
        2: lambda: team.merge(on_branch=[team.grow]),
        4: team.grow,
        6: lambda: team.merge(on_main=[lambda: team.schema("rename", "billing", "invoices")]),
        9: team.grow,
        11: lambda: team.merge(on_main=[team.grow], on_branch=[team.grow]),
        13: lambda: team.schema("add", "other"),
        14: team.grow,
        16: lambda: team.retire("test"),
        17: team.grow,
        19: lambda: team.merge(on_main=[team.retire]),
        21: lambda: team.schema("merge", "delivery", "praise", "--into", "rest"),
        22: team.grow,
        23: team.change_model,
        24: lambda: team.retire("valid"),
    }
    done = 1
    while done < rounds:
        if happens := plan.pop(next((number for number in plan if number <= done), -1), None):
            happens()
            done = 1 + team.counts.get("rounds", 0)
            continue
        team.label("ana" if done % 2 else "ben")
        done += 1
        if done % 4 == 0:
            team.repro(*CHECKED)
            team.project.commit(f"measured after round {done}")
            team.check(f"round {done}")


@click.command()
@click.option("--rounds", default=26, help="How many rounds.")
@click.option("--seed", default=1)
@click.option("--folder", type=click.Path(path_type=Path), help="Where.  [default: a temporary folder]")
def main(rounds: int, seed: int, folder: Path | None) -> None:
    """Play the year and reconcile it."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        team = Team(folder or Path(temporary), seed)
        play(team, rounds)
        team.repro()
        team.project.commit("the end of the year")
        team.check("at the end")
    missing = [word for word in ("pool", "schema", "retire") if not team.can(word)]
    if missing:
        print(f"not played, since there is no such command: {', '.join(missing)}")
    print(f"{team.counts}: every label reconciles, after {(time.monotonic() - start) / 60:.0f} minutes")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
