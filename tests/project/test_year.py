"""The first weeks of the year that `make year` plays to its end: two people, two branches, and a pool that grows."""

from pathlib import Path

import pytest

from tests import reconcile, year


@pytest.mark.slow
@pytest.mark.long
def test_every_label_reconciles_after_a_merge_and_the_check_sees_what_does_not(tmp_path: Path) -> None:
    team = year.Team(tmp_path, seed=1, without=("agreement", "stop", "suspects", "report"))
    year.play(team, rounds=3)
    assert team.counts == {"rounds": 3, "additions": 1, "merges": 1}
    folder = team.project.folder
    assert reconcile.check(folder) == []
    for path, said in (("data/split/labels.csv", "labels.csv"), ("data/split/train.csv", "train"), ("data/rounds/01.csv", "labels.csv")):
        file = folder / path
        before = file.read_bytes()
        file.write_bytes(b"".join(before.splitlines(keepends=True)[:-1]))
        assert any(line.startswith(said) for line in reconcile.check(folder)), f"{path} has a line less, and nobody sees it"
        file.write_bytes(before)
