"""`labelrounds compare` says whether one set of predictions is better than another, from git alone."""

import csv
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from labelrounds.core import screen
from labelrounds.people import compare
from labelrounds.pool.identity import text_id
from tests.graph import IS_DEMO, ROOT
from tests.small import LABELS, SmallProject, project, sentences

TEXTS = sentences(60)
GOLD = {text: LABELS[number % 3] for number, text in enumerate(TEXTS)}


def measured(here: SmallProject, labeler: str, said: dict[str, str], gold: dict[str, str] = GOLD, labels: list[str] = LABELS) -> None:
    """Writes metrics/LABELER/test.csv: {text: what the labeler says}."""
    rows = ([text_id(text), gold[text], label, *["0.5"] * len(labels)] for text, label in sorted(said.items()))
    here.table(f"metrics/{labeler}/test.csv", ["id", "gold", "predicted", *(f"score_{label}" for label in labels)], rows)


def wrong_on(n: int, shift: int = 1) -> dict[str, str]:
    """Returns predictions that are wrong on the first n texts."""
    return {text: LABELS[(LABELS.index(label) + (shift if number < n else 0)) % 3] for number, (text, label) in enumerate(GOLD.items())}


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """Two commits, `old` and `new`: the baseline was wrong on 30 of 60 texts, and is on 6."""
    made = project(tmp_path)
    made.run("git", "init", "-q", "-b", "main")
    for tag, wrong in (("old", 30), ("new", 6)):
        measured(made, "baseline", wrong_on(wrong))
        made.commit(tag)
        made.run("git", "tag", tag)
    return made


def found(here: SmallProject, *arguments: str) -> dict:
    return json.loads(here.command("compare", *arguments, "--json"))


def test_a_better_round_is_called_better_with_its_interval(here: SmallProject) -> None:
    shown = here.command("compare", "old")
    hashes = here.run("git", "rev-parse", "--short", "old").stdout.strip()
    assert shown.splitlines()[0] == f"baseline: the working tree against {hashes}, on 60 test texts"
    assert re.search(r"\nmicro-F1 +0\.500 +0\.900 +\+0\.400 +\+0\.[23]\d\d to \+0\.[45]\d\d\n", shown)
    assert "24 texts flipped right, 0 flipped wrong; McNemar's exact test: p = 1.2e-07." in shown
    assert shown.splitlines()[-1].startswith(f"the working tree is better than {hashes}: macro-F1 +0.400 on 60 texts, 95 % interval +0.2")


def test_the_numbers_are_those_worked_out_by_hand_and_the_texts_are_named(here: SmallProject) -> None:
    here.pool(TEXTS[:10])
    result = found(here, "old", "new")
    assert result["n"] == 60 and result["better"] is True and result["notes"] == []
    assert result["scores"]["accuracy"]["before"] == 0.5 and result["scores"]["accuracy"]["after"] == 0.9
    assert result["scores"]["f1"]["good"]["difference"] == pytest.approx(0.4)
    assert result["mcnemar"] == {"won": 24, "lost": 0, "p": pytest.approx(2 * 0.5**24, rel=1e-5)}
    assert result["lost"] == [] and {flip["id"] for flip in result["won"]} == {text_id(text) for text in TEXTS[6:30]}
    first = next(flip for flip in result["won"] if flip["id"] == text_id(TEXTS[6]))
    assert first == {"id": text_id(TEXTS[6]), "gold": "good", "before": "bad", "after": "good", "text": TEXTS[6]}
    assert sum(flip["text"] is None for flip in result["won"]) == 20, "what is not on this disk has no text"


def test_a_worse_round_is_called_worse_and_small_differences_are_called_nothing(here: SmallProject) -> None:
    assert found(here, "new", "old")["better"] is False
    assert "is worse than" in found(here, "new", "old")["verdict"]
    measured(here, "baseline", wrong_on(5))
    result = found(here, "new")
    assert (
        result["better"] is None
        and result["verdict"].startswith("No difference is shown between ")
        and result["verdict"].endswith(", which holds 0.")
    )


