"""What is exported and imported again is the same: every annotation, in every format, whatever the texts, labels and names are."""

import json
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core import registry
from labelrounds.core.errors import UserError
from labelrounds.core.task import Task, fold_label
from labelrounds.people.exchange import items, reading
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export, Item
from labelrounds.people.exchange.said import EXTRAS, Said
from labelrounds.pool.identity import fold, text_id
from tests.small import FEWER, LABELS, SmallProject, project, sentences

WRITTEN = [(name, suffix) for name in reading.formats() for suffix in registry.find(registry.FORMATS, name, "format").SUFFIXES]
AWKWARD = ["nan", "[]", "['a' 'b']", '{"choices": []}', "=1+1", "'=1", "007", "null", "a, b", '"x"', "café", "-5", "#N/A", "👩\u200d💻", "12:30"]
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("'=+-@\t\r\n\",;#[]{}0123456789😀"), max_size=12)
TEXTS = (ANY | st.sampled_from(AWKWARD)).filter(fold)
WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=8) | st.sampled_from(AWKWARD)
NAMES = WORDS.map(str.strip).filter(bool)
LABEL = WORDS.map(fold_label).filter(lambda label: label and label != "-" and not set(label) & set(";#\n\r") and fold_label(label) == label)
TIMES = st.just("") | st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat() + "Z")
NUMBERS = st.just("") | st.integers(0, 10_000).map(lambda number: repr(number / 100).removesuffix(".0"))


@st.composite
def exports(draw: st.DrawFn) -> Export:
    """Draws labelled texts: several people of a text, unnamed ones, second opinions, and everything that stands beside a label."""
    labels = draw(st.lists(LABEL, min_size=2, max_size=4, unique_by=lambda label: unicodedata.normalize("NFKC", label).casefold()))
    task = Task(draw(st.sampled_from(["multi-class", "multi-label"])), tuple(labels))
    made = []
    for text in draw(st.lists(TEXTS, min_size=1, max_size=4, unique_by=text_id)):
        said = []
        people = draw(st.lists(st.just("") | NAMES, min_size=1, max_size=3, unique=True))
        for annotator in people:
            chosen = draw(st.sets(st.sampled_from(labels))) if task.multi_label else {draw(st.sampled_from(labels))}
            source = draw(st.sampled_from(["human", "human", "opinion", "rule"]))
            extras = {"annotator": annotator, "source": source, "note": draw(st.just("") | NAMES), "guideline": draw(st.just("") | st.just("a1b2"))}
            extras |= {"labelled_at": draw(TIMES), "seconds": draw(NUMBERS), "score": draw(NUMBERS)}
            said.append(Said(text, tuple(label for label in labels if label in chosen), "", text_id(text), **extras))
        made.append(Item(text_id(text), text, said=tuple(said)))
    return Export(made, task, "adapted")


def statement(said: Said) -> tuple[object, ...]:
    return (said.annotation().id, frozenset(said.labels), *(getattr(said, name) for name in EXTRAS))


def written(export: Export, format: str, suffix: str, folder: str) -> Path:
    path = Path(folder) / f"export{suffix}"
    items.write(path, format, export)
    return path


@pytest.mark.slow
@FEWER
@given(exports())
def test_an_export_is_read_again_as_the_same_annotations(export: Export) -> None:
    expected = Counter(statement(said) for item in export.items for said in item.said)
    for format, suffix in WRITTEN:
        with tempfile.TemporaryDirectory() as folder:
            found = reading.read(written(export, format, suffix, folder), Wanted(task=export.task))
        assert Counter(map(statement, found.rows)) == expected, (format, suffix)
        assert not any(found.left_out.values())


@pytest.mark.parametrize(("format", "suffix"), WRITTEN)
def test_a_suggestion_never_comes_back_as_a_label(format: str, suffix: str, tmp_path: Path) -> None:
    if (format, suffix) == ("label-studio", ".csv"):
        pytest.skip("the short export has no place for texts without an annotation")
    for kind, suggestion in (("multi-class", ("a",)), ("multi-label", ("a", "b")), ("multi-label", ())):
        with tempfile.TemporaryDirectory() as folder:
            export = Export([Item(text_id(text), text, suggestion, "0.75") for text in sentences(3)], Task(kind, ("a", "b", "c")), "adapted")
            path = written(export, format, suffix, folder)
            found = reading.read(path, Wanted(task=export.task), format)
            assert found.rows == [] and found.left_out["without a label"] == 3
            shown = b"".join(file.read_bytes() for file in ([path] if path.is_file() else sorted(path.rglob("*.json"))))
            if suffix not in (".xlsx", ".zip", ".parquet"):
                assert b"0.75" in shown or format == "label-studio"


