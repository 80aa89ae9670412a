"""What other tools write is read for what it says: a label only where a person gave one, and everything else counted."""

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from labelrounds.core.errors import UserError
from labelrounds.core.task import Task
from labelrounds.people.exchange import choose, reading
from labelrounds.people.exchange.columns import Wanted, find_text_column
from labelrounds.people.exchange.doubts import warnings
from labelrounds.people.exchange.said import Read
from labelrounds.pool.identity import text_id
from tests.small import SmallProject, project

ONE, TWO, THREE, FOUR = texts = ["the parcel is late", "I was billed twice", "what a great shop", "no answer since Monday"]
NOTHING, SEVERAL = Wanted(), Wanted(multi_label=True)


def written(folder: Path, name: str, content: str | Iterable[dict[str, Any]]) -> Path:
    """Writes a file: a text as it is, or objects as JSON, one per line or (in .json) as an array."""
    path = folder / name
    if not isinstance(content, str):
        content = json.dumps(list(content)) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in content)
    path.write_text(content, encoding="utf-8")
    return path


def parquet(folder: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Path:
    """Writes a parquet file, with the schema that the library datasets adds."""
    table = pyarrow.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, folder / "a.parquet")
    return folder / "a.parquet"


def said(found: Read) -> list[tuple[str, ...]]:
    return [stated.labels for stated in found.rows]


def error(path: Path, wanted: Wanted = NOTHING, format: str | None = None) -> str:
    """Returns the error that reading raises, without the folder's name."""
    with pytest.raises(UserError) as caught:
        reading.read(path, wanted, format)
    return caught.value.message.replace(f"{path.parent}/", "")


# Prodigy


def answered(text: str, answer: str | None = "accept", **rest: Any) -> dict[str, Any]:
    return {"text": text, "_input_hash": 1, "_task_hash": 2, "_view_id": "choice", **({"answer": answer} if answer else {}), **rest}


def test_only_what_was_accepted_in_prodigy_is_a_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        answered(ONE, label="billing", answer="reject"),
        answered(ONE, label="delivery", _timestamp=1760000001, _annotator_id="shop-ana", score=0.75),
        answered(TWO, label="praise", answer="ignore"),
        answered(THREE, None, label="praise"),
    ]
    found = reading.read(written(tmp_path, "a.jsonl", rows), NOTHING)
    assert said(found) == [("delivery",)]
    assert found.rows[0].extras() == {"annotator": "shop-ana", "labelled_at": "2025-10-09T08:53:21Z", "score": "0.75"}
    assert "reads as Prodigy's annotations: 1 annotation by 1 person, 1 rejected, 1 skipped, 1 without a label." in capsys.readouterr().out


def test_choices_in_prodigy_are_read_by_the_ids_of_the_options_or_their_texts(tmp_path: Path) -> None:
    words = {"options": [{"id": "late", "text": "It is late!"}, {"id": "bill", "text": "Money"}]}
    numbers = {"options": [{"id": 0, "text": "late"}, {"id": 1, "text": "bill"}]}
    multiple, single = {"config": {"choice_style": "multiple"}}, {"config": {"choice_style": "single"}}
    rows = [
        answered(ONE, accept=["late", "bill"], **words, **multiple),
        answered(TWO, accept=[1], **numbers, **multiple),
        answered(THREE, accept=[], **words, **multiple),
        answered(FOUR, accept=[], **words, **single),
    ]
    found = reading.read(written(tmp_path, "a.jsonl", rows), NOTHING)
    assert said(found) == [("late", "bill"), ("bill",), ()]
    assert found.left_out == {"accepted with nothing selected": 1}