def test_the_same_predictions_are_called_the_same(here: SmallProject) -> None:
    result = found(here, "new")
    assert result["verdict"].endswith("say the same of all 60 texts.")
    assert result["scores"]["f1_macro"]["difference"] == 0 and result["scores"]["f1_macro"]["ci95"] == [0, 0]
    assert result["won"] == result["lost"] == [] and result["mcnemar"]["p"] == 1


def test_two_labelers_compare_within_the_working_tree_and_across_revisions(here: SmallProject) -> None:
    measured(here, "vanilla", wrong_on(20))
    here.commit("vanilla")
    result = found(here, "--labeler", "vanilla", "--against", "baseline")
    assert (result["before"]["labeler"], result["after"]["labeler"]) == ("baseline", "vanilla")
    assert (result["mcnemar"]["won"], result["mcnemar"]["lost"]) == (0, 14)
    assert here.command("compare", "--labeler", "vanilla", "--against", "baseline").startswith("vanilla against baseline (the working tree), on 60")
    across = found(here, "old", "HEAD", "--labeler", "vanilla", "--against", "baseline")
    assert (across["mcnemar"]["won"], across["mcnemar"]["lost"]) == (10, 0)
    assert "vanilla at " in across["verdict"] and "baseline at " in across["verdict"]


def test_other_test_sets_are_compared_on_the_texts_of_both(here: SmallProject) -> None:
    kept = dict(list(wrong_on(6).items())[3:])
    measured(here, "baseline", kept)
    result = found(here, "old")
    assert result["n"] == 57 and (result["before"]["n"], result["after"]["n"]) == (60, 57)
    assert any(note.endswith("has 60 texts, the working tree 57. Compared on the 57 texts of both.") for note in result["notes"])


def test_where_gold_labels_changed_both_are_measured_by_the_newer_ones(here: SmallProject) -> None:
    corrected = {**GOLD, **{text: wrong_on(6)[text] for text in TEXTS[:6]}}
    measured(here, "baseline", wrong_on(6), corrected)
    here.commit("corrected")
    for arguments, after in ((["old"], 1.0), (["old", "HEAD"], 1.0), (["HEAD", "old"], 0.6)):
        result = found(here, *arguments)
        assert result["scores"]["accuracy"]["after"] == after, "the older revision is measured by the newer gold labels, whichever comes first"
        assert any(note.startswith("6 of these texts got another gold label in between") for note in result["notes"])


def test_a_label_that_came_later_is_named_and_the_others_are_compared(here: SmallProject) -> None:
    here.params(task__labels=[*LABELS, "new"])
    measured(here, "baseline", {**wrong_on(6), TEXTS[0]: "new"}, {**GOLD, TEXTS[0]: "new"}, [*LABELS, "new"])
    result = found(here, "old")
    assert "Only the working tree knows the label new." in result["notes"]
    assert "Compared on the 3 labels that both sides know, on the 59 texts that have one of them." in result["notes"]
    assert result["n"] == 59 and set(result["scores"]["f1"]) == set(LABELS)


