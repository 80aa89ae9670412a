"""`labelrounds init`: a clone becomes the user's project in one step, and nothing of the user's is lost on the way."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import Project, clone

pytestmark = pytest.mark.slow  # real git and dvc

POOL = "text,when\nthe parcel is late,Mon\nI love it,Tue\nwhere is my refund,Wed\n"
LABELLED = "text,label\nthe parcel is late,complaint\nI love it,praise\nthanks a lot,praise\nso slow again,complaint\n"


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A clone of the demo as it stands here, with a round that its crowd labelled."""
    project = clone(tmp_path / "project")
    for path in (project.folder / "data/rounds").glob("*.csv"):
        path.unlink()
    project.write("data/rounds/01.csv", "id,label,annotator\n0123456789abcdef,positive,crowd\n")
    project.commit("with the demo's round")
    return project


def given(project: Project, pool: str = POOL, labelled: str | None = LABELLED, *options: str, code: int = 0) -> str:
    """Runs `labelrounds init` on files with this content and returns everything that it printed."""
    outside = project.folder.parent
    (outside / "pool.csv").write_text(pool, encoding="utf-8")
    words = ["--pool", str(outside / "pool.csv")]
    if labelled is not None:
        (outside / "labelled.csv").write_text(labelled, encoding="utf-8")
        words += ["--labelled", str(outside / "labelled.csv")]
    done = project.run("labelrounds", "init", *words, *options, code=code)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def params(project: Project) -> dict:
    return YAML(typ="safe").load(project.read("params.yaml"))


def test_the_demo_goes_and_the_users_texts_and_labels_come(fresh: Project) -> None:
    history = fresh.run("git", "log", "--format=%H").stdout
    fresh.write("studies/learning_curve/points/vanilla.jsonl", "")
    fresh.write("studies/learning_curve/dvc.lock", "schema: '2.0'\n")
    said = given(fresh)
    assert not list((fresh.folder / "studies").rglob("*.jsonl")) and not list((fresh.folder / "studies").rglob("dvc.lock"))
    assert "4 labels are in data/rounds/01.csv" in said and "dvc repro" in said
    assert not (fresh.folder / "data/dvc.yaml").exists() and (fresh.folder / "data/pool.csv.dvc").exists()
    assert not list((fresh.folder / "metrics").glob("*")) and not (fresh.folder / "dvc.lock").exists()
    found = params(fresh)
    assert found["task"] == {"type": "multi-class", "labels": ["complaint", "praise"]}
    assert found["data"] == {"pool": "data/pool.csv", "text_column": "text"}
    assert fresh.read("data/pool.csv") == POOL
    assert fresh.run("git", "log", "--format=%H").stdout == history
    assert not list(fresh.folder.rglob("data/.gitignore")), "the root .gitignore is the only one"


def test_prompts_with_the_demos_guideline_go_and_others_stay(fresh: Project) -> None:
    sentiment, own = ({"model": model, "prompt": f"studies/llm/prompts/{folder}"} for model, folder in (("small", "sentiment"), ("large", "own")))
    models = {name: {"server": "http://localhost:1/v1", "model": name} for name in ("small", "large")}
    fresh.params(
        language_models=models, prompts={"asked": sentiment, "mine": own}, deploy="asked", learning_curve__recipes=["vanilla", "asked", "mine"]
    )
    given(fresh)
    found = params(fresh)
    assert found["prompts"] == {"mine": own} and found["language_models"] == {"large": models["large"]}, "its guideline speaks of the demo's labels"
    assert found["deploy"] == "adapted" and found["learning_curve"]["recipes"] == ["vanilla", "mine"]


def test_labels_of_pool_texts_go_by_id_and_other_texts_are_carried_by_the_round(fresh: Project) -> None:
    given(fresh)
    lines = fresh.read("data/rounds/01.csv").splitlines()
    assert lines[0] == "id,text,label,annotator"
    assert [line.split(",")[1] for line in lines[1:]] == ["", "", "thanks a lot", "so slow again"]


def test_the_comments_in_params_yaml_stay(fresh: Project) -> None:
    before = [line.split("#", 1)[1] for line in fresh.read("params.yaml").splitlines() if "#" in line and "sha256=" not in line]
    given(fresh)
    after = [line.split("#", 1)[1] for line in fresh.read("params.yaml").splitlines() if "#" in line and "sha256=" not in line]
    assert after == before


