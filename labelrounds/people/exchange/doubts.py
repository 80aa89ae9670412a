"""What makes a label doubtful: a row that another column takes back, and names that hardly are labels."""

import re
from collections import Counter
from collections.abc import Iterable

from labelrounds.core import tables
from labelrounds.core.errors import UserError, first_of
from labelrounds.people.exchange import columns
from labelrounds.people.exchange.said import Read
from labelrounds.people.exchange.source import Source
from labelrounds.rounds.record import FALSE, TRUE

ANSWERS = {"answer", "status", "state", "verdict", "decision", "action", "response", "annotation_status", "label_status"}
NO = {"reject", "rejected", "ignore", "ignored", "skip", "skipped", "discard", "discarded", "draft", "declined", "not accepted"}
YES_NO = {"accepted": FALSE, "accept": FALSE, "approved": FALSE, "is_valid": FALSE, "valid": FALSE}
YES_NO |= dict.fromkeys(("rejected", "skipped", "ignored", "discarded", "was_cancelled", "cancelled", "is_skipped"), TRUE)
NUMBER = re.compile(r"[+-]?\d*(?:[.,](\d+))?(?:[eE][+-]?\d+)?")
JOINED = re.compile(r"\s*[,|/#&+]\s*")
NOTHING = {"none", "null", "n/a", "na", "nil", "undefined", "unlabeled", "unlabelled", "?", "-1"}


def check_answers(source: Source) -> None:
    """Raises a UserError for rows of a plain table whose label another column takes back, such as `answer: reject`."""
    if columns.is_form(source.columns, [record.values for record in source.records]):
        return
    doubtful = []
    for name in source.columns:
        said = YES_NO.get(name.lower(), NO if name.lower() in ANSWERS else ())
        for record in source.records if said else ():
            value = record.values.get(name)
            cell = "" if isinstance(value, (bytes, dict, list)) else tables.as_text(value).strip()
            if cell and cell.lower() in said:
                doubtful.append(
                    f'{record.where}: the column "{name}" says "{cell}": is the label of this row one? Remove the rows that do not count, or the '
                    "column. --format table takes every label as it is; --format prodigy, for instance, knows what an answer means."
                )
    if doubtful:
        raise first_of(doubtful, "row")


def check_numbers(read: Read) -> None:
    """Raises a UserError where all labels are numbers and one of them has decimals: those are scores, as a rule."""
    numbers = [(NUMBER.fullmatch(label.strip()), said.where) for said in read.rows for label in said.labels]
    parted = [(found[0], where) for found, where in numbers if found and found[1] and set(found[1]) != {"0"}]
    if parted and all(found for found, _ in numbers):
        raise UserError(
            f'{parted[0][1]}: "{parted[0][0]}" looks like a score, and all labels are numbers. Name the label column with --label-column; '
            "--format table takes them as labels."
        )


def warnings(labels: Iterable[str]) -> list[str]:
    """Returns what is doubtful about names of labels. labels : one per annotation"""
    counts = Counter(labels)
    found = [
        "these labels differ only by case or spacing: " + ", ".join(f'"{label}" ({counts[label]})' for label in group) + ". Are they one label?"
        for group in _alike(counts)
    ]
    for label in sorted(counts):
        parts = [part for part in JOINED.split(label) if part]
        if len(parts) > 1 and all(part in counts for part in parts):
            alone = " and ".join(f'"{part}"' for part in parts)
            found.append(f'"{label}" ({counts[label]}) is taken as one label. If it means {alone}, join them by `;` and add --multi-label.')
        if label.lower() in NOTHING:
            found.append(f'"{label}" ({counts[label]}) is taken as a label. Where nobody has labelled the text, leave the cell empty.')
    return found


def _alike(counts: Counter[str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for label in sorted(counts):
        key = "".join(character for character in label.casefold() if not character.isspace() and character not in "-_")
        groups.setdefault(key, []).append(label)
    return [group for key, group in groups.items() if key and len(group) > 1]
