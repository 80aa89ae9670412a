"""Damaged and hostile files in every place that people or other programs write to, read by the commands in this process."""

import contextlib
import gzip
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from click.testing import CliRunner

from labelrounds.core import params, unforeseen
from labelrounds.people import cli
from labelrounds.pool.identity import text_id
from stages import report, split
from tests.attack.figures import HANG, Figures
from tests.small import LABELS, SmallProject, project, sentences

ATTACK = "a file fuzzed"
TEXTS = sentences(40)
ODD_TEXTS = [
    "",
    " ",
    "\0",
    "\ud800",
    "=1+1",
    "'",
    '"',
    "\r",
    "a\rb",
    "\ufeff",
    "-",
    ";",
    "a" * 2_000,
    "9" * 5_000,
    "1e999",
    "NaN",
    "[" * 200,
    "../../x",
    "é",
    "e\u0301",
    "\u202e",
]
ODD_VALUES: list[Any] = [
    None,
    True,
    -1,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    {"a": {}},
    "",
    "x" * 1_000,
    ["a", 1],
    {"text": 1},
    "\ud800",
]


def bitten(content: bytes, draw: random.Random) -> bytes:
    """Returns the bytes with a few cut out, doubled, turned over or put in."""
    found = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 5])):
        place, length = draw.randrange(len(found) + 1), draw.choice([1, 1, 4, 50])
        match draw.randrange(5):
            case 0:
                del found[place : place + length]
            case 1:
                found[place:place] = found[place : place + length] * draw.choice([1, 3])
            case 2:
                found[place : place + length] = draw.randbytes(min(length, 8))
            case 3:
                found[place:place] = draw.choice(ODD_TEXTS).encode("utf-8", "surrogatepass")
            case _:
                del found[place:]
    return bytes(found)


