"""The three criteria say what they measured, and what an import keeps for them is neither wrong nor lost."""

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from labelrounds.core import params
from labelrounds.core.task import Task
from labelrounds.measures import snapshots, stopping
from labelrounds.measures.snapshots import Snapshot
from labelrounds.pool.identity import text_id
from labelrounds.rounds import schema
from stages import agreement, evaluate, finetune, predict, stop
from tests import tiny
from tests.small import LABELS, SmallProject, project

CLASSES = Task("multi-class", tuple(LABELS))
SEVERAL = Task("multi-label", tuple(LABELS))
KNOBS = params.Stop(rounds=2, gain=0.01, kappa=0.99, margin=0.05)
IDS = [f"{number:016x}" for number in range(300)]
GOLD = {identity: LABELS[number % 3] for number, identity in enumerate(IDS)}


def model(name: str, right: int, train: int, cells: dict[str, str] = GOLD, other: str = "other", labeler: str = "a") -> Snapshot:
    """A model that is right about the first `right` texts and says `other` of the rest."""
    said = {identity: cell if number < right else other for number, (identity, cell) in enumerate(cells.items())}
    return Snapshot(name, labeler, "", train, said, said)


def test_gain_is_met_where_even_the_most_hopeful_end_of_the_interval_is_below_the_floor() -> None:
    flat = [model("01", 240, 300), model("02", 240, 1300), model("03", 241, 2300)]
    found = stopping.gain(flat, GOLD, CLASSES, KNOBS, 13)
    assert found.met is True and found.numbers["since"] == "01" and found.numbers["labels"] == 2000
    low, high = found.numbers["ci95"]
    assert low <= found.numbers["per_100_labels"] <= high < 0.01
    rising = [model("01", 150, 300), model("02", 200, 400), model("03", 260, 500)]
    found = stopping.gain(rising, GOLD, CLASSES, KNOBS, 13)
    assert found.met is False and found.numbers["per_100_labels"] > 0.05


def test_a_small_gain_that_the_test_set_is_too_small_to_tell_is_not_met() -> None:
    unsure = [model("01", 240, 300), model("02", 240, 310), model("03", 241, 320)]
    found = stopping.gain(unsure, GOLD, CLASSES, KNOBS, 13)
    assert found.met is False and found.numbers["ci95"][1] > 0.01


def test_stability_is_the_mean_kappa_of_successive_models_over_the_last_rounds() -> None:
    models = [model("01", 100, 100), model("02", 300, 200), model("03", 299, 300, other="good"), model("04", 299, 400, other="good")]
    found = stopping.stability(models, CLASSES, KNOBS)
    assert found.numbers["comparisons"] == 2 and found.numbers["last"] == 1.0
    from sklearn.metrics import cohen_kappa_score

    second = [list(models[n].stop.values()) for n in (1, 2)]
    assert found.numbers["kappa"] == pytest.approx((cohen_kappa_score(*second) + 1) / 2, abs=1e-6) and found.met is True
    assert stopping.stability(models, CLASSES, KNOBS.model_copy(update={"rounds": 3})).met is False


@pytest.mark.parametrize("task", [CLASSES, SEVERAL])
def test_before_there_are_rounds_enough_nothing_is_known_and_the_numbers_stand_there(task: Task) -> None:
    cells = {identity: cell if task is CLASSES else ["good;bad", "-", "bad"][n % 3] for n, (identity, cell) in enumerate(GOLD.items())}
    models = [model("01", 200, 100, cells, "other" if task is CLASSES else "-"), model("02", 290, 200, cells)]
    for one in (stopping.gain(models, cells, task, KNOBS, 13), stopping.stability(models, task, KNOBS)):
        assert one.met is None and "after 1 of 2 rounds" in one.says
        assert next(iter(one.numbers.values())) is not None
    alone = stopping.gain(models[1:], cells, task, KNOBS, 13), stopping.stability(models[1:], task, KNOBS)
    assert [one.met for one in alone] == [None, None] and all("no model of an earlier round" in one.says for one in alone)


def test_people_is_met_where_the_model_is_surely_not_worse_by_more_than_the_margin() -> None:
    def people(difference: float | None, low: float = 0, high: float = 0) -> bool | None:
        bounds = None if difference is None else [low, high]
        measured = {"difference": difference, "human_agreement": 0.7, "model_agreement": 0.7, "test_texts": 100, "ci95": {"difference": bounds}}
        return stopping.people(measured, KNOBS).met

    assert people(0.0, -0.04, 0.04) is True
    assert people(0.0, -0.06, 0.06) is False  # too few texts to be sure
    assert people(None) is None


def test_only_earlier_models_of_the_same_labeler_are_compared() -> None:
    now = model("03", 9, 9)
    kept = [model("01", 9, 9), model("02", 9, 9, labeler="b"), model("03", 9, 9), model("10", 9, 9)]
    assert [one.round for one in stopping.series(kept, now)] == ["01", "03"]


