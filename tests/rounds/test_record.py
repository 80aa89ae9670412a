"""Rounds are read in every form that people use; what cannot be meant so is an error with its line."""

from pathlib import Path

import pytest

from labelrounds.core.errors import UserError
from labelrounds.core.task import Task
from labelrounds.pool.identity import text_id
from labelrounds.rounds import names, record
from tests.small import LABELS

CLASSES = Task("multi-class", tuple(LABELS))
SEVERAL = Task("multi-label", tuple(LABELS))
ONE, TWO = text_id("one"), text_id("two")


def written(folder: Path, content: str, name: str = "01.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def labels(folder: Path, content: str, task: Task = CLASSES) -> list[tuple[str, tuple[str, ...]]]:
    return [(found.id, found.labels) for found in record.read(written(folder, content), task)]


def error(folder: Path, content: str, task: Task = CLASSES) -> str:
    path = written(folder, content)
    with pytest.raises(UserError) as caught:
        record.read(path, task)
    return caught.value.message.replace(f"{folder}/", "")


def test_labels_by_id_alone_by_text_alone_and_by_both_mean_the_same(tmp_path: Path) -> None:
    expected = [(ONE, ("good",)), (TWO, ("bad",))]
    assert labels(tmp_path, f"id,label\n{ONE},good\n{TWO},bad\n") == expected
    assert labels(tmp_path, "text,label\none,good\n two ,bad\n") == expected
    assert labels(tmp_path, f"id,text,label\n{ONE},one,good\n,two,bad\n") == expected


def test_who_said_it_and_why_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label,annotator,source,note\none,good,Ann,model,looks so\ntwo,bad,,,\n", "07.csv")
    first, second = record.read(path, CLASSES)
    assert (first.text, first.annotator, first.source, first.note, first.round) == ("one", "Ann", "model", "looks so", "07")
    assert (second.annotator, second.source, second.note) == ("", "human", "")
    assert first.where.endswith("07.csv:2")


def test_several_labels_stand_in_the_order_of_the_task(tmp_path: Path) -> None:
    found = labels(tmp_path, "text,labels\none,bad; good\ntwo,-\nthree,other;\n", SEVERAL)
    assert [given for _, given in found] == [("good", "bad"), (), ("other",)]


@pytest.mark.parametrize("form", [("1", "0"), ("1.0", "0.0"), ("true", "FALSE"), ("x", ""), ("Yes", "no")])
def test_one_column_per_label_is_read_in_every_spelling(tmp_path: Path, form: tuple[str, str]) -> None:
    yes, no = form
    assert labels(tmp_path, f"text,good,bad,other\none,{no},{yes},{no}\n") == [(ONE, ("bad",))]
    assert labels(tmp_path, f"text,good,bad,other\none,{yes},{no},{yes}\n", SEVERAL) == [(ONE, ("good", "other"))]


def test_zeros_in_every_column_mean_that_no_label_applies(tmp_path: Path) -> None:
    assert labels(tmp_path, "text,good,bad,other\none,0,0,0\n", SEVERAL) == [(ONE, ())]
    assert "01.csv:2: 0 labels are marked with 1; the task is multi-class" in error(tmp_path, "text,good,bad,other\none,0,0,0\n")
    assert "01.csv:2: there is no label in this row" in error(tmp_path, "text,good,bad,other\none,,,\n", SEVERAL)


def test_a_label_may_have_the_name_of_another_column_of_a_round(tmp_path: Path) -> None:
    task = Task("multi-class", ("text", "label", "image"))
    assert labels(tmp_path, "text,label\none,text\ntwo,image\n", task) == [(ONE, ("text",)), (TWO, ("image",))]


def test_lines_of_json_need_not_name_every_label(tmp_path: Path) -> None:
    path = tmp_path / "form.jsonl"
    path.write_text('{"text": "one", "label": "good"}\n{"text": "two"}\n', encoding="utf-8")
    found, unfilled = record.read_filled(path, CLASSES)
    assert [given.labels for given in found] == [("good",)]
    assert len(unfilled) == 1 and unfilled[0].endswith("form.jsonl:2")
    path.write_text('{"text": "one", "good": 1, "bad": 0, "other": 0}\n{"text": "two", "bad": true}\n', encoding="utf-8")
    assert [given.labels for given in record.read_filled(path, SEVERAL)[0]] == [("good",), ("bad",)]


def test_blank_rows_at_the_end_of_a_spreadsheet_do_no_harm(tmp_path: Path) -> None:
    assert labels(tmp_path, "text,label\none,good\n,\n , \n") == [(ONE, ("good",))]


def test_one_person_who_says_the_same_twice_has_one_vote(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label,annotator\none,good,Ann\none,good,Ann\none,bad,Bob\n")
    assert [found.annotator for found in record.read(path, CLASSES)] == ["Ann", "Bob"]


def test_people_who_are_not_named_each_have_a_vote(tmp_path: Path) -> None:
    assert len(labels(tmp_path, "text,label\none,good\none,good\none,bad\n")) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label,annotator\none,good,Ann\none,bad,Ann\n", f'01.csv:3: Ann gives text {ONE} the label "bad", but "good" at 01.csv:2'),
        ("text,label\none,goood\n", '01.csv:2: unknown label "goood". Did you mean "good"? Expected one of: good, bad, other'),
        ("text,label\none,GOOD\n", '01.csv:2: unknown label "GOOD". Did you mean "good"?'),
        ("text,label\none,good;bad\n", "One label per text is expected: the task is multi-class."),
        ("text,label\none,good\ntwo,x\nthree,y\nfour,z\n", "3 rows of this kind in all; also at 01.csv:4, 01.csv:5"),
        ("text,label\none,\ntwo,bad\n", "01.csv:2: there is no label in this row. Fill it in, or remove the row."),
        ("text,label\n", "01.csv: the round holds no labels"),
        (f"id,text,label\n{TWO},one,good\n", f"01.csv:2: id and text disagree: the id is {TWO}, but this text's is {ONE}"),
        ("id,label\n1.23E+15,good\n", '01.csv:2: "1.23E+15" is not a text id'),
        ("id,text,label\n,,good\n", "01.csv:2: the text is empty and there is no id"),
        ("name,label\none,good\n", '01.csv:1: there is neither a column "id" nor "text". Found: name, label.'),
        # codespell:ignore-next-line lable
        ("text,lable\none,good\n", '01.csv:1: there is no label column. Did you mean "lable"? Found: text, lable. Expected "label"'),
        ("text,label,labels\none,good,bad\n", 'labels stand in more than one column: "label" and "labels"'),
        ("text,label,good,bad,other\none,good,1,0,0\n", 'labels stand in more than one column: "label" and "good"'),
        ("text,good,bad,others\none,1,0,0\n", '01.csv:1: there are 0/1 columns for some labels, but none for "other". Did you mean "others"?'),
        ("text,good,bad,other\none,1,2,0\n", '01.csv:2: the column "bad" holds "2"; expected 0 or 1.'),
        ("text,good,bad,other\none,1,1,0\n", "01.csv:2: 2 labels are marked with 1; the task is multi-class"),
    ],
)
def test_a_row_that_cannot_be_meant_so_is_an_error_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in error(tmp_path, content)


