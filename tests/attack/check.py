"""Many rounds, and a checker that reads the files with nothing of ours: every label is where it belongs, and the test set stands still."""

import contextlib
import csv
import json
import random
import unicodedata
from collections import Counter, defaultdict
from hashlib import sha256
from pathlib import Path

from tests.attack.figures import Figures
from tests.small import LABELS, project, sentences

ATTACK = "a round reconciled"


def own_id(text: str) -> str:
    """Returns the id of a text, by the words of docs/loop.md."""
    return sha256(" ".join(unicodedata.normalize("NFC", text).split()).encode()).hexdigest()[:16]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def expected(folder: Path, names: str = "*.csv") -> tuple[dict[str, str], set[str]]:
    """Returns ({id: label}, tied ids) of all rounds: the highest number with the text decides, in it the majority."""
    votes: dict[str, dict[int, list[str]]] = defaultdict(dict)
    for path in sorted(folder.glob(names)):
        for row in rows(path):
            votes[row.get("id") or own_id(row["text"])].setdefault(int(path.stem.partition("-")[0]), []).append(row["label"])
    labels, tied = {}, set()
    for identity, rounds in votes.items():
        ranked = Counter(rounds[max(rounds)]).most_common(2)
        if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
            tied.add(identity)
        else:
            labels[identity] = ranked[0][0]
    return labels, tied


def run(folder: Path, rounds: int, draw: random.Random, figures: Figures) -> None:
    """Plays so many rounds with several people, corrections and ties, and checks the split after each."""
    folder.mkdir(parents=True)
    pool = sentences(100 + 6 * rounds)
    with contextlib.chdir(folder):
        here = project(folder)
        here.pool(pool)
        test: list[dict[str, str]] | None = None
        for number in range(1, rounds + 1):
            texts = pool[:60] if number == 1 else draw.sample(pool[60:], 6) + draw.sample(pool[:60], 1)
            lines = [[text, draw.choice(LABELS), who] for text in texts for who in draw.sample(["ana", "ben", "cy"], draw.choice([1, 1, 2, 3]))]
            here.table("form.csv", ["text", "label", "annotator"], lines)
            here.command("import", "form.csv")
            here.split()
            figures.tried[ATTACK] += 1
            test = _reconcile(folder, test, number, figures)


def _reconcile(folder: Path, before: list[dict[str, str]] | None, number: int, figures: Figures) -> list[dict[str, str]]:
    labels, tied = expected(folder / "data/rounds")
    first, _ = expected(folder / "data/rounds", "01*.csv")
    sides = {side: rows(folder / f"data/split/{side}.csv") for side in ("train", "valid", "test")}
    found = {row["id"]: row["label"] for lines in sides.values() for row in lines}
    wrong = []
    if sum(map(len, sides.values())) != len(found):
        wrong.append("a text stands on two sides")
    if any(own_id(row["text"]) != row["id"] for lines in sides.values() for row in lines):
        wrong.append("an id is not its text's")
    # A held-out text on which a later round is divided keeps the label of its holdout round: the test set stands still.
    kept = {row["id"] for side in ("valid", "test") for row in sides[side]} & tied
    labels |= {identity: first[identity] for identity in kept}
    tied -= kept
    if {identity: label for identity, label in labels.items() if identity in found} != found:
        wrong.append("a label is not what people said last")
    left_out = set(labels) - set(found)
    near = {row["id"] for row in rows(folder / "metrics/split.csv") if "not trained on" in row["case"]}
    if left_out - near or tied & set(found):
        wrong.append(f"{len(left_out - near)} labels are nowhere, {len(tied & set(found))} ties train")
    given = {path.stem: len(rows(path)) for path in (folder / "data/rounds").glob("*.csv")}
    if {name: one["annotations"] for name, one in json.loads((folder / "metrics/split.json").read_text())["rounds"].items()} != given:
        wrong.append("metrics/split.json counts otherwise")
    heldout = set((folder / "data/split/heldout.txt").read_text().split())
    if {row["id"] for row in sides["train"]} & heldout:
        wrong.append("a held-out text trains")
    if before is not None and [row["id"] for row in before] != [row["id"] for row in sides["test"]]:
        wrong.append("the test set moved")
    for one in wrong:
        figures.fault(ATTACK, "lost or wrong", f"round {number}: {one}")
    return sides["test"]
