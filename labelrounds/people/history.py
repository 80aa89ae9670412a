"""What each round bought: macro-F1 with its interval over the project's rounds, read from git."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import files, revisions
from labelrounds.core.errors import UserError, at
from labelrounds.core.revisions import Commit
from labelrounds.core.screen import table
from labelrounds.core.task import indicator
from labelrounds.measures import bootstrap, scores
from labelrounds.measures.bootstrap import Change
from labelrounds.people.compare import Side, compare, read_side, span
from labelrounds.rounds import names

SPLIT = "metrics/split.json"
Measured = tuple[Commit | None, tuple[str, ...], int, Side]  # the commit, its rounds, the number of training texts, what was said


@dataclass(frozen=True)
class Entry:
    """One set of rounds, as the last commit with it measured it: scores, intervals, and the change to the entry before.

    commit : None where it is not committed yet; rounds : oldest first; train, test : numbers of texts; notes : what else
    changed since the entry before
    """

    commit: Commit | None
    rounds: tuple[str, ...]
    train: int
    test: int
    f1_macro: float
    ci95: list[float]
    change: Change | None
    notes: list[str]


def read(labeler: str, seed: int) -> tuple[list[Entry], list[str]]:
    """Returns the entries, oldest first, and notes on what is not among them.

    Only test sets that share a text with the newest one belong to the same series of scores: what a project was before
    `labelrounds init`, or before other holdout rounds, is left out.
    """
    found = _measured(labeler)
    if not found:
        read_side(None, labeler)  # says what is missing
        raise UserError(f"{SPLIT} does not say which rounds were measured. Run `dvc repro`.")
    newest = found[-1][3].gold.keys()
    kind = found[-1][3].task.type
    series = [one for one in found if one[3].gold.keys() & newest and one[3].task.type == kind]
    others = len(found) - len(series)
    notes = [f"{others} older sets of rounds were measured on other test texts and are left out."] if others else []
    notes += [lacks] if (lacks := revisions.what_a_shallow_clone_lacks()) else []
    entries: list[Entry] = []
    for place, (commit, rounds, train, side) in enumerate(series):
        previous = grown_from(rounds, series[:place])
        gold, predicted = (indicator(said.values(), side.task) for said in (side.gold, side.predicted))
        bounds = bootstrap.intervals(gold, predicted, predicted, side.task, seed)["f1_macro"]
        change, said = None, []
        try:
            since = compare(previous, side, seed) if previous else None
            change, said = (since.macro, since.notes) if since else (None, [])
        except UserError as error:  # no label that both know: a gap in the series is no reason to show none of it
            said = [error.message]
        entries.append(Entry(commit, rounds, train, len(gold), round(scores.macro_f1(gold, predicted), scores.DIGITS), bounds, change, said))
    notes += [f"Round {entry.rounds[-1]}: {note}" for entry in entries for note in entry.notes]
    return entries, notes


def grown_from(rounds: tuple[str, ...], earlier: list[Measured]) -> Side | None:
    """Returns what was measured before the newest of `rounds` came: on two branches that is not the entry before.

    The last entry of which all rounds are among these; without one, the last entry.
    """
    grown = [side for _, before, _, side in earlier if set(before) <= set(rounds)]
    return grown[-1] if grown else earlier[-1][3] if earlier else None


def _measured(labeler: str) -> list[Measured]:
    """Returns (commit, rounds, training texts, predictions) of every set of rounds, from its last commit; oldest first."""
    watched = (SPLIT, f"metrics/{labeler}/test.csv")
    past: list[Commit | None] = list(revisions.commits(*watched))
    if not past or [revisions.read(None, path) for path in watched] != [revisions.read(past[0], path) for path in watched]:
        past.insert(0, None)
    found: dict[tuple[str, ...], Measured] = {}
    for commit in past:
        content = revisions.read(commit, SPLIT)
        try:
            split = json.loads(content or "{}")
            rounds, train = tuple(split["rounds"]), int(split["train"])
        except (ValueError, KeyError, TypeError):
            continue
        if rounds not in found and revisions.read(commit, watched[1]) is not None:
            found[rounds] = (commit, rounds, train, read_side(commit, labeler))
    return list(reversed(found.values()))


def as_list(entries: list[Entry]) -> list[dict[str, Any]]:
    """Returns the entries as plain data for JSON."""
    return [
        {
            "revision": entry.commit.hash if entry.commit else None,
            "rounds": list(entry.rounds),
            "train": entry.train,
            "test": entry.test,
            "f1_macro": entry.f1_macro,
            "ci95": entry.ci95,
            "change": entry.change and {"difference": entry.change.difference, "ci95": entry.change.ci95},
            "notes": entry.notes,
        }
        for entry in entries
    ]


def as_text(entries: list[Entry], labeler: str) -> str:
    """Returns the entries as a table for the screen."""
    rows = [
        [
            entry.rounds[-1],
            entry.commit.short if entry.commit else "not committed",
            entry.train,
            entry.test,
            entry.f1_macro,
            f"{entry.ci95[0]:.3f} to {entry.ci95[1]:.3f}",
            f"{entry.change.difference:+.3f}" if entry.change else "-",
            span(entry.change) if entry.change else "-",
        ]
        for entry in entries
    ]
    return f"{labeler}, after each round\n\n" + table(
        ["round", "commit", "trained on", "tested on", "macro-F1", "95 % interval", "change", "95 % interval"], rows
    )


def plot(entries: list[Entry], labeler: str, path: Path) -> None:
    """Draws macro-F1 with its intervals over the rounds as an SVG; the same entries give the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if path.suffix.lower() != ".svg":
        raise UserError(f'{at(path)}: the plot is an SVG; expected a name such as "{path.stem or "history"}.svg".')
    with matplotlib.rc_context({"svg.hashsalt": "labelrounds", "svg.fonttype": "path", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.add_subplot()
        values = [entry.f1_macro for entry in entries]
        errors = [[entry.f1_macro - entry.ci95[0] for entry in entries], [entry.ci95[1] - entry.f1_macro for entry in entries]]
        axes.errorbar(range(len(entries)), values, yerr=errors, marker="o", capsize=4, color="#1f5fa8", ecolor="#8fb3d9")
        step = -(-len(entries) // 12)  # more ticks than twelve would overlap
        ticks = list(range(len(entries) - 1, -1, -step))
        axes.set_xticks(ticks, [f"{names.number(entries[tick].rounds[-1]):02d}\n{entries[tick].train}" for tick in ticks])
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.set_xlim(-0.5, len(entries) - 0.5)
        axes.set_xlabel("round, and the number of texts it trains on")
        axes.set_ylabel("macro-F1")
        axes.set_title(f"{labeler}: macro-F1 on {entries[-1].test} test texts, 95 % intervals", fontsize="medium")
        axes.grid(axis="y", color="#dddddd")
        axes.spines[["top", "right"]].set_visible(False)
        with files.atomic(path, "wb") as file:
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
