"""The end of a session: a round as import writes it, and nothing lost however it ends."""

from pathlib import Path

import pytest

from labelrounds.people.serve import finish, journal
from tests.people.serve.page import ADDRESS, Site, newest, with_queue
from tests.small import SmallProject


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    monkeypatch.chdir(tmp_path)
    return with_queue(tmp_path, 6)


def test_the_button_writes_the_round_with_who_when_how_long_and_by_which_guideline(here: SmallProject) -> None:
    here.write("guideline.md", "# Be kind\n")
    site = Site()
    ana, ben = site.of("Ana"), site.of("Ben")
    version = ana.now["guideline"]
    first, second = ana.id, ben.id
    ana.label("good", seconds="4.2", guideline=version)
    ben.label("bad", seconds="3", note="sarcasm, I think", guideline=version)
    ana.send("/skip", id=ana.id, reason="language", note="Danish?")
    assert "Ana</th><td>1</td><td>1" in ana.client.get("/finish").text
    assert ana.client.post("/finish", data={"page": ana.token}, headers={"origin": ADDRESS}).status_code == 303
    rows = newest(here)
    assert [(row["id"], row["label"], row["annotator"], row["note"], row["seconds"]) for row in rows] == [
        (first, "good", "Ana", "", "4.2"),
        (second, "bad", "Ben", "sarcasm, I think", "3.0"),
    ]
    assert (
        {row["guideline"] for row in rows} == {version}
        and {row["score"] for row in rows} == {"0.71"}
        and all(row["labelled_at"].endswith("Z") for row in rows)
    )
    assert [(row["annotator"], row["reason"], row["note"]) for row in newest(here, "skips")] == [("Ana", "language", "Danish?")]
    assert "2 labels of 2 texts are in data/rounds/02-" in ana.client.get("/").text
    assert ana.now["progress"]["total"] == 4, "the page goes on with what is left"
    assert ana.id not in {first, second}
    assert "1 texts were skipped: 1 language." in here.command("status")


def test_import_without_a_file_writes_what_the_page_left(here: SmallProject) -> None:
    assert "nobody has labelled anything on the page" in here.wrong("import")
    site = Site()
    site.of("Ana").label("good")
    site.room.desk.journal.close()
    assert "Labels of the page wait in data/inbox/queue.journal" in here.command("status")
    assert "1 labels of 1 texts are in data/rounds/02-" in here.command("import")
    assert "nobody has labelled anything" in here.wrong("import")


def test_import_does_not_write_under_a_running_page(here: SmallProject) -> None:
    Site().of("Ana").label("good")
    with finish.alone():
        assert "runs in this project already" in here.wrong("import")


def test_an_end_that_was_killed_half_way_is_done_again_without_a_double(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    ana = site.of("Ana")
    ana.label("good")
    ana.send("/skip", id=ana.id, reason="broken")
    whole = Path("data/inbox/queue.journal").read_bytes()
    site.room.finish()
    rounds = here.digests()
    Path("data/inbox/queue.journal").write_bytes(whole)  # killed after the round and before the journal was put aside
    assert "1 labels were in a round already" in here.command("import")
    changed = {path for path, digest in here.digests().items() if rounds.get(path) != digest}
    assert all(path.startswith("data/inbox/") for path in changed)


def test_what_import_refuses_leaves_every_label_in_the_journal(here: SmallProject) -> None:
    site = Site()
    ana = site.of("Ana")
    ana.label("good")
    here.round("02", {"a text that is gone": "godo"}, "Ben")
    site.room.finish()
    assert site.room.outcome[0] == "No round was written. Every label is kept." and "godo" in site.room.outcome[1]
    assert len(finish.standing(journal.read(Path("data/inbox/queue.journal"))[0])) == 1
    ana.label("bad")
    (here.folder / "data/rounds/02.csv").unlink()
    site.room.finish()
    assert len(newest(here)) == 2


def test_several_labels_and_none_come_into_the_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = with_queue(tmp_path, 3, multi_label=True)
    site = Site()
    ana = site.of("Ana")
    ana.label("other", "good")
    ana.label()
    assert "Choose a label" in ana.send("/label", 400, id=ana.id)["error"]
    site.room.finish()
    assert [row["labels"] for row in newest(here)] == ["good;other", "-"]
