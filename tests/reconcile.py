"""An independent check of a project: every label in the rounds is found again in what the pipeline made of them.

It imports nothing of labelrounds and computes the vote on its own, with pandas: `python -m tests.reconcile FOLDER`.
"""

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import click
import pandas
import yaml


def read_rounds(folder: Path) -> pandas.DataFrame:
    """Returns a row per annotation that decides a label, in today's labels."""
    parts = []
    for path in sorted((folder / "data/rounds").glob("*.csv")):
        part = pandas.read_csv(path, dtype=str, keep_default_na=False).assign(round=path.stem, file=f"data/rounds/{path.name}")
        parts.append(part.assign(number=int(path.stem.split("-")[0])))
    rows = pandas.concat(parts).fillna("").reset_index(drop=True)
    rows = rows[rows["source"] != "opinion"].copy() if "source" in rows else rows
    changes = [json.loads(line) for path in (folder / "data").glob("schema.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    for number, change in enumerate(changes):
        if change["change"] not in ("rename", "merge"):
            continue
        later = {label for one in changes[number + 1 :] for label in one["into"]}
        of_then = rows["file"].isin(change["files"]) | ~rows["label"].isin(later)
        rows.loc[of_then & rows["label"].isin(change["labels"]), "label"] = change["into"][0]
    return rows


def settle(rows: pandas.DataFrame) -> tuple[dict[str, tuple[str, str]], set[str]]:
    """Returns ({id: (label, round)}, tied ids): the highest number wins, in it the majority; who repeats himself counts once."""
    settled, tied = {}, set()
    for identity, said in rows.groupby("id"):
        newest = said[said["number"] == said["number"].max()]
        named = newest[newest["annotator"] != ""].drop_duplicates(["annotator", "label"])
        votes = Counter([*named["label"], *newest[newest["annotator"] == ""]["label"]]).most_common()
        if len(votes) > 1 and votes[0][1] == votes[1][1]:
            tied.add(identity)
        else:
            settled[identity] = (votes[0][0], max(newest["round"]))
    return settled, tied


def check(folder: Path, retired: set[str] = frozenset()) -> list[str]:
    """Returns what does not fit, in words; nothing if every label reconciles. retired : ids that must be nowhere any more"""
    wrong = []

    def same(what: str, found: object, expected: object) -> None:
        if found != expected:
            wrong.append(f"{what}: found {found}, expected {expected}"[:400])

    rows = read_rounds(folder)
    settled, tied = settle(rows)
    read = {
        name: pandas.read_csv(folder / f"data/split/{name}.csv", dtype=str, keep_default_na=False) for name in ("train", "valid", "test", "labels")
    }
    labels, counts = read["labels"], json.loads((folder / "metrics/split.json").read_text(encoding="utf-8"))
    same("labels.csv", {row.id: (row.label, row.round) for row in labels.itertuples()}, settled)
    cases = pandas.read_csv(folder / "metrics/split.csv", dtype=str, keep_default_na=False)
    same("ties", set(cases[cases["case"].str.startswith("tie")]["id"]), tied)
    near = set(cases[cases["case"].str.startswith("near")]["id"])
    for side in ("train", "valid", "test"):
        part = {row.id: row.label for row in read[side].itertuples()}
        same(
            f"{side}: labels",
            {identity: said for identity, said in part.items() if identity not in tied},
            {i: settled[i][0] for i in part if i in settled},
        )
        same(f"{side}: count", counts[side], len(part))
    sided = [identity for side in ("train", "valid", "test") for identity in read[side]["id"]]
    same("a text on two sides", [identity for identity, n in Counter(sided).items() if n > 1], [])
    same("texts that have a label and no side", set(settled) - set(sided) - near, set())
    same("annotations per round", {name: found["annotations"] for name, found in counts["rounds"].items()}, dict(Counter(rows["round"])))
    pool = pandas.read_csv(folder / "data/predictions/labelled.csv", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    people = pool[pool["id"].isin(settled)]
    same("labelled.csv", {row.id: row.label for row in people.itertuples()}, {identity: settled[identity][0] for identity in people["id"]})
    same("labelled.csv: decisions", set(people["decision"]), {"human"})
    same("labelled.csv: others by people", set(pool[pool["decision"] == "human"]["id"]) - set(settled), set())
    same("retired texts", {identity for identity in retired if identity in set(pool["id"]) | set(rows["id"]) | set(sided)}, set())
    return wrong + check_history(folder, retired)


def check_history(folder: Path, retired: set[str]) -> list[str]:
    """Returns what changed in the test set over the commits without a reason: only a retired text may leave, none may come."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False).stdout

    measured = f"metrics/{yaml.safe_load((folder / 'params.yaml').read_text(encoding='utf-8'))['deploy']}/test.csv"
    wrong, before = [], None
    tests = {}
    for commit in reversed(git("log", "--topo-order", "--format=%h", "--", measured).split()):
        content = git("show", f"{commit}:{measured}")
        tests[commit] = set(pandas.read_csv(io.StringIO(content), dtype=str)["id"]) if content else set()
    newest = next(reversed(tests.values()), set())
    for commit, now in tests.items():
        if not now & newest:
            continue  # the demo's, before the project began
        if before is not None and (before - now - retired or now - before - retired):
            wrong.append(f"test set at {commit}: lost {sorted(before - now - retired)[:5]}, got {sorted(now - before - retired)[:5]}")
        before = now
    return wrong


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("retired", nargs=-1)
def main(folder: Path, retired: tuple[str, ...]) -> None:
    """Check the project in FOLDER; RETIRED are the ids of texts that must be nowhere any more."""
    problems = check(folder, set(retired))
    click.echo("\n".join(problems) or "every label reconciles")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
