"""A pool that lives: only texts that the labeler has not scored yet are scored, and the bytes never depend on what was kept."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from labelrounds.core import files
from labelrounds.labelers import linear
from stages import finetune, predict
from tests import tiny
from tests.small import SmallProject, project

SHARDS = "data/predictions/shards"
TEXTS = [text for text, _ in tiny.texts(120)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """A project with a folder of two files as its pool, 50 and 30 texts, and a baseline that is trained."""
    made = project(tmp_path_factory.mktemp("pool"), sorted(tiny.TOPICS))
    made.params(data__pool="data/pool", predict__shard_size=20, task__labels=sorted(tiny.TOPICS))
    made.table("data/pool/000-first.csv", ["text"], ([text] for text in TEXTS[:50]))
    made.table("data/pool/001-second.csv", ["text"], ([text] for text in TEXTS[50:80]))
    made.round("01", dict(tiny.texts(60)))
    made.split()
    made.table("data/unlabelled/texts.csv", ["id", "text", "augmented"], [])
    made.made(finetune, "baseline")
    made.made(predict)
    return made


@pytest.fixture
def here(trained: SmallProject, tmp_path: Path) -> SmallProject:
    shutil.copytree(trained.folder, tmp_path / "here")
    return SmallProject(tmp_path / "here")


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the labeler is asked about from now on."""
    asked: list[str] = []
    original = linear.LinearLabeler.scores

    def counting(self: Any, texts: list[str], *arguments: Any) -> Any:
        asked.extend(texts)
        return original(self, texts, *arguments)

    monkeypatch.setattr(linear.LinearLabeler, "scores", counting)
    return asked


def made_anew(here: SmallProject) -> dict[str, str]:
    """Returns the digests of the predictions that a run without anything kept makes."""
    shutil.rmtree(here.folder / "scratch")
    here.made(predict)
    return files.folder_digests(here.folder / SHARDS)


def run(here: SmallProject) -> tuple[str, dict[str, str]]:
    """Runs the stage as DVC does, its outputs removed before; returns what it says and the digests of what it made."""
    shutil.rmtree(here.folder / SHARDS)
    said = here.made(predict)
    return said, files.folder_digests(here.folder / SHARDS)


def test_a_new_file_in_the_pool_has_its_own_texts_scored_and_no_others(here: SmallProject, scored: list[str]) -> None:
    here.table("data/pool/002-third.csv", ["text"], ([text] for text in TEXTS[80:]))
    said, found = run(here)
    assert scored == TEXTS[80:]
    assert "40 of 120 texts scored" in said and "the other 80 before" in said
    assert found == made_anew(here)


def test_a_new_file_in_front_of_the_others_changes_none_of_their_parts(here: SmallProject, scored: list[str]) -> None:
    before = set(files.folder_digests(here.folder / SHARDS).values())
    here.table("data/pool/000-before.csv", ["text"], ([text] for text in TEXTS[80:87]))
    _, found = run(here)
    assert scored == TEXTS[80:87]
    assert before < set(found.values()) and found == made_anew(here)


def test_a_file_that_leaves_takes_only_its_own_parts_along(here: SmallProject, scored: list[str]) -> None:
    (here.folder / "data/pool/000-first.csv").unlink()
    _, found = run(here)
    assert scored == [] and found == made_anew(here) and len(found) == 2
    assert len(list((here.folder / "scratch/scores").rglob("*.parquet"))) == 2, "what no pool needs is not kept"


def test_an_edit_has_the_part_scored_that_it_touches(here: SmallProject, scored: list[str]) -> None:
    path = here.folder / "data/pool/000-first.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(TEXTS[30], "an edited text"), encoding="utf-8")
    _, found = run(here)
    assert scored == [*TEXTS[20:30], "an edited text", *TEXTS[31:40]] and found == made_anew(here)


def test_another_labeler_is_asked_about_everything_and_alone_is_kept(here: SmallProject, scored: list[str]) -> None:
    here.params(tfidf__inverse_regularization=0.5)
    here.made(finetune, "baseline")
    scored.clear()
    _, found = run(here)
    assert sorted(scored) == sorted(TEXTS[:80]) and found == made_anew(here)
    assert len(list((here.folder / "scratch/scores").iterdir())) == 1


def test_a_run_that_changes_nothing_scores_nothing(here: SmallProject, scored: list[str]) -> None:
    before = files.folder_digests(here.folder / SHARDS)
    said, found = run(here)
    assert scored == [] and found == before and "0 of 80" in said
