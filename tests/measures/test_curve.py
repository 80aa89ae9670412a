"""The learning curve: points that are computed once, and intervals that say no more than the points do."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from labelrounds.core import files, params
from labelrounds.core.task import Task, labels_of
from labelrounds.measures import curve, scores
from labelrounds.models import sources
from labelrounds.report import plots
from studies.learning_curve import curve as study
from tests import tiny
from tests.conftest import BASELINE
from tests.small import PROPERTY, SmallProject, project
from tests.stages.test_models import Killed

TASK = Task("multi-class", ("billing", "delivery", "praise"))
MULTI = Task("multi-label", TASK.labels)


def answers(rng: np.random.Generator, gold: np.ndarray, right: float, seeds: int = 1) -> np.ndarray:
    """Returns predictions, each right with the given probability, of shape (seeds, n, k)."""
    k = gold.shape[1]
    guessed = np.where(rng.random((seeds, len(gold))) < right, gold.argmax(axis=1), rng.integers(0, k, (seeds, len(gold))))
    return np.eye(k, dtype=np.int64)[guessed]


def gold_of(rng: np.random.Generator, n: int = 200) -> np.ndarray:
    return np.eye(3, dtype=np.int64)[rng.integers(0, 3, n)]


# Slices and keys


@PROPERTY
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.integers(1, 4), min_size=1, max_size=20), st.integers(0, 9))
def test_slices_are_nested_in_the_order_of_the_rounds_and_a_new_round_goes_to_the_end(rounds: dict[str, int], seed: int) -> None:
    found = curve.order(rounds, seed)
    assert sorted(found) == sorted(rounds)
    assert [rounds[identity] for identity in found] == sorted(rounds.values())
    assert curve.order({**rounds, "new": 5}, seed) == [*found, "new"]


def test_another_seed_draws_another_order_within_a_round() -> None:
    rounds = {str(number): 1 for number in range(30)}
    assert curve.order(rounds, 1) != curve.order(rounds, 2)


def test_comments_docstrings_and_format_are_no_change_of_code_but_a_number_is(tmp_path: Path) -> None:
    for name, source in (
        ("a", 'def f():\n    """Says one."""\n    return 1  # one\n'),
        ("b", "def f():\n\n    return (1)\n"),
        ("c", "def f():\n    return 2\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_text(source)
    one, same, other = (curve.made_by(tmp_path / name) for name in "abc")
    assert one == same != other


@PROPERTY
@given(st.integers(1, 40), st.integers(1, 12), st.booleans(), st.integers(0, 99))
def test_answers_come_back_as_they_were_packed(n: int, k: int, multi_label: bool, seed: int) -> None:
    draw = np.random.default_rng(seed)
    task = Task("multi-label" if multi_label else "multi-class", tuple(map(str, range(k))))
    predicted = draw.integers(0, 2, (n, k)) if multi_label else np.eye(k, dtype=int)[draw.integers(0, k, n)]
    assert (curve.unpack(curve.pack(predicted, task), n, task) == predicted).all()


def test_points_come_back_in_order_and_a_conflicts_mark_costs_only_its_line(tmp_path: Path) -> None:
    points = [curve.Point("vanilla", labels, seed, f"{labels}{seed}", "code", "AA==") for labels in (100, 50) for seed in (2, 1)]
    curve.write("vanilla", points, tmp_path)
    path = tmp_path / "vanilla.jsonl"
    assert curve.read("vanilla", tmp_path) == {point.key: point for point in points}
    assert [line.split('"seed": ')[1][0] for line in path.read_text().splitlines()] == ["1", "2", "1", "2"]
    path.write_text("<<<<<<< ours\n" + path.read_text())
    assert len(curve.read("vanilla", tmp_path)) == 4
    assert curve.read("adapted", tmp_path) == {}


# Intervals


@PROPERTY
@given(st.integers(0, 99), st.booleans())
def test_macro_f1_with_equal_weights_is_that_of_scikit_learn(seed: int, multi_label: bool) -> None:
    draw = np.random.default_rng(seed)
    gold, predicted = (draw.integers(0, 2, (2, 20, 4)) * (draw.random(4) < 0.7)) if multi_label else (gold_of(draw, 20) for _ in range(2))
    seen = np.flatnonzero(gold.any(axis=0)).tolist()
    assert scores.macro_f1_by(np.ones((1, 20)), gold, predicted)[0] == pytest.approx(
        f1_score(gold, predicted, labels=seen, average="macro", zero_division=0) if seen else 0
    )


def test_equal_answers_differ_by_nothing_and_sides_swap_signs() -> None:
    draw = np.random.default_rng(0)
    gold = gold_of(draw)
    ours, others = answers(draw, gold, 0.8, 3), answers(draw, gold, 0.4, 3)
    assert dataclasses.astuple(curve.difference(ours, ours, gold)) == (0, 0, 0)
    one, other = curve.difference(ours, others, gold), curve.difference(others, ours, gold)
    assert one.low > 0 and (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_one_seed_gives_the_interval_of_the_texts_and_seeds_that_disagree_widen_it() -> None:
    draw = np.random.default_rng(1)
    gold = gold_of(draw)
    ours, others = answers(draw, gold, 0.6), answers(draw, gold, 0.6)
    alone = curve.difference(ours, others, gold)
    repeated = curve.difference(np.repeat(ours, 3, axis=0), np.repeat(others, 3, axis=0), gold)
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=1e-6)
    wild = np.concatenate([answers(draw, gold, right) for right in (0.1, 0.6, 1.0)])
    unsure = curve.difference(wild, np.repeat(others, 3, axis=0), gold)
    assert unsure.high - unsure.low > 3 * (alone.high - alone.low)


@pytest.mark.slow
def test_the_interval_holds_the_true_difference_about_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two labelers equally good in truth, of varying luck by seed: 95 % intervals should hold 0 in most of 150 trials."""
    monkeypatch.setattr(curve, "RESAMPLES", 100)
    held = 0
    for trial in range(150):
        draw = np.random.default_rng(trial)
        gold = gold_of(draw, 150)
        ours, others = (np.concatenate([answers(draw, gold, draw.normal(0.6, 0.05)) for _ in range(3)]) for _ in range(2))
        found = curve.difference(ours, others, gold)
        held += found.low <= 0 <= found.high
    assert held >= 140, f"{held} of 150"


