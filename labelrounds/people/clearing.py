"""What goes when a clone becomes a project: the demo, and all that the pipeline made of it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from labelrounds.core import lock, paths, tables
from labelrounds.core.errors import UserError

DEMO_PIPELINE = (Path("data/dvc.yaml"), Path("data/dvc.lock"))
MADE = (
    "dvc.lock",
    "models/encoder",
    "models/labeler",
    "data/split",
    "data/corpus",
    "data/unlabelled",
    "data/predictions",
    "data/queue",
    "data/demo",
)


def leftovers(pool_file: Path, labelled: Sequence[Path]) -> list[Path]:
    """Returns what goes: the demo's files, everything the pipeline made, and rounds and pools of before."""
    given = {path.resolve() for path in (pool_file, *labelled)}
    found = [
        *DEMO_PIPELINE,
        *map(Path, MADE),
        *sorted(path for path in paths.SCRATCH.glob("*") if path not in (lock.LOCK, lock.HOLDER)),
        *sorted(Path("metrics").glob("*")),
        *sorted(paths.EVALUATED.glob("*.json")),
        *sorted(paths.ROUNDS.glob("*.csv")),
        *sorted(paths.AUDITS.glob("*.csv")),
        *sorted(paths.DRAWN.glob("*.csv")),
        *sorted(paths.SKIPS.glob("*.csv")),
        *sorted(paths.INBOX.glob("*")),
        *sorted(paths.SNAPSHOTS.glob("*.json")),
        *sorted(Path("studies").glob("*/dvc.lock")),
        *sorted(Path("studies").glob("*/points/*.jsonl")),
        *sorted(paths.LANGUAGE_MODELS.glob("*/")),
        *sorted(Path("data").glob("pool*")),
    ]
    return [path for path in found if path.exists() and path.resolve() not in given]


def ask_before_removing(going: Sequence[Path], yes: bool) -> None:
    """Asks, unless `yes`, before anything goes that is not the demo's."""
    is_demo = DEMO_PIPELINE[0].is_file()
    own = [path for path in going if not (is_demo and is_the_demos(path))]
    if not own or yes:
        return
    click.echo("These files are not the demo's and would be removed:")
    for path in own:
        click.echo(f"  {path}")
    if not sys.stdin.isatty() and not sys.stdin.readable():
        raise UserError("nobody is there to ask. Run it again with --yes if they may go.")
    click.confirm("Remove them?", abort=True)


def is_the_demos(path: Path) -> bool:
    """Says whether a leftover came with the clone: of rounds, those that the demo's crowd labelled."""
    if path.parent in (paths.ROUNDS, paths.AUDITS):
        try:
            return all(row.cells.get("annotator", "").startswith(("crowd", "rater-")) for row in tables.rows(path))
        except UserError:
            return False
    if path.parent in (paths.SKIPS, paths.INBOX):  # the demo's people have never been on the page
        return False
    return path.parent != Path("data") or path.as_posix() in MADE or path.name in ("pool.csv", "dvc.yaml", "dvc.lock")