def test_yes_to_two_labels_of_a_text_is_both_only_where_texts_may_have_several(tmp_path: Path) -> None:
    rows = [answered(ONE, label="late", _annotator_id="ana"), answered(ONE, label="bill", _annotator_id="ana"), answered(TWO, label="bill")]
    path = written(tmp_path, "a.jsonl", rows)
    assert 'a.jsonl:2: "bill" is accepted for a text for which "late" is accepted' in error(path)
    assert said(reading.read(path, SEVERAL)) == [("late", "bill"), ("bill",)]
    rows[1]["_annotator_id"] = "bob"
    assert said(reading.read(written(tmp_path, "b.jsonl", rows), NOTHING)) == [("late",), ("bill",), ("bill",)], "people who disagree stay two"


@pytest.mark.parametrize("rest", [{"spans": []}, {"label": None}, {"label": ["a"]}, {"accept": "a"}, {"accept": [["a"]]}])
def test_what_prodigy_accepted_must_name_a_label(tmp_path: Path, rest: dict[str, Any]) -> None:
    assert error(written(tmp_path, "a.jsonl", [answered(ONE, label="x"), answered(TWO, **rest)])).startswith("a.jsonl:2: ")


# Label Studio


def choice(*labels: str, name: str = "sentiment", kind: str = "choices", **rest: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": kind, "value": {"choices": list(labels), **rest}}


def annotation(*results: dict[str, Any], **rest: Any) -> dict[str, Any]:
    made = {"completed_by": 1, "was_cancelled": False, "created_at": "2026-03-01T10:00:00.5Z", "lead_time": 3.25, "result": list(results)}
    return {**made, **rest}


def task(text: str, *annotations: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"text": text}, "annotations": list(annotations), "predictions": [], "drafts": [], **rest}


def test_a_label_studio_export_keeps_who_when_and_how_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        task(ONE, annotation(choice("late")), annotation(choice("bill"), completed_by={"id": 2, "email": "bob@example.org"})),
        task(TWO, annotation(was_cancelled=True)),
        task(THREE, annotation(choice("praise"), prediction={"score": 0.5}), drafts=[{}]),
        task(FOUR),
    ]
    found = reading.read(written(tmp_path, "a.json", rows), NOTHING)
    assert said(found) == [("late",), ("bill",), ("praise",)], "a disagreement never becomes a text with two labels"
    assert not found.multi_label
    assert found.rows[0].extras() == {"annotator": "1", "note": "id 7", "labelled_at": "2026-03-01T10:00:00.500000Z", "seconds": "3.25"}
    assert found.rows[1].annotator == "bob@example.org" and found.rows[2].score == "0.5"
    shown = "reads as a Label Studio export: 3 annotations by 2 people of 2 texts, 1 skipped, 1 left as a draft, 1 without a label"
    assert shown in capsys.readouterr().out


def test_of_several_questions_in_label_studio_one_is_named(tmp_path: Path) -> None:
    rows = [task(ONE, annotation(choice("late"), choice("angry", name="mood"), choice("x", kind="textarea")))]
    path = written(tmp_path, "a.json", rows)
    assert 'the label may stand in several columns: "sentiment", "mood". Name the right one: --label-column sentiment' in error(path)
    found = reading.read(path, Wanted(label_column="mood"))
    assert said(found) == [("angry",)]
    assert found.left_out == {'answers of another kind (choices of "sentiment")': 1, "answers of another kind (textarea)": 1}


def test_choices_of_a_part_of_a_text_and_an_empty_answer_are_no_labels_of_the_text(tmp_path: Path) -> None:
    rows = [task(ONE, annotation(choice("late"))), task(TWO, annotation(choice("bill", start=0, end=3))), task(THREE, annotation())]
    found = reading.read(written(tmp_path, "a.json", rows), NOTHING)
    assert said(found) == [("late",)]
    assert found.left_out["without a choice"] == 2


