"""Audits: an even draw, shown blind, checked by people, apart from training; and what they do to the gate."""

import contextlib
import json
import os
from pathlib import Path

import click.testing
import numpy as np
import pytest

from labelrounds.core import files, paths
from labelrounds.core.task import Task
from labelrounds.labelers import contract, linear
from labelrounds.measures import binomial
from labelrounds.people import clearing
from labelrounds.pool.identity import text_id
from labelrounds.rounds import audits
from tests.small import LABELS, SmallProject, project, sentences

SHARES = (0.5, 0.3, 0.2)


def decided(here: SmallProject, auto: int = 120, multi_label: bool = False) -> dict[str, str]:
    """Writes predictions of 200 texts, the first `auto` of them labelled automatically; returns {id: what the model says}."""
    import pyarrow
    import pyarrow.parquet

    texts = sentences(200)
    here.pool(texts)
    said = {text_id(text): LABELS[number % 3] + (";other" if multi_label and number % 3 == 0 else "") for number, text in enumerate(texts)}
    column = "labels" if multi_label else "label"
    rows = [[text_id(text), text, said[text_id(text)], "0.9000", "auto" if number < auto else "review"] for number, text in enumerate(texts)]
    here.table("data/predictions/labelled.csv", ["id", "text", column, "confidence", "decision"], rows)
    (here.folder / "data/predictions/shards").mkdir()
    table = pyarrow.table({"id": [row[0] for row in rows], "labeler": ["0123456789abcdef"] * 200})
    pyarrow.parquet.write_table(table, here.folder / "data/predictions/shards/part-00000.parquet")
    return said


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    return project(tmp_path)


def test_the_form_shows_people_nothing_of_what_the_model_said(here: SmallProject) -> None:
    said = decided(here)
    shown = here.command("audit", "30", "check.csv")
    assert shown.startswith("30 texts, drawn at random from 120 that are labelled automatically, wait in check.csv.")
    rows = here.rows("check.csv")
    assert list(rows[0]) == ["id", "text", "label", "annotator", "note", "audit"]
    assert {row["audit"] for row in rows} == {Path(here.named("data/audits/drawn/01.csv")).stem} and all(row["label"] == "" for row in rows)
    record = here.rows("data/audits/drawn/01.csv")
    assert [row["id"] for row in record] == [row["id"].lstrip("'") for row in rows]
    assert all(row["label"] == said[row["id"]] and row["labeler"] == "0123456789abcdef" and row["auto"] == "120" for row in record)
    order = list(said)
    assert all(order.index(row["id"]) < 120 for row in record), "only what is `auto`"
    assert [order.index(row["id"]) for row in record] != sorted(order.index(row["id"]) for row in record), "the order tells nothing either"


@pytest.mark.slow
def test_every_automatic_text_is_drawn_as_often_as_any_other(here: SmallProject) -> None:
    decided(here)
    counts: dict[str, int] = {}
    for seed in range(20):
        here.params(seed=seed)
        here.command("audit", "40", "check.csv")
        for row in here.rows("data/audits/drawn/01.csv"):
            counts[row["id"]] = counts.get(row["id"], 0) + 1
        (here.folder / here.named("data/audits/drawn/01.csv")).unlink()
        (here.folder / "check.csv").unlink()
    found = np.array([*counts.values(), *[0] * (120 - len(counts))])
    # Chi-squared with 119 degrees of freedom, its variance less by drawing without putting back: mean 119 * 2/3.
    assert ((found - 20 / 3) ** 2 / (20 / 3)).sum() < 119


