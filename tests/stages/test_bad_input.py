"""What people get wrong: each mistake is one clear error with file, line and what to do, exit code 1, and no file is touched."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labelrounds.pool.identity import text_id
from tests.conftest import ENVIRONMENT
from tests.small import LABELS, SmallProject, project, sentences

POOL = sentences(24)
ROUND = dict(zip(POOL, LABELS * 8, strict=True))
FORM = "a.csv"


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """A sound project: a pool, a labelled round, what an earlier split wrote, and a second form filled in."""
    made = project(tmp_path)
    made.pool([*POOL, *sentences(40)[24:]])
    made.round("01", ROUND)
    made.table(FORM, ["text", "label"], [[sentences(40)[30], "good"]])
    made.write("data/split/test.csv", "id,text,label\n")
    made.write("metrics/split.json", "{}\n")
    return made


Change = Callable[[SmallProject], object]


def form(content: str | bytes) -> Change:
    return lambda here: here.write(FORM, content)


def second_round(content: str | bytes) -> Change:
    return lambda here: here.write("data/rounds/02.csv", content)


def pool(content: str | bytes) -> Change:
    return lambda here: here.write("data/pool.csv", content)


def first_round(labels: dict[str, str]) -> Change:
    return lambda here: here.round("01", labels)


def settings(**changes: object) -> Change:
    return lambda here: here.params(**changes)


def without(*lines: str) -> Change:
    """Takes the lines that begin so out of params.yaml."""

    def change(here: SmallProject) -> None:
        kept = [line for line in here.read("params.yaml").splitlines() if not line.strip().startswith(lines)]
        here.write("params.yaml", "\n".join(kept) + "\n")

    return change


def added(line: str) -> Change:
    return lambda here: here.write("params.yaml", f"{here.read('params.yaml')}\n{line}\n")


ROW = f"id,text,label\n{text_id(POOL[0])}"
# What a file of labels can have wrong with it, and what the error says after the file's name.
BROKEN_LABELS = {
    "an unknown label": ("text,label\none,good\ntwo,godo\n", ':3: unknown label "godo". Did you mean "good"? Expected one of: good, bad, other'),
    # codespell:ignore-next-line lable
    "no label column": ("text,lable\none,good\n", ':1: there is no label column. Did you mean "lable"? Found: text, lable. Expected "label"'),
    "no text and no id column": ("txt,label\none,good\n", ':1: there is neither a column "id" nor "text". Found: txt, label.'),
    "id and text that disagree": (f"{ROW},something else,good\n", f":2: id and text disagree: the id is {text_id(POOL[0])}"),
    "an id nobody knows": (f"id,label\n{text_id('gone')},good\n", f":2: nobody knows the id {text_id('gone')}"),
    "an id that became a number": ("id,label\n1.23457E+15,good\n", ':2: "1.23457E+15" is not a text id'),
    "two label columns": ("text,label,labels\none,good,good\n", ':1: labels stand in more than one column: "label" and "labels".'),
    "a label column and 0/1 columns": (
        "text,label,good,bad,other\none,good,1,0,0\n",
        ':1: labels stand in more than one column: "label" and "good".',
    ),
    "an empty file": ("", ": the file is empty; expected a header line"),
    "UTF-16": ("text,label\none,good\n".encode("utf-16"), ":1: the file is not UTF-8; it looks like UTF-16."),
    "UTF-16 without a mark": ("text,label\none,good\n".encode("utf-16-le"), ":1: the file is not UTF-8; it looks like UTF-16."),
    "GBK": ("text,label\n你好世界,good\n".encode("gbk"), ":2: the file is not UTF-8; it looks like GBK."),
    "Windows-1252": ("text,label\ncafé,good\n".encode("cp1252"), ":2: the file is not UTF-8; it looks like Windows-1252."),
    "a quote that never closes": ('text,label\none,good\n"two,bad\n', ":3: a quote that opens in this row never closes"),
    "text after a closing quote": ('text,label\n"one" more,good\n', ":2: broken quoting"),
    "a comma without quotes": ("text,label\none, two,good\n", ":2: 3 cells found, 2 expected as in the header. A comma inside a text needs quotes"),
    "a NUL byte": (b"text,label\none\0,good\n", ":2: found a NUL byte"),
    "a cell of 5 MB": ('text,label\none,good\n"' + "a" * 5_000_000 + '",bad\n', ":3: a cell holds more than 1,000,000 characters"),
    "one column twice": ("text,label,label\none,good,bad\n", ':1: the column "label" stands there twice.'),
    "two labels by one person": ("text,label,annotator\none,good,Ann\none,bad,Ann\n", ":3: Ann gives text"),
}


# What `import` says where it looks for columns by what stands in them.
BY_CONTENT = {
    "no label column": ":1: no label column found among: text, lable. Name it with --label-column",  # codespell:ignore lable
    "an id that became a number": ':1: no column holds texts. Found: id, label. The column "id" holds no ids of this project ("1.23457E+15")',
    "two label columns": ':1: the label may stand in several columns: "label", "labels". Name the right one: --label-column label',
}


# `import` takes a column of texts whatever its name is, as `init` does, and says which one it took.
IN_ROUNDS_ONLY = "no text and no id column"


@pytest.mark.parametrize("mistake", [name for name in BROKEN_LABELS if name != IN_ROUNDS_ONLY])
def test_a_broken_form_is_one_error_on_import_and_nothing_is_written(here: SmallProject, mistake: str) -> None:
    content, said = BROKEN_LABELS[mistake]
    said = BY_CONTENT.get(mistake, said)
    here.write(FORM, content)
    assert here.wrong("import", FORM).startswith(f"Error: {FORM}{said}")


@pytest.mark.parametrize("mistake", BROKEN_LABELS)
def test_a_broken_round_is_one_error_in_the_split_and_nothing_is_written(here: SmallProject, mistake: str) -> None:
    content, said = BROKEN_LABELS[mistake]
    here.write("data/rounds/02.csv", content)
    assert here.wrong("split").startswith(f"Error: data/rounds/02.csv{said}")


@pytest.mark.parametrize("mistake", ["UTF-16", "GBK", "Windows-1252"])
def test_a_wrong_encoding_is_told_with_the_command_that_converts_it(here: SmallProject, mistake: str) -> None:
    here.write(FORM, BROKEN_LABELS[mistake][0])
    assert f"iconv -f {mistake.upper()} -t UTF-8 {FORM} > utf8-{FORM}" in here.wrong("import", FORM)


BROKEN_POOLS = {
    "an empty text": (b'text\none\n"  "\n', "data/pool.csv:3: the text is empty. Remove the row, or fill in its text."),
    "no text column": (b"Text,ref\none,1\n", 'data/pool.csv:1: there is no column "text". Did you mean "Text"? Found: Text, ref.'),
    "an empty file": (b"", "data/pool.csv: the file is empty"),
    "UTF-16": ("text\none\n".encode("utf-16"), "data/pool.csv:1: the file is not UTF-8; it looks like UTF-16."),
    "GBK": ("text\none\n你好世界\n".encode("gbk"), "data/pool.csv:3: the file is not UTF-8; it looks like GBK."),
    "a quote that never closes": (b'text\none\n"two\nthree\n', "data/pool.csv:3: a quote that opens in this row never closes (read on to line 4)."),
    "text after a closing quote": (b'text\n"one" more\n', "data/pool.csv:2: broken quoting"),
    "a NUL byte": (b"text\none\ntw\0o\n", "data/pool.csv:3: found a NUL byte"),
    "a cell of 5 MB": (b'text\none\n"' + b"a" * 5_000_000 + b'"\n', "data/pool.csv:3: a cell holds more than 1,000,000 characters"),
}


@pytest.mark.parametrize("mistake", BROKEN_POOLS)
@pytest.mark.parametrize("command", ["split", "draw", "status"])
def test_a_broken_pool_is_one_error_wherever_it_is_read(here: SmallProject, mistake: str, command: str) -> None:
    content, said = BROKEN_POOLS[mistake]
    here.write("data/pool.csv", content)
    arguments = {"split": ["split"], "draw": ["draw", "3", "b.csv"], "status": ["status"]}[command]
    assert here.wrong(*arguments).startswith(f"Error: {said}")


BROKEN_PROJECTS: dict[str, tuple[Change, str]] = {
    "a round with no labels": (
        second_round("text,label\n"),
        "data/rounds/02.csv: the round holds no labels. Remove the file, or label at least one text.",
    ),
    "a round with a row that nobody filled in": (
        second_round(f"text,label\none,good\n{'two'},\n"),
        "data/rounds/02.csv:3: there is no label in this row.",
    ),
    "no holdout round": (
        settings(split__holdout_rounds=[]),
        "split.holdout_rounds names no round; without a holdout round there is nothing to test on.",
    ),
    "a holdout round that does not exist": (
        settings(split__holdout_rounds=["1"]),
        'split.holdout_rounds names round "1", which is not in data/rounds; without a holdout round there is nothing to test on. Rounds there are: 01.',
    ),
    "a test set without texts": (settings(split__test=0), "no labelled text falls into test. Label more texts in the holdout rounds"),
    "a round of another name": (
        lambda here: here.write("data/rounds/new.csv", "text,label\none,good\n"),
        "data/rounds/new.csv: not the name of a round",
    ),
    "a pool that is not there": (lambda here: (here.folder / "data/pool.csv").unlink(), "data/pool.csv: there is no such file or folder."),
    "no round at all": (
        lambda here: (here.folder / "data/rounds/01.csv").unlink(),
        "there are no labels yet. Draw a first round at random, label it, bring it in:\n  labelrounds draw 200 round-01.csv",
    ),
    "no labels named": (settings(task__labels=[]), "params.yaml: task.labels is empty"),
}


@pytest.mark.parametrize("mistake", BROKEN_PROJECTS)
def test_a_project_that_cannot_be_split_is_one_error(here: SmallProject, mistake: str) -> None:
    change, said = BROKEN_PROJECTS[mistake]
    change(here)
    assert said in here.wrong("split")


BROKEN_PARAMETERS: dict[str, tuple[Change, str]] = {
    "an unknown key": (settings(split__vaild=0.2), 'unknown key "split.vaild". Did you mean "valid"?'),  # codespell:ignore vaild
    "an unknown section": (added("spilt: {valid: 0.2}"), 'unknown key "spilt". Did you mean "split"?'),
    "a missing key": (without("seed:"), 'the key "seed" is missing. Expected a whole number from 0'),
    "a missing key of a section": (without("test:"), 'the key "split.test" is missing. Expected a number from 0 to 1.'),
    "text for a number": (settings(seed="many"), 'seed is the text "many"; expected a whole number'),
    "a fraction for a whole number": (settings(runtime__threads=1.5), "runtime.threads is the float 1.5; expected a whole number from 1 to 1024."),
    "a number for text": (settings(split__salt=7), "split.salt is the int 7; expected text"),
    "a text for a list": (settings(task__labels="good"), 'task.labels is the text "good"; expected a list of texts'),
    "nothing for a section": (settings(split=None), "split is empty; expected a section of `key: value` lines."),
    "a list for a section": (settings(recipes=["adapted"]), "recipes is a list; expected a section"),
    "an unknown word": (settings(task__type="multiclass"), 'task.type is "multiclass". Did you mean "multi-class"?'),
    "a label listed twice": (settings(task__labels=["good", "bad", "good"]), 'the label "good" is listed twice in task.labels. Remove one.'),
    "bad YAML": (added("seed: [1, 2"), "not YAML: "),
    "a key twice": (added("seed: 14"), "not YAML: found duplicate key"),
    "a deployed labeler without a recipe": (settings(deploy="bert"), 'deploy is "bert", which is no labeler.'),
    "shares of one": (settings(split__valid=0.5, split__test=0.5), "split.valid + split.test is 1; below 1 is needed"),
    "shares above one": (settings(split__valid=0.9, split__test=0.9), "split.valid + split.test is 1.8; below 1 is needed"),
}


@pytest.mark.parametrize("mistake", BROKEN_PARAMETERS)
@pytest.mark.parametrize("command", ["split", "import"])
def test_wrong_parameters_are_one_error_with_their_line(here: SmallProject, mistake: str, command: str) -> None:
    change, said = BROKEN_PARAMETERS[mistake]
    change(here)
    shown = here.wrong(*([command] if command == "split" else [command, FORM]))
    place, _, message = shown.removeprefix("Error: ").partition(": ")
    assert place.startswith("params.yaml:") and place.removeprefix("params.yaml:").isdigit()
    assert message.startswith(said)


def test_the_sound_project_that_these_mistakes_are_made_in_is_sound(here: SmallProject) -> None:
    here.split()
    assert "1 labels of 1 texts are in data/rounds/02-" in here.command("import", FORM)


@pytest.mark.parametrize("arguments", [["import", "gone.csv"], ["import", "data"], ["import", "params.yaml"], ["demo", "annotate", "gone.csv"]])
def test_a_file_that_is_no_table_is_one_error(here: SmallProject, arguments: list[str]) -> None:
    here.wrong(*arguments)


def test_outside_a_project_every_command_says_where_to_go(tmp_path: Path) -> None:
    here = SmallProject(tmp_path)
    for arguments in (["status"], ["draw", "3", "a.csv"], ["import", "a.csv"]):
        assert "is not a labelrounds project: there is no params.yaml. Go to the top of your clone." in here.wrong(*arguments)


def test_a_mistyped_command_is_guessed(here: SmallProject) -> None:
    assert here.command("imprt", FORM, code=2).count("Did you mean 'import'?") == 1


@pytest.mark.parametrize(("file", "said"), [(FORM, f"'{FORM}' is not readable"), ("data/rounds/01.csv", "data/rounds/01.csv: permission denied")])
def test_a_file_that_may_not_be_read_is_one_error(here: SmallProject, file: str, said: str) -> None:
    (here.folder / file).chmod(0)
    # Root may read every file, unless it gives that up.
    as_anybody = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*as_anybody, sys.executable, "-m", "labelrounds.people.cli", "import", FORM]
    done = subprocess.run(command, cwd=here.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2) and said in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallProject]:
    """The sound project with a larger pool, on a disk of one megabyte of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here (root is needed): {mounted.stderr.strip()}")
    try:
        made = project(folder)
        texts = sentences(1500)
        made.pool(texts)
        made.round("01", {text: LABELS[number % 3] for number, text in enumerate(texts[:1000])})
        made.table(FORM, ["id", "label"], ([text_id(text), "good"] for text in texts[1000:]))
        yield made
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(here: SmallProject, left: int) -> None:
    """Fills the disk but for so many bytes."""
    with open(here.folder / "filler", "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(file.tell() - left)


@pytest.mark.parametrize("command", [["import", FORM], ["split"], ["draw", "400", "b.csv"]], ids=lambda command: command[0])
@pytest.mark.parametrize("left", [0, 8192])
def test_a_full_disk_is_one_error_and_leaves_nothing_half_written(small_disk: SmallProject, command: list[str], left: int) -> None:
    fill(small_disk, left)
    before = sorted(small_disk.folder.rglob("*"))
    shown = small_disk.wrong(*command)
    assert "Error: the disk is full" in shown and "Free some space and run the same command again." in shown
    after = [path for path in small_disk.folder.rglob("*") if path not in before]
    locks = {small_disk.folder / "scratch/lock", small_disk.folder / "scratch/split/lock"}  # empty files
    assert not [path for path in after if (path.is_file() or path.name.startswith(".")) and path not in locks]


@pytest.mark.slow
def test_with_space_again_the_same_command_succeeds(small_disk: SmallProject) -> None:
    small_disk.split()
    fill(small_disk, 0)
    small_disk.wrong("import", FORM)
    small_disk.wrong("split")
    (small_disk.folder / "filler").unlink()
    assert "500 labels of 500 texts are in data/rounds/02-" in small_disk.command("import", FORM)
    small_disk.split()