def test_several_choices_in_label_studio_are_several_labels(tmp_path: Path) -> None:
    short = [
        {"text": ONE, "id": 1, "sentiment": {"choices": ["late", "bill"]}, "annotator": 1, "annotation_id": 3, "lead_time": 2.0},
        {"text": TWO, "id": 2, "sentiment": "late", "annotator": 1, "annotation_id": 4, "created_at": "", "lead_time": 2.5},
        {"text": THREE, "id": 3, "annotator": 1, "annotation_id": 5, "lead_time": 1},
    ]
    found = reading.read(written(tmp_path, "a.json", short), NOTHING)
    assert said(found) == [("late", "bill"), ("late",)] and found.multi_label
    assert found.left_out == {"without a choice": 1}
    assert found.rows[1].extras() == {"annotator": "1", "note": "id 2", "seconds": "2.5"}
    rows = 'annotation_id,annotator,created_at,id,lead_time,sentiment,text,updated_at\n9,1,,1,4.2,"{""choices"": [""late"", ""bill""]}",one,\n8,1,,2,4.2,bill,two,\n'
    assert said(reading.read(written(tmp_path, "a.csv", rows), NOTHING)) == [("late", "bill"), ("bill",)]
    assert 'unknown label "late"' in error(tmp_path / "a.csv", Wanted(task=Task("multi-class", ("bill", "other"))))


# doccano


def test_doccanos_own_ids_are_notes_and_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    rows = [{"id": 500, "text": ONE, "label": ["late"], "Comments": ["sure?"]}, {"id": 501, "text": TWO, "label": [], "Comments": []}]
    found = reading.read(written(tmp_path, "a.jsonl", rows), NOTHING)
    assert said(found) == [("late",)] and found.rows[0].note == "id 500; sure?" and found.rows[0].id == ""
    assert found.left_out == {"without a label": 1}


