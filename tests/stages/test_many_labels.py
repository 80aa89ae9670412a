"""Labels may be many, and most of them rare: the loop goes on, and says which labels no score can speak of."""

import json
import random
from pathlib import Path

import pytest

from tests.conftest import BASELINE
from tests.stages.test_end_to_end import new_project, stages_run, table

pytestmark = [pytest.mark.slow, pytest.mark.long]

LABELS = 500


def texts_by_intent(n: int) -> list[tuple[str, str]]:
    """Returns n distinct (text, label), all 500 labels among the first 1,000: a few are frequent, and many have a single text."""
    draw = random.Random(3)
    names = [f"intent_{number:03d}" for number in range(LABELS)]
    often = draw.choices(names, [1 / (1 + number) for number in range(LABELS)], k=n - LABELS)
    drawn = draw.sample([*names, *often[:LABELS]], 2 * LABELS) + often[LABELS:]
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = {name: "".join(draw.choices(letters, k=6)) for name in names}
    filler = ["".join(draw.choices(letters, k=4)) for _ in range(300)]
    return [(f"{' '.join(draw.sample(filler, 4))} {words[name]} {letters[number % 26]}", name) for number, name in enumerate(drawn)]


def test_500_labels_and_2000_texts_run_from_end_to_end(tmp_path: Path) -> None:
    project = new_project(tmp_path, adapt__epochs=0, suspects__judge="none", recipes=BASELINE, deploy="baseline")
    rows = texts_by_intent(2000)
    pool = table(tmp_path / "pool.csv", ["text"], ([text] for text, _ in rows))
    labelled = table(tmp_path / "labelled.csv", ["text", "intent"], rows[:1000])
    assert "500 labels" in project.run("labelrounds", "init", "--pool", str(pool), "--labelled", str(labelled)).stdout
    said = project.run("dvc", "repro").stdout
    assert "report" in stages_run(said)
    assert "Warning: only one text in all rounds has the label intent_" in said and "more: two or more are needed" in said
    test = json.loads(project.read("metrics/baseline.json"))["test"]
    lacking = test["without_texts"]
    assert 0 < len(lacking) < len(test["f1"]) and all(test["f1"][label] is None for label in lacking)
    known = [value for value in test["f1"].values() if value is not None]
    assert test["f1_macro"] == pytest.approx(sum(known) / len(known), abs=1e-5)
    shown = project.run("labelrounds", "results").stdout
    assert f"No test text has the label {lacking[0]}" in shown and max(map(len, shown.splitlines())) < 400
