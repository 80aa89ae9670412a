"""What DVC runs: one script per stage, `python -m stages.NAME`."""