def test_each_user_of_a_doccano_zip_keeps_an_annotation(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for who, label in (("ana", ["late"]), ("bob", ["bill"]), ("unknown", [])):
            packed.writestr(f"{who}.jsonl", json.dumps({"id": 1, "text": ONE, "label": label, "Comments": []}) + "\n")
    found = reading.read(tmp_path / "a.zip", NOTHING)
    assert [(stated.annotator, stated.labels) for stated in found.rows] == [("ana", ("late",)), ("bob", ("bill",))]
    assert not found.multi_label


def test_two_labels_in_doccanos_merged_file_are_never_taken_for_granted(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": ONE, "label": ["late", "bill"], "Comments": []}]
    path = written(tmp_path, "a.jsonl", rows)
    assert "a.jsonl:1: 2 labels of one text (1 such rows)" in error(path)
    assert said(reading.read(path, SEVERAL)) == [("late", "bill")]
    assert "a.jsonl:1: 2 labels found; the task is multi-class" in error(path, Wanted(task=Task("multi-class", ("late", "bill"))))


def test_doccanos_csv_joins_labels_by_a_hash(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f"id,text,label,Comments\n1,{ONE},late#bill,\n2,{TWO},bill,\n3,{THREE},,\n")
    assert said(reading.read(path, SEVERAL)) == [("late", "bill"), ("bill",)]


@pytest.mark.parametrize("label", [[[0, 3, "LOC"]], [{"label": "x"}], {"a": "b"}])
def test_spans_are_no_labels_of_a_text(tmp_path: Path, label: Any) -> None:
    rows = [{"id": 1, "text": ONE, "label": ["late"], "Comments": []}, {"id": 2, "text": TWO, "label": label, "Comments": []}]
    assert error(written(tmp_path, "a.jsonl", rows)).startswith("a.jsonl:2: ")


def test_a_broken_or_empty_zip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    assert error(tmp_path / "a.zip").startswith("a.zip: not a zip that can be read")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.writestr("all.jsonl", "{broken")
    assert error(tmp_path / "b.zip").startswith("b.zip/all.jsonl:1: not JSON")


# Argilla


def test_argillas_folder_gives_an_annotation_per_response(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / ".argilla").mkdir(parents=True)
    questions = [{"name": "kind", "settings": {"type": "label_selection"}}, {"name": "why", "settings": {"type": "text"}}]
    (folder / ".argilla/settings.json").write_text(json.dumps({"questions": questions}), encoding="utf-8")
    answers = [{"value": "late", "user_id": "u1"}, {"value": "bill", "user_id": "u2"}]
    records = [
        {"id": "r1", "fields": {"text": ONE}, "responses": {"kind": answers, "why": [{"value": "so", "user_id": "u1"}]}, "suggestions": {}},
        {"id": "r2", "fields": {"text": TWO}, "responses": {}, "suggestions": {"kind": {"value": "bill", "score": 0.9}}},
    ]
    written(folder, "records.json", records)
    found = reading.read(folder, NOTHING)
    assert [(stated.annotator, stated.labels, stated.note) for stated in found.rows] == [("u1", ("late",), "id r1"), ("u2", ("bill",), "id r1")]
    assert found.left_out == {"without a label": 1}, "a suggestion is no label"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_of_argillas_flat_export_only_submitted_responses_count(tmp_path: Path, name: str) -> None:
    answers = {"kind.responses": [["late"], ["late", "bill"], ["bill"]], "kind.responses.users": ["u1", "u2", "u3"]}
    row = {"id": "r", "text": ONE, **answers, "kind.responses.status": ["submitted", "draft", "discarded"], "kind.suggestion": ["bill"]}
    if name.endswith(".csv"):
        content = ",".join(row) + "\n" + ",".join('"' + str(cell).replace('"', '""') + '"' for cell in row.values()) + "\n"
        found = reading.read(written(tmp_path, name, content), SEVERAL)
    else:
        found = reading.read(written(tmp_path, name, [row]), SEVERAL)
    assert [(stated.annotator, stated.labels) for stated in found.rows] == [("u1", ("late",))]
    assert found.left_out == {"left as a draft": 1, "skipped": 1}


def test_of_argillas_first_version_only_validated_records_count(tmp_path: Path) -> None:
    rows = [
        {"text": ONE, "annotation": "late", "annotation_agent": "ana", "status": "Validated", "prediction": [{"label": "bill", "score": 0.9}]},
        {"inputs": {"text": TWO}, "annotation": ["late"], "annotation_agent": "ana", "status": "Validated"},
        {"text": THREE, "annotation": "bill", "status": "Default"},
        {"text": THREE, "annotation": None, "status": "Default"},
        {"text": FOUR, "annotation": "bill", "status": "Discarded"},
    ]
    found = reading.read(written(tmp_path, "a.jsonl", rows), NOTHING)
    assert [(stated.text, stated.labels, stated.annotator) for stated in found.rows] == [(ONE, ("late",), "ana"), (TWO, ("late",), "ana")]
    assert found.left_out == {"not validated": 1, "without a label": 1, "skipped": 1}


# spaCy, datasets, workbooks


def test_spacys_cats_are_the_labels_that_apply(tmp_path: Path) -> None:
    rows = [{"text": ONE, "cats": {"late": 1.0, "bill": 0.0}}, {"text": TWO, "cats": {"late": 0, "bill": True}}, {"text": THREE, "cats": {}}]
    found = reading.read(written(tmp_path, "a.jsonl", rows), NOTHING)
    assert said(found) == [("late",), ("bill",)] and found.labels == ["late", "bill"] and found.left_out == {"without a label": 1}
    assert said(reading.read(written(tmp_path, "b.jsonl", [{"text": ONE, "label": {"late": 0.9, "bill": 0.1}}]), NOTHING)) == [("late",)]
    assert "the score of \"bill\" is 'x'" in error(written(tmp_path, "c.jsonl", [{"text": ONE, "cats": {"late": 1, "bill": "x"}}]))


def test_scores_between_zero_and_one_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = reading.read(written(tmp_path, "a.jsonl", [{"text": ONE, "cats": {"late": 0.9, "bill": 0.6, "x": 0.2}}]), NOTHING)
    assert said(found) == [("late", "bill")] and "1 rows hold scores that are neither 0 nor 1" in capsys.readouterr().out


def test_class_names_in_a_datasets_schema_are_the_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"names": ["late", "bill", "praise"], "_type": "ClassLabel"}
    found = reading.read(parquet(tmp_path, {"text": texts, "coarse": [0, 1, -1, None]}, {"coarse": names}), NOTHING)
    assert said(found) == [("late",), ("bill",)] and found.labels == ["late", "bill"]
    assert "reads as a Hugging Face dataset: 2 annotations, 2 without a label" in capsys.readouterr().out
    found = reading.read(parquet(tmp_path, {"text": texts[:2], "tags": [[0, 2], [1]]}, {"tags": {"feature": names, "_type": "List"}}), NOTHING)
    assert said(found) == [("late", "praise"), ("bill",)] and found.multi_label
    assert 'the column "coarse" holds 9' in error(parquet(tmp_path, {"text": [ONE], "coarse": [9]}, {"coarse": names}))


def test_a_workbook_is_read_like_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = openpyxl.Workbook()
    for row in (["text", "label", "annotator"], [ONE, "late", "Ana"], [TWO, None, None], [THREE, 3, None]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    found = reading.read(tmp_path / "a.xlsx", NOTHING)
    assert [(stated.labels, stated.annotator) for stated in found.rows] == [(("late",), "Ana"), (("3",), "")]
    assert "reads as a workbook: 2 annotations by 1 person, 1 without a label" in capsys.readouterr().out


# Cells


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("late", ("late",)),
        ('{"choices": ["late", "bill"]}', ("late", "bill")),
        ('["late", "bill"]', ("late", "bill")),
        ("['late', 'bill']", ("late", "bill")),
        ("{'late': 1, 'bill': 0}", ("late",)),
        ('{"late": 0.0, "bill": 1.0}', ("bill",)),
        ("[spam]", ("[spam]",)),
        ("nan", None),
        ("<NA>", None),
        (" ", None),
        ("[]", None),
    ],
)
def test_a_cell_that_spells_a_list_or_an_object_is_understood(tmp_path: Path, cell: str, labels: tuple[str, ...] | None) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    found = reading.read(written(tmp_path, "a.csv", f"text,label\n{ONE},{quoted}\n{TWO},other\n"), NOTHING)
    assert said(found) == [*([labels] if labels else []), ("other",)]


