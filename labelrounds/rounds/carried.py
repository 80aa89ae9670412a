"""A labelled text that has left the pool: its round carries it from then on."""

from collections.abc import Iterator
from pathlib import Path

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.pool import corpus, reader
from labelrounds.pool.identity import text_id
from labelrounds.rounds import queue, record


def carry(data: params.Data) -> list[str]:
    """Writes the texts of labels by id alone, which the pool holds no longer, into the rounds; returns a warning for each round.

    A text is taken from what stages made of the pool when it held it. Ids that nobody knows stay as they are.
    """
    by_round = {path: [(row.cells.get("id", "").strip(), row.cells.get("text", "")) for row in tables.rows(path)] for path in record.round_files()}
    with_text = {text_id(text) for rows in by_round.values() for _, text in rows if text.strip()}
    wanted = {identity for rows in by_round.values() for identity, _ in rows if identity} - with_text
    missing = wanted - reader.find(data.pool, data.text_column, wanted).keys()
    texts = find_texts(missing) if missing else {}
    warnings = []
    for path, rows in by_round.items():
        mine = {identity for identity, _ in rows if identity in texts}
        if mine:
            write(path, {identity: texts.pop(identity) for identity in mine})
            warnings.append(
                f"Warning: {len(mine)} labelled texts have left the pool: {at(path)} carries them from now on, in git. Commit it; or, if they "
                f"must go for good, withdraw them: labelrounds retire {min(mine)}{' …' if len(mine) > 1 else ''}"
            )
    return warnings


def write(path: Path, texts: dict[str, str]) -> None:
    """Writes the texts beside their ids into a round, once each, in a column `text` that comes behind the id if there is none."""
    columns = tables.columns(path)
    if "text" not in columns:
        columns.insert(columns.index("id") + 1, "text")
    rows = []
    for row in tables.rows(path):
        cells = {"text": "", **row.cells}
        cells["text"] = cells["text"] or texts.pop(cells["id"].strip(), "")
        rows.append([cells.get(name, "") for name in columns])
    files.write_csv(path, columns, rows)


def find_texts(ids: set[str]) -> dict[str, str]:
    """Returns {id: text} of those that a table of an earlier run still holds; a text that has not the id's digest is none."""
    found: dict[str, str] = {}
    for identity, text in written():
        if identity in ids and identity not in found and text_id(text) == identity:
            found[identity] = text
            if len(found) == len(ids):
                break
    return found


def written() -> Iterator[tuple[str, str]]:
    """Yields (id, text) of everything that stages made of the pool and that is still there."""
    for path in (paths.TRAIN, paths.VALID, paths.TEST, paths.LABELLED_DATA, paths.LABELLED, paths.UNLABELLED):
        if path.is_file():
            try:
                for row in tables.rows(path):
                    text = row.cells.get("text", "")
                    yield row.cells.get("id", ""), queue.restored(text) if path == paths.LABELLED else text
            except UserError:  # a damaged table is worth nothing here
                continue
    if paths.CORPUS.is_file():
        yield from corpus.read()