def test_a_row_reads_as_a_sentence() -> None:
    row = {"labels": "200", "recipe": "adapted", "seeds": "5", "difference": "0.018", "low": "-0.004", "high": "0.039"}
    assert curve.in_words(row, "vanilla") == "adapted - vanilla at 200 labels: +1.8 F1 [-0.4, +3.9], 5 seeds"


def test_a_recipe_without_labels_is_compared_at_every_size() -> None:
    draw = np.random.default_rng(0)
    gold = gold_of(draw)
    points = [curve.Point("zero", 0, 1, "z", "", curve.pack(answers(draw, gold, 0.5)[0], TASK))]
    points += [curve.Point("vanilla", n, seed, f"{n}{seed}", "", curve.pack(answers(draw, gold, 0.7)[0], TASK)) for n in (50, 100) for seed in (1, 2)]
    rows = curve.summary(points, gold, TASK, "vanilla")
    assert [(row[0], row[1], row[7] is not None) for row in rows] == [
        (0, "zero", False),
        (50, "vanilla", False),
        (50, "zero", True),
        (100, "vanilla", False),
        (100, "zero", True),
    ]


# The study


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A project with 70 labels in two rounds and a tiny encoder."""
    monkeypatch.chdir(tmp_path)
    made = project(tmp_path, TASK.labels)
    rows = tiny.texts(120)
    made.pool(text for text, _ in rows)
    made.round("01", dict(rows[:60]))
    made.round("02", dict(rows[60:70]))
    made.params(
        recipes={"vanilla": {"encoder": "vanilla", "method": "supervised"}, "zero": {"encoder": "vanilla", "method": "zero-shot"}, **BASELINE},
        learning_curve={"sizes": [10, 20], "seeds": [1, 2], "recipes": ["baseline"], "against": "baseline"},
        model__max_length=32,
        runtime__threads=1,
        runtime__precision="fp32",
        finetune__epochs=2,
    )
    made.split()
    return made


def run_study(here: SmallProject) -> str:
    done = CliRunner().invoke(study.main, [])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def count_computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    found, compute = [], study.compute

    def counted(name, point, *rest):
        found.append((name, point.labels, point.seed))
        return compute(name, point, *rest)

    monkeypatch.setattr(study, "compute", counted)
    return found


def made(here: SmallProject) -> dict[str, str]:
    return {name: files.sha256(name) for name in ("metrics/curve.csv", "metrics/curve_summary.csv", "metrics/curve.svg")}


@pytest.mark.slow
def test_a_point_is_never_computed_twice_also_when_a_round_comes(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = count_computed(monkeypatch)
    run_study(here)
    everything = max(size for _, size, _ in counted)
    assert sorted(counted) == [("baseline", size, seed) for size in (10, 20, everything) for seed in (1, 2)]
    first = made(here)
    counted.clear()
    run_study(here)
    assert counted == [] and made(here) == first
    here.round("03", dict(tiny.texts(120)[70:80]))
    here.split()
    run_study(here)
    assert counted == [("baseline", everything + 10, 1), ("baseline", everything + 10, 2)], "only the new size"
    assert "baseline" in here.command("curve") and f"{everything + 10}" in here.command("curve")


def test_a_floor_of_steps_concerns_only_the_sizes_that_it_lengthens(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "fingerprint", lambda _: "the encoder's")

    def decides(least: int) -> list[str]:
        here.params(finetune__min_steps=least, finetune__batch_size=16)
        return [curve.key_of(study.what_decides("vanilla", size, params.load())) for size in (16, 160, 1600)]

    none, some = decides(0), decides(40)  # without a floor 2, 20 and 200 steps
    assert [one == other for one, other in zip(none, some, strict=True)] == [False, False, True]


@pytest.mark.slow
def test_a_changed_setting_or_label_computes_what_it_concerns(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(here)
    counted = count_computed(monkeypatch)
    here.params(finetune__epochs=7)
    run_study(here)
    assert counted == [], "the baseline does not read finetune"
    here.params(tfidf__inverse_regularization=1.0)
    run_study(here)
    assert len(counted) == 6


@pytest.mark.slow
def test_changed_code_that_answers_the_same_keeps_the_points_and_other_answers_throw_them_away(
    here: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_study(here)
    first, counted = made(here), count_computed(monkeypatch)
    monkeypatch.setattr(curve, "made_by", lambda: "other code")
    assert "so they stand" in run_study(here)
    assert counted == [("baseline", 10, 1)] and made(here) == first
    counted.clear()
    assert "has changed" not in run_study(here) and counted == []
    path = here.folder / study.POINTS / "baseline.jsonl"
    known = curve.read("baseline", here.folder / study.POINTS)
    wrong = {key: dataclasses.replace(point, made_by="old", answers=point.answers[::-1]) for key, point in known.items()}
    curve.write("baseline", wrong.values(), here.folder / study.POINTS)
    assert "all are computed anew" in run_study(here)
    assert len(counted) == 6 and made(here) == first and curve.read("baseline", here.folder / study.POINTS) == known and path.is_file()


@pytest.mark.slow
def test_a_study_that_is_killed_goes_on_with_the_first_point_it_lacks(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(here)
    undisturbed = made(here)
    shutil.rmtree(here.folder / study.POINTS)
    shutil.rmtree("metrics")
    compute = study.compute
    counted: list[int] = []

    def killed(*arguments):
        counted.append(1)
        if len(counted) == 4:
            raise Killed
        return compute(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(study, "compute", killed)
        run_study(here)
    rest = count_computed(monkeypatch)
    run_study(here)
    assert len(rest) == 3 and made(here) == undisturbed


def test_a_recipe_that_is_not_there_is_named(here: SmallProject) -> None:
    here.params(learning_curve__recipes=["vanila"])
    done = CliRunner().invoke(study.main, [])
    assert done.exit_code == 1 and 'names the recipe "vanila"' in done.output and 'Did you mean "vanilla"?' in done.output


def test_an_encoder_that_nobody_brought_is_named_with_what_brings_it(here: SmallProject) -> None:
    here.params(bases={"big": "hf:some/model@main"}, further={"large": {"encoder": "big", "method": "nearest"}})
    here.params(learning_curve__recipes=["baseline", "large"])
    done = CliRunner().invoke(study.main, [])
    assert done.exit_code == 1 and "models/encoder/big: no such model" in done.output and "dvc repro bring@big" in done.output


def test_a_library_that_is_not_there_is_missed_at_once(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    here.params(further={"few": {"encoder": "vanilla", "method": "setfit"}}, learning_curve__recipes=["baseline", "few"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = CliRunner().invoke(study.main, [])
    assert done.exit_code == 1 and 'pip install "labelrounds[setfit]"' in done.output and not study.POINTS.exists()


def test_a_recipe_at_a_single_size_is_drawn_over_the_lines_as_one_point_with_its_deviation(tmp_path: Path) -> None:
    lines = [(size, "vanilla", 3, 0.5, 0.1) for size in (50, 100, 200)]
    level = [(size, "zero", 1, 0.4, None) for size in (0, 50, 100, 200)]
    plots.learning_curve(tmp_path / "curve.svg", [*lines, *level, (100, "setfit", 3, 0.5, 0.1)], 100)
    axes, legend = (tmp_path / "curve.svg").read_text(encoding="utf-8").split('id="legend_1"')
    bar, diamond = axes.index('stroke: #2ca02c; stroke-width: 1.5"/>'), axes.index("fill: #2ca02c; stroke: #ffffff")
    assert max(axes.rindex("#1f77b4"), axes.rindex("#ff7f0e")) < bar < diamond and ">setfit<" in legend


@pytest.mark.slow
def test_the_point_of_all_labels_is_the_labeler_of_the_loop(here: SmallProject) -> None:
    """With the project's own seed, the study's last point answers as finetune@NAME does."""
    from tests.stages.test_models import csv_rows, run

    sources.bring(str(tiny.model(here.folder / "source")), here.folder / "models/encoder/vanilla")
    here.params(seed=2, learning_curve={"sizes": [10], "seeds": [2], "recipes": ["vanilla", "zero", "baseline"], "against": "baseline"})
    run_study(here)
    gold = np.zeros((len(here.rows("data/split/test.csv")), 3), int)
    for name, words in (("vanilla", ["finetune", "vanilla"]), ("zero", ["finetune", "zero"]), ("baseline", ["finetune", "baseline"])):
        run(here.folder, *words)
        run(here.folder, "evaluate", name)
        point = max(curve.read(name, here.folder / study.POINTS).values(), key=lambda point: point.labels)
        said = labels_of(curve.unpack(point.answers, len(gold), TASK), TASK)
        assert [labels[0] for labels in said] == [row["predicted"] for row in csv_rows(here, f"metrics/{name}/test.csv")]
