"""Who may enter, what a page may send, and that nothing of a text or a name becomes part of the page."""

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from labelrounds.people.serve import access, forms, guideline, journal
from tests.people.serve.page import ADDRESS, JSON, Site, with_queue
from tests.small import SmallProject

NASTY = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script><script>alert(2)</script>", "{{ 7 * 7 }} & <b>bold</b>"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    monkeypatch.chdir(tmp_path)
    return with_queue(tmp_path, 4)


def stranger(site: Site, address: str = ADDRESS) -> TestClient:
    return TestClient(site.app, base_url=address, follow_redirects=False)


def kept(site: Site) -> int:
    return len(site.room.desk.journal.events)


def test_without_script_the_page_is_forms_that_do_the_same(here: SmallProject) -> None:
    site = Site()
    ana = site.of("Ana")

    def post(path: str, **fields: str) -> str:
        shown = ana.client.get("/").text
        identity = re.findall(r'name="id" id="id" value="(\w*)"', shown)[0]
        reply = ana.client.post(path, data={"page": ana.token, "id": identity, **fields}, headers={"origin": ADDRESS})
        assert reply.status_code == 303
        return ana.client.get(reply.headers["location"]).text

    assert "1 of 4 labelled" in post("/label", label="good")
    assert "2 of 4 labelled" in post("/label", label="bad", note="why?")
    assert "Skipped." in post("/skip", reason="broken")
    assert "Taken back." in post("/undo")
    assert [event.do for event in site.room.desk.journal.events] == ["label", "label", "skip", "undo"]
    assert site.room.desk.journal.events[1].note == "why?"


def test_only_the_exact_address_is_answered(here: SmallProject) -> None:
    site = Site()
    for address in ("http://evil.example:8642", "http://127.0.0.1:9999", "http://127.0.0.1.evil.example:8642"):
        assert stranger(site, address).get("/").status_code == 421
    for address in (ADDRESS, "http://localhost:8642"):
        assert stranger(site, address).get("/").status_code == 200
    assert "[::1]:8642" in access.hosts("::1", 8642, ()) and access.hosts("10.0.0.7", 80, ("labels.example.org",)) == {
        "10.0.0.7:80",
        "labels.example.org:80",
        "labels.example.org",
    }


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"origin": "null"}, {}, {"sec-fetch-site": "cross-site"}])
def test_what_another_site_sends_is_refused(here: SmallProject, headers: dict[str, str]) -> None:
    site = Site()
    ana = site.of("Ana")
    fields = {"page": ana.token, "id": ana.id, "label": "good"}
    assert ana.client.post("/label", data=fields, headers=headers).status_code == 403
    assert ana.client.post("/label", data={**fields, "page": "0" * 64}, headers={"origin": ADDRESS}).status_code == 403
    assert kept(site) == 0


def test_a_page_made_for_one_person_never_labels_as_another(here: SmallProject) -> None:
    site = Site()
    ana, ben = site.of("Ana"), site.of("Ben")
    ana.client.cookies = ben.client.cookies
    assert "was not made for Ben" in ana.send("/label", 403, id=ben.id, label="good")["error"]
    assert kept(site) == 0


def test_a_cookie_that_is_not_ours_signs_nobody_in(here: SmallProject) -> None:
    site = Site()
    for value in ("", "x", "416e61", f"{b'Ana'.hex()}.{'0' * 64}", "zz.zz", "ff.00"):
        assert site.doors.person(value) is None
    assert site.doors.person(site.doors.cookie("Ana")) == "Ana"
    assert stranger(site).get("/state", headers=JSON).status_code == 401


def test_with_links_only_those_who_have_one_enter(here: SmallProject) -> None:
    site = Site(links=True)
    token = site.doors.invite("Ana")
    assert token and token not in (here.folder / "data/inbox/people.json").read_text()
    assert (here.folder / "data/inbox/people.json").stat().st_mode & 0o077 == 0
    visitor = stranger(site)
    assert visitor.post("/enter", data={"name": "Ana"}, headers={"origin": ADDRESS}).status_code == 403
    assert visitor.get("/in/wrong").status_code == 403
    assert visitor.get(f"/in/{token}").status_code == 303 and "You are <b" in visitor.get("/").text
    assert Site(links=True).doors.who(token) == "Ana", "the link holds after a restart"
    assert site.doors.invite("Ana") is None
    site.doors.invite("Ana", anew=True)
    assert site.doors.who(token) is None and "You are <b" not in visitor.get("/").text, "a new link ends the old one"


def test_guessing_links_is_slow(here: SmallProject) -> None:
    visitor = stranger(Site(links=True))
    codes = [visitor.get(f"/in/guess-{number}").status_code for number in range(access.TRIES + 3)]
    assert codes == [403] * access.TRIES + [429] * 3


def test_a_host_that_others_reach_needs_people(here: SmallProject) -> None:
    assert "say who may enter" in here.command("serve", "--host", "0.0.0.0", "--no-browser", code=2)
    assert "cannot be a person" in here.command("serve", "--person", "=cmd|x", "--no-browser", code=2)
    assert "exclude each other" in here.command("serve", "--again", "3", "--suspects", code=2)


