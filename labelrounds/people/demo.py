"""The demo: real texts that real people rated, and these people as annotators.

Ground truth of VADER (Hutto and Gilbert 2014, MIT licence): Amazon review sentences and tweets, each rated
from -4 to 4 by twenty people or more. No text of it is committed: the archive comes from PyPI, checked
against its sha256.
"""

import ast
import tarfile
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

from labelrounds.core import downloads, files, tables
from labelrounds.core.errors import UserError, at
from labelrounds.pool.identity import text_id
from labelrounds.rounds.queue import harmless, literal, restored

POOL = Path("data/pool.csv")
RATINGS = Path("data/demo/ratings.csv")
REQUIREMENT = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
SOURCES = {"amazon": "amazonReviewSnippets", "twitter": "tweets"}


def make_pool() -> int:
    """Writes data/pool.csv and the people's ratings, data/demo/ratings.csv; returns the number of texts."""
    with tempfile.TemporaryDirectory() as temporary:
        archive = downloads.from_pypi(REQUIREMENT, Path(temporary), ["--no-binary", ":all:"], SHA256)
        with tarfile.open(archive) as outer, tarfile.open(fileobj=_member(outer, ARCHIVE)) as inner:
            texts = [(source, *row) for source, name in SOURCES.items() for row in _read(inner, name)]
    files.write_csv(POOL, ["text", "source", "ref"], ((text, source, ref) for source, ref, _, text, _ in texts))
    ratings = {text_id(text): (mean, given) for _, _, mean, text, given in reversed(texts)}
    files.write_csv(
        RATINGS, ["id", "mean", "ratings"], ((identity, mean, " ".join(map(str, given))) for identity, (mean, given) in sorted(ratings.items()))
    )
    return len(texts)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    assert member is not None, f"{name} is not a file"
    return member


def _read(archive: tarfile.TarFile, name: str) -> list[tuple[str, float, str, list[int]]]:
    """Returns (reference, mean rating, text, single ratings) of one source."""
    raters = {}
    for line in _lines(archive, f"hutto_ICWSM_2014/{name}_anonDataRatings.txt"):
        reference, _, _, given = line.split("\t")
        raters[reference] = ast.literal_eval(given.strip('"'))
    rows = (line.split("\t", 2) for line in _lines(archive, f"hutto_ICWSM_2014/{name}_GroundTruth.txt"))
    return [(reference, float(mean), text, raters[reference]) for reference, mean, text in rows]


def _lines(archive: tarfile.TarFile, name: str) -> list[str]:
    content = _member(archive, name).read().decode("utf-8-sig")
    return [line for line in content.replace("\r", "\n").split("\n") if line.strip()]


def label_of(rating: float, bound: float) -> str:
    """Returns the label of a rating: positive from `bound` up, negative from `-bound` down, neutral between."""
    return "positive" if rating >= bound else "negative" if rating <= -bound else "neutral"


def annotate(path: str | Path, raters: int | None) -> int:
    """Fills the label column of a queue or round file from the ratings; returns the number of labels written.

    raters : None: one annotator `crowd`, the mean of all raters; N: N single raters, drawn per text (the
    same draw for the same text), who disagree as they did
    """
    path = Path(path)
    if not RATINGS.is_file():
        raise UserError(f"{at(RATINGS)}: the demo's ratings are not here. Run `dvc repro data/dvc.yaml` first (demo projects only).")
    if not path.is_file():
        raise UserError(f"{at(path)}: there is no such file. `labelrounds next FILE.csv` or `labelrounds draw N FILE.csv` makes one.")
    columns = tables.columns(path)
    if "id" not in columns:
        raise UserError(f'{at(path, 1)}: there is no column "id". Expected a file from `labelrounds next` or `labelrounds draw`.')
    known = {row.cells["id"]: (float(row.cells["mean"]), [int(value) for value in row.cells["ratings"].split()]) for row in tables.rows(RATINGS)}
    columns += [name for name in ("label", "annotator") if name not in columns]
    filled = []
    for row in tables.rows(path):
        identity = restored(row.cells["id"].strip())
        if identity not in known:
            raise UserError(f"{row.where}: the id {identity} is not a text of the demo.")
        for annotator, label in _people(identity, *known[identity], raters):
            cells = {**row.cells, "id": literal(identity), "label": harmless(label), "annotator": annotator}
            filled.append([cells.get(name, "") for name in columns])
    files.write_csv(path, columns, filled, bom=True)
    return len(filled)


def _people(identity: str, mean: float, given: list[int], raters: int | None) -> list[tuple[str, str]]:
    """Returns (annotator, label) of each person asked; a single rating is a whole number, so 0 alone is neutral."""
    if raters is None:
        return [("crowd", label_of(mean, 0.5))]
    drawn = np.random.default_rng(int(identity, 16)).permutation(given)[:raters]
    return [(f"rater-{number}", label_of(rating, 0.5)) for number, rating in enumerate(drawn, 1)]
