"""The studies' READMEs tell the truth: their tables are what their results give."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from studies.semi_supervised import compare
from tests.graph import ROOT

README = (ROOT / "studies/semi_supervised/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(path.name for path in compare.RESULTS.glob("*")) if compare.RESULTS.is_dir() else [])
def test_the_tables_are_those_of_the_results(name: str) -> None:
    shown = re.search(rf"<!-- {name} -->\n```\n(.*?)```\n<!-- /{name} -->", README, re.DOTALL)
    assert shown and shown[1].rstrip() == compare.report(name).rstrip()


def test_a_difference_is_paired_by_seed_and_half_measured_seeds_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    reached = {"supervised": [0.5, 0.7, 0.6], "ust": [0.52, 0.72]}
    for method, values in reached.items():
        for seed, value in enumerate(values, 1):
            path = tmp_path / "toy" / f"{seed}-{method}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"method": method, "seed": seed, "test": {"f1_macro": value}}))
    supervised, ust = compare.report("toy").splitlines()[1:]
    assert supervised.split()[1:3] == ["60.0", "10.0"] and "+2.0 [+2.0, +2.0]" in ust and ust.split()[1] == "62.0"


def test_labels_are_drawn_per_class_and_never_twice() -> None:
    gold = np.eye(3, dtype=np.int64)[[0] * 10 + [1] * 4 + [2] * 20]
    found = compare.Examples([str(i) for i in range(34)], [f"text {i}" for i in range(34)], gold)
    drawn, rest = compare.per_class(found, 6, np.random.default_rng(1))
    assert drawn.gold.sum(axis=0).tolist() == [6, 4, 6]
    assert sorted(drawn.ids + rest.ids, key=int) == found.ids
