"""`labelrounds machine` shows what bytes may depend on, and keeps it beside the lock."""

import json
import re
from pathlib import Path

import pytest

from tests.small import project


@pytest.mark.slow
def test_the_machine_is_described_and_kept_beside_the_lock(tmp_path: Path) -> None:
    here = project(tmp_path)
    here.params(runtime__threads=3, runtime__precision="fp32", runtime__reproducible="machine")
    said = here.command("machine", "--json", "--keep")
    found = json.loads(said[: said.rindex("}") + 1])
    assert (found["threads"], found["precision"], found["reproducible"], found["device"]) == (3, "fp32", "machine", "cpu")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", found["versions"]["torch"])
    assert json.loads(here.read("machine.json")) == found
    assert "Kept in machine.json: commit it with dvc.lock." in said
    # Nothing of it tells whose machine it is.
    assert set(found) == {
        "processor", "architecture", "flags", "cores", "threads", "reproducible", "precision", "device", "kernels", "versions",
    }  # fmt: skip
    shown = here.command("machine")
    assert re.search(r"^threads +3$", shown, re.MULTILINE) and re.search(r"^kernels +torch ", shown, re.MULTILINE)
