"""Labels given texts with a labeler of the project."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from labelrounds.core import params, paths, tables
from labelrounds.core.errors import UserError, at, did_you_mean
from labelrounds.labelers import contract
from labelrounds.pool import reader


def read_texts(texts: tuple[str, ...], source: str | None, settings: params.Params) -> list[str]:
    """Returns the texts given as arguments, or those of a table, of a file with one text per line, or of standard input."""
    if bool(texts) == bool(source):
        raise UserError('give texts, such as `labelrounds label "some text"`, or --file FILE (`-` for standard input): one of the two.')
    if source is None:
        wanted = [decoded(text.encode("utf-8", "surrogateescape"), f"text {number}") for number, text in enumerate(texts, 1)]
    elif source == "-":
        wanted = [decoded(line, f"standard input, line {number}").strip() for number, line in enumerate(sys.stdin.buffer, 1)]
    elif not Path(source).exists():
        raise UserError(f"{at(source)}: there is no such file. Check the path.")
    elif Path(source).is_dir() and not any(file.suffix for file in tables.shards(source)):
        raise UserError(f"{at(source)}: a folder; expected a file with one text per line, or a table.")
    elif not Path(source).is_dir() and Path(source).suffix.lower() in (".txt", ""):
        wanted = [line.strip() for line in tables.lines(Path(source))]
    else:
        if settings.data.text_column not in tables.columns(source):
            raise reader.missing_column(source, settings.data.text_column)
        wanted = [row.cells.get(settings.data.text_column, "").strip() for row in tables.rows(source)]
    wanted = [text for text in wanted if text.strip()]
    if not wanted:
        raise UserError("there is no text to label: all are empty.")
    return wanted


def decoded(raw: bytes, where: str) -> str:
    """Returns text from UTF-8; a UserError that says `where` else."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{where}: not UTF-8 text. Convert it first, such as with `iconv -f WINDOWS-1252 -t UTF-8`.") from None


def answers(texts: list[str], name: str, settings: params.Params, as_json: bool) -> Iterator[str]:
    """Yields one line per text: label, confidence and text, or a JSON object with every score."""
    known = sorted(path.parent.name for path in paths.LABELERS.glob("*/labeler.json"))
    if known and name not in known:
        raise UserError(f'there is no labeler "{name}".{did_you_mean(name, known)} There are: {", ".join(known)}.')
    labeler = contract.load_named(name, settings)
    with contextlib.redirect_stdout(sys.stderr):  # what a prompt says of its requests is no answer
        task, scores = labeler.card.schema, labeler.scores(texts, settings.predict.batch_size)
    decided, sure = contract.decide(scores, labeler.card), contract.confidence(scores, labeler.card)
    width = max((len(task.spell(labels)) for labels in decided), default=0)
    for text, labels, certain, row in zip(texts, decided, sure, scores, strict=True):
        if as_json:
            found = {label: round(float(score), 4) for label, score in zip(task.labels, row, strict=True)}
            answer = list(labels) if task.multi_label else labels[0]
            yield json.dumps({"text": text, task.column: answer, "confidence": round(float(certain), 4), "scores": found}, ensure_ascii=False)
        else:
            yield f"{task.spell(labels):{width}}  {certain:.2f}  {text}"