def test_for_several_labels_an_empty_cell_is_not_the_answer_none(tmp_path: Path) -> None:
    assert 'Write "-" where no label applies.' in error(tmp_path, "text,labels\none,\n", SEVERAL)
    assert '01.csv:2: ";" names no label. Write "-" where none applies.' in error(tmp_path, "text,labels\none,;\n", SEVERAL)


def test_rounds_are_read_in_the_order_of_their_numbers_and_then_of_their_names(tmp_path: Path) -> None:
    for name in ("100.csv", "02.csv", "11-ben.csv", "11-ana.csv", "11.csv", "011-5f1c2a.csv", "README.md", ".draft.csv"):
        written(tmp_path, "text,label\none,good\n", name)
    found = [path.name for path in record.round_files(tmp_path)]
    assert found == ["02.csv", "011-5f1c2a.csv", "11.csv", "11-ana.csv", "11-ben.csv", "100.csv"]
    assert record.next_number(tmp_path) == 101


def test_the_first_round_has_two_digits_and_a_name_by_what_it_holds(tmp_path: Path) -> None:
    assert record.add(["id"], [["a"]], tmp_path / "none yet").name == "01-1830fc.csv"
    assert record.add(["id"], [["a"]], tmp_path / "none yet").name == "02-1830fc.csv"
    assert record.add(["id"], [["b"]], tmp_path / "none yet", shared=False).name == "03.csv"


def test_two_branches_that_add_a_round_each_give_them_two_names_and_for_the_same_labels_one(tmp_path: Path) -> None:
    ana, ben, same = (record.add(["id"], [[said]], tmp_path / who) for who, said in (("ana", "a"), ("ben", "b"), ("both", "a")))
    assert ana.name != ben.name and ana.name == same.name


@pytest.mark.parametrize("name", ["1.csv", "02.txt", "02 (copy).csv", "two.csv", "02.csv.gz", "02-.csv", "02_5f1c2a.csv", "02-5F1C2A.csv", "02"])
def test_a_file_among_the_rounds_with_another_name_is_an_error(tmp_path: Path, name: str) -> None:
    written(tmp_path, "text,label\none,good\n", name)
    with pytest.raises(UserError, match="not the name of a round"):
        record.round_files(tmp_path)


def test_a_folder_or_a_dangling_link_in_place_of_a_round_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "04.csv").mkdir()
    with pytest.raises(UserError, match=r"04\.csv: this is a folder, so no label can be read from it\."):
        record.round_files(tmp_path)
    (tmp_path / "04.csv").rmdir()
    (tmp_path / "04.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(UserError, match=r"04\.csv: this is a link to a file that is not there"):
        record.round_files(tmp_path)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("01", ["01"]), ("02", ["02-ana", "02-ben"]), ("02-ben", ["02-ben"]), ("03", ["03-ana"]), ("1", []), ("04", []), ("02-", []), ("", [])],
)
def test_a_word_means_the_round_of_that_name_or_else_all_rounds_of_that_number(word: str, meant: list[str]) -> None:
    assert names.matching(word, ["02-ben", "02-ana", "01-ana", "01", "03-ana"]) == meant
