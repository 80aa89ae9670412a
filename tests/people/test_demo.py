"""The demo's people fill in a form from ratings: their mean as one crowd, or single raters who disagree."""

from pathlib import Path

import pytest

from labelrounds.people.demo import label_of
from labelrounds.pool.identity import text_id
from tests.small import SmallProject, project

# text: mean rating and single ratings; the ids of the numbers begin with digits alone in some spreadsheets' eyes
RATED = {
    "=wonderful": (2.5, [3, 2, 2, 3, -1]),
    "awful, truly": (-2.0, [-2, -2, -3, -1, 0]),
    "a table": (0.1, [0, 0, 1, 0, -1]),
}


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    made = project(tmp_path, ["negative", "neutral", "positive"])
    made.pool(RATED)
    rows = ([text_id(text), str(mean), " ".join(map(str, given))] for text, (mean, given) in RATED.items())
    made.table("data/demo/ratings.csv", ["id", "mean", "ratings"], rows)
    return made


def labels(here: SmallProject, path: str) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for row in here.rows(path):
        found.setdefault(row["id"].lstrip("'"), []).append((row["annotator"], row["label"]))
    return found


@pytest.mark.parametrize(("rating", "label"), [(0.5, "positive"), (0.49, "neutral"), (0, "neutral"), (-0.49, "neutral"), (-0.5, "negative")])
def test_a_rating_near_zero_is_neutral(rating: float, label: str) -> None:
    assert label_of(rating, 0.5) == label


def test_the_crowd_labels_by_its_mean(here: SmallProject) -> None:
    here.command("draw", "3", "a.csv")
    assert here.command("demo", "annotate", "a.csv") == "3 labels by the crowd are in a.csv. Next: labelrounds import a.csv\n"
    expected = {text_id("=wonderful"): "positive", text_id("awful, truly"): "negative", text_id("a table"): "neutral"}
    assert labels(here, "a.csv") == {identity: [("crowd", label)] for identity, label in expected.items()}
    assert "3 labels of 3 texts" in here.command("import", "a.csv")


def test_single_raters_are_drawn_per_text_the_same_each_time(here: SmallProject) -> None:
    here.command("draw", "3", "a.csv")
    here.command("draw", "3", "b.csv")
    assert "9 labels by 3 raters per text are in a.csv" in here.command("demo", "annotate", "a.csv", "--raters", "3")
    here.command("demo", "annotate", "b.csv", "--raters", "3")
    assert labels(here, "a.csv") == labels(here, "b.csv")
    assert all([who for who, _ in given] == ["rater-1", "rater-2", "rater-3"] for given in labels(here, "a.csv").values())
    assert "9 labels of 3 texts" in here.command("import", "a.csv")


def test_every_single_rating_is_one_that_somebody_gave(here: SmallProject) -> None:
    here.command("draw", "3", "a.csv")
    here.command("demo", "annotate", "a.csv", "--raters", "5")
    found = labels(here, "a.csv")
    for text, (_, given) in RATED.items():
        assert sorted(label for _, label in found[text_id(text)]) == sorted(label_of(rating, 0.5) for rating in given)


def test_annotating_twice_gives_the_same_file(here: SmallProject) -> None:
    here.command("draw", "3", "a.csv")
    here.command("demo", "annotate", "a.csv")
    before = here.digests()
    here.command("demo", "annotate", "a.csv")
    assert here.digests() == before


def test_what_is_no_file_of_the_demo_is_an_error(here: SmallProject) -> None:
    assert "there is no such file" in here.wrong("demo", "annotate", "gone.csv")
    here.table("a.csv", ["text"], [["a table"]])
    assert 'a.csv:1: there is no column "id"' in here.wrong("demo", "annotate", "a.csv")
    here.table("b.csv", ["id"], [[text_id("a table")], [text_id("mine")]])
    assert f"b.csv:3: the id {text_id('mine')} is not a text of the demo." in here.wrong("demo", "annotate", "b.csv")


def test_without_the_demos_ratings_the_error_says_how_to_get_them(here: SmallProject) -> None:
    (here.folder / "data/demo/ratings.csv").unlink()
    assert "the demo's ratings are not here. Run `dvc repro data/dvc.yaml` first" in here.wrong("demo", "annotate", "a.csv")
