"""Rounds played with known labels: the same loop, strategy by strategy."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelrounds.core.task import Task
from labelrounds.models import sources
from labelrounds.rounds import record
from studies.selection import play
from tests import tiny
from tests.conftest import ROOT
from tests.small import SmallProject


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True], ids=["multi-class", "multi-label"])
def test_every_strategy_starts_from_the_same_round_and_random_is_always_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multi_label: bool
) -> None:
    here = SmallProject(tmp_path)
    here.write("params.yaml", (ROOT / "params.yaml").read_bytes())
    here.params(runtime__reproducible="machine")
    rows = [(text, ";".join(labels) or "-") for text, labels in tiny.multi_label_texts(150)] if multi_label else tiny.texts(150)
    column = "labels" if multi_label else "label"
    here.table("gold.csv", ["text", column], rows[:110])
    here.table("test.csv", ["text", column], rows[110:])
    monkeypatch.chdir(tmp_path)
    words = shlex.split("made --gold gold.csv --test test.csv --strategies entropy --first 50 --size 10 --rounds 2 --seeds 2")
    done = CliRunner().invoke(play.main, words)
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    assert "random" in done.output and "entropy - random at 70 labels" in done.output
    results = here.rows("made/results.csv")
    assert len(results) == 2 * 2 * 3 and {row["labels"] for row in results} == {"50", "60", "70"}
    task = Task("multi-label" if multi_label else "multi-class", tuple(sorted(tiny.TOPICS)))
    for seed in ("seed-1", "seed-2"):
        first = [(tmp_path / "made" / seed / name / "data/rounds/01.csv").read_bytes() for name in ("random", "entropy")]
        assert first[0] == first[1]
        labelled = record.read_all(task, tmp_path / "made" / seed / "entropy/data/rounds")
        assert len({annotation.id for annotation in labelled}) == len(labelled) == 70
    at_50 = {(row["seed"], row["f1_macro"]) for row in results if row["labels"] == "50"}
    assert len(at_50) == 2, "before the first selection all strategies of a seed are one"
    (tmp_path / "made/seed-2/entropy/results.csv").unlink()
    before = (tmp_path / "made/results.csv").read_bytes()
    assert CliRunner().invoke(play.main, words).exit_code == 0
    assert (tmp_path / "made/results.csv").read_bytes() == before


@pytest.mark.slow
def test_an_encoder_is_adapted_once_to_texts_that_hold_no_test_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = SmallProject(tmp_path)
    here.write("params.yaml", (ROOT / "params.yaml").read_bytes())
    here.params(runtime__reproducible="machine")
    here.params(adapt__epochs=1, finetune__epochs=1, model__max_length=32, runtime__threads=1, runtime__precision="fp32", adapt__valid=0.2)
    rows = tiny.texts(150)
    here.table("gold.csv", ["text", "label"], rows[:80])
    here.table("test.csv", ["text", "label"], rows[80:110])
    here.table("pool.csv", ["text"], ([text] for text, _ in rows[90:]))
    sources.bring(str(tiny.model(tmp_path / "source")), tmp_path / "models/encoder/vanilla")
    monkeypatch.chdir(tmp_path)
    words = "made --gold gold.csv --test test.csv --pool pool.csv --recipe supervised --strategies random --first 50 --size 10 --rounds 1 --seeds 1"
    done = CliRunner().invoke(play.main, shlex.split(words))
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    adapted_to = {row["text"] for row in here.rows("made/adapted/data/pool.csv")}
    assert not adapted_to & {text for text, _ in rows[80:110]} and adapted_to >= {text for text, _ in rows[110:]}
    assert [row["labels"] for row in here.rows("made/results.csv")] == ["50", "60"]
    assert CliRunner().invoke(play.main, shlex.split("x --gold gold.csv --test test.csv --pool pool.csv")).exit_code == 1
