"""Sessions as people have them: keys in headless Chromium on a page that `labelrounds serve` serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labelrounds.people.serve import finish, journal
from labelrounds.people.serve.journal import Event
from tests.browser import CHROMIUM, Browser
from tests.people.serve.page import newest, with_queue
from tests.people.serve.served import Hands, Served
from tests.small import SmallProject, sentences

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium), so no page is tried in it"),
]
TEXTS = sentences(30)[5:]
UNUSUAL = ["هذا نص عربي، وفيه رقم 42", "这是一段中文文本。", "👩‍👩‍👧 🏳️‍🌈 mixed עברית and English", "word " * 6000, "a\n\nb\tc", "<b>no markup</b>"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    return with_queue(tmp_path)


def answers(here: SmallProject) -> list[Event]:
    return finish.standing(journal.read(here.folder / "data/inbox/queue.journal")[0])


def test_a_session_by_keys_with_undo_skip_note_and_reload(here: SmallProject, browser: Browser) -> None:
    with Served(here.folder) as served:
        ana = Hands(browser, served, "Ana")
        assert ana.text == TEXTS[0] and ana.shows("suggested") == "good" and "71 %" in ana.shows("confidence")
        ana.press("1", "2", "Enter")  # the third by the model's suggestion, other
        assert ana.text == TEXTS[3] and "3 of 20 labelled" in ana.shows("done") and "17 left" in ana.shows("left")
        ana.press("u", "u")
        assert ana.text == TEXTS[1] and ana.shows("given") == "bad"
        ana.press("3")
        assert ana.text == TEXTS[2]
        ana.press("Enter")  # as before
        ana.press("s", "2")
        assert ana.text == TEXTS[4]
        ana.press("n")
        browser.call("Input.insertText", text="u 1 sarcasm?")
        ana.press("Enter", "2")
        ana.reload()
        assert ana.text == TEXTS[5] and "4 of 20" in ana.shows("done")
        ana.press("z", "9", "-", "Escape")
        assert ana.text == TEXTS[5], "keys that mean nothing do nothing"
        browser.ask("document.querySelector('[data-label=good]').click()")
        browser.wait("document.getElementById('done').innerText.startsWith('5 of 20')")
        assert browser.ask("document.activeElement.id") == "text", "a second Enter must not press the same label again"
        found = [(event.labels, event.reason, event.note) for event in answers(here)]
        assert found == [
            (("good",), "", ""),
            (("other",), "", ""),
            (("other",), "", ""),
            ((), "language", ""),
            (("bad",), "", "u 1 sarcasm?"),
            (("good",), "", ""),
        ]
        assert not ana.faults() and not browser.complaints
    assert "5 labels of 5 texts are in data/rounds/02-" in here.command("import")


def test_several_labels_are_toggled_none_is_a_key_and_500_are_searched(tmp_path: Path, browser: Browser) -> None:
    here = with_queue(tmp_path, multi_label=True)
    names = ["good", "bad", "other", *(f"topic {number}" for number in range(497))]
    here.params(task__labels=names)
    with Served(here.folder, "--blind") as served:
        ana = Hands(browser, served, "Ana")
        assert not browser.ask("document.getElementById('suggestion').checkVisibility()")
        ana.press("1", "3", "1", "2", "Enter")
        ana.press("-")
        ana.press("Enter")
        assert "Choose labels first" in ana.shows("told") and ana.text == TEXTS[2]
        ana.press("/")
        browser.call("Input.insertText", text="topic 48")
        ana.press("Enter", "1", "Enter")
        ana.press("u")
        assert browser.ask("[...document.querySelectorAll('#labels :checked')].map((box) => box.value)") == ["good", "topic 48"]
        ana.press("Enter")
        assert [event.labels for event in answers(here)] == [("bad", "other"), (), ("good", "topic 48")]
        assert all(event.suggested is None for event in answers(here))
        assert not ana.faults()


def test_a_server_killed_in_the_middle_loses_nothing_and_the_page_goes_on(here: SmallProject, browser: Browser) -> None:
    with Served(here.folder) as served:
        ana = Hands(browser, served, "Ana")
        ana.press("1", "2")
        served.kill()
        browser.press("3")
        browser.wait("document.getElementById('told').innerText.includes('Not kept yet')")
        assert ana.text == TEXTS[2] and len(answers(here)) == 2, "the next text shows only when the answer is on disk"
        served.start()
        browser.wait(f"document.getElementById('text').textContent === {TEXTS[3]!r}")
        assert [event.labels for event in answers(here)] == [("good",), ("bad",), ("other",)]
        assert "3 of 20" in ana.shows("done")
        assert "Labels wait in data/inbox" in served.end()


def test_two_people_at_once_by_links_share_the_queue(here: SmallProject, browser: Browser) -> None:
    with Served(here.folder, "--person", "Ana", "--person", "Ben") as served:
        ana, ben = Hands(browser, served, "Ana"), Hands(browser, served, "Ben")
        for _ in range(10):
            for person, key in ((ana, "1"), (ben, "2")):
                person.look()
                person.press(key)
        assert ben.shows("empty").startswith("Nothing is left for you")
        found = [(event.person, event.id) for event in answers(here)]
        assert len(found) == 20 == len({identity for _, identity in found}) and {who for who, _ in found} == {"Ana", "Ben"}
        ana.look()
        browser.ask("document.querySelector('.end a').click()")
        browser.wait("document.body.innerText.includes('Finish the round?')")
        assert not ana.faults()
        browser.ask("document.querySelector('form[action=\"/finish\"] button').click()")
        browser.wait("document.body.innerText.includes('20 labels of 20 texts are in data/rounds/02-')")
    assert len(newest(here)) == 20


def test_texts_of_all_scripts_and_lengths_fit_a_phone_and_a_desk_in_light_and_dark(tmp_path: Path, browser: Browser) -> None:
    here = with_queue(tmp_path, texts=UNUSUAL)
    here.write("guideline.md", "# Rules\n\n- **good**: praise\n\n[A page](https://example.org)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    with Served(here.folder) as served:
        ana = Hands(browser, served, "Ana")
        for number, text in enumerate(UNUSUAL):
            browser.as_screen(360 if number % 2 else 1280, "dark" if number % 3 else "light")
            assert ana.text == text
            assert browser.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "nothing is wider than the screen"
            assert (browser.ask("getComputedStyle(document.getElementById('text')).direction") == "rtl") == (number == 0)
            assert not ana.faults(), text[:20]
            ana.press("1")
        assert ana.shows("empty").startswith("Nothing is left for you") and not ana.faults()
        browser.as_screen(1280)
        assert not [url for url in browser.requests if not url.startswith(("http://127.0.0.1:", "about:"))], "nothing is loaded from elsewhere"
