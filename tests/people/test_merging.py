"""Two people label on two branches: the merge keeps every label, says what only a person can decide, and runs what is stale."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from labelrounds.pool.identity import text_id
from tests import tiny
from tests.conftest import Project, clone

TEXTS = tiny.texts(90)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a round and the split alone, of which the metrics are committed."""
    folder = tmp_path_factory.mktemp("begun")
    project = clone(folder / "project")
    labelled = project.write("../labelled.csv", "text,label\n" + "".join(f"{text},{label}\n" for text, label in TEXTS[:60]))
    pool = project.write("../pool.csv", "text\n" + "".join(f"{text}\n" for text, _ in TEXTS))
    project.run("labelrounds", "init", "--pool", str(pool), "--labelled", str(labelled), "--yes")
    stages = yaml.safe_load(project.read("dvc.yaml"))["stages"]
    project.write("dvc.yaml", yaml.safe_dump({"stages": {"split": stages["split"]}}))
    shutil.rmtree(project.folder / "studies")
    project.run("dvc", "repro", "-q")
    project.commit("round 01")
    return project


@pytest.fixture(scope="module")
def both(begun: Project) -> Project:
    """The project, with Ana's round on main and Ben's on a branch."""
    project = begun
    project.run("git", "checkout", "-q", "-b", "ben")
    label(project, "ben", TEXTS[60:65])
    project.run("git", "checkout", "-q", "main")
    label(project, "ana", TEXTS[65:72])
    return project


