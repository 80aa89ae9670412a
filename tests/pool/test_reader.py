"""The pool is a stream of texts with their ids; its own columns travel along untouched."""

from pathlib import Path

import pytest

from labelrounds.core.errors import UserError
from labelrounds.pool import reader
from labelrounds.pool.identity import text_id


def written(folder: Path, content: str, name: str = "pool.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_texts_come_in_the_order_of_the_file_with_their_own_columns(tmp_path: Path) -> None:
    rows = list(reader.stream(written(tmp_path, "ref,text,day\n7,one,Monday\n8, two ,\n"), "text"))
    assert [(row.id, row.text, row.own) for row in rows] == [
        (text_id("one"), "one", {"ref": "7", "day": "Monday"}),
        (text_id("two"), " two ", {"ref": "8", "day": ""}),
    ]
    assert [row.where.rsplit(":")[-1] for row in rows] == ["2", "3"]


def test_the_text_may_stand_in_any_column(tmp_path: Path) -> None:
    path = written(tmp_path, "body,text\none,two\n")
    assert [(row.text, row.own) for row in reader.stream(path, "body")] == [("one", {"text": "two"})]


def test_a_text_that_stands_there_twice_comes_twice_with_one_id(tmp_path: Path) -> None:
    rows = list(reader.stream(written(tmp_path, "text,ref\none,1\n one,2\n"), "text"))
    assert len(rows) == 2 and len({row.id for row in rows}) == 1


@pytest.mark.parametrize("blank", ['""', "   ", '"\n \t"'])
def test_an_empty_text_is_an_error_at_its_line(tmp_path: Path, blank: str) -> None:
    path = written(tmp_path, f"text,ref\none,1\n{blank},2\n")
    with pytest.raises(UserError, match=r"pool\.csv:3: the text is empty"):
        list(reader.stream(path, "text"))


def test_a_missing_text_column_is_an_error_that_guesses_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'pool\.csv:1: there is no column "text"\. Did you mean "Texts"\? Found: ref, Texts\.'):
        list(reader.stream(written(tmp_path, "ref,Texts\n1,one\n"), "text"))


def test_a_line_of_json_without_the_text_is_an_error_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'pool\.jsonl:2: no column "text" in this row'):
        list(reader.stream(written(tmp_path, '{"text": "one"}\n{"txt": "two"}\n', "pool.jsonl"), "text"))


def test_a_shard_without_the_text_column_is_an_error(tmp_path: Path) -> None:
    written(tmp_path, "text\none\n", "part-0.csv")
    written(tmp_path, "body\ntwo\n", "part-1.csv")
    with pytest.raises(UserError, match=r'part-1\.csv:2: no column "text" in this row'):
        list(reader.stream(tmp_path, "text"))


def test_texts_are_found_by_id_the_first_of_each(tmp_path: Path) -> None:
    path = written(tmp_path, "text,ref\none,1\ntwo,2\none,3\n")
    found = reader.find(path, "text", {text_id("one"), text_id("gone")})
    assert {identity: row.own for identity, row in found.items()} == {text_id("one"): {"ref": "1"}}


def test_finding_reads_no_further_than_needed(tmp_path: Path) -> None:
    path = written(tmp_path, 'text\none\n"never closed\n')
    assert reader.find(path, "text", {text_id("one")})
    assert reader.find(path, "text", set()) == {}


def test_own_columns_give_way_to_the_columns_beside_them(tmp_path: Path) -> None:
    assert reader.own_columns(written(tmp_path, "text,label,ref\n"), "text", ["id", "label"]) == {"label": "pool_label", "ref": "ref"}
