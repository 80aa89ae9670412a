"""Tables of every format give the same rows, with their lines; what breaks them is an error with its place."""

import gzip
import json
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core import lines, tables
from labelrounds.core.errors import UserError
from tests.small import FEWER

ROWS = [{"text": "one, two", "label": "a"}, {"text": 'three "four"\nfive', "label": "b"}, {"text": "sechs – 七 😀", "label": ""}]


def written(folder: Path, name: str, rows: list[dict[str, str]] = ROWS) -> Path:
    """Writes rows in the format that the name asks for."""
    path = folder / name
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    mark = "\t" if ".tsv" in name else ","
    if ".jsonl" in name:
        content = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        quoted = [mark.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [rows[0].keys(), *(row.values() for row in rows)]]
        content = "\n".join(quoted) + "\n"
    data = content.encode("utf-8")
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def error(path: Path) -> str:
    """Returns the error that reading a table raises, without the folder's name."""
    with pytest.raises(UserError) as caught:
        list(tables.rows(path))
    return caught.value.message.replace(f"{path.parent}/", "")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.tsv.gz", "a.jsonl.gz", "A.CSV"])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    assert [row.cells for row in tables.rows(path)] == ROWS
    assert tables.columns(path) == ["text", "label"]


def test_a_folder_of_shards_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("part-1.csv", "part-0.jsonl", "part-2.parquet"):
        written(tmp_path, name, [{"text": name}])
    (tmp_path / "README.md").write_text("no table", encoding="utf-8")
    (tmp_path / ".hidden").write_text("no table", encoding="utf-8")
    assert [row.cells["text"] for row in tables.rows(tmp_path)] == ["part-0.jsonl", "part-1.csv", "part-2.parquet"]


def test_a_row_knows_the_line_where_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text\none\n\n"two\nlines"\nthree\n', encoding="utf-8")
    assert [row.line for row in tables.rows(path)] == [2, 4, 6]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_spreadsheets_call_csv_is_read_whatever_their_language(tmp_path: Path, mark: str, bom: str, end: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes((bom + end.join([f"text{mark}label", f'"a, b; c"{mark}x', ""])).encode("utf-8"))
    assert [row.cells for row in tables.rows(path)] == [{"text": "a, b; c", "label": "x"}]


def test_json_values_of_any_kind_become_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "n": 3, "yes": true, "none": null, "many": ["x", "y"]}\n\n', encoding="utf-8")
    assert [row.cells for row in tables.rows(path)] == [{"text": "a", "n": "3", "yes": "1", "none": "", "many": "x;y"}]


@FEWER
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=4))
def test_no_text_changes_between_formats(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("formats")
    for name in ("a.csv", "a.tsv", "a.jsonl", "a.parquet"):
        assert [row.cells["text"] for row in tables.rows(written(folder, name, [{"text": text, "n": "1"} for text in texts]))] == texts


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a.csv: the file is empty"),
        (b"text,label\na,b,c\n", "a.csv:2: 3 cells found, 2 expected"),
        (b"text,text\na,b\n", 'a.csv:1: the column "text" stands there twice'),
        (b",,\na,b,c\n", "a.csv:1: the first line names no columns"),
        (b"text,\na,b\n", 'a.csv:2: "b" stands in column 2, which has no name'),
        (b'text,label\na,b\n"c,d\ne,f\n', "a.csv:3: a quote that opens in this row never closes (read on to line 4)"),
        (b'text,label\n"a" b,c\n', "a.csv:2: broken quoting"),
        (b"text\ra\rb\r", "a.csv:1: a bare carriage return (old Macintosh line ends)"),
        (b"text\na\0b\n", "a.csv:2: found a NUL byte"),
        ("text\nä\n".encode("utf-16"), "a.csv:1: the file is not UTF-8; it looks like UTF-16"),
        ("text\nabc\n".encode("utf-16-le"), "a.csv:1: the file is not UTF-8; it looks like UTF-16"),
        ("text\n你好，世界\n".encode("gbk"), "a.csv:2: the file is not UTF-8; it looks like GBK"),
        ("text\ncafé crème\n".encode("cp1252"), "a.csv:2: the file is not UTF-8; it looks like Windows-1252"),
        (b'text\n"' + b"a" * 5_000_000 + b'"\n', "a.csv:2: a cell holds more than 1,000,000 characters"),
        (b'text\n"a\n' + b"b\n" * 600_000, "a.csv:2: a cell holds more than 1,000,000 characters"),
        (b"text\n" + "字".encode() * 6_000_000, "a.csv:2: a line of more than 16,000,000 bytes"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value[:40],
)
def test_a_broken_csv_is_an_error_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert error(path).startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "a"}\n{"text": "b"\n', "a.jsonl:2: not JSON: "),
        ('{"text": "a"}\n["b"]\n', "a.jsonl:2: found list, expected one object per line"),
        ('{"text": "a\\u0000b"}\n', 'a.jsonl:1: "text" holds a NUL character'),
        ('{"text": "a"}\n{"text": "\\ud83d"}\n', 'a.jsonl:2: "text" holds half of a surrogate pair'),
        ('{"text": "' + "a" * 1_000_001 + '"}\n', 'a.jsonl:1: "text" holds 1,000,001 characters'),
    ],
    ids=lambda value: value[:40],
)
def test_a_broken_jsonl_is_an_error_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content, encoding="utf-8")
    assert error(path).startswith(said)


