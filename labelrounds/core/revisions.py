"""Files of the project as they were at a revision of git; the revision None is the working tree."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from labelrounds.core.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Commit:
    """A commit: its whole hash, and the short one that people read."""

    hash: str
    short: str


def resolve(revision: str) -> Commit:
    """Returns the commit that a branch, a tag or a hash names; an unknown one is a UserError."""
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found is None:
        names = (_git("for-each-ref", "--format=%(refname:short)") or "").split()
        raise UserError(
            f'git knows no revision "{revision}".{did_you_mean(revision, names)} '
            "Name a branch, a tag or a commit; `git log --oneline` lists commits, `git fetch` brings those of others. " + what_a_shallow_clone_lacks()
        )
    return Commit(found.strip(), (_git("rev-parse", "--short", found.strip()) or "").strip())


def commits(*paths: str) -> list[Commit]:
    """Returns the commits that changed any of `paths`, newest first; none in a repository without commits."""
    if _git("rev-parse", "--verify", "--quiet", "HEAD") is None:
        return []
    listed = _git("log", "--topo-order", "--format=%H %h", "--", *paths) or ""
    return [Commit(*line.split()) for line in listed.splitlines()]


def is_older(one: Commit | None, other: Commit | None) -> bool:
    """Says whether `one` is in the past of `other`; every commit is in that of the working tree."""
    if one is None or one == other:
        return False
    return other is None or _git("merge-base", "--is-ancestor", one.hash, other.hash) is not None


def read(commit: Commit | None, path: str) -> str | None:
    """Returns a file's text at a commit or in the working tree; None where it is not there."""
    if commit is not None:
        return _git("show", f"{commit.hash}:./{path}")
    file = Path(path)
    return file.read_bytes().decode("utf-8-sig", "replace") if file.is_file() else None  # line ends as they are, as from git


def files(commit: Commit | None, folder: str) -> list[str]:
    """Returns the paths of all files under `folder` at a commit or in the working tree, sorted."""
    if commit is None:
        return sorted(path.as_posix() for path in Path(folder).rglob("*") if path.is_file())
    listed = _git("ls-tree", "-r", "-z", "--name-only", commit.hash, f"./{folder}/") or ""
    return sorted(filter(None, listed.split("\0")))


def is_shallow() -> bool:
    """Says whether this clone lacks older commits (`git clone --depth`)."""
    return (_git("rev-parse", "--is-shallow-repository") or "").strip() == "true"


def what_a_shallow_clone_lacks() -> str:
    """Returns a sentence about the commits that this clone lacks, or an empty string if it is whole."""
    return "This clone is shallow: older commits are not here. `git fetch --unshallow` brings them." if is_shallow() else ""


def git_path(name: str) -> Path:
    """Returns where git keeps a file of its own, such as MERGE_HEAD; in a linked worktree that is not .git."""
    return Path((_git("rev-parse", "--git-path", name) or f".git/{name}").strip())


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a git command and returns what it said; without git or a repository a UserError."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not installed here, or not on the path. Install it, then run the same command again.") from None
    said = done.stderr.decode("utf-8", "replace")
    if "not a git repository" in said:
        raise UserError(f"{Path.cwd()} is in no git repository, so there is no past to read. Type `git init`, then commit after every round.")
    if "dubious ownership" in said:
        raise UserError(f"git refuses to read this repository: {said.strip().splitlines()[0]}")
    return done


def _git(*arguments: str) -> str | None:
    """Returns what a git command prints, or None where it fails."""
    done = git(*arguments)
    return done.stdout.decode("utf-8-sig", "replace") if done.returncode == 0 else None