def test_the_next_audit_draws_other_texts_and_the_same_clone_the_same_ones(here: SmallProject) -> None:
    decided(here)
    here.command("audit", "70", "a.csv")
    first = (here.folder / here.named("data/audits/drawn/01.csv")).read_bytes()
    assert "drawn at random from 50" in here.command("audit", "70", "b.csv")
    ids = [{row["id"] for row in here.rows(f"data/audits/drawn/{name}.csv")} for name in ("01", "02")]
    assert not ids[0] & ids[1] and len(ids[1]) == 50
    assert "there is nothing to audit" in here.wrong("audit", "10", "c.csv")
    for name in ("data/audits/drawn/01.csv", "data/audits/drawn/02.csv", "a.csv"):
        (here.folder / here.named(name)).unlink()
    here.command("audit", "70", "a.csv")
    assert (here.folder / here.named("data/audits/drawn/01.csv")).read_bytes() == first


def test_a_form_that_cannot_be_written_leaves_no_trace(here: SmallProject) -> None:
    decided(here)
    here.write("check.csv", "somebody's")
    assert "check.csv is there already" in here.wrong("audit", "10", "check.csv")
    assert "nothing is labelled automatically yet" in project(here.folder / "other").wrong("audit", "10", "a.csv")


def test_an_audit_killed_between_its_two_writes_has_drawn_nothing_and_goes_on_when_typed_again(
    here: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(here)
    atomic = files.atomic

    def killed(path, *arguments, **options):
        if Path(path).parent == paths.DRAWN:
            os._exit(9)
        return atomic(path, *arguments, **options)

    monkeypatch.setattr(files, "atomic", killed)
    if (child := os.fork()) == 0:
        here.command("audit", "10", "check.csv")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.undo()
    assert (here.folder / "check.csv").is_file() and not list((here.folder / paths.DRAWN).glob("*.csv"))
    form = here.read("check.csv")
    here.write("check.csv", form.replace(",,", ",good,", 1))
    assert "check.csv is there already" in here.wrong("audit", "10", "check.csv"), "somebody has typed into it"
    here.write("check.csv", form)
    here.command("audit", "10", "check.csv")
    assert here.read("check.csv") == form
    assert {row["id"] for row in here.rows("data/audits/drawn/01.csv")} == {row["id"].lstrip("'") for row in here.rows("check.csv")}


def test_a_checked_form_goes_to_the_audits_and_never_to_the_rounds(here: SmallProject) -> None:
    said = decided(here)
    here.command("audit", "12", "check.csv")
    here.fill("check.csv", said)
    shown = here.command("import", "check.csv", "--annotator", "ana")
    assert f"12 labels of 12 texts are in {here.named('data/audits/01.csv')} now." in shown
    assert not list((here.folder / "data").glob("rounds/*.csv"))
    with contextlib.chdir(here.folder):
        checks = audits.checked(Task("multi-class", tuple(LABELS)))
    assert {identity: settled.labels[0] for identity, settled in checks.labels.items()} == {
        row["id"]: said[row["id"]] for row in here.rows("data/audits/drawn/01.csv")
    }
    assert "are in data/audits already" in here.command("import", "check.csv", "--annotator", "ana")


def test_audit_and_round_are_not_imported_together_and_chosen_texts_are_no_sample(here: SmallProject) -> None:
    said = decided(here)
    here.command("audit", "5", "check.csv")
    here.fill("check.csv", said)
    here.table("round.csv", ["text", "label"], [[sentences(200)[150], "good"]])
    assert "is the form of an audit, which never trains" in here.wrong("import", "check.csv", "round.csv")
    rows = here.rows("check.csv")
    here.table("check.csv", list(rows[0]), [*(row.values() for row in rows), [text_id(sentences(200)[150]), "", "good", "", "", "01"]])
    assert "was not drawn for an audit" in here.wrong("import", "check.csv")


def test_audited_texts_are_asked_in_no_round_any_more(here: SmallProject) -> None:
    decided(here, auto=200)
    here.command("audit", "150", "check.csv")
    drawn = {row["id"] for row in here.rows("data/audits/drawn/01.csv")}
    here.command("draw", "200", "round.csv")
    assert not {row["id"].lstrip("'") for row in here.rows("round.csv")} & drawn and len(here.rows("round.csv")) == 50
    rows = ([text_id(text), text, "good", "0.5", "0.9"] for text in sentences(200))
    here.table("data/queue/next.csv", ["id", "text", "suggestion", "confidence", "uncertainty"], rows)
    here.command("next", "next.csv")
    assert not {row["id"].lstrip("'") for row in here.rows("next.csv")} & drawn


def test_the_demos_people_fill_in_an_audit_too(here: SmallProject) -> None:
    here.params(task__labels=["negative", "neutral", "positive"])
    here.pool(["wonderful", "awful"])
    here.table("data/demo/ratings.csv", ["id", "mean", "ratings"], [[text_id("wonderful"), "2", "2 2"], [text_id("awful"), "-2", "-2 -2"]])
    rows = [[text_id(text), text, "positive", "0.9", "auto"] for text in ("wonderful", "awful")]
    here.table("data/predictions/labelled.csv", ["id", "text", "label", "confidence", "decision"], rows)
    here.table("data/predictions/shards/part-00000.csv", ["id", "labeler"], [[text_id("wonderful"), "0123456789abcdef"]])
    here.command("audit", "2", "check.csv")
    here.command("demo", "annotate", "check.csv")
    assert "2 labels of 2 texts are in data/audits/01-" in here.command("import", "check.csv")


# What an audit does to the gate


@pytest.fixture(params=[False, True], ids=["multi-class", "multi-label"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SmallProject, dict[str, str]]:
    """A project with a linear labeler, predictions of 900 texts and 150 validation texts, all right: the gate is wide open."""
    import pyarrow
    import pyarrow.parquet

    multi_label = request.param
    here = project(tmp_path, multi_label=multi_label)
    here.params(predict__precision=0.9, predict__risk=0.1)
    texts = sentences(900)
    here.pool(texts)
    draw = np.random.default_rng(0)
    number_of = draw.choice(3, p=SHARES, size=900)
    scores = np.full((900, 3), 0.01, np.float32)
    scores[np.arange(900), number_of] = draw.uniform(0.9, 0.98, 900)
    ids = [text_id(text) for text in texts]
    truth = {identity: LABELS[number] for identity, number in zip(ids, number_of, strict=True)}
    task = Task("multi-label" if multi_label else "multi-class", tuple(LABELS))
    valid = slice(0, 150)
    here.table("data/split/valid.csv", ["id", "text", task.column], [[i, text, truth[i]] for i, text in zip(ids[valid], texts[valid], strict=True)])
    here.table("data/split/labels.csv", ["id", task.column, "round", "votes", "side"], [[i, truth[i], "01", "1", "valid"] for i in ids[valid]])
    card = contract.Card("linear", task.type, LABELS, [0.5] * 3, 1.0, None, None, {})
    vectorizers, weights, bias = linear.train(texts[:30], np.eye(3, dtype=int)[number_of[:30]], task, 1.0, 0)
    with contextlib.chdir(here.folder):
        linear.save(vectorizers, weights, bias, card, paths.LABELERS / "baseline")
        fingerprint = files.fingerprint(paths.LABELERS / "baseline")
    columns = {"id": ids, task.column: list(truth.values()), "confidence": scores.max(axis=1)}
    columns |= {f"score_{label}": scores[:, number] for number, label in enumerate(LABELS)} | {"labeler": [fingerprint] * 900}
    (here.folder / "data/predictions/shards").mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), here.folder / "data/predictions/shards/part-00000.parquet")
    return here, truth


