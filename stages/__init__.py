"""What DVC runs: one script per stage, `python -m stages.NAME`."""

from labelrounds.core import portable

portable.settle()  # before a stage imports numpy or torch