def test_of_two_models_of_one_number_from_two_branches_the_one_with_more_texts_is_compared() -> None:
    kept = [model("01", 9, 9), model("02-ana", 9, 30), model("02-ben", 9, 20), model("03-ana", 9, 40)]
    for order in (kept, kept[::-1]):
        assert [one.round for one in stopping.series(order, model("04-ana", 9, 50))] == ["01", "02-ana", "03-ana", "04-ana"]


def test_the_stop_set_stays_nearly_the_same_when_texts_are_labelled() -> None:
    pool = [(text_id(str(number)), "good") for number in range(5000)]
    before, after = (set(snapshots.stop_set(pool, taken)) for taken in (set(), {identity for identity, _ in pool[:100]}))
    assert len(before) == len(after) == snapshots.STOP_SET and len(before & after) > 950


def loop(made: SmallProject) -> str:
    """Everything that `dvc repro` runs here, with the linear baseline; returns what `stop` says."""
    made.split()
    made.made(finetune, "baseline")
    made.made(evaluate, "baseline")
    made.made(predict)
    made.made(agreement)
    return made.made(stop)


def new_project(folder: Path, multi_label: bool = False) -> tuple[SmallProject, dict[str, str]]:
    """A project with a pool of 240 texts and a first round of 90, all stages run; and the label of every text."""
    made = project(folder, sorted(tiny.TOPICS), multi_label)
    texts = dict(tiny.multi_label_texts(240) if multi_label else tiny.texts(240))
    answers = {text: ";".join(labels) or "-" if multi_label else labels for text, labels in texts.items()}
    made.pool(answers)
    bring(made, answers, 90)
    loop(made)
    return made, answers


def bring(made: SmallProject, answers: dict[str, str], n: int) -> str:
    """Draws n texts, labels and imports them."""
    made.command("draw", str(n), "form.csv")
    column = next(name for name in made.rows("form.csv")[0] if name in ("label", "labels"))
    made.fill("form.csv", {text_id(text): label for text, label in answers.items()}, column)
    shown = made.command("import", "form.csv")
    (made.folder / "form.csv").unlink()
    return shown


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    made, answers = new_project(tmp_path_factory.mktemp("first"))
    return made.folder, answers


@pytest.fixture
def ready(first: tuple[Path, dict[str, str]], tmp_path: Path) -> tuple[SmallProject, dict[str, str]]:
    """A copy of a project after its first round."""
    shutil.copytree(first[0], tmp_path / "here")
    return SmallProject(tmp_path / "here"), first[1]


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True])
def test_over_three_rounds_each_import_keeps_what_the_model_knew(tmp_path: Path, multi_label: bool) -> None:
    made, answers = new_project(tmp_path, multi_label)
    for name in ("01", "02"):
        shown = bring(made, answers, 30)
        assert f"kept in {made.named(f'data/snapshots/{name}.json')}" in shown and made.read(f"data/snapshots/{name}.json")
        said = loop(made)
    assert "criteria for enough labels are met: gain" in said
    found = json.loads(made.read("metrics/stop.json"))
    kept = json.loads(made.read("data/snapshots/01.json"))
    assert set(kept["test"]) == {row["id"] for row in made.rows("data/split/test.csv")} and len(kept["stop"]) > 100
    labelled = {row["id"] for row in made.rows("data/rounds/01.csv")}
    assert not labelled & set(kept["stop"]) and "text" not in kept
    assert found["round"][:2] == "03" and found["stability"]["comparisons"] == 2 and found["gain"]["since"][:2] == "01"
    assert found["gain"]["labels"] == found["labels"] - kept["train"] == 60
    assert found["says"] in said
    again = made.digests()
    made.made(stop)
    assert made.digests() == again


def test_an_import_that_is_killed_before_its_round_or_done_again_keeps_the_same(ready, monkeypatch: pytest.MonkeyPatch) -> None:
    made, answers = ready
    made.command("draw", "10", "form.csv")
    made.fill("form.csv", {text_id(text): label for text, label in answers.items()})

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises((KeyboardInterrupt, AssertionError)):
        patched.setattr("labelrounds.people.importing.write_round", killed)
        made.command("import", "form.csv")
    assert not list(made.folder.glob("data/rounds/02*"))
    kept = made.read("data/snapshots/01.json")
    made.command("import", "form.csv")
    made.command("import", "form.csv")
    assert made.read("data/snapshots/01.json") == kept
    assert len(list((made.folder / "data/snapshots").iterdir())) == 1


def spoil_split(made: SmallProject) -> None:
    (made.folder / "metrics/split.json").unlink()


def spoil_rounds(made: SmallProject) -> None:
    rows = made.rows("data/rounds/01.csv")
    made.table("data/rounds/02.csv", list(rows[0]), (row.values() for row in rows[:3]))


def spoil_model(made: SmallProject) -> None:
    made.write("data/split/train.csv", made.read("data/split/train.csv") + "\n")


def spoil_predictions(made: SmallProject) -> None:
    import pyarrow.parquet

    for path in (made.folder / "data/predictions/shards").iterdir():
        shard = pyarrow.parquet.read_table(path)
        pyarrow.parquet.write_table(shard.set_column(shard.schema.get_field_index("labeler"), "labeler", [["0" * 16] * len(shard)]), path)


