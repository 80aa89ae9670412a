"""How a comparison is shown: a table for the screen, plain data for JSON, a comment for a pull request."""

from dataclasses import asdict
from typing import Any

from labelrounds.core.screen import escaped, markdown_row, one_line, table
from labelrounds.people.compare import Comparison, Flip, span

NAMES = {"f1_macro": "macro-F1", "f1_micro": "micro-F1", "accuracy": "accuracy", "jaccard": "Jaccard"}
SHOWN = 10  # flipped texts of each kind on the screen
LISTED = 100  # in a comment


def as_dict(found: Comparison) -> dict[str, Any]:
    """Returns the comparison as plain data for JSON."""
    sides = {
        name: {"revision": side.commit.hash if side.commit else None, "labeler": side.labeler, "n": len(side.gold)}
        for name, side in (("before", found.before), ("after", found.after))
    }
    changes = {
        name: {label: asdict(one) for label, one in change.items()} if isinstance(change, dict) else asdict(change)
        for name, change in found.changes.items()
    }
    return {
        **sides,
        "n": found.n,
        "notes": found.notes,
        "scores": changes,
        "mcnemar": {"won": len(found.won), "lost": len(found.lost), "p": float(f"{found.p:.6g}")},
        "won": [asdict(flip) for flip in found.won],
        "lost": [asdict(flip) for flip in found.lost],
        "better": found.better,
        "verdict": found.verdict,
    }


def _rows(found: Comparison) -> list[list[Any]]:
    """Returns the table of differences: score, before, after, difference, interval."""
    # Where every text has one label, accuracy is micro-F1.
    named = {
        title: found.changes[name] for name, title in NAMES.items() if name in found.changes and (name != "accuracy" or found.after.task.multi_label)
    }
    return [
        [title, change.before, change.after, "-" if change.difference is None else f"{change.difference:+.3f}", span(change)]
        for title, change in {**named, **{f"F1 {label}": change for label, change in found.changes["f1"].items()}}.items()
    ]


def _counted(found: Comparison) -> str:
    return f"{len(found.won)} texts flipped right, {len(found.lost)} flipped wrong; McNemar's exact test: p = {found.p:.2g}."


def as_text(found: Comparison) -> str:
    """Returns the comparison for the screen."""
    one, other = found.names
    parts = [
        found.title,
        *found.notes,
        "",
        table(["score", one.removeprefix("the "), other.removeprefix("the "), "difference", "95 % interval"], _rows(found)),
        "",
        _counted(found),
    ]
    for what, flips in (("right", found.won), ("wrong", found.lost)):
        if flips:
            # Where no text is on this disk there is no column for it.
            columns = ["id", "gold", "before", "after", *(["text"] if any(flip.text for flip in flips[:SHOWN]) else [])]
            parts += ["", f"Flipped {what}:", table(columns, [_line(flip)[: len(columns)] for flip in flips[:SHOWN]])]
            parts += [f"… and {len(flips) - SHOWN} more (--json lists all)"] if len(flips) > SHOWN else []
    return "\n".join([*parts, "", found.verdict])


def _line(flip: Flip) -> list[str]:
    return [flip.id, flip.gold, flip.before, flip.after, one_line(flip.text or "", 70)]


def as_markdown(found: Comparison) -> str:
    """Returns the comparison for a pull request: ids without texts, since a comment is read by more people than the pool."""
    head = ["score", *found.names, "difference", "95 % interval"]
    rows = [[f"{cell:.3f}" if isinstance(cell, float) else "-" if cell is None else cell for cell in row] for row in _rows(found)]
    parts = [
        f"**{escaped(found.verdict)}**",
        "",
        escaped(found.title),
        *map(escaped, found.notes),
        "",
        markdown_row(head),
        "|---|---:|---:|---:|---|",
    ]
    parts += [*map(markdown_row, rows), "", _counted(found)]
    for what, flips in (("right", found.won), ("wrong", found.lost)):
        if flips:
            parts += ["", f"<details><summary>Flipped {what}: {len(flips)}</summary>", "", "| id | gold | before | after |", "|---|---|---|---|"]
            parts += [markdown_row([flip.id, flip.gold, flip.before, flip.after]) for flip in flips[:LISTED]]
            parts += [f"| … and {len(flips) - LISTED} more | | | |"] if len(flips) > LISTED else []
            parts += ["", "</details>"]
    return "\n".join(parts)
