"""What labels have brought, and how many a target may take: an interval, or an honest word that nobody can know yet."""

import json
import math

import numpy as np
import pytest

from labelrounds.core.task import Task
from labelrounds.people import forecast, workload
from labelrounds.rounds.record import OPINION, Annotation
from tests.small import LABELS, project, sentences

SIZES = (50, 100, 200, 400)


def power(seed: int, noise: float = 0.0, exponent: float = 0.3) -> dict[int, float]:
    draw = np.random.default_rng(seed)
    return {n: 1 - 1.5 * n**-exponent * math.exp(draw.normal(0, noise)) for n in SIZES}


def test_where_the_error_falls_as_a_power_the_forecast_is_exact() -> None:
    assert forecast.labels_for(0.85, power(0)) == pytest.approx((0.15 / 1.5) ** (-1 / 0.3), rel=1e-6)
    assert forecast.labels_for(0.85, dict.fromkeys(SIZES, 0.5)) is None


def test_the_interval_holds_what_the_curve_will_really_need() -> None:
    true = math.log((0.2 / 1.5) ** (-1 / 0.3))
    held = 0
    for turn in range(100):
        needed = [forecast.labels_for(0.8, power(100 * turn + seed, noise=0.03)) for seed in range(5)]
        _, low, high = forecast.interval([math.log(one) for one in needed if one])
        held += low <= true <= high
    assert held >= 88


def test_what_cannot_be_known_yet_is_said_with_the_reason() -> None:
    assert "cannot be known yet" in forecast.until(0.8, 0.6, {})
    assert "cannot be known yet" in forecast.until(0.8, 0.6, {seed: power(seed) for seed in (1, 2)}), "two seeds"
    assert "cannot be known yet" in forecast.until(0.8, 0.6, {seed: {50: 0.5, 100: 0.6} for seed in range(5)}), "two sizes"
    flat = {seed: power(seed) for seed in (1, 2)} | {3: dict.fromkeys(SIZES, 0.6)}
    assert "for 1 of 3 seeds more labels brought nothing" in forecast.until(0.8, 0.6, flat)
    apart = {seed: power(seed, exponent=0.1 * seed) for seed in (1, 2, 3)}
    assert "cannot be known yet: by 3 seeds it is" in forecast.until(0.9, 0.6, apart)
    assert forecast.until(0.6, 0.61, {}) == "Macro-F1 0.6 is reached: 0.610."
    said = forecast.until(0.8, 0.6, {seed: power(seed, noise=0.01) for seed in range(4)})
    assert said.startswith("Macro-F1 0.8 may take ") and "over 4 seeds of the learning curve, which ends at 400" in said


def test_an_hour_brings_what_its_labels_bring() -> None:
    gain = {"per_100_labels": 0.02, "since": "01", "ci95": [0.01, 0.03]}
    assert "+0.120 per hour (+0.060 to +0.180), at 600 labels an hour" in forecast.brought(gain, [6.0] * 50)
    assert forecast.brought(gain, []).endswith("nobody knows how long they took.")
    assert "cannot be known yet" in forecast.brought({"per_100_labels": None}, [6.0])


def test_a_person_has_labels_minutes_and_agreement() -> None:
    def given(who: str, text: str, label: str, seconds: str = "", source: str = "human") -> Annotation:
        return Annotation(text, None, (label,), who, source, "", "01", "here", seconds=seconds)

    said = [
        given("Ana", "a", "good", "60"),
        given("Ana", "b", "bad", "120"),
        given("Ana", "c", "bad", "soon"),
        given("Ben", "a", "good", "", OPINION),
    ]
    said += [given("Ben", "b", "good"), given("", "c", "bad", "-3")]
    ana, ben, nobody = workload.people(said, Task("multi-class", tuple(LABELS)), [])
    assert ana.cells() == ["Ana", 3, 3, 90, "67% of 3"]
    assert ben.cells() == ["Ben", 2, None, None, "50% of 2"]
    assert nobody.cells()[:4] == ["(not named)", 1, None, None]


def test_status_tells_it(tmp_path) -> None:
    here = project(tmp_path)
    texts = sentences(6)
    here.pool(texts)
    here.table("data/rounds/01.csv", ["text", "label", "annotator", "seconds"], [[text, "good", "Ana", "6"] for text in texts])
    here.write("metrics/baseline.json", json.dumps({"test": {"f1_macro": 0.62}}))
    here.write("metrics/stop.json", json.dumps({"gain": {"per_100_labels": 0.02, "since": "01", "ci95": [0.01, 0.03]}}))
    rows = [[size, "baseline", seed, 0.5, f1] for seed in (1, 2, 3) for size, f1 in power(seed, noise=0.01).items()]
    here.table("metrics/curve.csv", ["labels", "recipe", "seed", "f1_micro", "f1_macro"], rows)
    shown = here.command("status")
    assert "+0.120 per hour" in shown and "Macro-F1 0.65 may take" in shown
    assert "Macro-F1 0.61 is reached" in here.command("status", "--target", "0.61")
    assert "--target" in here.command("status", "--target", "2", code=2)