def test_an_emoji_that_json_spells_as_a_whole_surrogate_pair_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "\\ud83d\\ude00"}\n', encoding="utf-8")
    assert [row.cells["text"] for row in tables.rows(path)] == ["😀"]


def test_a_parquet_text_that_no_csv_could_hold_is_an_error_at_its_row(tmp_path: Path) -> None:
    assert error(written(tmp_path, "a.parquet", [{"text": "a"}, {"text": "b" * 1_000_001}])).startswith('a.parquet:2: "text" holds 1,000,001')
    assert error(written(tmp_path, "b.parquet", [{"text": "a\0"}])).startswith('b.parquet:1: "text" holds a NUL character')


def test_a_damaged_parquet_file_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, "a.parquet", [{"text": f"text {number}"} for number in range(1000)])
    whole = path.read_bytes()
    for damaged in (b"", b"no parquet", whole[:-10], whole[:200] + bytes(300) + whole[500:]):
        path.write_bytes(damaged)
        assert error(path).startswith("a.parquet: not a whole parquet file")


def test_a_damaged_gzip_file_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv.gz", [{"text": f"text {number}"} for number in range(1000)])
    whole = path.read_bytes()
    for damaged in (b"no gzip", whole[:-20], whole[:30] + b"\xff\xff\xff\xff" + whole[34:]):
        path.write_bytes(damaged)
        assert error(path).startswith("a.csv.gz: not a whole gzip file")


@pytest.mark.parametrize("name", ["a.xls", "a.txt", "a", "a.csv.zip"])
def test_a_format_that_is_not_read_is_an_error_that_names_the_others(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    said = error(tmp_path / name)
    assert "use one of .csv, .tsv, .jsonl, .ndjson, .json, .parquet, .xlsx" in said
    assert ("Save it from the spreadsheet" in said) == (name == "a.xls")


def test_a_file_that_is_not_there_and_an_empty_folder_are_errors(tmp_path: Path) -> None:
    assert "there is no such file or folder" in error(tmp_path / "gone.csv")
    (tmp_path / "shards").mkdir()
    assert error(tmp_path / "shards").startswith("shards: the folder is empty")


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffsep=;\r\ntext;label\r\na, b;x\r\n",
        '"sep=;"\ntext;label\na, b;x\n',
        "SEP=\t\ntext\tlabel\na, b\tx\n",
        "\ufeff\ufefftext;label\na, b;x\n",
        '"text";"label"\n"a, b";"x"\n',
    ],
)
def test_a_line_that_tells_the_delimiter_is_no_row(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    assert [row.cells for row in tables.rows(path)] == [{"text": "a, b", "label": "x"}]
    assert [row.line for row in tables.rows(path)] == [len(content.splitlines())]


@pytest.mark.parametrize("header", ["text (a;b;c),label", '"text (a;b;c)",label', '"a;b;c;d ""e""",label', "text\t;\t,label"])
def test_delimiters_in_the_header_do_not_part_the_rows(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\none; two,x\n\"three, four\",y\n'five',z\n", encoding="utf-8")
    assert [list(row.cells.values()) for row in tables.rows(path)] == [["one; two", "x"], ["three, four", "y"], ["'five'", "z"]]


def test_an_array_of_json_gives_the_same_rows_with_their_lines(tmp_path: Path) -> None:
    for name, content in (("a.json", json.dumps(ROWS)), ("b.jsonl", json.dumps(ROWS, indent=2)), ("c.json", "\n".join(map(json.dumps, ROWS)))):
        path = tmp_path / name
        path.write_text("\ufeff" + content, encoding="utf-8")
        assert [row.cells for row in tables.rows(path)] == ROWS
    assert [row.line for row in tables.rows(tmp_path / "a.json")] == [1, 1, 1]
    assert [row.line for row in tables.rows(tmp_path / "b.jsonl")] == [2, 6, 10]


def test_nothing_is_an_empty_cell_and_what_is_nested_stays_json(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": NaN, "b": [NaN, "x"], "c": {"d": [1]}, "e": [["f"]]}\n', encoding="utf-8")
    assert [row.cells for row in tables.rows(path)] == [{"a": "", "b": ";x", "c": '{"d": [1]}', "e": '[["f"]]'}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"text": "a"},\n {"text": 3},\n"b"]', "a.json:3: found str, expected one object per line"),
        ('[{"text": "a"},\n {"text": }]', "a.json:2: not JSON: "),
        ('{\n"data": []}', 'a.json:1: found one object with "data"; expected an array'),
        ('{"label": "a"}\n{"label": "a", "label": "b"}\n', 'a.json:2: the key "label" stands there twice'),
        ('{"label": "a"}\n{"n": ' + "9" * 5000 + "}\n", "a.json:2: Exceeds the limit"),
        ('{"label": "a"}\n{"n": ' + "[" * 100_000 + "}\n", "a.json:2: objects or lists that are nested too deeply"),
        ("", ""),
    ],
    ids=lambda value: value[:40],
)
def test_broken_json_is_an_error_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    if content:
        assert error(path).startswith(said)
    else:
        assert list(tables.rows(path)) == []