def decide(here: SmallProject) -> tuple[dict, dict, dict[str, str]]:
    """Runs the stage `gate`; returns metrics/gate.json, metrics/audit.json and {id: decision}."""
    from stages import gate as stage

    with contextlib.chdir(here.folder):
        done = click.testing.CliRunner().invoke(stage.main, [])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    found = (json.loads(here.read(f"metrics/{name}.json")) for name in ("gate", "audit"))
    return *found, {row["id"]: row["decision"] for row in here.rows("data/predictions/labelled.csv")}


def check(here: SmallProject, answers: dict[str, str]) -> dict[str, str]:
    """Draws an audit of 100 texts, answers it and runs the gate again; returns {id: label} of what people said."""
    here.command("audit", "100", "check.csv")
    column = "labels" if "labels" in here.rows("check.csv")[0] else "label"
    here.fill("check.csv", answers, column)
    here.command("import", "check.csv")
    return {row["id"].lstrip("'"): row[column] for row in here.rows("check.csv")}


def test_an_audit_that_keeps_the_promise_changes_nothing_but_its_own_texts(running) -> None:
    here, truth = running
    before, empty, decisions = decide(here)
    assert before["open"] >= 1 and empty["audits"] == 0 and "auto" in decisions.values()
    answers = check(here, truth)
    after, report, now = decide(here)
    assert (report["newest"][:3], report["drawn"], report["checked"], report["right"], report["kept"]) == ("01-", 100, 100, 100, 1)
    assert (report["low"], report["high"]) == tuple(round(bound, 6) for bound in binomial.interval(100, 100))
    assert sum(found["n"] for found in report["labels"].values()) == 100
    assert {identity for identity in now if now[identity] != decisions[identity]} == set(answers)
    assert all(now[identity] == "human" for identity in answers)
    assert after["open"] == before["open"]


