"""The guideline beside the text: guideline.md, rendered without any HTML of its own, and examples from the rounds."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from labelrounds.core import params, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.pool import reader
from labelrounds.rounds import record, vote

EXAMPLES = 3  # per label
LONGEST = 300  # characters of an example


@dataclass(frozen=True)
class Guideline:
    """html : the page's part, safe to show; version : the first 12 digits of the file's git blob id, empty without a file"""

    html: str
    version: str


def read(path: Path = paths.GUIDELINE) -> Guideline:
    """Returns the project's guideline as it is now."""
    if not path.is_file():
        return Guideline("", "")
    content = path.read_bytes().replace(b"\r\n", b"\n")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{at(path)}: not UTF-8. Save the guideline as UTF-8.") from None
    # What `git hash-object guideline.md` prints, so that `git show VERSION` shows what a person read.
    return Guideline(rendered(text), hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()[:12])


def rendered(text: str) -> str:
    """Returns Markdown as HTML that holds no HTML of the author's, no picture and no link but http and https."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(["image"])
    markdown.validateLink = lambda link: link.startswith(("https://", "http://", "#"))  # type: ignore[method-assign]
    tokens = markdown.parse(text)
    for token in tokens:  # the page has a heading of its own
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
    return markdown.renderer.render(tokens, markdown.options, {}).replace("<a href=", '<a rel="noreferrer" target="_blank" href=')


def examples(settings: params.Params, leave_out: set[str]) -> dict[str, list[str]]:
    """Returns up to three texts per label from the rounds, those that several people agree on first.

    leave_out : ids of texts that are asked now. Held-out texts are left out, too: people are asked second opinions on them.
    """
    task = settings.labelled_task()
    annotations = record.read_all(task)
    said: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    people: dict[str, set[str]] = defaultdict(set)
    for one in annotations:
        said[one.id].add(one.labels)
        people[one.id].add(one.annotator)
    hidden = leave_out | {row.cells["id"] for path in (paths.TEST, paths.VALID) if path.is_file() for row in tables.rows(path)}
    agreed = [
        found
        for found in vote.settle(annotations, task).labels.values()
        if len(said[found.id]) == 1 and len(found.labels) == 1 and found.id not in hidden
    ]
    chosen: dict[str, list[str]] = defaultdict(list)
    for found in sorted(agreed, key=lambda found: (-len(people[found.id]), found.id)):
        if len(chosen[found.labels[0]]) < 3 * EXAMPLES:
            chosen[found.labels[0]].append(found.id)
    texts = {a.id: a.text for a in annotations if a.text is not None}
    wanted = {identity for ids in chosen.values() for identity in ids}
    texts |= {identity: row.text for identity, row in reader.find(settings.data.pool, settings.data.text_column, wanted).items()}
    short = {label: [texts[identity] for identity in ids if len(texts.get(identity, "")) in range(1, LONGEST)] for label, ids in chosen.items()}
    return {label: short[label][:EXAMPLES] for label in task.labels if short.get(label)}
