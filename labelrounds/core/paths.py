"""Where everything stands in a project, relative to its top: one name for each path that more than one module knows."""

from pathlib import Path

# In git: what people said, and what was measured.
ROUNDS = Path("data/rounds")
SCHEMA = Path("data/schema.jsonl")
AUDITS = Path("data/audits")
DRAWN = AUDITS / "drawn"
SKIPS = Path("data/skips")
SNAPSHOTS = Path("data/snapshots")
METRICS = Path("metrics")
GUIDELINE = Path("guideline.md")
RETIRED = Path("data/retired.txt")  # ids of texts that were withdrawn for good

# Made by stages, kept by DVC.
SPLIT = Path("data/split")
TRAIN, VALID, TEST = SPLIT / "train.csv", SPLIT / "valid.csv", SPLIT / "test.csv"
LABELS = SPLIT / "labels.csv"
HELDOUT = SPLIT / "heldout.txt"
CORPUS = Path("data/corpus/texts.parquet")
UNLABELLED = Path("data/unlabelled/texts.csv")
SHARDS = Path("data/predictions/shards")
LABELLED = Path("data/predictions/labelled.csv")  # for spreadsheets
LABELLED_DATA = Path("data/predictions/labelled.parquet")  # the same for programs
EVALUATED = Path("data/evaluated")
QUEUE = Path("data/queue/next.csv")
MAP = Path("data/queue/map.csv")
SUSPECTS = Path("data/queue/suspects.csv")
REPORT = METRICS / "report.html"

BASE_MODELS = Path("models/encoder")
VANILLA, ADAPTED = BASE_MODELS / "vanilla", BASE_MODELS / "adapted"
LANGUAGE_MODELS = Path("models/language")
LABELERS = Path("models/labeler")

# Kept by neither: work in progress, what people said that is in no round yet, and what language models answered.
SCRATCH = Path("scratch")
INBOX = Path("data/inbox")
RESPONSES = Path("data/responses/kept.sqlite")
