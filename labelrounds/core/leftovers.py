"""What killed processes have left half-written: files and folders under the names that `files.beside` gives."""

import contextlib
import os
import re
import shutil
from pathlib import Path

from labelrounds.core import files

LEFT_OVER = re.compile(r"\..+\.(\d+)-([0-9a-f]{8})\.\w+\.(?:tmp|made|new|old)")


def left_over(folder: Path, depth: int = 0) -> list[Path]:
    """Returns what processes of this machine that are gone have left half-written in `folder`, and so many folders down."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        named = LEFT_OVER.fullmatch(path.name)
        if named and named[2] == files.process_mark().partition("-")[2] and not _may_write(int(named[1]), path):
            found.append(path)
        elif depth and path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            found += left_over(path, depth - 1)
    return found


def sweep(*folders: Path, depth: int = 0) -> list[Path]:
    """Removes what killed processes have left half-written and returns it; what cannot be removed stays."""
    found = [path for folder in folders for path in left_over(folder, depth)]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    return found


def running(pid: int) -> bool:
    """Says whether there is a process with this id on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # another user's
    return True


def _may_write(pid: int, path: Path) -> bool:
    """Says whether the process with this id may still write `path`. One that began after its last change has only got the same number."""
    if not running(pid):
        return False
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19])
        boot = next(int(line.split()[1]) for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines() if line.startswith("btime"))
        return boot + ticks / os.sysconf("SC_CLK_TCK") <= path.stat().st_mtime + 2  # the second of the boot is rounded
    except (OSError, ValueError, IndexError, StopIteration):
        return True  # no Linux, or gone a moment ago
