"""What models learn from without labels stays as it is while the pool grows, and never holds a held-out text."""

from pathlib import Path

import pyarrow.parquet
import pytest

from labelrounds.core import files
from labelrounds.pool.identity import text_id
from stages import corpus
from tests.small import LABELS, SmallProject, project, sentences

TEXTS = sentences(120)


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """A project with a pool of 80 rows, the last one a copy of the first; the corpus is pinned to them."""
    made = project(tmp_path)
    made.table("data/pool.csv", ["text", "group"], ([text, ""] for text in [*TEXTS[:79], TEXTS[0]]))
    made.round("01", dict(zip(TEXTS[:45], LABELS * 15, strict=True)))
    made.params(corpus__pool_until=80)
    return made


def made(here: SmallProject) -> tuple[str, list[str], str]:
    """Runs split and corpus; returns what corpus says, its texts, and its digest."""
    here.split()
    said = here.made(corpus)
    path = here.folder / "data/corpus/texts.parquet"
    return said, pyarrow.parquet.read_table(path)["text"].to_pylist(), files.sha256(path)


def grow(here: SmallProject, *rows: tuple[str, str]) -> None:
    known = [(row["text"], row["group"]) for row in here.rows("data/pool.csv")]
    here.table("data/pool.csv", ["text", "group"], [*known, *rows])


def heldout(here: SmallProject) -> set[str]:
    return set(here.read("data/split/heldout.txt").split())


def test_the_corpus_holds_each_text_of_the_pool_once_and_no_held_out_one(here: SmallProject) -> None:
    _, texts, _ = made(here)
    assert heldout(here) and texts == [text for text in TEXTS[:79] if text_id(text) not in heldout(here)]


def test_a_pool_that_grows_leaves_the_corpus_as_it_is_to_the_byte(here: SmallProject) -> None:
    _, _, before = made(here)
    grow(here, *((text, "") for text in TEXTS[79:]))
    said, _, after = made(here)
    assert after == before and "41 rows came to the pool later" in said


def test_a_new_copy_of_a_held_out_text_leaves_the_corpus_as_it_is(here: SmallProject) -> None:
    _, _, before = made(here)
    held = next(text for text in TEXTS[:45] if text_id(text) in heldout(here))
    grow(here, (f"{held.upper()} 7!", ""))
    assert made(here)[2] == before and text_id(f"{held.upper()} 7!") in heldout(here)


def test_without_a_pin_the_corpus_grows_with_the_pool(here: SmallProject) -> None:
    here.params(corpus__pool_until=0)
    grow(here, (TEXTS[100], ""))
    said, texts, _ = made(here)
    assert texts[-1] == TEXTS[100] and "later" not in said


def test_a_text_that_a_new_row_ties_to_a_held_out_one_leaves_the_corpus(here: SmallProject) -> None:
    """The promise that no model has seen a held-out text goes before the saving."""
    made(here)
    held = next(text for text in TEXTS[:45] if text_id(text) in heldout(here))
    grow(here, (held, "one document"), (TEXTS[70], "one document"))
    _, texts, _ = made(here)
    assert TEXTS[70] not in texts and text_id(TEXTS[70]) in heldout(here)