@pytest.mark.parametrize(
    "cell",
    [
        "['late' 'bill']",  # how numpy writes an array: Python would join the two
        '{"text": "late"}',
        '[["late", "x"]]',
        '[{"label": "late", "score": 0.9}]',
        "[1, 0, 0]",
        "[0 1 0]",
        "[nan]",
        "{late: bill}",
        '["late", null]',
        '{"late": 2}',
    ],
)
def test_a_cell_that_can_be_no_label_is_an_error_at_its_line(tmp_path: Path, cell: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    assert error(written(tmp_path, "a.csv", f"text,label\n{ONE},late\n{TWO},{quoted}\n")).startswith("a.csv:3: ")


@pytest.mark.parametrize("value", ["[['late', 'x']]", 0.5, [["late"]], {"a": "b"}, {"a": [1]}, [1, 1], [None], [0.5]])
def test_a_json_value_that_can_be_no_label_is_an_error_at_its_line(tmp_path: Path, value: Any) -> None:
    assert error(written(tmp_path, "a.jsonl", [{"text": ONE, "label": "late"}, {"text": TWO, "label": value}])).startswith("a.jsonl:2: ")


def test_nothing_is_no_label_and_numbers_and_truths_are_spelled_as_written(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.jsonl", f'{{"text": "{ONE}", "label": NaN}}\n{{"text": "{TWO}", "label": null}}\n{{"text": "{THREE}", "label": true}}\n'
    )
    found = reading.read(path, NOTHING)
    assert said(found) == [("true",)] and found.left_out == {"without a label": 2}
    found = reading.read(parquet(tmp_path, {"text": texts, "label": [0.0, float("nan"), 1.0, None]}), NOTHING)
    assert said(found) == [("0",), ("1",)], "pandas makes floats of whole numbers with a gap"
    dictionary = pyarrow.array(["late", None, "bill", "late"]).dictionary_encode()
    assert said(reading.read(parquet(tmp_path, {"text": texts, "label": dictionary}), NOTHING)) == [("late",), ("bill",), ("late",)]


@pytest.mark.parametrize("value", ["a;b", "-", "a\nb", "x" * 201])
def test_a_listed_label_that_no_project_could_hold_is_an_error(tmp_path: Path, value: str) -> None:
    rows = [{"text": ONE, "labels": ["late"]}, {"text": TWO, "labels": ["late", value]}]
    assert error(written(tmp_path, "a.jsonl", rows)).startswith("a.jsonl:2: ")


def test_a_plus_and_a_minus_are_refused_before_anything_happens(tmp_path: Path) -> None:
    said = error(written(tmp_path, "a.csv", f"text,label\n{ONE},+\n{TWO},-\n"))
    assert said.startswith('a.csv:3: "-" cannot be a label') and "--multi-label" in said
    assert error(written(tmp_path, "b.csv", f"text,a; b,c\n{ONE},1,0\n{TWO},0,1\n")).startswith('b.csv:2: "a; b" cannot be a label')


def test_labels_are_compared_in_normal_form_without_invisible_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spellings = ["café", "cafe\u0301", "café\u200b", "\ufeffcafé ", "Café", "ca fé"]
    path = written(tmp_path, "a.csv", "text,label\n" + "".join(f"{text_id(label)},{label}\n" for label in spellings))
    assert reading.read(path, NOTHING).labels == ["Café", "ca fé", "café"]
    assert 'Warning: these labels differ only by case or spacing: "Café" (1), "ca fé" (1), "café" (4). Are they one label?' in capsys.readouterr().out
    known = reading.read(written(tmp_path, "b.csv", "text,label\none,cafe\u0301\u200b\n"), Wanted(task=Task("multi-class", ("café", "bar"))))
    assert said(known) == [("café",)]
    assert warnings(["a", "b", "👩\u200d💻", "می\u200cخواهم"]) == []


@pytest.mark.parametrize(
    ("name", "value"), [("answer", "reject"), ("status", "Discarded"), ("accepted", "false"), ("skipped", "1"), ("was_cancelled", "TRUE")]
)
def test_a_label_that_another_column_takes_back_is_none_by_accident(tmp_path: Path, name: str, value: str) -> None:
    path = written(tmp_path, "a.csv", f"text,label,{name}\n{ONE},late,\n{TWO},bill,{value}\n")
    assert f'a.csv:3: the column "{name}" says "{value}": is the label of this row one?' in error(path)
    assert len(reading.read(path, NOTHING, "table").rows) == 2


@pytest.mark.parametrize("labels", [["0.93", "0.11"], ["1", "2.5"], ["1e-3", "0,5"]])
def test_a_column_of_scores_is_no_column_of_labels(tmp_path: Path, labels: list[str]) -> None:
    path = written(tmp_path, "a.csv", "text,label\n" + "".join(f'{text},"{label}"\n' for text, label in zip(texts, labels, strict=False)))
    assert "looks like a score, and all labels are numbers" in error(path)
    assert said(reading.read(path, NOTHING, "table")) == [(label,) for label in labels]


@pytest.mark.parametrize("labels", [["1", "2"], ["1.0", "2.0"], ["1.5", "many"]])
def test_numbers_may_be_labels(tmp_path: Path, labels: list[str]) -> None:
    path = written(tmp_path, "a.csv", "text,label\n" + "".join(f"{text},{label}\n" for text, label in zip(texts, labels, strict=False)))
    assert said(reading.read(path, NOTHING)) == [(label,) for label in labels]


@pytest.mark.parametrize(
    ("format", "row"),
    [
        ("argilla", {"fields": {"text": ONE}, "responses": [1]}),
        ("argilla", {"fields": {"text": ONE}, "responses": {"q": [{"value": "x"}]}, "metadata": [1]}),
        ("argilla", {"text": ONE, "annotation": "x", "status": "Validated", "metadata": "x"}),
        ("label-studio", {"data": {"text": ONE}, "annotations": [{"result": "x"}], "drafts": 3}),
        ("prodigy", {"text": ONE, "accept": [1], "options": [{"id": {"a": 1}}], "answer": "accept"}),
    ],
)
def test_another_shape_than_a_tool_writes_is_an_error(tmp_path: Path, format: str, row: dict[str, Any]) -> None:
    assert "as that tool writes it" in error(written(tmp_path, "a.json", [row]), format=format)


def test_labels_that_look_joined_or_like_nothing_are_warned_of() -> None:
    assert warnings(["late", "bill", "late, bill", "late/bill", "food & drink", "bill"]) == [
        '"late, bill" (1) is taken as one label. If it means "late" and "bill", join them by `;` and add --multi-label.',
        '"late/bill" (1) is taken as one label. If it means "late" and "bill", join them by `;` and add --multi-label.',
    ]
    assert warnings(["None", "None", "late"]) == ['"None" (2) is taken as a label. Where nobody has labelled the text, leave the cell empty.']


# Columns


@pytest.mark.parametrize(
    ("header", "rows", "candidates"),
    [
        ("text,category,sentiment", ["web,good", "mail,bad"], '"category", "sentiment"'),
        ("text,label_id,label_text", ["1,good", "0,bad"], '"label_id", "label_text"'),
        ("text,is_reply,has_link,topic_name", ["0,1,good", "1,0,bad"], '"topic_name", "is_reply,has_link"'),
        ("text,label,topic", ["good,web", "bad,mail"], '"label", "topic"'),
    ],
)
def test_where_several_columns_may_hold_the_label_it_refuses_and_names_them(tmp_path: Path, header: str, rows: list[str], candidates: str) -> None:
    path = written(tmp_path, "a.csv", f"{header}\n" + "".join(f"{text},{row}\n" for text, row in zip(texts, rows, strict=False)))
    assert f"a.csv:1: the label may stand in several columns: {candidates}. Name the right one: --label-column " in error(path)
    last = header.split(",")[-1]
    assert said(reading.read(path, Wanted(label_column=last))) == [(row.split(",")[-1],) for row in rows]


def test_columns_of_zeros_and_ones_can_be_named_too(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f"text,a,b,topic\n{ONE},0,1,x\n{TWO},1,0,y\n{THREE},,,\n")
    found = reading.read(path, Wanted(label_column="a,b"))
    assert said(found) == [("b",), ("a",)] and found.left_out == {"without a label": 1}


def test_an_empty_candidate_is_none(tmp_path: Path) -> None:
    assert said(reading.read(written(tmp_path, "a.csv", f"text,label,intent\n{ONE},,good\n{TWO},,bad\n"), NOTHING)) == [("good",), ("bad",)]


def test_where_several_columns_may_hold_the_text_it_refuses_and_names_them(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f"title,body,label\n{ONE},{TWO},a\n{TWO},{THREE},b\n")
    assert 'the text may stand in several columns: "title", "body". Name the right one: --text-column title' in error(path)
    assert [stated.text for stated in reading.read(path, Wanted(text_column="body")).rows] == [TWO, THREE]
    assert [stated.text for stated in reading.read(path, Wanted(known_text="title")).rows] == [ONE, TWO], "the pool's own column"


def test_the_columns_taken_are_named_on_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "a.csv", f"input_text,intent\n{ONE},a\n{TWO},b\n")
    reading.read(path, NOTHING)
    assert 'a.csv: the texts are in "input_text", the labels in "intent".' in capsys.readouterr().out
    assert find_text_column(path, None) == "input_text"
    assert 'the text is taken from the column "input_text" (--text-column names another).' in capsys.readouterr().out


