"""What DVC tracks: a file or folder of data that no stage makes."""

import subprocess
import sys
from pathlib import Path

from labelrounds.core.errors import UserError


def pointer(path: str | Path) -> Path:
    """Returns the file in git by which DVC tracks a file or folder: data/pool.csv.dvc."""
    return Path(f"{path}.dvc")


def track(path: str | Path) -> bool:
    """Has DVC track what is there now; says whether it does: not in a project without DVC. What DVC refuses is a UserError."""
    if not Path(".dvc").is_dir():
        return False
    done = subprocess.run([sys.executable, "-m", "dvc", "add", "-q", str(path)], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise UserError(f"{path} is in place, but DVC could not track it: {reason}. Run `dvc add {path}`.")
    return True
