"""Texts that are withdrawn for good, with their labels, because a person asked for it.

First their ids are written to data/retired.txt. Then they go from every file, the pool last. Each file changes in one step, and
what is killed goes on where it was when the command is typed again, without arguments too.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from labelrounds.core import files, params, paths, removal, tables
from labelrounds.core.errors import UserError, at, first_of
from labelrounds.people import quick, tracking
from labelrounds.people.serve import finish, journal
from labelrounds.pool import kept, reader, retired
from labelrounds.pool.identity import ID_PATTERN, near_duplicate_key, text_id
from labelrounds.rounds import carried, queue, record

# In the order in which they lose the texts: what is made of others first, what people said next.
TABLES = (
    "data/queue/*", "data/predictions/labelled.*", "data/predictions/shards/*", "data/unlabelled/*", "data/split/*.csv", "data/corpus/*",
    "metrics/*/*.csv", "metrics/*.csv", "data/skips/*", "data/inbox/*", "data/inbox/done/*", "data/audits/drawn/*.csv", "data/audits/*.csv",
    "data/rounds/*.csv",
)  # fmt: skip
SEARCHED = ("data", "metrics", "studies", "prompts", "*.csv", "*.xlsx", "*.html", "*.jsonl", "*.tsv")
LARGEST = 200_000_000  # bytes: what is larger is not searched for leftovers


def retire(targets: Sequence[str], near: bool, yes: bool, settings: params.Params) -> None:
    """Withdraws texts, given as ids, texts or files of them; without any, goes on with what a killed run has left undone."""
    source_check(settings)
    before = retired.read()
    wanted = {identity for target in targets for identity in ids_of(target, settings)} | (set() if targets else before)
    if not wanted:
        raise UserError("name what to withdraw: ids, texts, or a file of them (a column id or text, or one per line).")
    texts = texts_of(wanted, settings)
    labels = sum(row_id(row.cells, settings) in wanted for path in record.round_files() for row in tables.rows(path))
    unknown = sorted(wanted - texts.keys() - before - known_ids(settings))
    if unknown and not yes:
        raise first_of(
            [f"{identity}: nobody knows this text here. Is it spelled as in the pool? --yes writes it down all the same" for identity in unknown],
            "text",
        )
    keys = {near_duplicate_key(text) for text in texts.values()}
    others = {row.id: row.text for row in reader.stream(settings.data.pool, settings.data.text_column) if row.id not in wanted}
    alike = {identity: text for identity, text in others.items() if near_duplicate_key(text) in keys}
    if len(others) == (len(alike) if near else 0):
        raise UserError(f"{at(settings.data.pool)} would be empty. Bring other texts first (labelrounds pool add), or begin anew (labelrounds init).")
    if near:
        wanted, texts, alike = wanted | alike.keys(), texts | alike, {}
    if not yes:
        click.confirm(f"Withdraw {len(wanted)} texts and {labels} labels for good? They go from every file of this folder.", abort=True)
    retired.add(wanted)
    gone = retired.read()
    answers = forget_answers(texts, settings)
    removed = {path: count for path, count in purge(gone, settings)}
    # A run that was killed may have taken the texts out of the pool and not told DVC, so this run has nothing to take out.
    tracked = tracking.pointer(settings.data.pool).is_file() and tracking.track(settings.data.pool)
    click.echo(f"{len(wanted)} texts are withdrawn; {at(paths.RETIRED)} keeps their ids, so that neither import nor pool add brings them back.")
    for path, count in removed.items():
        click.echo(f"  {at(path)}: {f'{count} rows removed' if path.exists() else 'removed'}")
    if answers:
        click.echo(f"  {at(paths.RESPONSES)}: {answers} answers of language models removed")
    if alike:
        click.echo(f"{len(alike)} near-duplicates are still in the pool, such as {min(alike)}: --near withdraws them, too.")
    for path in leftovers(wanted, texts, settings):
        click.echo(f"Still there: {at(path)}. Correct or remove it yourself.")
    say_what_is_left(wanted, tracked, settings)


def source_check(settings: params.Params) -> None:
    """Raises a UserError for a pool that a stage makes: the next `dvc repro` would bring the texts back."""
    pipeline = Path("data/dvc.yaml")
    if (
        pipeline.is_file()
        and f"- {settings.data.pool}\n" in pipeline.read_text(encoding="utf-8") + "\n"
        and not tracking.pointer(settings.data.pool).is_file()
    ):
        raise UserError(
            f"{settings.data.pool} is made by a stage of {at(pipeline)}, which would bring the texts back. Remove them at their source; or bring "
            "the pool under your own care first: labelrounds pool add FILE."
        )


def ids_of(target: str, settings: params.Params) -> set[str]:
    """Returns the ids that an argument means: an id, a file of ids or texts, or a text."""
    if ID_PATTERN.fullmatch(target):
        return {target}
    path = Path(target)
    if len(target) < 1000 and path.is_file():
        if path.suffix.lower() in tables.FORMATS or path.suffix.lower() == ".gz":
            return {identity for row in tables.rows(path) if (identity := row_id(row.cells, settings))}
        lines = files.read_text(path).splitlines()
        return {line.strip() if ID_PATTERN.fullmatch(line.strip()) else text_id(line) for line in lines if line.strip()}
    return {text_id(target)}


def row_id(cells: dict[str, str], settings: params.Params) -> str:
    """Returns the id of the text that a row of any of our tables is about; empty where it names none."""
    identity = queue.restored(cells.get("id", "")).strip()
    text = next((cells[name] for name in ("text", settings.data.text_column) if cells.get(name, "").strip()), "")
    return identity if ID_PATTERN.fullmatch(identity) else text_id(queue.restored(text)) if text else ""


def texts_of(ids: set[str], settings: params.Params) -> dict[str, str]:
    """Returns {id: text} of those whose text is anywhere in the project."""
    found = {identity: row.text for identity, row in reader.find(settings.data.pool, settings.data.text_column, ids).items()}
    for path in record.round_files():
        found |= {text_id(text): text for row in tables.rows(path) if (text := row.cells.get("text", "")).strip() and text_id(text) in ids}
    return carried.find_texts(ids - found.keys()) | found


def known_ids(settings: params.Params) -> set[str]:
    """Returns the ids of all labels and audits."""
    return {
        row_id(row.cells, settings)
        for folder in (paths.ROUNDS, paths.AUDITS, paths.DRAWN)
        for path in record.round_files(folder)
        for row in tables.rows(path)
    }


def purge(gone: set[str], settings: params.Params) -> Iterator[tuple[Path, int]]:
    """Takes the texts out of every file; yields (path, rows that went)."""

    def goes(cells: dict[str, str]) -> bool:
        if row_id(cells, settings) in gone:
            return True
        # A file of the pool has a column id of its own, maybe, which is not ours.
        return settings.data.text_column in cells and text_id(cells[settings.data.text_column]) in gone

    if paths.REPORT.is_file():
        content = paths.REPORT.read_text(encoding="utf-8", errors="replace")
        paths.REPORT.unlink()
        yield paths.REPORT, sum(identity in content for identity in gone)
    for pattern in TABLES:
        for path in sorted(Path().glob(pattern)):
            if (
                path.is_file()
                and not path.name.startswith(".")
                and path.name != "README.md"
                and path.suffix.lower() in tables.FORMATS
                and (count := removal.remove(path, goes))
            ):
                yield path, count
    shutil.rmtree(quick.ROOM, ignore_errors=True)  # vectors of the pool's texts, which `labelrounds quick` makes anew
    for path in sorted(kept.ROOM.glob("*/*.parquet")):  # a part with a row less is no part: it is made anew
        if count := sum(goes(row.cells) for row in tables.rows(path)):
            path.unlink()
            yield path, count
    yield from from_journals(gone)
    yield from from_lists(gone)
    for path in tables.shards(settings.data.pool):
        if count := removal.remove(path, lambda cells: text_id(cells.get(settings.data.text_column, "")) in gone):
            yield path, count


def from_journals(gone: set[str]) -> Iterator[tuple[Path, int]]:
    """Takes the lines about the texts out of the journals of the page to label on; yields (path, lines that went)."""
    with finish.alone():
        for path in sorted(paths.INBOX.rglob(f"*{journal.SUFFIX}")):
            lines = path.read_bytes().splitlines(keepends=True)
            kept_lines = [line for line in lines if not any(identity.encode() in line for identity in gone)]
            if len(kept_lines) < len(lines):
                with files.atomic(path, "wb") as file:
                    file.writelines(kept_lines)
                yield path, len(lines) - len(kept_lines)


def from_lists(gone: set[str]) -> Iterator[tuple[Path, int]]:
    """Takes the ids out of the list of held-out texts and out of the snapshots; yields (path, ids that went)."""
    if paths.HELDOUT.is_file():
        ids = files.read_text(paths.HELDOUT).split()
        if count := len(gone & set(ids)):
            with files.atomic(paths.HELDOUT) as file:
                file.writelines(f"{identity}\n" for identity in ids if identity not in gone)
            yield paths.HELDOUT, count
    for path in sorted(paths.SNAPSHOTS.glob("*.json")):
        snapshot = files.read_json(path, "Restore it from git, or remove it.")
        with files.as_stages_write(path):
            kept = {part: {identity: labels for identity, labels in snapshot[part].items() if identity not in gone} for part in ("test", "stop")}
            count = sum(len(snapshot[part]) - len(some) for part, some in kept.items())
        if count:
            with files.atomic(path) as file:
                file.write(json.dumps({**snapshot, **kept}, ensure_ascii=False, separators=(",", ":")) + "\n")
            yield path, count


def forget_answers(texts: dict[str, str], settings: params.Params) -> int:
    """Removes what language models answered about the texts; returns how many answers. A labeler that is not on disk is named."""
    if not paths.RESPONSES.is_file():
        return 0
    from labelrounds.labelers import contract
    from labelrounds.llm import responses
    from labelrounds.llm.prompted import PromptedLabeler

    keys: set[str] = set()
    for name in settings.prompts:
        try:
            labeler = contract.load_named(name, settings)
        except UserError:
            labeler = None
        if isinstance(labeler, PromptedLabeler):
            keys |= {asked.key for row in labeler.requests(list(texts.values())) for asked in row}
        else:
            click.echo(f"What {name} was asked cannot be worked out without its labeler: remove {at(paths.RESPONSES)} to forget all answers.")
    return responses.Kept().forget(keys)


def leftovers(ids: Iterable[str], texts: dict[str, str], settings: params.Params) -> list[Path]:
    """Returns the files that hold an id or a text all the same: forms that people fill in, examples of prompts."""
    sought = [identity.encode() for identity in ids] + [text.strip().encode() for text in texts.values() if len(text.strip()) > 8]
    found = set()
    for pattern in SEARCHED:
        for top in Path().glob(pattern):
            for path in top.rglob("*") if top.is_dir() else [top]:
                ours = path in (paths.RETIRED, *corpus_files()) or path.name.startswith(".") or "dvc" in path.suffix
                if path.is_file() and not ours and path.stat().st_size < LARGEST and any(part in path.read_bytes() for part in sought):
                    found.add(path)
    return sorted(found)


def corpus_files() -> tuple[Path, ...]:
    """Returns what is packed, so that a search for bytes says nothing: `purge` has gone through it row by row."""
    return (paths.CORPUS, paths.LABELLED_DATA)


def say_what_is_left(ids: set[str], tracked: bool, settings: params.Params) -> None:
    """Says what git's history, DVC's cache and the models still hold, and how to be rid of it."""
    commits = sum(bool(in_history(identity)) for identity in ids)
    click.echo("Models learn anew without the texts at the next `dvc repro`, as far as they had learnt from them. Then commit everything.")
    if commits:
        click.echo(
            f"git's history still holds {commits} of them, in rounds, metrics or snapshots of earlier commits, here and in every clone. To rewrite it: "
            "`git filter-repo --replace-text FILE` (a file with one id or text a line), then everybody clones anew."
        )
    if tracked or Path(".dvc/cache").is_dir():
        click.echo(
            "DVC's cache still holds the earlier pool, splits, predictions and models. After the commit: `dvc gc --workspace`, and "
            "`dvc gc --workspace --cloud` for a remote. This removes every version but today's."
        )


def in_history(identity: str) -> bool:
    """Says whether a commit of any branch has ever held this id or a label of it."""
    try:
        done = subprocess.run(["git", "log", "--all", "--format=%h", "-1", f"-S{identity}"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