def test_in_a_terminal_a_person_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda *_, **__: 2)
    assert choose.one(tmp_path / "a.csv", ["category", "sentiment"], "the label", "--label-column") == "sentiment"


def test_a_text_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    rows = [{"text": ONE, "label": "a"}, {"text": {"en": ONE}, "label": "b"}]
    assert 'a.jsonl:2: the text in "text" is a dict' in error(written(tmp_path, "a.jsonl", rows))
    assert "b.jsonl:2: the text is empty" in error(written(tmp_path, "b.jsonl", [rows[0], {"text": None, "label": "b"}]))


def test_a_format_can_be_named_and_an_unknown_one_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f"id,text,label\n1,{ONE},late#bill\n2,{TWO},bill\n")
    assert said(reading.read(path, NOTHING)) == [("late#bill",), ("bill",)]
    assert said(reading.read(path, SEVERAL, "doccano")) == [("late", "bill"), ("bill",)]
    assert 'the format "docano" is unknown. Did you mean "doccano"?' in error(path, format="docano")


# The command


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    made = project(tmp_path, ["bill", "late", "praise"])
    made.pool(texts)
    return made


def test_import_finds_columns_as_init_does_and_takes_the_same_options(here: SmallProject) -> None:
    here.table("data_labeled_3.csv", ["input_text", "label"], [[ONE, "late"], [TWO, "bill"]])
    assert '"input_text", the labels in "label"' in here.command("import", "data_labeled_3.csv")
    here.table("more.csv", ["title", "body", "mood", "topic"], [[ONE, THREE, "good", "praise"]])
    assert "the text may stand in several columns" in here.wrong("import", "more.csv")
    here.command("import", "more.csv", "--text-column", "body", "--label-column", "topic")
    assert [(row["id"], row["label"]) for row in here.rows("data/rounds/02.csv")] == [(text_id(THREE), "praise")]


