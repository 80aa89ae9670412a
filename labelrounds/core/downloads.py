"""Files from PyPI, pinned by their SHA-256.

What has arrived once stays in scratch/downloads/ under its SHA-256, so that a change of code fetches nothing again.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError


def from_pypi(requirement: str, folder: Path, options: list[str], sha256: str) -> Path:
    """Returns the path of one file of a package, downloaded with pip unless it is here already; its SHA-256 is checked either way.

    folder : an empty one, for a file that is on its way
    """
    kept = paths.SCRATCH / "downloads" / sha256
    for path in kept.glob("[!.]*"):
        if files.sha256(path) == sha256:
            return path
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
    kept.mkdir(parents=True, exist_ok=True)
    beside = kept / f".{found[0].name}.tmp"
    shutil.copyfile(found[0], beside)
    return beside.replace(kept / found[0].name)