def test_label_studio_gets_predictions_that_it_can_show(tmp_path: Path) -> None:
    text = sentences(1)[0]
    items.write(tmp_path / "a.json", "label-studio", Export([Item(text_id(text), text, ("a",), "0.75")], Task("multi-class", ("a", "b")), "adapted"))
    result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}]
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [
        {"data": {"text": text, "labelrounds_id": text_id(text)}, "predictions": [{"model_version": "adapted", "score": 0.75, "result": result}]}
    ]


def test_a_text_that_no_cell_of_a_workbook_can_hold_is_known_by_its_id(tmp_path: Path) -> None:
    texts = ["x" * 40_000, "a bell\x07 rings", "=1+1"]
    said = [Said(text, ("a",), "", text_id(text)) for text in texts]
    export = Export([Item(stated.id, stated.text, said=(stated,)) for stated in said], Task("multi-class", ("a", "b")), "")
    items.write(tmp_path / "a.xlsx", "excel", export)
    assert [stated.annotation().id for stated in reading.read(tmp_path / "a.xlsx", Wanted(task=export.task)).rows] == list(map(text_id, texts))
    assert not [cell for row in openpyxl.load_workbook(tmp_path / "a.xlsx").active.iter_rows() for cell in row if cell.data_type == "f"]


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    said = Said("one", ("a",), "", text_id("one"), annotator="Ana")
    export = Export([Item(said.id, "one", said=(said,))], Task("multi-class", ("a", "b")), "")
    for format, suffix in WRITTEN:
        if suffix not in ("", ".xlsx"):  # openpyxl writes the time into the workbook
            paths = [tmp_path / f"{number}-{format}{suffix}" for number in range(2)]
            for path in paths:
                items.write(path, format, export)
            assert paths[0].read_bytes() == paths[1].read_bytes()


# The command


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    made = project(tmp_path)
    texts = sentences(6)
    made.pool(texts)
    made.round("01", {texts[0]: "good", texts[1]: "bad"}, "Ana")
    made.round("02", {texts[0]: "other"}, "Ana")
    columns = ["id", "text", "suggestion", "confidence", "uncertainty"]
    made.table("data/queue/next.csv", columns, [[text_id(text), text, "good", "0.61", "0.4"] for text in (texts[1], *texts[3:])])
    return made


@pytest.mark.parametrize(("format", "suffix"), WRITTEN)
def test_what_is_exported_adds_nothing_when_it_is_imported_again(here: SmallProject, format: str, suffix: str) -> None:
    assert f"2 annotations of 2 texts are in export{suffix} now." in here.command("export", "--format", format, "--labelled", f"export{suffix}")
    shown = here.command("import", f"export{suffix}")
    assert "2 labels are in data/rounds already" in shown and "Nothing new to write" in shown


def test_the_queue_is_exported_without_what_is_labelled_already(here: SmallProject) -> None:
    assert "3 texts to label are in tasks.json now." in here.command("export", "--format", "label-studio", "tasks.json")
    assert "no row has a label (3 without a label)" in here.command("import", "tasks.json", code=1)


def test_labels_that_people_gave_in_another_tool_come_back(here: SmallProject) -> None:
    here.command("export", "--format", "prodigy", "tasks.jsonl")
    rows = [json.loads(line) for line in here.read("tasks.jsonl").splitlines()]
    answers = [{"answer": "accept", "accept": ["bad"]}, {"answer": "ignore"}, {"answer": "accept", "_annotator_id": "bob"}]
    here.write("done.jsonl", "".join(json.dumps({**row, **answer}) + "\n" for row, answer in zip(rows, answers, strict=True)))
    assert "reads as Prodigy's annotations: 2 annotations by 1 person, 1 skipped" in here.command("import", "done.jsonl")
    assert [(row["label"], row["annotator"]) for row in here.rows("data/rounds/03.csv")] == [("bad", ""), ("good", "bob")]


def test_an_export_never_replaces_a_file_and_takes_only_its_own_suffix(here: SmallProject) -> None:
    here.write("a.json", "mine")
    assert "a.json is there already" in here.wrong("export", "--format", "label-studio", "a.json")
    assert "the format label-studio is written as .json, .csv" in here.wrong("export", "--format", "label-studio", "b.jsonl")
    assert "there is no such folder" in here.wrong("export", "--format", "table", "gone/b.csv")
    assert 'the format "labelstudio" is unknown. Did you mean "label-studio"?' in here.wrong("export", "--format", "labelstudio", "b.json")


def test_doccanos_csv_refuses_a_label_with_a_hash(tmp_path: Path) -> None:
    said = Said("one", ("c#",), "", text_id("one"))
    with pytest.raises(UserError, match="doccano joins labels"):
        items.write(tmp_path / "a.csv", "doccano", Export([Item(said.id, "one", said=(said,))], Task("multi-class", ("c#", "b")), ""))
    assert LABELS and not list(tmp_path.iterdir())