def test_one_hot_columns_are_understood_as_in_semeval(fresh: Project) -> None:
    said = given(fresh, "ID,Tweet\n1,oh no\n2,oh yes\n", "ID,Tweet,anger,joy\n1,oh no,1,0\n2,oh yes,0,1\n3,both,1,1\n4,nothing,0,0\n")
    assert "multi-label" in said and "finetune.epochs is 10 now, was " in said
    assert params(fresh)["task"] == {"type": "multi-label", "labels": ["anger", "joy"]}
    assert params(fresh)["finetune"]["epochs"] == 10, "several labels per text take longer to learn"
    assert params(fresh)["data"]["text_column"] == "Tweet"
    assert [line.split(",")[2] for line in fresh.read("data/rounds/01.csv").splitlines()[1:]] == ["anger", "joy", "anger;joy", "-"]


def test_one_hot_columns_with_exactly_one_mark_per_row_are_multi_class(fresh: Project) -> None:
    given(fresh, POOL, "text,good,bad\nx y,1,0\nz w,0,1\n")
    assert params(fresh)["task"]["type"] == "multi-class"


def test_joined_labels_are_understood(fresh: Project) -> None:
    given(fresh, POOL, "sentence,labels\na b,joy;fear\nc d,fear\ne f,-\n", "--text-column", "sentence", code=1)
    given(fresh, "sentence\na b\nq r\n", "sentence,labels\na b,joy;fear\nc d,fear\ne f,-\n")
    assert params(fresh)["task"] == {"type": "multi-label", "labels": ["fear", "joy"]}


def test_labels_that_yaml_would_read_as_something_else_stay_texts(fresh: Project) -> None:
    given(fresh, POOL, "text,label\na b,yes\nc d,no\ne f,1\ng h,null\n")
    assert params(fresh)["task"]["labels"] == ["1", "no", "null", "yes"]
    assert "4 labels" in fresh.run("labelrounds", "status").stdout


def test_several_labelled_files_become_several_rounds(fresh: Project) -> None:
    (fresh.folder.parent / "more.csv").write_text("text,label\nnever again,complaint\n", encoding="utf-8")
    given(fresh, POOL, LABELLED, "--labelled", str(fresh.folder.parent / "more.csv"))
    assert sorted(path.name for path in (fresh.folder / "data/rounds").glob("*.csv")) == ["01.csv", "02.csv"]


def test_what_suits_the_demo_alone_is_set_back_and_told(fresh: Project) -> None:
    fresh.params(runtime__reproducible="portable")
    said = given(fresh, POOL, LABELLED)
    assert "runtime.reproducible is machine now, was portable" in said and "predict.precision is 0.95 now, was 0.85" in said
    assert params(fresh)["runtime"]["reproducible"] == "machine" and params(fresh)["predict"]["precision"] == 0.95


def test_without_labels_it_says_how_to_draw_the_first_round(fresh: Project) -> None:
    assert "labelrounds draw 200" in given(fresh, POOL, None)
    assert params(fresh)["task"]["labels"] == []


def test_rows_without_a_label_are_left_out_and_counted(fresh: Project) -> None:
    assert "1 rows without a label were left out" in given(fresh, POOL, LABELLED + "not yet,\n")


def test_a_folder_of_shards_is_a_pool(fresh: Project) -> None:
    shards = fresh.folder.parent / "shards"
    shards.mkdir()
    for number in range(2):
        (shards / f"part-{number}.jsonl").write_text(f'{{"text": "text number {"abcdef"[number] * 5}"}}\n', encoding="utf-8")
    fresh.run("labelrounds", "init", "--pool", str(shards))
    assert params(fresh)["data"]["pool"] == "data/pool"
    assert sorted(path.name for path in (fresh.folder / "data/pool").iterdir()) == ["part-0.jsonl", "part-1.jsonl"]


def test_it_asks_before_it_removes_anything_that_is_not_the_demos(fresh: Project) -> None:
    mine = fresh.write("data/rounds/02.csv", "id,label,annotator\n0123456789abcdef,positive,ana\n")
    waiting = fresh.write("data/inbox/queue.journal", '{"do": "label", "person": "ana", "id": "0123456789abcdef"}\n')
    said = fresh.run("labelrounds", "init", "--pool", str(fresh.write("../mine.csv", POOL)), code=1, input="n\n")
    assert "data/rounds/02.csv" in said.stdout and "data/rounds/01.csv" not in said.stdout
    assert "data/inbox/queue.journal" in said.stdout and waiting.exists(), "labels that wait for a round are not the demo's"
    assert mine.exists() and (fresh.folder / "data/dvc.yaml").exists()
    fresh.run("labelrounds", "init", "--pool", str(fresh.folder.parent / "mine.csv"), input="y\n")
    assert not mine.exists() and not waiting.exists()


