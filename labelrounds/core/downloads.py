"""Files from PyPI, pinned by their SHA-256."""

import subprocess
import sys
from pathlib import Path

from labelrounds.core import files
from labelrounds.core.errors import UserError


def from_pypi(requirement: str, folder: Path, options: list[str], sha256: str) -> Path:
    """Downloads one file of a package with pip, checks its SHA-256 and returns its path."""
    arrived = folder / "download"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--disable-pip-version-check",
        "-q",
        *options,
        "-d",
        str(arrived),
        requirement,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    found = list(arrived.iterdir()) if arrived.is_dir() else []
    if done.returncode or len(found) != 1:
        problems = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-1:]
        raise UserError(
            f"pip could not download {requirement}: {' '.join(problems) or 'no file arrived'}. Check the network and the name, then run again."
        )
    digest = files.sha256(found[0])
    if digest != sha256:
        raise UserError(
            f"{requirement}: the file {found[0].name} has sha256 {digest}, expected {sha256}. "
            "It is not the file that was pinned: do not use it unless you know why it changed; then pin the new sha256."
        )
    return found[0]