@pytest.mark.parametrize("name", ["", " ", "=1+1", "-x", "@x", "a;b", "a\nb\x00", "x" * 61, "\u202eAna"])
def test_a_name_that_cannot_stand_in_a_round_is_refused(here: SmallProject, name: str) -> None:
    reply = stranger(Site()).post("/enter", data={"name": name}, headers={"origin": ADDRESS})
    assert (reply.status_code == 400) == (access.named(name) is None)
    assert access.named(name) in (None, "a b")


def test_names_of_all_scripts_are_names() -> None:
    assert [access.named(name) for name in (" Ana  Lee ", "李雷", "Өлзий", "3rd rater")] == ["Ana Lee", "李雷", "Өлзий", "3rd rater"]


def test_texts_labels_and_guidelines_never_become_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = with_queue(tmp_path, texts=NASTY)
    here.params(task__labels=["good", "bad", "other", "<i>x</i>"], task__descriptions={"good": '"><script>alert(3)</script>'})
    here.write("guideline.md", "# Hello\n\n<script>alert(4)</script> [x](javascript:alert(5)) ![x](http://evil.example/x.png) **bold** <b>no</b>\n")
    shown = Site().of("A<b>na").client.get("/").text if access.named("A<b>na") else ""
    assert re.findall(r"<script[^>]*>", shown) == ['<script src="/static/serve.js" defer>', '<script type="application/json" id="state">']
    assert not re.findall(r"<(?:img|i|iframe|object|embed)\b|javascript:alert\(5\)\"|on\w+=[^&\s]*alert\(1\)[^&]*\">", shown.replace("&lt;", ""))
    state = json.loads(re.findall(r'id="state">(.*?)</script>', shown, re.DOTALL)[0])
    assert state["items"][0]["text"] == NASTY[0] and "<strong>bold</strong>" in shown


def test_every_answer_forbids_script_that_is_not_ours(here: SmallProject) -> None:
    site = Site()
    ana = site.of("Ana")
    for reply in (
        ana.client.get("/"),
        ana.client.get("/static/serve.js"),
        ana.client.get("/nothing"),
        ana.client.post("/label"),
        stranger(site).get("/"),
    ):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff" and reply.headers["cache-control"] == "no-store"
    shown = ana.client.get("/").text
    assert not re.search(r"\son\w+=|style=|https?://(?!127)", re.sub(r'id="state">.*?</script>', "", shown, flags=re.DOTALL))


def test_what_no_page_of_ours_sends_is_refused(here: SmallProject) -> None:
    site = Site()
    ana = site.of("Ana")
    identity = ana.id
    assert "Choose a label" in ana.send("/label", 400, id=identity)["error"]
    assert "Choose a label" in ana.send("/label", 400, id=identity, label=["good", "bad"])["error"]
    assert "does not have" in ana.send("/label", 400, id=identity, label="godo")["error"]
    assert "not asked any more" in ana.send("/label", 409, id="0" * 16, label="good")["error"]
    assert "bytes were sent" in ana.send("/label", 413, id=identity, label="good", note="x" * forms.BODY)["error"]
    assert ana.client.get("/label", headers=JSON).status_code == 405
    assert kept(site) == 0
    for seconds, stands in (("nan", "0.0"), ("-5", "0.0"), ("1e9", "3600.0"), ("2.34", "2.3")):
        ana.label("good", seconds=seconds)
        assert site.room.desk.journal.events[-1].seconds == stands


def test_one_person_cannot_flood_the_page(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "PRESSES", 2)
    ana = Site().of("Ana")
    ana.send("/undo")
    ana.send("/undo")
    assert "Too fast" in ana.send("/undo", 429)["error"]


def test_a_full_disk_keeps_nothing_half_and_says_so(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    ana = site.of("Ana")
    ana.label("good")
    before = site.room.desk.journal.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    identity = ana.id
    with monkeypatch.context() as patch:
        patch.setattr(journal, "to_disk", full)
        assert "No space left" in ana.label("bad", code=507, id=identity)["error"]
    assert site.room.desk.journal.path.read_bytes() == before and ana.id == identity
    ana.label("bad", id=identity)
    assert kept(site) == 2


def test_the_guidelines_version_is_its_blob_in_git(here: SmallProject) -> None:
    here.write("guideline.md", "# Be kind\r\n")
    here.run("git", "init", "-q")
    unix = here.write("unix.md", "# Be kind\n")
    found = guideline.read()
    assert here.run("git", "hash-object", unix.name).stdout.startswith(found.version) and len(found.version) == 12
    site = Site()
    ana = site.of("Ana")
    assert ana.now["guideline"] == found.version
    ana.label("good", guideline=found.version)
    ana.label("good", guideline="<not a version>")
    assert [event.guideline for event in site.room.desk.journal.events] == [found.version, ""]


def test_examples_are_texts_that_nobody_is_asked_and_nobody_disagrees_on(here: SmallProject) -> None:
    shown = Site().room.examples
    assert set(shown) == {"good"} and len(shown["good"]) == guideline.EXAMPLES
    first = here.rows("data/rounds/01.csv")
    here.table("data/rounds/02.csv", ["id", "label", "annotator"], [[row["id"], "bad", "Ben"] for row in first])
    assert Site().room.examples == {}
