"""What is shown to whom, and what an answer does: everything follows from the journal."""

from pathlib import Path

import pytest

from labelrounds.core import params, paths
from labelrounds.people.serve import journal, work
from labelrounds.people.serve.desk import LEASE, Desk
from tests.people.serve.page import Site, with_queue
from tests.small import SmallProject


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    monkeypatch.chdir(tmp_path)
    return with_queue(tmp_path)


def labelled(site: Site) -> list[tuple[str, str, tuple[str, ...]]]:
    """Returns (person, id, labels) of what stands in the journal on disk."""
    from labelrounds.people.serve.finish import standing

    events, _ = journal.read(site.room.desk.journal.path)
    return [(event.person, event.id, event.labels) for event in standing(events)]


def test_an_answer_brings_the_next_text_and_is_on_disk(here: SmallProject) -> None:
    site = Site()
    ana = site.of("Ana")
    first, second = (item["id"] for item in ana.now["items"])
    assert ana.label("good")["items"][0]["id"] == second
    assert labelled(site) == [("Ana", first, ("good",))]
    assert ana.now["progress"] | {"perMinute": 0} == {"total": 20, "done": 1, "left": 19, "elsewhere": 0, "mine": 1, "skipped": 0, "perMinute": 0}


def test_undo_goes_back_step_by_step_and_forward_again_in_the_same_order(here: SmallProject) -> None:
    ana = Site().of("Ana")
    order = []
    for label in ("good", "bad", "other"):
        order.append(ana.id)
        ana.label(label)
    fourth = ana.id
    for step in (3, 2, 1):
        shown = ana.send("/undo")["items"][0]
        assert (shown["id"], shown["given"]) == (order[step - 1], [("good", "bad", "other")[step - 1]])
    assert ana.send("/undo")["progress"]["mine"] == 0
    again = []
    for _ in range(3):
        again.append(ana.id)
        ana.label("other")
    assert again == order and ana.id == fourth and ana.now["progress"]["mine"] == 3


def test_undo_reaches_back_over_a_restart(here: SmallProject) -> None:
    ana = Site().of("Ana")
    first = ana.id
    ana.label("good")
    ana.label("bad")
    ben = Site().of("Ana")
    ben.send("/undo")
    assert ben.send("/undo")["items"][0]["id"] == first


def test_the_same_press_sent_twice_counts_once(here: SmallProject) -> None:
    site = Site()
    ana = site.of("Ana")
    identity = ana.id
    ana.label("good", id=identity, key="the-same-press")
    ana.label("good", id=identity, key="the-same-press")
    ana.send("/undo", key="another-press")
    ana.send("/undo", key="another-press")
    assert labelled(site) == [] and len(site.room.desk.journal.events) == 2


def test_a_second_tab_shows_other_texts_and_an_answer_given_twice_is_kept_once(here: SmallProject) -> None:
    site = Site()
    one, two = site.of("Ana"), site.of("Ana")
    first = one.id
    assert not {item["id"] for item in one.now["items"]} & {item["id"] for item in two.now["items"]}
    one.label("good", id=first)
    two.label("good", id=first)
    told = two.label("bad", id=first, code=409)
    assert told["before"] == {"id": first, "labels": ["good"], "skipped": False}
    assert labelled(site) == [("Ana", first, ("good",))]
    two.label("bad", id=first, change="1")
    assert labelled(site) == [("Ana", first, ("bad",))]


def test_two_people_never_get_the_same_text_unless_it_is_for_two(here: SmallProject) -> None:
    site = Site()
    people = [site.of(name) for name in ("Ana", "Ben")]
    while any([person.now["items"] for person in people]):
        for person in people:
            if person.now["items"]:
                person.label("good")
    assert len(labelled(site)) == 20 and len({identity for _, identity, _ in labelled(site)}) == 20


def test_the_share_for_two_people_goes_to_two_and_to_nobody_twice(here: SmallProject) -> None:
    here.params(serve__overlap=1.0)
    site = Site()
    for name in ("Ana", "Ben", "Cleo"):
        person = site.of(name)
        while person.now["items"]:
            person.label("good")
    found = labelled(site)
    assert len(found) == 40 == len({(who, identity) for who, identity, _ in found}) and "Cleo" not in {who for who, _, _ in found}


def test_nobody_is_asked_what_they_labelled_or_skipped_before(here: SmallProject) -> None:
    form = [[row["id"], row["text"], ""] for row in here.rows("data/queue/next.csv")[:2]]
    here.table("form.csv", ["id", "text", "label"], form)
    here.table("data/skips/01.csv", ["id", "annotator", "reason", "note", "at"], [[form[0][0], "Ana", "unclear", "", ""]])

    def load(settings: params.Params) -> work.Work:
        return work.of_file(Path("form.csv"), settings, False)

    assert [item["id"] for item in Site(load).of("Ana").now["items"]] == [form[1][0]]
    assert [item["id"] for item in Site(load).of("Ben").now["items"]] == [form[0][0], form[1][0]]


def test_a_text_that_lies_open_elsewhere_comes_back_after_a_while(here: SmallProject) -> None:
    settings = params.load()
    clock = [0.0]
    found = work.of_queue(settings, False)
    one = work.Work("queue", "The queue", dict(list(found.items.items())[:1]))
    desk = Desk(one, journal.Journal(paths.INBOX / "x.journal"), settings, lambda: clock[0])
    assert desk.next_items("Ana", "tab") and not desk.next_items("Ben", "tab")
    assert desk.progress("Ben").left == 1 == desk.elsewhere("Ben")
    clock[0] = LEASE + 1
    assert desk.next_items("Ben", "tab")


def test_everybody_may_have_an_order_of_their_own(here: SmallProject) -> None:
    orders = [list(map(lambda item: item.id, Site().room.desk._order(name))) for name in ("Ana", "Ben")]
    here.params(serve__shuffle=True)
    shuffled = [list(map(lambda item: item.id, Site().room.desk._order(name))) for name in ("Ana", "Ben", "Ana")]
    assert orders[0] == orders[1] and shuffled[0] == shuffled[2] != shuffled[1] and sorted(shuffled[0]) == sorted(shuffled[1])


def test_what_was_said_of_a_queue_that_is_gone_is_kept_and_can_be_undone(here: SmallProject) -> None:
    ana = Site().of("Ana")
    first = ana.id
    ana.label("good")
    rows = here.rows("data/queue/next.csv")[5:]
    here.table("data/queue/next.csv", list(rows[0]), (row.values() for row in rows))
    site = Site()
    assert site.of("Ana").send("/undo")["items"][0]["id"] == first


def test_the_cut_end_of_a_journal_is_dropped_and_a_damaged_line_is_named(here: SmallProject) -> None:
    ana = Site().of("Ana")
    ana.label("good")
    ana.label("bad")
    path = Path("data/inbox/queue.journal")
    whole = path.read_bytes()
    for cut in (1, 20, len(whole.splitlines()[1])):
        path.write_bytes(whole[:-cut])
        site = Site()
        assert len(labelled(site)) == 1
        site.room.desk.journal.close()
    path.write_bytes(whole.replace(b'{"do"', b'{"d', 1))
    assert "data/inbox/queue.journal:1: this line of the journal is damaged" in here.wrong("serve", "--no-browser", "--port", "0")


def test_a_label_that_the_task_has_no_more_is_named(here: SmallProject) -> None:
    Site().of("Ana").label("other")
    here.params(task__labels=["good", "bad"])
    assert 'queue.journal:1: the label "other" is not among task.labels any more' in here.wrong("serve", "--no-browser", "--port", "0")
