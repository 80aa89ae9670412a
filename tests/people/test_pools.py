"""Texts come to the pool: nothing that is there changes, and what came is counted and said."""

import contextlib
import json
from pathlib import Path

import pytest

from labelrounds.core import files, params, tables
from labelrounds.people import pools, tracking
from labelrounds.pool.identity import text_id
from tests.small import LABELS, SmallProject, project, sentences

TEXTS = sentences(80)


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """A project with a pool of 40 texts in one file, and a round that is split."""
    made = project(tmp_path)
    made.table("data/pool.csv", ["text", "group"], ([text, f"g{number}"] for number, text in enumerate(TEXTS[:40])))
    made.round("01", dict(zip(TEXTS[:36], LABELS * 12, strict=True)))
    made.split()
    return made


def pool_texts(here: SmallProject) -> list[str]:
    return [row.cells["text"] for row in tables.rows(here.folder / "data/pool")]


def held_out(here: SmallProject) -> str:
    return here.rows("data/split/test.csv")[0]["text"]


def test_a_pool_of_one_file_becomes_a_folder_with_the_new_file_behind_it(here: SmallProject) -> None:
    old = (here.folder / "data/pool.csv").read_bytes()
    here.write("data/pool.csv.dvc", "outs: []\n")
    here.table("may.csv", ["text"], ([text] for text in TEXTS[40:50]))
    said = here.command("pool", "add", "may.csv")
    assert "may.csv: 10 rows, 10 new texts" in said and "data/pool holds 50 rows in 2 files now" in said
    assert sorted(path.name for path in (here.folder / "data/pool").iterdir()) == ["000-pool.csv", "001-may.csv"]
    assert (here.folder / "data/pool/000-pool.csv").read_bytes() == old
    assert "pool: data/pool  " in here.read("params.yaml") and "pool_until: 40 " in here.read("params.yaml"), "comments stay"
    assert not (here.folder / "data/pool.csv").exists() and not (here.folder / "data/pool.csv.dvc").exists()
    assert pool_texts(here) == TEXTS[:50]
    assert "50 pool texts held out" in here.split()


def test_what_a_file_brings_is_counted(here: SmallProject) -> None:
    new = [TEXTS[41], TEXTS[42], TEXTS[43]]
    rows = [*new, TEXTS[41], TEXTS[0], f"{TEXTS[42].upper()}!", f"{held_out(here)} 99", "another word for it"]
    group = f"g{TEXTS.index(held_out(here))}"
    here.table("may.csv", ["text", "group"], ([text, group if text == "another word for it" else ""] for text in rows))
    said = here.command("pool", "add", "may.csv")
    assert "8 rows, 6 new texts; 2 rows repeat texts" in said
    assert "Of the new ones 2 are near-duplicates of others, and 2 are held out" in said
    here.split()
    held = here.read("data/split/heldout.txt")
    assert text_id(f"{held_out(here)} 99") in held and text_id("another word for it") in held


def test_the_pin_stays_where_it_was_and_moves_only_when_asked(here: SmallProject) -> None:
    for number, more in enumerate(([], [], ["--adapt"])):
        here.table("more.csv", ["text"], ([text] for text in TEXTS[40 + 5 * number : 45 + 5 * number]))
        said = here.command("pool", "add", *more, "more.csv")
        assert f"pool_until: {55 if more else 40} " in here.read("params.yaml")
        assert ("No model adapts" in said) == (not more)
    assert pool_texts(here) == TEXTS[:55]


def test_the_same_file_twice_is_added_once(here: SmallProject) -> None:
    here.table("may.csv", ["text"], ([text] for text in TEXTS[40:50]))
    here.command("pool", "add", "may.csv")
    before = here.digests()
    assert "There is nothing new" in here.command("pool", "add", "may.csv")
    assert here.digests() == before


@pytest.mark.parametrize("step", ["write", "publish", "track", "remove_old"])
def test_an_addition_that_is_killed_is_finished_by_typing_it_again(step: str, here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before any of its steps: the project works at once, and after a second run is as if nothing had happened."""
    here.write("data/pool.csv.dvc", "outs: []\n")
    here.table("may.csv", ["text"], ([text] for text in TEXTS[40:50]))
    where = {"write": pools.editing, "publish": files, "track": tracking, "remove_old": pools}[step]

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(where, step, die)
        with pytest.raises(AssertionError, match="exited with 1"):
            here.command("pool", "add", "may.csv")
    here.split()
    here.command("pool", "add", "may.csv")
    assert sorted(path.name for path in (here.folder / "data").glob("pool*")) == ["pool"]
    assert pool_texts(here) == TEXTS[:50] and "pool_until: 40 " in here.read("params.yaml")


def test_files_of_other_formats_and_columns_meet_in_one_pool(here: SmallProject) -> None:
    here.write(
        "june.jsonl",
        "".join(json.dumps({"text": text, "date": "June", **({"ref": "7"} if number else {})}) + "\n" for number, text in enumerate(TEXTS[40:43])),
    )
    here.table("july.csv", ["Tweet", "lang"], ([text, "en"] for text in TEXTS[43:45]))
    here.command("pool", "add", "june.jsonl", "july.csv")
    assert [path.name for path in sorted((here.folder / "data/pool").iterdir())] == ["000-pool.csv", "001-june.jsonl", "002-july.csv"]
    assert pool_texts(here) == TEXTS[:45]
    said = here.command("pool")
    assert "45 rows, 45 different texts. Models learn from the first 40 rows" in said
    assert "date, ref" in said and "lang" in said


def test_new_files_sort_behind_whatever_is_there(here: SmallProject) -> None:
    here.table("data/texts/part-b.csv", ["text"], ([text] for text in TEXTS[:40]))
    here.params(data__pool="data/texts")
    here.table("001-may.csv", ["text"], ([text] for text in TEXTS[40:45]))
    here.command("pool", "add", "001-may.csv")
    assert sorted(path.name for path in (here.folder / "data/texts").iterdir()) == ["part-b.csv", "z001-may.csv"]


def test_a_year_of_additions_to_a_folder_of_any_names_keeps_their_order(here: SmallProject) -> None:
    with contextlib.chdir(here.folder):
        settings = params.load()
    there = [Path("part-000.csv")]
    for month in range(12, 0, -1):
        there.append(Path(pools.next_name(there, Path(f"month-{month}.csv"), "text", settings)))
    assert sorted(there) == there and there[-1].name == "z012-month-1.csv"


@pytest.mark.parametrize(
    ("columns", "rows", "arguments", "told"),
    [
        (["text"], [["fine"], [" "]], [], "a.csv:3: the text is empty"),
        (["text"], [], [], "a.csv: there are no rows below the header"),
        (["body", "text"], [["new words", "x"]], ["--text-column", "body"], 'there is a column "text", too'),
        (["text"], [["new words"]], ["--text-column", "txt"], 'there is no column "txt". Did you mean "text"?'),
    ],
)
def test_a_wrong_file_is_one_error_and_changes_nothing(here: SmallProject, columns, rows, arguments, told) -> None:
    here.table("a.csv", columns, rows)
    assert told in here.wrong("pool", "add", *arguments, "a.csv")


def test_a_folder_of_something_else_is_not_taken_for_the_pool(here: SmallProject) -> None:
    here.write("data/pool/notes.csv", "text\nmine\n")
    here.table("a.csv", ["text"], [["new words"]])
    assert "data/pool is there already, and is not the pool" in here.wrong("pool", "add", "a.csv")