def test_what_a_run_of_the_demo_made_goes_without_a_question_and_every_readme_stays(fresh: Project) -> None:
    made = [
        "models/encoder/vanilla/config.json",
        "models/labeler/adapted/card.json",
        "data/split/train.csv",
        "data/unlabelled/00000.jsonl",
        "data/evaluated/adapted.json",
        "data/predictions/labelled.csv",
        "data/queue/next.csv",
    ]
    for name in made:
        fresh.write(name, "")
    assert "would be removed" not in given(fresh)
    assert not [name for name in made if (fresh.folder / name).exists()]
    assert "README.md" not in fresh.run("git", "ls-files", "--deleted").stdout


def test_a_second_init_asks_because_the_project_is_the_users_now(fresh: Project) -> None:
    given(fresh)
    said = given(fresh, POOL, LABELLED, code=1)
    assert "data/rounds/01.csv" in said and (fresh.folder / "data/rounds/01.csv").exists()
    given(fresh, POOL, LABELLED, "--yes")


@pytest.mark.parametrize(
    ("pool", "labelled", "expected"),
    [
        ("", LABELLED, "pool.csv: the file is empty"),
        ("text\n", LABELLED, "pool.csv: there are no rows"),
        ('text\na b\n""\n', LABELLED, "pool.csv:3: the text is empty"),
        (POOL, "text,kind\na b,x\n", "labelled.csv:1: no label column found"),
        (POOL, "text,label\na b,x\nc d,x\n", 'hold only the label "x"'),
        (POOL, "text,label\n,x\n", "labelled.csv:2: the text is empty"),
        (POOL, "text,label\na b,\n", "labelled.csv: no row has a label"),
        (POOL, "text,label\na b,+\nc d,-\n", 'labelled.csv:3: "-" cannot be a label'),
        (POOL, "text,category,topic\na b,x,y\nc d,y,x\n", 'the label may stand in several columns: "category", "topic"'),
    ],
)
def test_a_wrong_file_is_one_clear_error_and_nothing_is_touched(fresh: Project, pool: str, labelled: str, expected: str) -> None:
    said = given(fresh, pool, labelled, code=1)
    assert expected in said
    assert fresh.run("git", "status", "--porcelain").stdout == ""


# Whole or not at all


def state_of(project: Project) -> dict[str, bytes | str]:
    """Returns {path: content} of everything in the clone but git's and DVC's own folders and the lock of the project."""
    apart = (".git", ".dvc/cache", ".dvc/tmp", "scratch")
    found = {}
    for path in sorted(project.folder.rglob("*")):
        name = path.relative_to(project.folder).as_posix()
        if not name.startswith(apart) and not path.is_dir():
            found[name] = str(path.readlink()) if path.is_symlink() else path.read_bytes()
    return found


ODD = {
    "a minus alone": ("text,label\na b,+\nc d,-\n", '"-" cannot be a label'),
    "a semicolon in the name of a 0/1 column": ("text,x;y,z\na b,1,0\nc d,0,1\ne f,1,1\n", '"x;y"'),
    "one person with two labels": ("text,label,annotator\na b,x,ana\na b,y,ana\nc d,y,ben\n", "One person has one opinion per round"),
}


@pytest.mark.parametrize("case", ODD)
def test_labels_that_cannot_be_are_refused_before_anything_goes(fresh: Project, case: str) -> None:
    before = state_of(fresh)
    content, expected = ODD[case]
    assert expected in given(fresh, POOL, content, code=1)
    assert state_of(fresh) == before


def test_odd_labels_that_can_be_are_kept_to_the_letter_in_a_block_list_with_comments(fresh: Project) -> None:
    lists = re.sub(
        r"  labels: .*\n", "  labels:\n  - negative  # one\n  # a comment inside\n  - neutral\n\n  - positive\n", fresh.read("params.yaml")
    )
    lists = re.sub(r"  holdout_rounds: .*\n", '  holdout_rounds:\n    - "01"\n    # and another\n    - "02"\n  # end\n', lists)
    fresh.write("params.yaml", lists)
    fresh.write("data/rounds/02.csv", "id,label,annotator\n0123456789abcdef,positive,crowd\n")
    odd = [
        "+",
        "0",
        "~",
        "yes",
        "null",
        "a: b",
        "# c",
        "[d]",
        "{e}",
        "*f",
        "&g",
        "!h",
        "'i'",
        '"j"',
        "k\\n",
        "%l",
        "@m",
        "- n",
        "1e3",
        "2001-01-01",
        "é",
        "🙂",
    ]
    rows = "".join(f'text number {chr(97 + number) * 3},"{label.replace(chr(34), chr(34) * 2)}"\n' for number, label in enumerate(odd))
    given(fresh, POOL, "text,label\n" + rows)
    assert set(params(fresh)["task"]["labels"]) == set(odd) and params(fresh)["split"]["holdout_rounds"] == ["01"]
    assert "  # end\n" in fresh.read("params.yaml")
    assert f"{len(odd)} labels of {len(odd)} texts" in fresh.run("labelrounds", "status").stdout