def test_import_knows_which_column_holds_the_projects_labels(here: SmallProject) -> None:
    here.table("a.csv", ["text", "category", "intent"], [[ONE, "web", "late"], [TWO, "mail", "bill"]])
    assert 'the labels in "intent"' in here.command("import", "a.csv")


def test_a_foreign_id_is_kept_as_a_note_where_the_text_is_there(here: SmallProject) -> None:
    written(here.folder, "a.jsonl", [{"id": 500, "text": ONE, "label": ["late"], "Comments": []}])
    here.command("import", "a.jsonl")
    here.table("b.csv", ["id", "text", "label"], [["ticket-9", TWO, "bill"]])
    here.command("import", "b.csv")
    assert here.rows("data/rounds/01.csv") == [{"id": text_id(ONE), "label": "late", "annotator": "", "note": "id 500"}]
    assert here.rows("data/rounds/02.csv")[0]["note"] == "id ticket-9"


def test_a_label_studio_export_becomes_a_round_with_everything_it_knows(here: SmallProject) -> None:
    rows = [task(ONE, annotation(choice("late")), annotation(choice("bill"), completed_by=2)), task(TWO, annotation(was_cancelled=True))]
    written(here.folder, "export.json", rows)
    assert "export.json reads as a Label Studio export: 2 annotations by 2 people of 1 texts, 1 skipped" in here.command("import", "export.json")
    first = {"label": "late", "annotator": "1", "labelled_at": "2026-03-01T10:00:00.500000Z", "seconds": "3.25", "note": "id 7"}
    assert here.rows("data/rounds/01.csv")[0] == {"id": text_id(ONE), **first}
    here.command("status")


def test_an_unknown_label_of_another_tool_is_an_error_that_counts(here: SmallProject) -> None:
    written(here.folder, "a.json", [task(ONE, annotation(choice("layt"))), task(TWO, annotation(choice("layt")))])
    said = here.wrong("import", "a.json")
    assert 'a.json:1: unknown label "layt". Did you mean "late"?' in said and "2 rows of this kind in all" in said


def test_a_labelled_file_of_our_own_form_is_never_ambiguous(here: SmallProject) -> None:
    here.table("a.csv", ["id", "text", "label", "annotator", "topic", "score"], [[text_id(ONE), ONE, "late", "", "web", ""]])
    here.command("import", "a.csv")
    assert here.rows("data/rounds/01.csv")[0]["label"] == "late"
