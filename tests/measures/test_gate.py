"""What the gate lets through keeps its promise: by proof, by simulation, and with every tie and rare label there is."""

import itertools

import numpy as np
import pytest

from labelrounds.measures import gate

PRECISION, RISK = 0.95, 0.05


# What is right


def test_a_text_is_right_if_it_is_given_no_label_that_people_do_not_give() -> None:
    said = np.array([[1, 0], [1, 0], [1, 1], [0, 0], [0, 0]])
    gold = np.array([[1, 1], [0, 1], [1, 0], [0, 0], [0, 1]])
    assert gate.right(said, gold).tolist() == [True, False, False, True, False]


def test_a_decision_hangs_on_its_least_sure_label_and_on_none_where_there_is_none() -> None:
    scores = np.array([[0.9, 0.6], [0.9, 0.2], [0.1, 0.2]])
    assert gate.strata(scores, (scores > 0.5).astype(int)).tolist() == [1, 0, 2]


# The promise, by simulation


class World:
    """A population of decisions: how sure the model is, on which label each hangs, and how probably each is right."""

    def __init__(self, seed: int, difficulty: float, labels: list[float], bent: float, grid: int | None, multi_label: bool = False) -> None:
        draw = np.random.default_rng(seed)
        n, k = 4000, len(labels)
        if multi_label:
            latent = draw.normal(-1.0, 1.0, (n, 1)) + draw.normal(np.log(labels), 2.5, (n, k))
            shown = 1 / (1 + np.exp(-latent * bent))
            self.truth = 1 / (1 + np.exp(-latent * difficulty))
            self.said = (shown >= 0.5).astype(int)
            sure = np.where(self.said > 0, shown, 1 - shown).min(axis=1)
            self.stratum = gate.strata(shown, self.said)
            # a text is right if all labels given are, or, given none, if none applies
            self.is_right = np.where(self.said.any(axis=1), np.where(self.said > 0, self.truth, 1).prod(axis=1), (1 - self.truth).prod(axis=1))
        else:
            self.stratum = draw.choice(k, p=np.array(labels) / sum(labels), size=n)
            # rare labels are harder
            self.is_right = draw.beta(difficulty * np.linspace(1.5, 0.5, k)[self.stratum], 0.6)
            sure = self.is_right ** (1 / bent)
        self.confidence = (np.round(sure * grid) / grid if grid else sure).astype(np.float32)
        self.n_strata = k + 1

        self._paths: dict[int, list[gate.CutPath]] = {}

    def paths(self, n_valid: int) -> list[gate.CutPath]:
        if n_valid not in self._paths:
            self._paths[n_valid] = gate.plan(self.confidence, self.stratum, self.n_strata, n_valid, PRECISION, RISK)
        return self._paths[n_valid]


