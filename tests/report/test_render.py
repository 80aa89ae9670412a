"""The page people look at: complete, escaped, the same bytes twice, readable everywhere, and without texts where it must be."""

import contextlib
import itertools
import json
import re
import subprocess
import sys
import webbrowser
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core import files, params
from labelrounds.core.task import MULTI_CLASS, MULTI_LABEL, Task, labels_of
from labelrounds.measures import agreement_tables, landscape, scores
from labelrounds.pool.identity import text_id
from labelrounds.report import errors, formats, labour, render, sections, state
from labelrounds.rounds import record
from tests import browser, small
from tests.graph import ROOT
from tests.small import PROPERTY, SmallProject

HOSTILE = [
    "<script>alert('one')</script> & \"quotes\"",
    "\u202ethis is reversed\u202c and \u2066this isolated",
    "\x1b[31mred\x07 bell\x85 and \x9b more",
    "]]> --> </style></title></bdi></svg>",
    "مرحبا بالعالم with a mark\u200f of direction",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "a long one " * 500,
    "' onmouseover='alert(2)' title=\"",
]
LABELS = ("good", "<b>bad</b>", "财经", "$x^2$", 'quote"s')
PEOPLE = ("Ana Lovelace", "Ben <i>Okri</i>", "Chandra")


VOID = {"meta", "link", "path", "use", "rect", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """The page as a reader has it: its tags with their attributes, its text, and the tags that nobody closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1] if self.open else ''}>"
            self.open.pop()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def measured(folder: Path, task: Task, n: int = 60, seed: int = 0, texts: list[str] = HOSTILE) -> SmallProject:
    """Returns a project whose stages have all run, with `n` test texts, half of them got wrong."""
    made = small.project(folder, task.labels, task.multi_label)
    made.params(recipes={"adapted": {"encoder": "adapted", "method": "supervised"}}, deploy="adapted")
    draw = np.random.default_rng(seed)
    k = len(task.labels)
    if task.multi_label:
        gold = (draw.random((n, k)) < 0.3).astype(int)
        probabilities = np.clip(gold * 0.3 + draw.random((n, k)) * 0.7, 0, 1)
        said = (probabilities > 0.5).astype(int)
    else:
        gold = np.eye(k, dtype=int)[np.arange(n) % k]
        raw = draw.random((n, k)) + 0.2 * gold
        probabilities = raw / raw.sum(axis=1, keepdims=True)
        said = np.eye(k, dtype=int)[probabilities.argmax(axis=1)]
    tests = [f"{texts[number % len(texts)]} {number}" for number in range(n)]
    ids = [text_id(text) for text in tests]
    true, told = labels_of(gold, task), labels_of(said, task)
    with contextlib.chdir(folder):
        made.pool(tests)
        files.write_csv("data/split/test.csv", ["id", "text", task.column], zip(ids, tests, map(task.spell, true), strict=True))
        people = [PEOPLE[number % len(PEOPLE)] for number in range(n)]
        moments = [f"2026-03-0{2 + number % 7}T10:00:00Z" for number in range(n)]
        columns = ["id", task.column, "annotator", "labelled_at"]
        files.write_csv("data/rounds/01.csv", columns, zip(ids, map(task.spell, true), people, moments, strict=True))
        for name in ("adapted", "baseline"):
            summary = scores.summary(gold, said, probabilities, task)
            bounds = {key: [max(value - 0.05, 0), min(value + 0.05, 1)] for key, value in summary.items() if isinstance(value, float)}
            bounds["f1"] = {label: None if value is None else [value / 2, (1 + value) / 2] for label, value in summary["f1"].items()}
            side = {"n": n, "fingerprint": "0123456789abcdef", **summary, "ci95": bounds, "ece": 0.0125, "ece_raw": 0.1875}
            files.write_json(f"metrics/{name}.json", {"test": side, "valid": side})
            rows = scores.per_label(gold, said, probabilities, task)
            files.write_csv(f"metrics/{name}/labels.csv", list(rows[0]), (row.values() for row in rows))
            bins = [(kind, number, 5, f"{number / 12:.6f}", f"{number / 13:.6f}") for kind in ("raw", "calibrated") for number in range(1, 13)]
            files.write_csv(f"metrics/{name}/reliability.csv", ["scores", "bin", "n", "confidence", "right"], bins)
            files.write_csv(
                f"metrics/{name}/test.csv",
                ["id", "gold", "predicted", *(f"score_{label}" for label in task.labels)],
                (
                    (i, task.spell(a), task.spell(b), *(f"{p:.6f}" for p in line))
                    for i, a, b, line in zip(ids, true, told, probabilities, strict=True)
                ),
            )
        counts = {"annotations": n, "train": 0, "valid": 0, "test": n}
        files.write_json("metrics/split.json", {"train": 40, "valid": 9, "test": n, "ties": 1, "rounds": {"01": counts, "02": counts}})
        labelled = {label: 10 for label in task.labels}
        files.write_json("metrics/predict.json", {"n": 1000, "labeler": "ffff", "auto": 500, "review": 300, "human": 200, "labelled": labelled})
        files.write_json("metrics/adapt.json", {"loss": {"before": 5.5, "after": 4.25}})
        files.write_json(
            "data/snapshots/01.json",
            {
                "round": "01",
                "labeler": "adapted",
                "model": "ffff",
                "train": 20,
                "test": dict(zip(ids, map(task.spell, told), strict=True)),
                "stop": {},
            },
        )
        agreed = {
            "texts": 30,
            "people": 3,
            "alpha": 0.625,
            "test_texts": 20,
            "difference": None,
            "ci95": {"alpha": [0.5, 0.75]},
            "note": "Two people each.",
        }
        files.write_json("metrics/agreement.json", agreed)
        pairs = [PEOPLE[0], PEOPLE[1], 12, 0.5, 0.375, 0.25, 0.5]
        files.write_csv("metrics/agreement/people.csv", ["one", "other", "texts", "raw", "kappa", "kappa_low", "kappa_high"], [pairs])
        files.write_csv(
            "metrics/agreement/model.csv", ["person", "texts", "raw", "kappa", "kappa_low", "kappa_high"], [[PEOPLE[2], 15, 0.5, "", "", ""]]
        )
        reliable = [[who, 30, 0.9375 - place / 4, *[0.5] * k] for place, who in enumerate(PEOPLE)]
        files.write_csv("metrics/agreement/reliability.csv", [*agreement_tables.RELIABILITY, *(f"right_{label}" for label in task.labels)], reliable)
        of_label = [12, 0.5, "", 0.5, 0.25, 0.75, 12, "", "", "", 0.4, 0.1, 0.7, "", "", ""]
        files.write_csv("metrics/agreement/labels.csv", agreement_tables.LABELS, [[label, *of_label] for label in task.labels])
        criteria = {name: {"met": met, "reference": "Somebody 2009"} for name, met in (("gain", True), ("stability", False), ("people", None))}
        files.write_json("metrics/stop.json", {"met": 1, **criteria, "says": "1 of 3 criteria are met."})
        group = {"open": 1, "cut": 0.875, "risk": 0.025, "n": 80, "right": 79, "proven": 0.9626, "pool_share": 0.25, "valid_needed": None}
        shut = {**group, "open": 0, "cut": None, "pool_share": 0.0, "valid_needed": 300}
        groups = {task.labels[0]: group, " + ".join(task.labels[1:3]): shut, task.labels[-1]: shut | {"valid_needed": None}}
        files.write_json("metrics/gate.json", {"precision": 0.95, "risk": 0.05, "valid": 200, "groups": groups})
        audit = {"drawn": 120, "checked": 100, "n": 100, "right": 97, "precision": 0.97, "low": 0.9148, "high": 0.9938}
        files.write_json("metrics/audit.json", {"audits": 1, "promised": 0.95, "each": {"01": audit}})
        first, other = task.labels[0], task.spell(task.labels[1:3] if task.multi_label else task.labels[1:2])
        doubted = [(identity, "denied", first, other, "0.010000", "") for identity in ids[:25]]
        files.write_json("metrics/suspects.json", {"texts": 1234, "denied": 25, "tie": 1})
        even = ("0" * 16, "tie", "", "", "", f"round 01: {first} | {other}")
        files.write_csv(
            "data/queue/next.csv", ["id", "text", "suggestion", "confidence"], [(text_id(f"next {n}"), f"next {n}", first, "0.4") for n in range(3)]
        )
        places = [(np.cos(n), np.sin(n)) for n in range(n)]
        drawn = [
            (i, text, task.spell(one), f"{0.3 + 0.6 * (k % 7) / 7:.4f}", f"{x:.4f}", f"{y:.4f}", k % 8, ("queued", "unsure", "", "")[k % 4])
            for k, (i, text, one, (x, y)) in enumerate(zip(ids, tests, told, places, strict=True))
        ]
        files.write_csv("data/queue/map.csv", landscape.COLUMNS, sorted(drawn))
        files.write_csv("data/queue/suspects.csv", ["id", "case", "label", "better", "quality", "detail"], [even, *doubted])
    return made


def page_of(made: SmallProject, task: Task, texts: bool = True) -> str:
    """Returns the page of a project."""
    with contextlib.chdir(made.folder):
        return render.page(sections.Project(task, ("adapted", "vanilla", "baseline"), "adapted", PEOPLE, texts))


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> tuple[SmallProject, Task, str]:
    task = Task(MULTI_CLASS, LABELS)
    made = measured(tmp_path_factory.mktemp("classes"), task)
    return made, task, page_of(made, task)


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> tuple[SmallProject, Task, str]:
    task = Task(MULTI_LABEL, LABELS)
    made = measured(tmp_path_factory.mktemp("several"), task)
    return made, task, page_of(made, task)


def test_the_page_says_where_the_loop_stands_and_shows_every_section(classes) -> None:
    made, _, html = classes
    page = Page(html)
    test = json.loads(made.read("metrics/adapted.json"))["test"]
    low, high = test["ci95"]["f1_macro"]
    assert (
        f"2 rounds gave 120 labels; the deployed labeler reaches a macro-F1 of {test['f1_macro']:.3f} (95 % interval {low:.3f} to {high:.3f}) "
        "on 60 test texts. It labels 50 % of the pool automatically, and 300 texts need review; 1 of 3 criteria for enough labels are met. "
        "Next: label the 3 texts of the queue ( labelrounds serve ), then run dvc repro ."
    ) in page.text
    for words in (
        "Expected calibration error 0.013 (before calibration 0.188)",
        "0.625 0.500 to 0.750 30",
        "Ben <i>Okri</i> 12 0.500 0.375",
        "confidence 0.875 79 of 80 0.963 25 %",
        "good 12 0.500 0.250 to 0.750 0.400",
        "2026-W10 20 20 20",
        "Ana Lovelace 30 0.938 0.500 0.500",
        "never: people look 79 of 80 0.963 0 % about 100",
        "more would not do",
        "01 120 100 97 0.970 0.915 to 0.994",
        "Of 1,234 training texts, and",
        "25 denied by a model that has not seen the label",
        "round 01: good | <b>bad</b>",
    ):
        assert words in page.text, words
    assert 'class="missing"' not in html
    assert len(page.all("svg")) == 4 and not page.open


def test_every_tag_is_closed_and_every_id_stands_once(classes, several) -> None:
    for _, _, html in (classes, several):
        page = Page(html)
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert not page.open and len(ids) == len(set(ids))
        named = {attributes["href"][1:] for _, attributes in page.tags if (attributes.get("href") or "").startswith("#")}
        named |= {found for _, attributes in page.tags for found in re.findall(r"url\(#([^)]+)\)", " ".join(map(str, attributes.values())))}
        assert named and named <= set(ids)


def test_whatever_a_text_or_a_label_holds_it_stays_text(classes, several) -> None:
    for _, _, html in (classes, several):
        page = Page(html)
        assert not {"script", "b>bad", "i"} & {tag for tag, attributes in page.tags if attributes.keys() - {"class"} or tag != "i"}
        assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]", html)
        assert "<script>alert('one')</script> & \"quotes\"" in page.text and "{{ 7 * 7 }} {% raw %} ${7*7}" in page.text
        assert "␛[31mred␇ bell" in page.text and "</style></title></bdi></svg>" in page.text
        assert all(label in page.text for label in LABELS)


def test_a_long_text_is_cut_and_its_title_shows_more(classes) -> None:
    page = Page(classes[2])
    titles = [attributes["title"] for attributes in page.all("bdi") if "title" in attributes]
    assert titles and all(formats.CUT < len(title) < formats.TITLE + 40 for title in titles)
    assert formats.cut("x" * formats.CUT) == ("x" * formats.CUT, "")
    assert formats.cut("x" * 1_000_000)[1].endswith("(1,000,000 characters)")
    assert formats.shown("a\n b\u2028c\0") == "a b c␀"


def test_nothing_is_asked_of_the_network(classes, several) -> None:
    for _, _, html in (classes, several):
        page = Page(html)
        assert not {"script", "iframe", "img", "object", "audio", "video"} & {tag for tag, _ in page.tags}
        assert not re.search(r"(src|srcset|action|data)=", html.split("</head>")[1]) and "@import" not in html and "http://www.w3.org" not in html
        assert [attributes["href"] for attributes in page.all("link")] == ["data:,"]
        assert all(attributes["href"].startswith("#") for attributes in [*page.all("a"), *page.all("use")])
        assert "default-src 'none'" in html


def test_plots_take_the_colours_of_the_page_and_say_what_they_show(classes) -> None:
    page = Page(classes[2])
    assert all(attributes["role"] == "img" and len(attributes["aria-label"]) > 30 for attributes in page.all("svg"))
    drawn = "".join(re.findall(r"<svg.*?</svg>", classes[2], re.DOTALL))
    assert "var(--accent)" in drawn and "currentColor" in drawn and not re.findall(r"#[0-9a-f]{6}\b", drawn)
    assert "<style" not in drawn and "metadata" not in drawn


@pytest.mark.parametrize("where", ["classes", "several"])
def test_tables_have_captions_and_header_cells_with_a_scope(where: str, request) -> None:
    html = request.getfixturevalue(where)[2]
    tables = re.findall(r"<table.*?</table>", html, re.DOTALL)
    assert len(tables) >= 8
    for table in tables:
        assert "<caption>" in table and not re.search(r"<th(?![^>]*scope=)[ >]", table)
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert levels[0] == 1 and levels.count(2) == 11 and all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert html.count("<h1") == 1 and '<html lang="en">' in html


@pytest.mark.slow
def test_two_processes_make_the_same_bytes(classes) -> None:
    made, task, html = classes
    code = (
        "from labelrounds.report import render, sections; from labelrounds.core.task import Task; import sys;"
        f"sys.stdout.reconfigure(encoding='utf-8', newline='\\n');"
        f"print(render.page(sections.Project(Task({task.type!r}, {task.labels!r}), ('adapted', 'vanilla', 'baseline'), 'adapted', {PEOPLE!r}, True)), end='')"
    )
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin", "TZ": "Asia/Tokyo", "MPLCONFIGDIR": str(made.folder)}
    (made.folder / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.fonttype: path\nfigure.dpi: 300\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=made.folder, env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == html


def test_errors_are_grouped_by_what_was_taken_for_what_and_the_surest_come_first(classes) -> None:
    made, task, html = classes
    with contextlib.chdir(made.folder):
        rows = sections.read_csv(Path("metrics/adapted/test.csv"))
        found = errors.wrong(rows, sections.Project(task, ("adapted",), "adapted"))
    pairs = Counter((row["gold"], row["predicted"]) for row in rows if row["gold"] != row["predicted"])
    counted = [(*group["gold"], *group["predicted"], group["count"]) for group in found["groups"]]
    assert [count for *_, count in counted] == sorted(pairs.values(), reverse=True)[: errors.GROUPS]
    assert all(pairs[gold, predicted] == count for gold, predicted, count in counted)
    assert found["errors"] == pairs.total() == sum(count for *_, count in counted) + found["more"]
    for group in found["groups"]:
        sure = [float(row[f"score_{row['predicted']}"]) for row in rows if [row["gold"], row["predicted"]] == [*group["gold"], *group["predicted"]]]
        assert [row["confidence"] for row in group["rows"]] == sorted(sure, reverse=True)[: len(group["rows"])]
    assert len(re.findall(r"<h3>.* taken for ", html)) == len(found["groups"]) > 3


def test_a_panel_per_label_counts_what_it_was_taken_for() -> None:
    task = Task(MULTI_CLASS, ("a", "b", "c"))
    pairs = [("a", "a"), ("a", "b"), ("a", "b"), ("a", "c"), ("b", "b")]
    found = errors.panels([{"gold": gold, "predicted": predicted} for gold, predicted in pairs], task)
    assert [(panel["label"], panel["texts"], panel["wrong"]) for panel in found["panels"]] == [("a", 4, 3), ("b", 1, 0)]
    assert [(bar["name"], bar["count"], bar["right"]) for bar in found["panels"][0]["bars"]] == [("a", 1, True), ("b", 2, False), ("c", 1, False)]


def test_labels_are_counted_per_person_and_week_by_the_times_they_carry() -> None:
    def given(who: str, moment: str, name: str = "01") -> record.Annotation:
        return record.Annotation("0" * 16, None, ("a",), who, "human", "", name, "here", labelled_at=moment)

    project = sections.Project(Task(MULTI_CLASS, ("a", "b")), ("one",), "one", ("Ana", "Ben"))
    dated = [given("Ana", "2026-01-04T23:59:00Z"), given("Ben", "2026-01-05T00:01:00Z"), given("Ben", "2025-12-31T10:00:00Z"), given("Ben", "")]
    found = labour.per_week(dated, project)
    assert (found["by"], found["people"], found["without"]) == ("week", ["Ben", "Ana"], 1)
    assert [(row["name"], row["counts"]) for row in found["rows"]] == [("2026-W01", [1, 1]), ("2026-W02", [1, 0])]
    undated = labour.per_week([given("Ana", "", "01"), given("Ana", "", "02"), given("", "", "02")], project)
    assert (undated["by"], [(row["name"], row["counts"]) for row in undated["rows"]]) == ("round", [("01", [1, 0]), ("02", [1, 1])])
    assert labour.per_week([], project) is None


def test_the_map_has_a_dot_for_every_text_and_the_least_sure_groups_below_it(classes) -> None:
    made, task, html = classes
    drawn = re.search(r"<svg class=\"plot map\".*?</svg>", html, re.DOTALL)[0]
    rows = made.rows("data/queue/map.csv")
    marked = sum(row["mark"] != "" for row in rows)
    assert drawn.count("h0") == len(rows) + marked and marked == 30
    means = {group: np.mean([float(row["confidence"]) for row in rows if row["group"] == group]) for group in {row["group"] for row in rows}}
    shown = re.findall(r'class="n">([0-9.]+)</td><td><bdi>', html.split('id="map"')[1].split("</section>")[0])
    assert shown == [f"{mean:.3f}" for mean in sorted(means.values())[: len(shown)]] and len(shown) == 6
    assert "of 8 groups of alike texts" in html and "typical words" in html and "typical words" not in page_of(made, task, texts=False)


def test_many_labels_share_eight_colours(tmp_path) -> None:
    task = Task(MULTI_CLASS, tuple(f"label-{number:02d}" for number in range(20)))
    html = page_of(measured(tmp_path, task, n=100), task)
    key = html.split('id="map"')[1].split('<ul class="key">')[1].split("</ul>")[0]
    counts = [int(count) for count in re.findall(r"class=\"k[0-7]\"></i>.*?\((\d+)\)", key)]
    assert len(counts) == 8 and sum(counts) == 100 and "other labels" in key


def test_the_next_step_follows_from_what_is_there() -> None:
    nothing = dict.fromkeys(("split", "deployed", "predicted", "stop", "audit", "people"))
    assert state.sentences(nothing, 0)[0] == "Nothing has been labelled or measured yet." and "labelrounds draw" in state.sentences(nothing, 0)[-1]
    one = {"annotations": 5}
    labelled = nothing | {"split": {"rounds": {"01": one}}}
    assert "run `dvc repro`" in state.sentences(labelled, 0)[-1]
    whole = labelled | {"deployed": {"f1_macro": 0.5, "n": 9}, "predicted": {"auto": 0, "review": 9, "n": 9}, "people": {"texts": 0}}
    assert "label the 7 texts of the queue" in state.sentences(whole, 7)[-1] and "second opinions" in state.sentences(whole, 7)[-1]
    enough = whole | {"stop": {"met": 3}, "predicted": {"auto": 4, "review": 5, "n": 9}}
    assert "nothing asks for more labels; let people check" in state.sentences(enough, 7)[-1]
    assert state.sentences(enough | {"audit": {"audits": 1}, "people": {"texts": 9}}, 7)[-1] == "Next: nothing asks for more labels."


def test_of_several_labels_the_surest_that_is_wrong_counts() -> None:
    task = Task(MULTI_LABEL, ("a", "b", "c"))
    scored = {"score_a": "0.9", "score_b": "0.2", "score_c": "0.7"}
    assert errors.how_sure({"gold": "a;b", "predicted": "a;c", **scored}, task) == pytest.approx(0.8)
    assert errors.how_sure({"gold": "-", "predicted": "a", **scored}, task) == pytest.approx(0.9)
    assert errors.how_sure({"gold": "a;c", "predicted": "a", **scored}, task) == pytest.approx(0.3)


def test_without_texts_no_text_and_no_name_is_on_the_page(classes, several) -> None:
    for made, task, whole in (classes, several):
        html = page_of(made, task, texts=False)
        words = Page(html).text
        texts = [row["text"] for row in made.rows("data/split/test.csv")]
        shown = [formats.cut(text)[0] for text in texts]
        assert not [text for text in (*texts, *shown) if text in html or text in words]
        assert not [name for name in PEOPLE if name in words or name in html] and "Okri" not in html
        assert any(text in Page(whole).text for text in shown) and all(name in Page(whole).text for name in PEOPLE)
        assert "person 1" in words and "person 2" in words and "person 3" in words


@pytest.mark.slow
def test_a_confusion_matrix_of_many_labels_is_a_map_and_a_list_of_pairs(tmp_path) -> None:
    task = Task(MULTI_CLASS, tuple(f"intent_number_{number}_with_a_name" for number in range(77)))
    made = measured(tmp_path, task, n=800)
    html = page_of(made, task)
    page = Page(html)
    assert len(page.all("svg")) == 5 and f"Confusion matrix of {len(task.labels)} labels" in html
    assert "The most frequent confusions" in page.text and 'class="grid"' not in html
    assert len(html.encode()) < 600_000


@pytest.mark.slow
def test_the_heaviest_page_is_under_two_megabytes(tmp_path) -> None:
    from labelrounds.report import plots

    counts = np.random.default_rng(0).integers(1, 9, size=(80, 80))
    drawn, left_out = plots.heat("heavy", "a full matrix", [f"a label with a long name {number}" for number in range(80)], counts)
    assert left_out == 80 * 80 - plots.CELLS and len(drawn) < 1_000_000
    task = Task(MULTI_CLASS, tuple(f"{'标签' * 30}{number}" for number in range(80)))
    html = page_of(measured(tmp_path, task, n=160, texts=["字" * 3000]), task)
    assert len(html.encode()) < 1_000_000


@pytest.mark.parametrize("kind", [MULTI_CLASS, MULTI_LABEL])
def test_two_labels_are_enough(tmp_path, kind: str) -> None:
    task = Task(kind, ("no", "yes"))
    page = Page(page_of(measured(tmp_path, task, n=8), task))
    assert "Where the errors are" in page.text and not page.open


def test_what_is_not_there_yet_is_said_in_one_line_each(tmp_path) -> None:
    task = Task(MULTI_CLASS, ("no", "yes"))
    made = small.project(tmp_path, task.labels)
    html = page_of(made, task)
    assert "Nothing has been labelled or measured yet." in html
    lines = re.findall(r'<p class="missing">(.*?)</p>', html)
    named = (
        "split.json",
        "data/snapshots",
        "metrics/NAME.json",
        "labels.csv",
        "confusions",
        "reliability.csv",
        "predict.json",
        "gate.json",
        "audit.json",
        "map.csv",
        "data/rounds",
    )
    for name in (*named, "agreement.json", "stop.json", "suspects", "test.csv"):
        assert sum(name in line for line in lines) == 1, name
    assert not Page(html).open


@pytest.mark.slow
def test_any_one_file_may_be_missing(tmp_path, monkeypatch) -> None:
    from labelrounds.report import plots

    monkeypatch.setattr(plots, "_drawn", lambda *_: "<svg></svg>")
    task = Task(MULTI_CLASS, LABELS)
    made = measured(tmp_path, task, n=20)
    for path in sorted(
        [
            *(tmp_path / "metrics").rglob("*.*"),
            tmp_path / "data/split/test.csv",
            tmp_path / "data/snapshots/01.json",
            tmp_path / "data/queue/suspects.csv",
            tmp_path / "data/queue/map.csv",
        ]
    ):
        content = path.read_bytes()
        path.unlink()
        assert not Page(page_of(made, task)).open, path
        path.write_bytes(content)


def test_a_damaged_metrics_file_is_one_clear_error(tmp_path) -> None:
    made = measured(tmp_path, Task(MULTI_CLASS, LABELS), n=10)
    made.write("metrics/predict.json", "{")
    said = made.wrong("report", "page.html")
    assert "metrics/predict.json: not JSON" in said and "dvc repro" in said


def test_the_command_writes_a_copy_that_may_leave_and_overwrites_nothing_else(tmp_path) -> None:
    made = measured(tmp_path, Task(MULTI_CLASS, LABELS), n=10)
    assert made.command("report", "--no-texts", "page.html") == "page.html is there now, without texts.\n"
    assert HOSTILE[3] not in Page(made.read("page.html")).text and "This page was made without texts and names" in made.read("page.html")
    assert made.command("report", "page.html") == "page.html is there now, with texts.\n"
    assert "]]> --> </style>" in Page(made.read("page.html")).text
    made.write("mine.html", "<p>typed by hand</p>")
    assert "is there already and is no page of labelrounds" in made.wrong("report", "mine.html")
    assert 'such as "page.html"' in made.wrong("report", "page.csv")
    assert "no such folder" in made.wrong("report", "nowhere/page.html")


def test_the_page_opens_in_the_browser_or_says_what_to_run(tmp_path, monkeypatch) -> None:
    made = small.project(tmp_path, LABELS)
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(opened.append(address)) or address.startswith("file://"))
    assert "metrics/report.html: the page is not here yet. Run `dvc repro report`" in made.wrong("report", "--open")
    assert "Name a FILE" in made.command("report", code=2)
    path = made.write("metrics/report.html", "<p>a page</p>")
    assert made.command("report", "--open") == "metrics/report.html is open in your browser now.\n" and opened == [path.as_uri()]


def test_a_studys_labeler_stands_on_the_page_when_it_is_deployed(tmp_path) -> None:
    made = small.project(tmp_path, LABELS)
    recipe = {"encoder": "vanilla", "method": "nearest"}
    made.params(recipes={"near": recipe}, further={"far": recipe}, prompts={}, deploy="near")
    for deployed, shown in (("near", ("near",)), ("far", ("near", "far"))):
        made.params(deploy=deployed)
        with contextlib.chdir(tmp_path):
            assert render.project_of(params.load(), True).labelers == shown


@pytest.mark.slow
def test_the_stage_obeys_the_parameter_and_the_option(tmp_path) -> None:
    from stages import report as stage

    made = measured(tmp_path, Task(MULTI_CLASS, LABELS), n=10)
    assert "the split has not read 02 as it is now" in made._invoked(stage.main, (), 1), "a round that DVC takes for read, and the split has not"
    assert not (tmp_path / "metrics/report.html").exists()
    made.write("data/rounds/02.csv", made.read("data/rounds/01.csv"))
    assert "with texts in metrics/report.html" in made._invoked(stage.main, (), 0)
    assert "]]&gt; --&gt;" in made.read("metrics/report.html")
    assert "All of this and more, on a page for the browser: metrics/report.html" in made.command("results")
    assert "without texts" in made._invoked(stage.main, ("--no-texts",), 0) and "]]&gt; --&gt;" not in made.read("metrics/report.html")
    made.params(report__texts=False)
    made._invoked(stage.main, (), 0)
    assert "]]&gt; --&gt;" not in made.read("metrics/report.html")


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="there is no Chromium here to look at the page with (Debian: apt-get install chromium)")
@pytest.mark.parametrize("where", ["classes", "several"])
def test_in_a_browser_the_page_fits_shows_its_plots_and_asks_for_nothing(where: str, request) -> None:
    made, _, html = request.getfixturevalue(where)
    path = made.write("page.html", html)
    grounds = set()
    with browser.Browser() as tab:
        for wide, scheme in ((390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")):
            tab.look(path, wide, scheme)
            assert tab.ask("document.documentElement.scrollWidth") <= wide, (wide, scheme)
            boxes = tab.ask(
                "[...document.querySelectorAll('svg.plot')].map(one => { const box = one.getBoundingClientRect(); return [box.width, box.height] })"
            )
            assert len(boxes) >= 3 and all(width > 200 and height > 40 for width, height in boxes), boxes
            inside = "[...document.querySelectorAll('svg.plot text')].filter(one => one.getBoundingClientRect().height < 6).length"
            assert tab.ask(inside) == 0, "text in a plot that nobody can read"
            colours = "[...document.querySelectorAll('p, td, th, a, svg.plot text')].map(one => getComputedStyle(one)[one.tagName == 'text' ? 'fill' : 'color'])"
            ground = tab.ask("getComputedStyle(document.documentElement).backgroundColor")
            grounds.add(ground)
            assert min(contrast(colour, ground) for colour in set(tab.ask(colours))) >= 4.5, (wide, scheme)
            assert tab.ask("document.querySelectorAll('h2').length") == 11
        assert tab.requests == [path.as_uri()] * 4 and tab.complaints == []
    assert len(grounds) == 2, "light and dark look the same"


def contrast(one: str, other: str) -> float:
    """Returns the contrast of two CSS colours, 1 to 21 (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_the_confusion_counts_every_text_once(pairs: list[tuple[int, int]]) -> None:
    task = Task(MULTI_CLASS, ("a", "b", "c"))
    said = [{"gold": task.labels[one], "predicted": task.labels[other]} for one, other in pairs]
    counts = sections.confusion(said, task)["counts"]
    assert counts == [[pairs.count((i, j)) for j in range(3)] for i in range(3)]


def test_for_several_labels_the_confusion_is_one_of_yes_and_no_per_label() -> None:
    task = Task(MULTI_LABEL, ("good", "bad"))
    said = [{"gold": "good", "predicted": "good"}, {"gold": "good;bad", "predicted": "bad"}, {"gold": "-", "predicted": "bad"}]
    rows = sections.confusion(said, task)["rows"]
    assert rows[0] == {"label": "good", "hits": 1, "false_alarms": 0, "misses": 1, "rightly_not": 1}
    assert rows[1] == {"label": "bad", "hits": 1, "false_alarms": 1, "misses": 0, "rightly_not": 1}