KILLED = """
import os, signal, sys
left = int(sys.argv.pop(1))
def counted(real):
    def call(source, target, *arguments, **options):
        global left
        if ".labelrounds-" in f"{source}{target}":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return real(source, target, *arguments, **options)
    return call
os.rename, os.replace = counted(os.rename), counted(os.replace)
from labelrounds.people import cli
cli.main()
"""


@pytest.mark.parametrize(("step", "finished"), [(3, False), (20, True)])
def test_a_killed_init_is_undone_or_finished_by_the_next_command(fresh: Project, step: int, finished: bool) -> None:
    """tests/core/test_journal.py kills at every step."""
    before = state_of(fresh)
    (fresh.folder.parent / "pool.csv").write_text(POOL, encoding="utf-8")
    (fresh.folder.parent / "labelled.csv").write_text(LABELLED, encoding="utf-8")
    words = ["init", "--pool", "../pool.csv", "--labelled", "../labelled.csv"]
    assert fresh.run("python", "-c", KILLED, str(step), *words, code=None).returncode == -signal.SIGKILL
    said = fresh.run("labelrounds", "schema").stderr
    after = state_of(fresh)
    assert ("has been finished now" in said) == finished
    if finished:
        assert after["data/pool.csv"] == POOL.encode() and {"data/pool.csv.dvc", "data/rounds/01.csv"} <= after.keys()
        assert params(fresh)["task"]["labels"] == ["complaint", "praise"] and "data/dvc.yaml" not in after
    else:
        assert after == before
    assert not [path for path in fresh.folder.rglob("*") if "labelrounds-" in path.name and ".dvc" not in path.parts]


def test_what_dvc_refuses_leaves_the_clone_as_it_was(fresh: Project) -> None:
    fresh.write(".dvc/config", "[core\nbroken")
    before = state_of(fresh)
    assert "DVC cannot track ../pool.csv: " in given(fresh, code=1).replace(str(fresh.folder.parent), "..")
    assert state_of(fresh) == before


def test_a_disk_that_is_full_leaves_the_clone_as_it_was(tmp_path: Path) -> None:
    """On a disk of its own, which another program fills while the pool is copied: the check beforehand cannot know."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk here")
    try:
        project = clone(disk / "project")
        before = state_of(project)
        (tmp_path / "pool.csv").write_text(POOL)
        free = shutil.disk_usage(disk).free
        (disk / "ballast").write_bytes(b"0" * (free - 9_000_000))
        said = project.run("labelrounds", "init", "--pool", "../../pool.csv", code=1).stderr
        assert "the disk is too small: the pool and DVC's copy of it need" in said and state_of(project) == before
        (disk / "ballast").write_bytes(b"0" * (free - 10_020_000))  # what is left is just enough for the check
        filling = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "open('../ballast2', 'wb').write(b'0' * 10_100_000)")
        full = project.run("python", "-c", filling, "0", "init", "--pool", "../../pool.csv", code=1).stderr
        assert "no space left" in full.lower() and "Traceback" not in full
        (disk / "ballast2").unlink()
        assert state_of(project) == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_without_git_it_works_and_says_what_does_not(fresh: Project) -> None:
    shutil.rmtree(fresh.folder / ".git")
    said = given(fresh)
    assert "There is no git here" in said and "git init" in said
    assert (fresh.folder / "data/pool.csv.dvc").is_file() and "up to date" in fresh.run("dvc", "status", "data/pool.csv.dvc").stdout


def test_the_projects_own_pool_can_be_the_pool(fresh: Project) -> None:
    given(fresh)
    said = fresh.run("labelrounds", "init", "--pool", "data/pool.csv", "--labelled", "../labelled.csv", "--yes").stdout
    assert "3 texts are in data/pool.csv" in said and fresh.read("data/pool.csv") == POOL