@pytest.mark.slow
def test_a_label_that_people_deny_is_closed_until_new_evidence(running) -> None:
    here, truth = running
    _, _, decisions = decide(here)
    wrong = {identity: "bad" if label == "good" else label for identity, label in truth.items()}
    check(here, wrong)
    after, report, now = decide(here)
    assert report["kept"] == 0 and report["labels"]["good"]["right"] == 0 and report["labels"]["bad"]["precision"] == 1
    assert after["labels"]["good"]["cut"] is None and after["labels"]["good"]["closed_by_audit"] == 1
    assert not [identity for identity, decision in now.items() if decision == "auto" and truth[identity] == "good"]
    assert all(now[identity] != "auto" for identity, decision in decisions.items() if decision != "auto"), "an audit lets nothing more through"
    # The same texts, once they train, say nothing of the labeler any more.
    rows = here.rows("data/split/labels.csv")
    audited = [row["id"] for row in here.rows("data/audits/drawn/01.csv")]
    here.table("data/split/labels.csv", list(rows[0]), [*(row.values() for row in rows), *([i, truth[i], "02", "1", "train"] for i in audited)])
    assert decide(here)[0]["labels"]["good"]["cut"] is not None


def test_a_half_checked_audit_reports_what_is_checked_and_ties_are_counted(running) -> None:
    here, truth = running
    decide(here)
    here.command("audit", "20", "check.csv")
    rows = here.rows("check.csv")
    column = "labels" if "labels" in rows[0] else "label"
    for row in rows[:8]:
        row[column], row["annotator"] = truth[row["id"].lstrip("'")], "ana"
    other = {**rows[0], column: "other" if rows[0][column] != "other" else "good", "annotator": "ben"}
    here.table("check.csv", list(rows[0]), [row.values() for row in (*rows, other)])
    assert "12 rows have no label yet" in here.command("import", "check.csv")
    _, report, _ = decide(here)
    assert (report["drawn"], report["checked"], report["tied"], report["n"]) == (20, 7, 1, 7)


@pytest.mark.slow
def test_the_gate_run_twice_gives_the_same_bytes(running) -> None:
    here, truth = running
    decide(here)
    check(here, truth)
    decide(here)
    before = here.digests()
    decide(here)
    assert here.digests() == before


def test_a_new_project_begins_without_the_audits_of_the_old_one(here: SmallProject) -> None:
    said = decided(here)
    here.command("audit", "5", "check.csv")
    here.fill("check.csv", said)
    here.command("import", "check.csv")
    with contextlib.chdir(here.folder):
        going = {path.as_posix() for path in clearing.leftovers(Path("texts.csv"), [])}
    assert {here.named("data/audits/01.csv"), here.named("data/audits/drawn/01.csv")} <= going
