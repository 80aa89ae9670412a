"""The pool is a stream of texts with their ids; its own columns travel along untouched."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
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


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_are_taken_by_their_numbers_across_files(tmp_path: Path, kind: str) -> None:
    for part in "ab":
        rows = [{"text": f"{part} {number}", "ref": str(number)} for number in range(5000)]
        if kind == "parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / f"{part}.parquet")
        elif kind == "jsonl":
            written(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), f"{part}.jsonl")
        else:
            written(tmp_path, "text,ref\n" + "".join(f"{row['text']},{row['ref']}\n" for row in rows), f"{part}.csv")
    every = list(reader.stream(tmp_path, "text"))
    numbers = [9999, 0, 4999, 5000, 4999]
    assert reader.take(tmp_path, "text", numbers) == {number: every[number] for number in numbers}
    assert every[5001].text == "b 1" and every[5001].where.endswith("b." + kind + (":2" if kind != "csv" else ":3"))
    assert reader.size(tmp_path, "text") == 10_000
    parts = list(reader.parts(tmp_path, "text", 4096))
    assert [len(texts) for _, texts in parts] == [4096, 904, 4096, 904], "no part is of two files"
    assert [identity for ids, _ in parts for identity in ids] == [row.id for row in every]


def test_what_comes_before_an_error_is_read_before_it(tmp_path: Path) -> None:
    for content, line in (('text\none\ntwo\n"  "\n', 4), ("text\none\ntwo\nthree,more\n", 4), ('text\none\ntwo\n"a\nb"x\n', 4)):
        rows = reader.stream(written(tmp_path, content), "text")
        assert [next(rows).text, next(rows).text] == ["one", "two"]
        with pytest.raises(UserError, match=rf"pool\.csv:{line}: "):
            next(rows)


def test_lines_are_counted_across_breaks_in_cells_and_blank_lines(tmp_path: Path) -> None:
    content = "text,ref\n" + "".join(f'"{"word " * 9}\r\n{number}",{number}\n\n' for number in range(6000))
    rows = list(reader.stream(written(tmp_path, content), "text"))
    assert [row.line for row in rows] == [2 + 3 * number for number in range(6000)]
    assert [row.own["ref"] for row in rows] == list(map(str, range(6000)))