def test_parquet_holds_texts_as_strings_or_as_bytes_and_never_two_columns_of_one_name(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"text": [b"caf\xc3\xa9"], "n": [float("nan")]}), tmp_path / "a.parquet")  # codespell:ignore caf
    assert [row.cells for row in tables.rows(tmp_path / "a.parquet")] == [{"text": "café", "n": ""}]
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"], "image": [b"\xff\xd8"]}), tmp_path / "b.parquet")
    assert error(tmp_path / "b.parquet").startswith('b.parquet:1: "image" holds bytes that are no UTF-8 text')
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 2, ["label", "label"]), tmp_path / "c.parquet")
    assert error(tmp_path / "c.parquet").startswith('c.parquet: the column "label" is there twice')


def test_a_workbook_gives_rows_with_their_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "empty"
    sheet = book.create_sheet("labels")
    for row in (["text", "label", None, "n"], ["one, two", "a", None, 3], [], ["three", None, None, True]):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    assert [(row.line, row.cells) for row in tables.rows(tmp_path / "a.xlsx")] == [
        (2, {"text": "one, two", "label": "a", "n": "3"}),
        (4, {"text": "three", "label": "", "n": "1"}),
    ]
    sheet["C2"] = "astray"
    book.save(tmp_path / "a.xlsx")
    assert error(tmp_path / "a.xlsx").startswith('a.xlsx:2: "astray" stands in column 3, which has no name')
    (tmp_path / "a.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes()[:-300])
    assert error(tmp_path / "a.xlsx").startswith("a.xlsx: not a whole .xlsx workbook")


def test_a_small_file_that_unpacks_into_a_large_one_is_an_error_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "ALWAYS", 2_000_000)
    with gzip.open(tmp_path / "bomb.csv.gz", "wb") as file:
        file.write(b"text\n" + (b"a" * 999 + b"\n") * 10_000)
    assert "holds more than 2,000,000 when unpacked" in error(tmp_path / "bomb.csv.gz")
    texts = [f"{number}" + "a" * 5_000 for number in range(2000)]
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "bomb.parquet", compression="zstd", use_dictionary=False)
    assert "holds more than 2,000,000 when unpacked" in error(tmp_path / "bomb.parquet")
    (tmp_path / "real.csv").write_text("text\n" + "".join(f"the {number}th text of a long list\n" for number in range(9000)), encoding="utf-8")
    (tmp_path / "real.csv.gz").write_bytes(gzip.compress((tmp_path / "real.csv").read_bytes()))
    assert sum(1 for _ in tables.rows(tmp_path / "real.csv.gz")) == 9000


def test_a_text_that_a_parquet_repeats_is_in_memory_once(tmp_path: Path) -> None:
    """Forty kilobytes may say the same megabyte thousands of times: all at once they would be gigabytes."""
    path = tmp_path / "repeated.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["x" * 900_000] * 3000, "number": list(range(3000))}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    before = pyarrow.total_allocated_bytes()
    most = 0
    for number, row in enumerate(tables.rows(path)):
        assert len(row.cells["text"]) == 900_000 and row.cells["number"] == str(number)
        most = max(most, pyarrow.total_allocated_bytes() - before)
    assert number == 2999 and most < 50_000_000


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[:200] + b"\xff" * 40 + b[240:], lambda b: b[: len(b) // 2], lambda b: b"PAR1" * 9])
def test_a_damaged_parquet_is_one_error(tmp_path: Path, damage) -> None:
    path = written(tmp_path, "a.parquet", [{"text": f"text {number}", "label": "a"} for number in range(500)])
    path.write_bytes(damage(path.read_bytes()))
    assert "not a whole parquet file" in error(path)