def renamed(labels: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    return {text: names.get(label, label) for text, label in labels.items()}


def test_after_a_full_rename_the_same_model_is_no_different(here: SmallProject) -> None:
    """Also where two names were swapped, from either side, and before the model has been made again."""
    here.pool(TEXTS)
    here.round("01", GOLD)
    here.commit("with its round")
    for old, new in (("good", "aside"), ("bad", "good"), ("aside", "bad"), ("other", "rest")):
        here.command("schema", "rename", old, new)
    assert found(here, "new")["verdict"].startswith("No difference: "), "nothing has been measured since: it is the same file"
    names = {"good": "bad", "bad": "good", "other": "rest"}
    measured(here, "baseline", renamed(wrong_on(6), names), renamed(GOLD, names), ["bad", "good", "rest"])
    here.commit("after dvc repro")
    for sides in (["new"], ["new", "HEAD"], ["HEAD", "new"]):
        result = found(here, *sides)
        assert result["verdict"].startswith("No difference: ") and result["n"] == 60, sides
        assert result["scores"]["f1_macro"]["difference"] == 0 and set(result["scores"]["f1"]) == {"bad", "good", "rest"}
        [note] = result["notes"]
        assert note.startswith("The labels changed in between: rename good -> aside (20")


def test_after_a_split_the_labels_that_both_know_are_compared(here: SmallProject) -> None:
    here.pool(TEXTS)
    here.round("01", GOLD)
    here.command("schema", "split", "other", "--into", "odd", "--into", "even")
    gold = {text: ("odd" if number % 2 else "even") if label == "other" else label for number, (text, label) in enumerate(GOLD.items())}
    measured(here, "baseline", gold, gold, ["good", "bad", "odd", "even"])
    result = found(here, "new")
    assert result["n"] == 40 and set(result["scores"]["f1"]) == {"good", "bad"}
    assert "Compared on the 2 labels that both sides know, on the 40 texts that have one of them." in result["notes"]
    assert result["scores"]["accuracy"]["before"] == pytest.approx(1 - 4 / 40) and result["scores"]["accuracy"]["after"] == 1.0


def test_where_no_label_is_common_there_is_no_verdict(here: SmallProject) -> None:
    here.params(task__labels=["x", "y"])
    measured(here, "baseline", dict.fromkeys(TEXTS, "x"), dict.fromkeys(TEXTS, "y"), ["x", "y"])
    assert "have no label in common that a test text has: nothing can be compared." in here.wrong("compare", "old")


def test_parameters_that_changed_as_well_are_named_since_the_labels_alone_did_not_do_it(here: SmallProject) -> None:
    def lock(epochs: int) -> None:
        evaluate = "evaluate: {deps: [{path: models/labeler/baseline}], outs: [{path: metrics/baseline}], params: {params.yaml: {seed: 13}}}"
        train = f"train: {{outs: [{{path: models/labeler/baseline}}], params: {{params.yaml: {{finetune: {{epochs: {epochs}, warmup: 0.1}}}}}}}}"
        other = f"other: {{outs: [{{path: models/labeler/other}}], params: {{params.yaml: {{adapt.epochs: {epochs}}}}}}}"
        here.write("dvc.lock", f"stages:\n  {evaluate}\n  {train}\n  {other}\n")

    lock(6)
    here.commit("lock")
    lock(4)
    assert found(here, "HEAD")["notes"] == ["Parameters changed as well: finetune.epochs 6 -> 4."]
    here.write("dvc.lock", "stages: [")
    assert found(here, "HEAD")["notes"] == []


def test_several_labels_per_text(tmp_path: Path) -> None:
    here = project(tmp_path, multi_label=True)
    here.run("git", "init", "-q", "-b", "main")
    gold = {text: random.Random(text).choice(["good", "good;bad", "-", "bad;other"]) for text in TEXTS}
    measured(here, "baseline", dict.fromkeys(TEXTS, "good"), gold)
    here.commit("all good")
    measured(here, "baseline", {text: "-" if label == "-" else "good;bad" for text, label in gold.items()}, gold)
    result = found(here, "HEAD")
    count = {cell: sum(label == cell for label in gold.values()) for cell in set(gold.values())}
    assert (result["mcnemar"]["won"], result["mcnemar"]["lost"]) == (count["-"] + count["good;bad"], count["good"])
    assert result["scores"]["accuracy"]["after"] == pytest.approx((count["-"] + count["good;bad"]) / 60, abs=1e-6)
    assert result["scores"]["jaccard"]["after"] > result["scores"]["jaccard"]["before"]
    shown = here.command("compare", "HEAD")
    assert "\naccuracy " in shown and "\nJaccard " in shown


def test_a_comment_holds_ids_and_no_texts_and_no_name_breaks_its_table(here: SmallProject) -> None:
    here.pool(TEXTS)
    here.command("compare", "old")
    shown = here.command("compare", "old", "--md")
    assert shown.startswith("**the working tree is better than ")
    assert text_id(TEXTS[6]) in shown and not any(text in shown for text in TEXTS)
    assert shown.count("<details>") == shown.count("</details>") == 1
    tables = [line for line in shown.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {6, 5}
    assert screen.escaped("a|b <img> @team #1 `x` *y* _z_") == "a&#124;b &lt;img&gt; &#64;team &#35;1 &#96;x&#96; &#42;y&#42; &#95;z&#95;"


def test_the_screen_shows_ten_of_each_kind_and_no_control_characters(here: SmallProject) -> None:
    here.table("data/split/test.csv", ["id", "text"], [[text_id(text), f"{text}\x1b[31m{'x' * 100}"] for text in TEXTS])
    shown = here.command("compare", "old")
    assert "… and 14 more (--json lists all)" in shown
    assert "\x1b" not in shown and max(map(len, shown.splitlines())) < 160


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nwe"], 'git knows no revision "nwe". Did you mean "new"?'),  # codespell:ignore nwe
        (["--", "-x"], 'git knows no revision "-x".'),
        (["new", "--labeler", "basline"], 'no labeler "basline" was measured at '),  # codespell:ignore basline
        (["new", "--against", "vanilla"], 'no labeler "vanilla" was measured at '),
    ],
)
def test_what_is_not_there_is_one_clear_error(here: SmallProject, arguments: list[str], said: str) -> None:
    assert said in here.wrong("compare", *arguments)


