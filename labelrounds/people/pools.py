"""A pool that grows: what the files hold, and how a new one comes to them."""

import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from labelrounds.core import files, params, paths, screen, tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.params import editing
from labelrounds.people import tracking
from labelrounds.people.exchange import columns
from labelrounds.pool import reader, retired
from labelrounds.pool.identity import near_duplicate_key


@dataclass
class Known:
    """What the pool holds: ids and near-duplicate keys of its texts, those of its held-out ones, and its rows."""

    rule: str
    ids: set[str] = field(default_factory=set)
    keys: set[bytes] = field(default_factory=set)
    held: set[bytes] = field(default_factory=set)
    rows: int = 0

    def key(self, text: str) -> bytes:
        return hashlib.sha256(near_duplicate_key(text, self.rule).encode("utf-8", "surrogatepass")).digest()[:8]

    def marks(self, row: reader.PoolText) -> set[bytes]:
        """Returns what ties a text to others: its key, and its group."""
        group = row.own.get(reader.GROUP, "").strip()
        return {self.key(row.text), *([b"group:" + group.encode()] if group else [])}


@dataclass
class Counts:
    """What a file brings: rows, and of its texts how many are new; of the new ones, near-duplicates and those tied to a held-out text."""

    rows: int = 0
    new: int = 0
    near: int = 0
    held: int = 0


@dataclass(frozen=True)
class Coming:
    """A file on its way into the pool: where it is, the column with its texts, and what it brings."""

    path: Path
    column: str
    counts: Counts


def read_known(settings: params.Params) -> Known:
    """Returns what the pool holds now."""
    known = Known(settings.split.near_duplicates)
    heldout = set(files.read_text(paths.HELDOUT).split()) if paths.HELDOUT.is_file() else set()
    for row in reader.stream(settings.data.pool, settings.data.text_column):
        known.rows += 1
        known.ids.add(row.id)
        known.keys.add(known.key(row.text))
        if row.id in heldout:
            known.held |= known.marks(row)
    return known


def count(path: Path, column: str, known: Known) -> Counts:
    """Returns what a file brings beside what is `known`, to which it is added; a row without a text is a UserError."""
    found = Counts()
    retired.refuse((row.id, row.where) for row in reader.stream(path, column))
    for row in reader.stream(path, column):
        found.rows += 1
        if row.id in known.ids:
            continue
        key = known.key(row.text)
        found.new += 1
        found.near += key in known.keys
        found.held += bool(known.marks(row) & known.held)
        known.ids.add(row.id)
        known.keys.add(key)
    if not found.rows:
        raise UserError(f"{at(path)}: there are no rows below the header. Expected one row per text.")
    return found


def add(sources: Sequence[Path], text_column: str | None, adapt: bool, settings: params.Params) -> None:
    """Brings files into the pool, each as one more file of its folder, and says what they hold; files without a new text stay out."""
    known = read_known(settings)
    before = known.rows
    coming = []
    for path in (file for source in sources for file in tables.shards(source)):
        own = settings.data.text_column
        column = own if text_column is None and own in tables.columns(path) else columns.find_text_column(path, text_column)
        check_columns(path, column, own)
        coming.append(Coming(path, column, count(path, column, known)))
    check_free(Path(settings.data.pool))
    for found in coming:
        click.echo(f"{at(found.path)}: {sentence(found.counts, paths.HELDOUT.is_file())}")
    coming = [found for found in coming if found.counts.new]
    folder = finish_move(settings) or Path(settings.data.pool)
    if not coming:
        if folder.is_dir():
            tracking.track(folder)  # an earlier run may have been killed before it came to that
        click.echo("There is nothing new: the pool stays as it is.")
        return
    rows = before + sum(found.counts.rows for found in coming)
    until = rows if adapt else settings.corpus.pool_until or before
    if until != settings.corpus.pool_until:
        editing.write({("corpus", "pool_until"): until})
    folder = bring(coming, folder, settings)
    tracked = tracking.track(folder)
    point_to(folder, settings)
    click.echo(f"{at(folder)} holds {rows} rows in {len(tables.shards(folder))} files now{', tracked by DVC' if tracked else ''}.")
    if until < rows:
        click.echo(
            f"No model adapts to the {rows - until} rows that came last: corpus.pool_until is {until} (params.yaml). "
            f"Set it to {rows} when adapting again is worth the time; `labelrounds status` says what it costs."
        )
    click.echo(f"Next: dvc repro, which scores the new texts alone; then commit {at(tracking.pointer(folder))}, params.yaml, dvc.lock and metrics.")


def sentence(found: Counts, split: bool) -> str:
    """Returns what a file brings in a sentence. split : whether it is known which texts are held out"""
    told = f"{found.rows} rows, {found.new} new texts; {found.rows - found.new} rows repeat texts that the pool or the file holds already. "
    told += f"Of the new ones {found.near} are near-duplicates of others, and "
    return told + (f"{found.held} are held out: they are near a held-out text." if split else "nothing is held out yet.")