@pytest.fixture
def team(both: Project, tmp_path: Path) -> Project:
    """A copy of it."""
    shutil.copytree(both.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def label(project: Project, who: str, rows: list[tuple[str, str]]) -> None:
    form = project.write(f"../{who}.csv", "text,label\n" + "".join(f"{text},{said}\n" for text, said in rows))
    project.run("labelrounds", "import", "--annotator", who, str(form))
    project.run("dvc", "repro", "-q")
    project.commit(f"round 02 of {who}")


def rounds(project: Project) -> list[str]:
    return sorted(path.name for path in (project.folder / "data/rounds").glob("*.csv"))


def labels(project: Project) -> dict[str, str]:
    lines = [line.split(",") for line in project.read("data/split/labels.csv").splitlines()[1:]]
    return {identity: said for identity, said, *_ in lines}


@pytest.mark.slow
def test_a_merge_keeps_the_rounds_of_both_and_runs_what_is_stale(team: Project) -> None:
    said = team.run("labelrounds", "merge", "ben").stdout
    assert "dvc.lock: made by the pipeline; our side is taken" in said and "Running stage 'split'" in said
    assert labels(team) == {text_id(text): said for text, said in TEXTS[:72]}
    assert len(rounds(team)) == 3 and {name[:2] for name in rounds(team)} == {"01", "02"}
    assert team.run("git", "diff", "--name-only", "--diff-filter=U").stdout == "", "nothing is left to resolve"
    team.run("git", "commit", "-q", "-m", "merge")
    assert team.run("git", "status", "--porcelain").stdout == ""
    assert "up to date" in team.run("dvc", "status").stdout
    assert "no merge is under way" in team.run("labelrounds", "merge", code=1).stderr
    # The other branch then gets the same by a plain pull: no run, no other byte.
    team.run("git", "checkout", "-q", "ben")
    team.run("git", "merge", "-q", "main")
    team.run("dvc", "checkout", "-q")
    assert "up to date" in team.run("dvc", "status").stdout


@pytest.mark.slow
def test_two_rounds_of_an_old_name_become_two_files_and_no_line_is_lost(team: Project) -> None:
    for branch in ("ben", "main"):
        team.run("git", "checkout", "-q", branch)
        (new,) = [path for path in (team.folder / "data/rounds").glob("02*")]
        new.rename(new.with_name("02.csv"))
        team.commit("as it was called before")
    said = team.run("labelrounds", "merge", "--no-repro", "ben").stdout
    assert "data/rounds/02.csv: both branches have a round of this name. Ours keeps it, theirs is data/rounds/02-" in said
    assert len(rounds(team)) == 3
    team.stage("split")
    assert labels(team) == {text_id(text): said for text, said in TEXTS[:72]}


@pytest.mark.slow
def test_what_two_people_changed_in_one_round_is_left_to_them_and_every_command_says_where(team: Project) -> None:
    now = team.read("data/rounds/01.csv").splitlines()[3].split(",")[1]
    for branch, label in zip(("ben", "main"), sorted(set(tiny.TOPICS) - {now}), strict=True):
        team.run("git", "checkout", "-q", branch)
        lines = team.read("data/rounds/01.csv").splitlines()
        lines[3] = f"{lines[3].split(',')[0]},{label},"
        team.write("data/rounds/01.csv", "\n".join(lines) + "\n")
        team.commit("an old label, changed in its place")
    wrong = team.run("labelrounds", "merge", "ben", code=1)
    assert "1 files hold what people decided on both sides: data/rounds/01.csv." in wrong.stderr
    for command in (["labelrounds", "status"], ["python", "-m", "stages.split"]):
        said = team.run(*command, code=1).stderr
        assert 'data/rounds/01.csv:4: conflict marks, left by the merge of "ben" into "HEAD". Keep the labels of both sides' in said
    team.run("git", "add", "data/rounds/01.csv")
    assert "data/rounds/01.csv:4: conflict marks" in team.run("labelrounds", "merge", code=1).stderr, "added with its marks all the same"
    lines = team.read("data/rounds/01.csv").splitlines(keepends=True)
    team.write("data/rounds/01.csv", "".join([*lines[:3], lines[4], *lines[8:]]))
    team.run("git", "add", "data/rounds/01.csv")
    assert "Running stage 'split'" in team.run("labelrounds", "merge").stdout
    team.run("git", "commit", "-q", "-m", "merge")


@pytest.mark.slow
def test_texts_that_both_branches_added_to_the_pool_are_all_there(team: Project) -> None:
    new = tiny.texts(30, seed=5)
    for branch, rows in (("ben", new[:15]), ("main", new[15:])):
        team.run("git", "checkout", "-q", branch)
        team.run("dvc", "checkout", "-q")
        path = team.write(f"../{branch}.csv", "text\n" + "".join(f"{text}\n" for text, _ in rows))
        team.run("labelrounds", "pool", "add", str(path))
        team.commit("more texts")
    said = team.run("labelrounds", "merge", "ben").stdout
    assert "data/pool.dvc: what either branch added or withdrew is in it." in said
    assert sorted(path.name for path in (team.folder / "data/pool").iterdir()) == ["000-pool.csv", "001-ben.csv", "001-main.csv"]
    assert json.loads(team.read("metrics/split.json"))["pool"] == 90 + 30
    team.run("git", "commit", "-q", "-m", "merge")
    assert team.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_a_checkout_with_windows_settings_reruns_nothing_and_a_worktree_finds_the_data(team: Project, tmp_path: Path) -> None:
    windows = Project(tmp_path / "windows")
    team.run("git", "-c", "core.autocrlf=true", "clone", "-q", "-c", "core.autocrlf=true", str(team.folder), str(windows.folder))
    assert not [path for path in windows.folder.rglob("*.csv") if b"\r\n" in path.read_bytes()]
    windows.run("dvc", "config", "--local", "cache.dir", str(team.folder / ".dvc/cache"))
    windows.run("dvc", "checkout", "-q")
    assert "up to date" in windows.run("dvc", "status").stdout

    beside = Project(tmp_path / "beside")
    team.run("git", "worktree", "add", "-q", str(beside.folder), "ben")
    assert "This worktree uses the data in" in beside.run("labelrounds", "setup-git").stdout
    beside.run("dvc", "checkout", "-q")
    assert "up to date" in beside.run("dvc", "status").stdout
    assert beside.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_git_diff_shows_the_text_beside_each_label(team: Project) -> None:
    text, label = TEXTS[70]
    assert text not in team.run("git", "diff", "HEAD~1", "--", "data/rounds").stdout
    team.run("labelrounds", "setup-git")
    shown = team.run("git", "diff", "HEAD~1", "--", "data/rounds").stdout
    assert f"+{text_id(text)}  {label}  ana  {text}" in shown
    team.write("params.yaml", "no: parameters\n")
    assert f"+{text_id(text)},{label},ana" in team.run("git", "diff", "HEAD~1", "--", "data/rounds").stdout, "as it is, where texts cannot be had"
    team.run("labelrounds", "setup-git", "--undo", code=None)


@pytest.mark.slow
def test_a_round_that_nobody_has_committed_is_part_of_an_experiment_and_a_forgotten_one_stops_it(team: Project) -> None:
    text, said = TEXTS[80]
    form = team.write("../form.csv", f"text,label\n{text},{said}\n")
    team.run("labelrounds", "import", str(form))
    team.write("data/rounds/04.csv", f"id,label\n{text_id(TEXTS[81][0])},{said}\n")
    wrong = team.run("dvc", "exp", "run", "--temp", code=None)
    assert wrong.returncode and "data/rounds/04.csv is not part of this experiment" in wrong.stdout + wrong.stderr
    (team.folder / "data/rounds/04.csv").unlink()
    done = team.run("dvc", "exp", "run", "--temp")
    assert "split: 68 labels" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("who", ["main", "ben"])
def test_a_text_that_one_branch_withdrew_leaves_what_the_other_one_labelled_and_nothing_else_goes(team: Project, who: str) -> None:
    other = {"main": "ben", "ben": "main"}[who]
    text = TEXTS[{"main": 66, "ben": 61}[other]][0]  # labelled on the other branch, after the two parted
    gone = text_id(text)
    team.run("git", "checkout", "-q", who)
    team.run("dvc", "checkout", "-q")
    team.run("labelrounds", "retire", "--yes", gone)
    team.run("dvc", "repro", "-q")
    team.commit("withdrawn")
    team.run("git", "checkout", "-q", "main")
    team.run("dvc", "checkout", "-q")
    said = team.run("labelrounds", "merge", "ben").stdout
    assert "1 texts are withdrawn" in said and "data/rounds/02-" in said
    assert labels(team) == {text_id(text): label for text, label in TEXTS[:72] if text_id(text) != gone}
    for path in [*(team.folder / "data").rglob("*.csv"), *(team.folder / "data").rglob("*.parquet")]:
        assert gone not in (content := path.read_bytes().decode("utf-8", "replace")) and text not in content, path
    team.commit("merge")
    assert team.run("git", "status", "--porcelain").stdout == ""
    assert "up to date" in team.run("dvc", "status").stdout
    assert team.read("data/retired.txt") == f"{gone}\n"


@pytest.mark.slow
def test_both_branches_may_withdraw_a_text(team: Project) -> None:
    gone = {"ben": text_id(TEXTS[3][0]), "main": text_id(TEXTS[80][0])}
    for branch, identity in gone.items():
        team.run("git", "checkout", "-q", branch)
        team.run("dvc", "checkout", "-q")
        team.run("labelrounds", "retire", "--yes", identity)
        team.run("dvc", "repro", "-q")
        team.commit("withdrawn")
    team.run("labelrounds", "merge", "ben")
    assert set(team.read("data/retired.txt").split()) == set(gone.values())
    assert labels(team) == {text_id(text): label for text, label in TEXTS[:72] if text_id(text) not in gone.values()}
    pool = team.read("data/pool.csv").splitlines()[1:]
    assert {text_id(text) for text in pool} == {text_id(text) for text, _ in TEXTS} - set(gone.values())
    team.commit("merge")
    assert "up to date" in team.run("dvc", "status").stdout