STRANGE = dict.fromkeys(sentences(90)[60:], "good")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda here: here.run("git", "rm", "-rqf", "metrics"), "there are no predictions on test texts in the working tree: "),
        (lambda here: measured(here, "baseline", STRANGE, STRANGE), "have no text in common, so nothing can be compared."),
        (lambda here: here.params(task__type="multi-label"), "is multi-class and the working tree is multi-label: their scores do not compare."),
        (lambda here: here.table("metrics/baseline/test.csv", ["id", "gold"], []), 'there is no column "predicted". Found: id, gold.'),
        (lambda here: measured(here, "baseline", {TEXTS[0]: "ugly"}), 'test.csv:2 in the working tree: unknown label "ugly".'),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(here: SmallProject, spoil: Callable[[SmallProject], object], said: str) -> None:
    spoil(here)
    assert said in here.wrong("compare", "new")


def test_a_revision_before_the_first_results_or_before_the_task_is_one_clear_error(here: SmallProject) -> None:
    params = here.read("params.yaml")
    here.write("params.yaml", "task: 3\n")
    here.commit("no task")
    here.run("git", "rm", "-rqf", "metrics")
    here.commit("no metrics")
    here.write("params.yaml", params)
    measured(here, "baseline", wrong_on(6))
    assert "Choose a commit that was made after a `dvc repro`." in here.wrong("compare", "HEAD")
    assert "has no task.type and task.labels that labelrounds reads." in here.wrong("compare", "HEAD~1")


def test_nothing_to_compare_with_is_a_usage_error(here: SmallProject) -> None:
    assert "Name a revision to compare with" in here.command("compare", code=2)
    assert "--json and --md exclude each other" in here.command("compare", "old", "--json", "--md", code=2)


def test_without_a_git_repository_there_is_no_past(tmp_path: Path) -> None:
    here = project(tmp_path)
    assert "is in no git repository" in here.wrong("compare", "HEAD")
    measured(here, "baseline", wrong_on(6))
    measured(here, "vanilla", wrong_on(20))
    assert found(here, "--against", "vanilla")["better"] is True, "two labelers of the working tree need no git"


def test_a_project_in_a_folder_of_a_larger_repository(tmp_path: Path) -> None:
    here = project(tmp_path / "inner")
    here.run("git", "init", "-q", "-b", "main", str(tmp_path))
    measured(here, "baseline", wrong_on(30))
    here.commit("old")
    measured(here, "baseline", wrong_on(6))
    assert found(here, "HEAD")["mcnemar"]["won"] == 24
    assert "Measured there: baseline." in here.wrong("compare", "HEAD", "--labeler", "x")


def test_the_predictions_of_this_project_are_read_as_the_stages_wrote_them() -> None:
    path = ROOT / "metrics/baseline/test.csv"
    if not path.is_file() and not IS_DEMO:
        pytest.skip("this project has no predictions of a baseline yet; the demo's are in git")
    with open(path, encoding="utf-8", newline="") as file:
        rows = {row["id"]: (row["gold"], row["predicted"]) for row in csv.DictReader(file)}
    side = compare.read_side(None, "baseline")
    assert {identity: (side.task.spell(side.gold[identity]), side.task.spell(side.predicted[identity])) for identity in side.gold} == rows
