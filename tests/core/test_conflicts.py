"""Conflict marks in any file of the project are one error, which names the file, the line and the branches; texts may hold them."""

from pathlib import Path

import pytest

from labelrounds.core import conflicts
from tests.small import SmallProject, project, sentences

ONE, OTHER = sentences(2)


def marked(before: str, ours: str, theirs: str, after: str, base: str = "") -> str:
    return f"{before}<<<<<<< HEAD\n{ours}{base}=======\n{theirs}>>>>>>> ben\n{after}"


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    made = project(tmp_path)
    made.pool(sentences(4))
    made.round("01", {ONE: "good"})
    return made


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("data/rounds/01.csv", "Keep the labels of both sides"),
        ("data/audits/01.csv", "Keep the labels of both sides"),
        ("data/audits/drawn/01.csv", "Keep the labels of both sides"),
        ("data/schema.jsonl", "Decide what shall stand there"),
        ("data/pool.csv.dvc", "Decide what shall stand there"),
        ("dvc.lock", "`labelrounds merge` takes one side"),
        ("metrics/split.json", "`labelrounds merge` takes one side"),
        ("metrics/baseline/test.csv", "`labelrounds merge` takes one side"),
        ("data/snapshots/01.json", "`labelrounds merge` takes one side"),
    ],
)
@pytest.mark.parametrize("base", ["", "||||||| 1f2e3d4\nx\n"])
def test_marks_are_one_error_with_file_line_and_branches(here: SmallProject, path: str, advice: str, base: str) -> None:
    here.write(path, marked("a\nb\n", "c\n", "d\n", "e\n", base))
    for command in (["status"], ["split"]):
        assert f'Error: {path}:3: conflict marks, left by the merge of "ben" into "HEAD". ' in here.wrong(*command)
        assert advice in here.wrong(*command)


def test_marks_in_the_parameters_are_told_as_what_they_are(here: SmallProject) -> None:
    before, after = here.read("params.yaml").split("seed: ", 1)
    here.write("params.yaml", before + marked("", "seed: 1\n", "seed: 2\n", after.partition("\n")[2]))
    line = before.count("\n") + 1
    assert f'Error: params.yaml:{line}: conflict marks, left by the merge of "ben" into "HEAD". Decide' in here.wrong("status")


def test_a_text_with_such_marks_is_a_text(here: SmallProject) -> None:
    text = marked("how do I read\n", "this\n", "or this\n", "?")
    here.table("data/rounds/02.csv", ["text", "label"], [[text, "bad"], [text.replace("this", '"this"'), "bad"]])
    assert "3 labels of 3 texts" in here.command("status")


@pytest.mark.parametrize(
    "content", ["<<<<<<< HEAD\nonly the begin\n", "a\n=======\nb\n", " <<<<<<< HEAD\n=======\n>>>>>>> ben\n", "<<<<<<<< a\n=======\n>>>>>>> b\n"]
)
def test_what_git_does_not_write_is_no_conflict(content: str) -> None:
    assert conflicts.find(content.encode()) is None