def bring(coming: Sequence[Coming], folder: Path, settings: params.Params) -> Path:
    """Puts the files into the pool's folder under names that sort after all others; a pool of one file moves into a folder first."""
    if folder.is_dir():
        for found in coming:
            name = next_name(tables.shards(folder), found.path, found.column, settings)
            put(found, folder / name, settings)
        return folder
    target = folder_for(folder)
    made = files.beside(target)
    made.mkdir(parents=True)
    shutil.copyfile(folder, made / f"000-{folder.name}")
    for found in coming:
        put(found, made / next_name(tables.shards(made), found.path, found.column, settings), settings)
    files.publish(made, target)
    return target


def put(found: Coming, target: Path, settings: params.Params) -> None:
    """Copies a file to its place in one step; a column of texts with another name gets that of the pool."""
    name = settings.data.text_column
    if found.column == name:
        with open(found.path, "rb") as source, files.atomic(target, "wb") as file:
            shutil.copyfileobj(source, file)
        return
    taken = [column for column in reader.columns(found.path) if column != found.column]
    files.write_csv(target, [name, *taken], ([row.cells.get(column, "") for column in (found.column, *taken)] for row in tables.rows(found.path)))


def next_name(there: Sequence[Path], path: Path, column: str, settings: params.Params) -> str:
    """Returns the name for a new file: a number, and its own name; it sorts after those that are there."""
    numbers = [int(match[1]) for file in there if (match := re.match(r"z*(\d+)", file.name))]
    suffixes = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
    stem = re.sub(r"[^\w.-]+", "-", path.name.removesuffix(suffixes)).strip("-.") or "texts"
    suffix = suffixes.lower() if column == settings.data.text_column else ".csv"
    name = f"{max(numbers, default=0) + 1:03d}-{re.sub(r'^[0-9]{3}-', '', stem)}{suffix}"
    last = max(file.name for file in there)
    found = next((prefix + name for prefix in ("", "z", "zz", "zzz") if prefix + name > last), None)
    if found is None:
        raise UserError(f"{at(there[0].parent / last)}: no new name sorts after this one, and the pool's order must not change. Rename it.")
    return found


def folder_for(pool: Path) -> Path:
    """Returns the folder that a pool of one file moves into: data/pool for data/pool.csv."""
    return pool.with_name(pool.name.split(".")[0] or "pool")


def check_columns(path: Path, column: str, name: str) -> None:
    """Raises a UserError if the column of texts cannot get the name of the pool's, because another one has it."""
    if column != name and name in reader.columns(path):
        raise UserError(f'{at(path, 1)}: the texts are in the column "{column}", but there is a column "{name}", too. Rename one.')


def check_free(pool: Path) -> None:
    """Raises a UserError if another folder than what a killed run left stands where a pool of one file is to move."""
    target = folder_for(pool)
    if pool.is_dir() or not target.exists():
        return
    copy = target / f"000-{pool.name}"
    if not copy.is_file() or files.sha256(copy) != files.sha256(pool):
        raise UserError(
            f"{at(target)} is there already, and is not the pool (data.pool is {pool}). Move it away; the pool becomes a folder of this name."
        )


def point_to(folder: Path, settings: params.Params) -> None:
    """Makes the folder the pool in params.yaml; the single file of before goes if no stage makes it."""
    if Path(settings.data.pool) != folder:
        editing.write({("data", "pool"): folder.as_posix()})
        remove_old(Path(settings.data.pool))


def finish_move(settings: params.Params) -> Path | None:
    """Removes what a run that was killed at its end has left of the single file of before; returns the pool's folder, if it is one."""
    pool = Path(settings.data.pool)
    if not pool.is_dir():
        return None
    for copy in pool.glob("000-*"):
        old = pool.with_name(copy.name.removeprefix("000-"))
        if folder_for(old) == pool and tracking.pointer(old).is_file() and old.is_file() and files.sha256(old) == files.sha256(copy):
            remove_old(old)
    return pool


def remove_old(pool: Path) -> None:
    """Removes a single file that the pool was, if DVC tracked it; a stage's own output stays the stage's."""
    if tracking.pointer(pool).is_file():
        pool.unlink(missing_ok=True)
        tracking.pointer(pool).unlink()


def show(settings: params.Params) -> None:
    """Prints what the pool holds, file by file."""
    heldout = set(files.read_text(paths.HELDOUT).split()) if paths.HELDOUT.is_file() else set()
    seen: set[str] = set()
    lines = list(per_file(settings, heldout, seen))
    click.echo(screen.table(["file", "rows", "new texts", "held out", "own columns"], lines))
    rows, until = sum(int(line[1]) for line in lines), settings.corpus.pool_until
    learnt = f"the first {until} rows" if until and until < rows else "all of them"
    click.echo(f"\n{rows} rows, {len(seen)} different texts. Models learn from {learnt}, but for the held-out texts (corpus.pool_until).")


def per_file(settings: params.Params, heldout: set[str], seen: set[str]) -> Iterator[list[str]]:
    """Yields a line per file of the pool; `seen` grows by the ids of its texts."""
    for file in tables.shards(settings.data.pool):
        rows = new = held = 0
        for row in reader.stream(file, settings.data.text_column):
            rows, new = rows + 1, new + (row.id not in seen)
            held += row.id in heldout
            seen.add(row.id)
        own = [name for name in reader.columns(file) if name != settings.data.text_column]
        yield [at(file), str(rows), str(new), str(held), ", ".join(own)]