def broken(world: World, n_valid: int, seed: int, floors: np.ndarray | None = None) -> tuple[bool, bool]:
    """Returns (whether a group of what the gate lets through falls short of the promise, whether it lets anything through)."""
    draw = np.random.default_rng(seed)
    valid = draw.integers(0, len(world.confidence), n_valid)
    outcome = draw.random(n_valid) < world.is_right[valid]
    paths = world.paths(n_valid) if floors is None else gate.plan(world.confidence, world.stratum, world.n_strata, n_valid, PRECISION, RISK, floors)
    verdicts = gate.decide(paths, world.confidence[valid], world.stratum[valid], outcome, PRECISION, floors)
    auto = world.confidence >= gate.cuts_by_stratum(verdicts, world.n_strata, floors)[world.stratum]
    short = [world.is_right[auto & np.isin(world.stratum, verdict.strata)].mean() < PRECISION for verdict in verdicts if verdict.cut is not None]
    return any(short), bool(auto.any())


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True])
def test_over_a_thousand_projects_the_promise_is_broken_no_oftener_than_stated(multi_label: bool) -> None:
    """Easy and hard labels, even and rare ones, a model too sure, right and too modest, smooth and tied scores, 50 to 500 texts."""
    difficulties = (1.0, 3.0) if multi_label else (2.0, 6.0, 14.0)
    labels = ([1.0, 1.0], [0.6, 0.3, 0.1], [0.5, 0.3, 0.1, 0.07, 0.03])
    kinds = list(itertools.product(difficulties, labels, (0.5, 1.0, 3.0), (None, 20)))
    worlds = [World(number, *kind, multi_label=multi_label) for number, kind in enumerate(kinds)]
    sizes = (50, 100, 200, 500)
    found = [broken(worlds[number % len(worlds)], sizes[number // len(worlds) % 4], number) for number in range(1000)]
    share, opened = np.mean(found, axis=0)
    assert share <= RISK + 2 * np.sqrt(RISK * (1 - RISK) / 1000)
    assert opened > 0.1, "a gate that never opens keeps every promise"


@pytest.mark.slow
def test_at_the_very_edge_the_promise_is_broken_as_often_as_stated_and_no_oftener() -> None:
    """Every text is right with a probability a hair below the promise: each project that opens breaks it."""
    world = World(0, 6.0, [1.0, 1.0], 1.0, None)
    world.is_right[:] = PRECISION - 1e-6
    share = np.mean([broken(world, 300, seed)[0] for seed in range(1000)])
    assert 0.01 < share <= RISK + 2 * np.sqrt(RISK * (1 - RISK) / 1000)


def test_a_model_that_is_surest_where_it_errs_never_opens_the_gate() -> None:
    world = World(0, 6.0, [1.0, 1.0], 1.0, None)
    world.confidence = (1 - world.is_right).astype(np.float32)
    assert np.mean([broken(world, 300, seed)[1] for seed in range(100)]) <= RISK


# The pieces


def test_no_label_of_validation_has_a_say_in_which_cuts_are_tried() -> None:
    world = World(1, 6.0, [0.7, 0.3], 1.0, None)
    paths = gate.plan(world.confidence, world.stratum, 3, 400, PRECISION, RISK)
    assert [path.strata for path in paths] == [(0,)] or [path.strata for path in paths] == [(0,), (1,)]
    assert sum(path.risk for path in paths) == pytest.approx(RISK)
    assert all((np.diff(path.cuts) < 0).all() and (np.diff(path.shares) > 0).all() for path in paths)


def test_rare_labels_stand_together_and_frequent_ones_alone() -> None:
    draw = np.random.default_rng(0)
    stratum = draw.choice(4, p=[0.5, 0.3, 0.1, 0.1], size=5000)
    confidence = draw.uniform(0.5, 1, 5000).astype(np.float32)
    groups = [path.strata for path in gate.plan(confidence, stratum, 5, 1000, PRECISION, RISK)]
    assert groups == [(0,), (1,), (2, 3)]
    assert [path.strata for path in gate.plan(confidence, stratum, 5, 100, PRECISION, RISK)] == [(0, 1, 2, 3)]


def test_equal_confidences_pass_together_or_not_at_all() -> None:
    stratum, confidence = np.zeros(1000, int), np.repeat([0.9, 0.8], 500).astype(np.float32)
    (path,) = gate.plan(confidence, stratum, 2, 200, PRECISION, RISK)
    assert set(path.cuts.tolist()) <= set(confidence.tolist())
    (verdict,) = gate.decide([path], confidence[::5], stratum[::5], confidence[::5] > 0.85, PRECISION)
    assert verdict.cut in (None, float(np.float32(0.9))) and verdict.n in (100, 200)


def test_a_closed_gate_estimates_how_many_texts_would_open_it() -> None:
    draw = np.random.default_rng(0)
    truth = draw.beta(30, 0.3, 4000)
    confidence, stratum = truth.astype(np.float32), np.zeros(4000, int)
    (path,) = gate.plan(confidence, stratum, 2, 50, PRECISION, RISK)
    few = np.arange(50)
    (verdict,) = gate.decide([path], confidence[few], stratum[few], np.ones(50, bool), PRECISION)
    assert verdict.cut is None
    needed = gate.needed(path, confidence[few], stratum[few], np.ones(50, bool), PRECISION)
    assert 59 <= needed <= 250
    opened = []
    for seed in range(60):
        valid = np.random.default_rng(seed).integers(0, 4000, needed)
        paths = gate.plan(confidence, stratum, 2, needed, PRECISION, RISK)
        outcome = np.random.default_rng(seed + 1000).random(needed) < truth[valid]
        opened.append(gate.decide(paths, confidence[valid], stratum[valid], outcome, PRECISION)[0].cut is not None)
    assert np.mean(opened) > 0.5
    assert gate.needed(path, confidence[few], stratum[few], np.zeros(50, bool), PRECISION) is None


def test_without_texts_to_label_there_is_nothing_to_decide() -> None:
    assert gate.plan(np.empty(0, np.float32), np.empty(0, int), 3, 100, PRECISION, RISK) == []
    assert np.isinf(gate.cuts_by_stratum([], 3)).all()


# Audits


def test_an_audit_as_good_as_promised_changes_nothing() -> None:
    confidence = np.linspace(0.8, 1, 100)
    floors = gate.floors(confidence, np.zeros(100, int), np.arange(100) >= 5, 2, PRECISION, RISK)
    assert np.isneginf(floors).all()


def test_an_audit_below_the_promise_tightens_all_until_what_is_left_is_as_promised() -> None:
    confidence, is_right = np.linspace(0.8, 1, 100), np.arange(100) >= 8
    floors = gate.floors(confidence, np.zeros(100, int), is_right, 2, PRECISION, RISK)
    left = confidence >= floors[0]
    assert floors[0] == floors[1] and is_right[left].mean() >= PRECISION and not left.all()


def test_a_label_that_an_audit_contradicts_is_closed_and_the_others_stay() -> None:
    stratum = np.repeat([0, 1], [100, 12])
    floors = gate.floors(np.linspace(0.8, 1, 112), stratum, stratum == 0, 3, PRECISION, RISK)
    assert np.isneginf(floors[0]) and np.isinf(floors[1]) and floors[1] > 0


def test_an_audit_in_which_all_is_wrong_closes_the_gate() -> None:
    found = gate.floors(np.full(30, 0.9), np.repeat([0, 1], 15), np.zeros(30, bool), 3, PRECISION, RISK)
    assert found.tolist() == [np.inf, np.inf, -np.inf], "of a label that nobody drew, nothing is known"


def test_an_audit_never_lets_more_through_and_the_promise_holds_for_what_is_left() -> None:
    world = World(3, 6.0, [0.7, 0.3], 1.0, None)
    found = []
    for seed in range(100):
        drawn = np.random.default_rng([seed, 9]).integers(0, 4000, 60)
        outcome = np.random.default_rng([seed, 8]).random(60) < world.is_right[drawn]
        floors = gate.floors(world.confidence[drawn], world.stratum[drawn], outcome, world.n_strata, PRECISION, RISK)
        found.append(broken(world, 300, seed, floors)[0])
        paths = gate.plan(world.confidence, world.stratum, world.n_strata, 300, PRECISION, RISK, floors)
        for path in paths:
            inside = np.isin(world.stratum, path.strata) & (world.confidence >= floors[world.stratum])
            assert path.shares[-1] == pytest.approx(inside.mean())
    assert np.mean(found) <= RISK + 2 * np.sqrt(RISK * (1 - RISK) / 100)