def twisted(value: Any, draw: random.Random) -> Any:
    """Returns a value of JSON with another one somewhere in it."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        key = draw.choice(list(value))
        changed = dict(value)
        match draw.randrange(6):
            case 0:
                del changed[key]
            case 1:
                changed[draw.choice(ODD_TEXTS)] = changed.pop(key)
            case _:
                changed[key] = twisted(changed[key], draw)
        return changed
    if isinstance(value, list) and value and draw.random() < 0.85:
        place = draw.randrange(len(value))
        return [*value[:place], twisted(value[place], draw), *value[place + draw.choice([0, 1, 1]) :]]
    return draw.choice([*ODD_VALUES, draw.choice(ODD_TEXTS)])


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def damaged_json(content: bytes, draw: random.Random) -> bytes:
    """Returns a JSON file that is damaged, or whole and not what it should be."""
    if draw.random() < 0.3:
        return bitten(content, draw)
    if draw.random() < 0.05:
        return draw.choice([b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5_000, b"[]", b"null", b"", b'{"test": []}'])
    return as_json(twisted(json.loads(content), draw))


def labelled(draw: random.Random) -> list[dict[str, Any]]:
    """Returns rows as people may send them."""
    rows: list[dict[str, Any]] = []
    for text in draw.sample(TEXTS, 6):
        row: dict[str, Any] = {"text": text, "label": draw.choice(LABELS), "annotator": "ana"}
        if draw.random() < 0.3:
            row["id"] = text_id(text)
        if draw.random() < 0.05:
            row["audit"] = draw.choice(["01", "", "x"])
        rows.append(row)
    for _ in range(draw.choice([0, 1, 1, 2])):
        row = draw.choice(rows)
        row[draw.choice([*row, "source", "note", "labels", *LABELS, "guideline", "seconds"])] = draw.choice([*ODD_TEXTS, *ODD_VALUES])
    return rows


def form(path: Path, draw: random.Random) -> None:
    """Writes a file to import in one of all formats, whole but odd, or damaged."""
    rows = labelled(draw)
    kind = path.name.partition(".")[2]
    if kind.startswith("json"):
        content = b"\n".join(map(as_json, rows)) if "l" in kind else as_json(draw.choice([rows, {"data": rows}, rows[0]]))
    elif kind in ("parquet", "xlsx"):
        content = _binary(rows, kind, draw)
    else:
        mark = "\t" if kind.startswith("tsv") else draw.choice([",", ",", ";"])
        columns = list(dict.fromkeys(name for row in rows for name in row))
        lines = [columns, *([str(row.get(name, "")) for name in columns] for row in rows)]
        quoted = (mark.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
        content = draw.choice(["\n", "\n", "\r\n", "\r"]).join(quoted).encode(draw.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]), "surrogatepass")
    if draw.random() < 0.5:
        content = bitten(content, draw)
    path.write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)


def _binary(rows: list[dict[str, Any]], kind: str, draw: random.Random) -> bytes:
    import io

    import openpyxl

    buffer = io.BytesIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for line in [columns, *([str(row.get(name, "")) for name in columns] for row in rows)]:
            book.active.append(["".join(sign for sign in cell if sign.isprintable())[:30_000] for cell in line])
        book.save(buffer)
        return buffer.getvalue()
    cells = {name: [str(row.get(name, "")).encode("utf-8", "replace").decode() for row in rows] for name in columns}
    if draw.random() < 0.3:
        cells[draw.choice(columns)] = [draw.choice([b"\xff", b"a", None, b""]) for _ in rows]
    pyarrow.parquet.write_table(pyarrow.table(cells), buffer)
    return buffer.getvalue()


FORMATS = ["csv", "csv", "tsv", "jsonl", "json", "ndjson", "csv.gz", "jsonl.gz", "parquet", "xlsx"]


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises a TimeoutError in the block after so many seconds."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"longer than {seconds:g} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def called(command: Any, words: list[str], figures: Figures, what: str, stdin: bytes | None = None) -> tuple[int, str]:
    """Calls a command here, counts how it ended, and returns (exit code, what it printed)."""
    began = time.monotonic()
    try:
        with at_most(2 * HANG):
            done = CliRunner().invoke(command, words, input=stdin)
    except BaseException as error:
        figures.tried[ATTACK] += 1
        figures.fault(ATTACK, "tracebacks", f"{what}: {type(error).__name__}")
        return -1, ""
    seconds = time.monotonic() - began
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        figures.fault(ATTACK, "tracebacks", f"{what}: {type(done.exception).__name__}: {str(done.exception)[:100]}")
    figures.ended(ATTACK, done.exit_code, done.output, seconds, what)
    return done.exit_code, done.output


def small(folder: Path) -> SmallProject:
    """Returns a project with a pool, a round, an audit, a snapshot and metrics, in the working directory."""
    here = project(folder)
    here.write("params.yaml", "\n".join(line for line in here.read("params.yaml").splitlines() if not line.lstrip().startswith("#")))
    here.pool(TEXTS)
    here.round("01", {text: LABELS[number % 3] for number, text in enumerate(TEXTS[:24])}, "ana")
    here.split()
    test = here.rows("data/split/test.csv")
    means = dict.fromkeys(("f1_macro", "f1_micro", "f1_weighted", "accuracy", "roc_auc", "ece", "ece_raw", "brier"), 0.5)
    scores = {"n": len(test), **means, "f1": dict.fromkeys(LABELS, 0.5), "ci95": {name: [0.4, 0.6] for name in means}}
    here.write(
        "metrics/baseline.json",
        as_json({"trained_on": 9, "test": {**scores, "fingerprint": json.loads(here.read("metrics/split.json"))["fingerprint"]}}),
    )
    here.table("metrics/baseline/test.csv", ["id", "gold", "predicted", *(f"score_{label}" for label in LABELS)],
               ([row["id"], row["label"], "good", "0.5", "0.3", "0.2"] for row in test))  # fmt: skip
    here.write(
        "metrics/predict.json",
        as_json({"n": 40, "human": 24, "auto": 3, "review": 13, "auto_share": 0.1, "labeler": "x", "labelled": dict.fromkeys(LABELS, 3)}),
    )
    gain = {"met": None, "per_100_labels": 0.01, "floor": 0.01, "since": "01", "labels": 9, "texts": 9, "ci95": [0.0, 0.1], "reference": "x"}
    stability = {"met": None, "kappa": 0.5, "last": 0.5, "cutoff": 0.99, "comparisons": 2, "texts": 9, "reference": "x"}
    people = {"met": None, "difference": -0.1, "human_agreement": 0.5, "model_agreement": 0.4, "margin": 0.05, "texts": 3, "ci95": [-0.2, 0.1]}
    stop = {"round": "01", "labels": 9, "met": 0, "says": "more", "gain": gain, "stability": stability, "people": {**people, "reference": "x"}}
    here.write("metrics/stop.json", as_json(stop))
    here.write("data/snapshots/01.json", as_json({"round": "01", "labeler": "baseline", "model": "x", "train": 9, "test": {}, "stop": {}}))
    here.table(
        "data/queue/next.csv",
        ["id", "text", "suggestion", "confidence", "uncertainty"],
        ([text_id(text), text, "good", "0.5", "0.9"] for text in TEXTS[24:30]),
    )
    curve = ["labels", "recipe", "seeds", "f1_macro", "f1_macro_deviation", "f1_micro", "f1_micro_deviation", "difference", "low", "high"]
    here.table("metrics/curve_summary.csv", curve, (["50", name, "2", "0.5", "0.1", "0.5", "0.1", "0.1", "0", "0.2"] for name in ("a", "b")))
    points = ["recipe", "labels", "seed", "f1_macro"]
    here.table("metrics/curve.csv", points, (["baseline", str(n), str(seed), f"0.{n}{seed}"] for n in (20, 40, 60) for seed in (1, 2, 3)))
    group = {"open": 1, "cut": 0.9, "risk": 0.1, "n": 3, "right": 3, "proven": 0.9, "pool_share": 0.1, "valid_needed": 10}
    here.write("metrics/gate.json", as_json({"precision": 0.9, "risk": 0.1, "valid": 5, "groups": {"good": group}}))
    said = {"raw": 0.5, "fleiss_kappa": 0.5, "alpha": 0.5, "human_agreement": 0.5, "model_agreement": 0.4, "difference": -0.1}
    numbers = {**said, "ci95": {name: [0.1, 0.9] for name in said}, "note": "Krippendorff's alpha"}
    here.write("metrics/agreement.json", as_json({"texts": 3, "people": 2, "test_texts": 3, "labeler": "baseline", **numbers}))
    here.table(
        "data/queue/suspects.csv", ["id", "case", "label", "better", "quality", "detail"], [[text_id(TEXTS[1]), "denied", "bad", "good", "0.1", ""]]
    )
    change = {"date": "2026-01-01", "change": "add", "labels": [], "into": ["other"], "before": ["good", "bad"], "files": ["01.csv"]}
    here.write("data/schema.jsonl", as_json(change) + b"\n")
    here.write("data/retired.txt", f"{text_id(chr(120))}\n")
    here.write("guideline.md", "# What to do\n\n- good: all that is **good**\n")
    said = {"at": "2026-01-01T10:00:00", "do": "label", "id": text_id(TEXTS[32]), "text": TEXTS[32], "labels": ["bad"], "person": "ana", "key": "1"}
    here.write("data/inbox/round.journal", as_json(said) + b"\n")
    here.table("data/audits/drawn/01.csv", ["id", "label", "confidence", "labeler", "auto"], [[text_id(TEXTS[30]), "good", "0.9", "x", "3"]])
    return here


def files_of(here: SmallProject) -> dict[str, tuple[Callable[[bytes, random.Random], bytes], list[tuple[Any, list[str]]]]]:
    """Returns {path: (how it is damaged, the commands that read it then)}."""
    main = cli.main

    def typed(*words: str) -> tuple[Any, list[str]]:
        return main, list(words)

    status, results, labels, queued = typed("status"), typed("results"), typed("draw", "3", "drawn.csv"), typed("next", "queue.csv")
    page, again, gone = (report.main, []), (split.main, []), typed("retire", "--yes", text_id(TEXTS[0]))
    labelled = typed("export", "--labelled", "--format", "table", "all.csv")
    return {
        "params.yaml": (bitten, [status, again, typed("machine")]),
        "data/pool.csv": (bitten, [status, labels, typed("pool"), gone]),
        "data/rounds/01.csv": (bitten, [status, again, typed("show", "01"), labelled, gone, typed("doctor")]),
        "data/queue/next.csv": (bitten, [queued, status, typed("export", "--format", "label-studio", "queue.json"), typed("next", "queue.xlsx")]),
        "data/queue/suspects.csv": (bitten, [typed("next", "--suspects", "wrong.csv"), page]),
        "data/split/test.csv": (bitten, [typed("next", "--again", "3", "opinions.csv"), page, typed("doctor")]),
        "data/schema.jsonl": (bitten, [status, again, typed("schema", "add", "new")]),
        "data/retired.txt": (bitten, [again, gone, labels]),
        "data/inbox/round.journal": (bitten, [typed("import"), status]),
        "data/snapshots/01.json": (damaged_json, [page, gone, typed("import", "whole.csv")]),
        "data/audits/drawn/01.csv": (bitten, [typed("import", "audit.csv"), labels]),
        "guideline.md": (bitten, [typed("next", "queue.xlsx")]),
        "metrics/split.json": (damaged_json, [page, typed("import", "whole.csv"), status, typed("doctor")]),
        "metrics/baseline.json": (damaged_json, [results, page, status]),
        "metrics/predict.json": (damaged_json, [results, page]),
        "metrics/gate.json": (damaged_json, [results, page]),
        "metrics/agreement.json": (damaged_json, [results, page]),
        "metrics/stop.json": (damaged_json, [results, page, status]),
        "metrics/baseline/test.csv": (bitten, [page, typed("import", "whole.csv")]),
        "metrics/curve_summary.csv": (bitten, [typed("curve"), status]),
        "metrics/curve.csv": (bitten, [typed("curve"), status]),
    }


def run(folder: Path, until: float, draw: random.Random, figures: Figures, most: int = 1_000_000) -> None:
    """Fuzzes until the time is over: what fails must fail with one sentence, and change nothing."""
    before = os.environ.pop(unforeseen.SHOW, None)
    folder.mkdir(parents=True)
    load, known = params.load, {}

    def loaded(path: str | Path = params.PATH) -> params.Params:
        """To read params.yaml takes longest, and it is the same nearly always."""
        content = Path(path).read_bytes()
        if content not in known:
            known[content] = load(path)
        return known[content]

    params.load = loaded
    try:
        with contextlib.chdir(folder):
            here = small(folder)
            here.table("whole.csv", ["text", "label", "annotator"], [[TEXTS[31], "bad", "cleo"]])
            here.table("audit.csv", ["id", "text", "label", "annotator", "audit"], [[text_id(TEXTS[30]), TEXTS[30], "bad", "ben", "01"]])
            kept = folder.parent / "kept"
            shutil.copytree(folder, kept)
            readers = files_of(here)
            while time.monotonic() < until and figures.tried[ATTACK] < most:
                if draw.random() < 0.5:
                    path = folder / f"form.{draw.choice(FORMATS)}"
                    form(path, draw)
                    _import(here, path, draw, figures)
                else:
                    name = draw.choice(list(readers))
                    damage, commands = readers[name]
                    (folder / name).write_bytes(damage((folder / name).read_bytes(), draw))
                    # The page and `doctor`, which asks DVC, take longest by far, so they are tried less often.
                    for command, words in (one for one in commands if draw.random() < (0.15 if one[0] is report.main or one[1] == ["doctor"] else 1)):
                        called(command, words, figures, f"{name} damaged, then {' '.join(words) or command.name}")
                _restore(folder, kept)
    finally:
        params.load = load
        if before is not None:
            os.environ[unforeseen.SHOW] = before


def _import(here: SmallProject, path: Path, draw: random.Random, figures: Figures) -> None:
    """Imports a file; where it is refused nothing may have changed, where it is taken every label must be in the round."""
    before = here.digests()
    words = draw.choice(
        [["import", path.name], ["import", path.name, "--annotator", draw.choice(["ben", "\ud800", "a;b"])], ["label", "--file", path.name]]
    )
    code, said = called(cli.main, words, figures, f"{' '.join(words)!r}")
    after = here.digests()
    if code and {name: digest for name, digest in after.items() if not name.startswith("labelrounds-error-")} != before:
        figures.fault(
            ATTACK, "lost or wrong", f"{words} was refused and changed {sorted(set(after.items()) ^ set(before.items()))[:3]}: {said[:200]}"
        )
    if not code and words[0] == "import" and (new := sorted(set(after) - set(before))):
        called(split.main, [], figures, f"split after {path.name}")
        for name in new:
            if not (here.folder / name).read_bytes():
                figures.fault(ATTACK, "lost or wrong", f"{name} is empty")


def _restore(folder: Path, kept: Path) -> None:
    """Puts the project back as it was."""
    shutil.rmtree(folder / "data")
    shutil.rmtree(folder / "metrics")
    for path in folder.glob("*"):
        if path.is_file() or path.is_symlink():
            path.unlink()
    shutil.copytree(kept, folder, dirs_exist_ok=True)