def spoil_test(made: SmallProject) -> None:
    rows = made.rows("metrics/baseline/test.csv")
    labels = sorted(tiny.TOPICS)
    changed = [row | {"predicted": labels[(labels.index(row["predicted"]) + 1) % 3]} for row in rows]
    made.table("metrics/baseline/test.csv", list(rows[0]), (row.values() for row in changed))


def spoil_shards(made: SmallProject) -> None:
    for path in (made.folder / "data/predictions/shards").iterdir():
        path.write_bytes(b"PAR1")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoil_split, "have not been through `dvc repro`"),
        (spoil_rounds, "have not been through `dvc repro`"),
        (spoil_model, "was trained on other labels"),
        (spoil_predictions, "the predictions are another model's"),
        (spoil_test, "on the test texts are another model's"),
        (spoil_shards, "cannot be read"),
    ],
)
def test_what_is_not_of_the_rounds_on_disk_is_not_kept_and_the_labels_come_in(ready, spoil, why: str) -> None:
    made, answers = ready
    spoil(made)
    shown = bring(made, answers, 5)
    assert why in shown and "metrics/stop.json will compare across it" in shown and "5 labels of 5 texts" in shown
    assert not (made.folder / "data/snapshots").exists()


def test_second_opinions_keep_nothing_since_the_model_does_not_learn_from_them(ready) -> None:
    made, _ = ready
    made.command("next", "--again", "4", "form.csv")
    made.fill("form.csv", {row["id"].lstrip("'"): "praise" for row in made.rows("form.csv")})
    assert "history" not in made.command("import", "form.csv")
    assert not (made.folder / "data/snapshots").exists()


def kept_at(folder: Path, *models: Snapshot) -> None:
    """Writes snapshots as `labelrounds import` does."""
    with contextlib.chdir(folder):
        for one in models:
            snapshots.write(one)


def changed(folder: Path, kind: str, labels: list[str], into: list[str], files: list[str]) -> Task:
    """Writes a change of the labels and returns the task after it."""
    made = schema.Change("2026-01-01", kind, tuple(labels), tuple(into), CLASSES.labels, tuple(files))
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/schema.jsonl").write_text(schema.line(made), encoding="utf-8")
    return Task(CLASSES.type, made.after)


def criteria(folder: Path, task: Task, cells: dict[str, str], now: Snapshot) -> tuple[stopping.Criterion, stopping.Criterion]:
    """Returns gain and stability of the snapshots in a folder and the model of now."""
    with contextlib.chdir(folder):
        models = stopping.series(snapshots.read_all(task), now)
    return stopping.gain(models, cells, task, KNOBS, 13), stopping.stability(models, task, KNOBS)


def test_a_model_from_before_a_rename_says_the_same_in_the_new_name(tmp_path: Path) -> None:
    kept_at(tmp_path, model("01", 240, 300), model("02", 240, 1300))
    plain = criteria(tmp_path, CLASSES, GOLD, replace(model("03", 241, 2300), known=CLASSES.labels))
    task = changed(tmp_path, "rename", ["bad"], ["awful"], ["data/snapshots/01.json", "data/snapshots/02.json"])
    renamed = {identity: label.replace("bad", "awful") for identity, label in GOLD.items()}
    now = model("03", 241, 2300, renamed)
    assert criteria(tmp_path, task, renamed, replace(now, known=task.labels)) == plain


def test_models_that_know_other_labels_are_compared_on_those_of_both_or_not_at_all(tmp_path: Path) -> None:
    kept_at(tmp_path, model("01", 240, 300), model("02", 240, 1300))
    task = changed(tmp_path, "split", ["other"], ["odd", "even"], ["data/snapshots/01.json", "data/snapshots/02.json"])
    cells = {identity: ("odd" if number % 2 else "even") if label == "other" else label for number, (identity, label) in enumerate(GOLD.items())}
    now = replace(model("03", 300, 2300, cells), known=task.labels)
    gain, stability = criteria(tmp_path, task, cells, now)
    assert gain.numbers["texts"] == 200 and "on the 2 of 4 labels that both models know" in gain.says
    assert stability.met is None and stability.numbers["comparisons"] == 1, "the two models of before may be compared, and one is not enough"
    nothing = Task("multi-class", ("odd", "even"))
    assert stopping.gain([replace(model("01", 9, 1), known=("good",)), now], cells, nothing, KNOBS, 13).met is None


def test_a_file_that_is_no_snapshot_is_an_error_that_names_it(tmp_path: Path) -> None:
    from labelrounds.core.errors import UserError

    for name, content in (("one.json", "{}"), ("01.json", "{"), ("02.json", '{"round": "02"}')):
        (tmp_path / name).write_text(content)
        with pytest.raises(UserError, match=f"{name}: not a snapshot of a round"):
            snapshots.read_all(CLASSES, tmp_path)
        (tmp_path / name).unlink()
