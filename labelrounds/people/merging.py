"""Finish a merge of two branches: nothing that people typed is lost, and what the pipeline makes is made anew.

dvc.lock and the metrics are never merged line by line (.gitattributes): a file with lines of both sides fits neither. One side
is taken, then `dvc repro` runs what is stale. Rounds of two branches have two names, so git keeps both.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from labelrounds.core import conflicts, files, params, revisions
from labelrounds.core.errors import UserError
from labelrounds.core.params import source
from labelrounds.people import retire
from labelrounds.pool import reader, retired
from labelrounds.rounds import names

ANCESTOR, OURS, THEIRS = 1, 2, 3


def merge(branch: str | None, run: bool) -> None:
    """Merges `branch`, or goes on with the merge that is under way; `run` says whether stale stages run. It commits nothing."""
    if branch:
        begin(branch)
    elif not unmerged() and not under_way():
        raise UserError("no merge is under way. Name the branch to merge: labelrounds merge BRANCH.")
    left = [path for path, sides in unmerged().items() if not settle(path, sides)]
    if left:
        raise UserError(
            f"{len(left)} files hold what people decided on both sides: {', '.join(left)}. Open each, keep what shall stand there "
            "(of labels every line of both sides), remove the lines with the marks, then `git add` it and type `labelrounds merge`."
        )
    params.load()  # a file with marks may have been added all the same
    bring_data()
    withdraw()
    if not run:
        click.echo("Next: dvc repro; then `git add -A` and `git commit`.")
        return
    if subprocess.run([sys.executable, "-m", "dvc", "repro"], check=False).returncode:
        raise UserError("`dvc repro` failed, as it says above. Put that right, then type `labelrounds merge` again.")
    made = [path.as_posix() for path in conflicts.files() if conflicts.is_made(path)]
    revisions.git("add", "--", *made)
    click.echo(f"{'Next' if under_way() or branch is None else 'Merged'}: look at `git status` and `dvc metrics diff`, then `git commit`.")


def withdraw() -> None:
    """Takes out again what one branch withdrew for good and the other one labelled or kept."""
    settings = params.load()
    gone = retired.read()
    if gone and (gone & retire.known_ids(settings) or any(row.id in gone for row in reader.stream(settings.data.pool, settings.data.text_column))):
        retire.retire((), False, True, settings)
        revisions.git("add", "-u", "--", "data")


def under_way() -> bool:
    """Says whether git waits for the end of a merge, a rebase or a cherry-pick."""
    return any(revisions.git_path(name).exists() for name in ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD"))


def begin(branch: str) -> None:
    """Starts the merge, and stops it before its commit; where git refuses it a UserError."""
    if under_way():
        raise UserError("a merge is under way already. Type `labelrounds merge` to go on with it, or `git merge --abort`.")
    revisions.resolve(branch)
    done = revisions.git("merge", "--no-commit", branch)
    if done.returncode and not unmerged():
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise UserError(f"git does not merge {branch}: {said}")


def unmerged() -> dict[str, dict[int, str]]:
    """Returns {path: {1 ancestor, 2 ours, 3 theirs: blob}} of the files that git could not merge."""
    found: dict[str, dict[int, str]] = {}
    for entry in filter(None, revisions.git("ls-files", "--unmerged", "-z").stdout.decode("utf-8", "surrogateescape").split("\0")):
        about, path = entry.split("\t", 1)
        _, blob, side = about.split()
        found.setdefault(path, {})[int(side)] = blob
    return found


def settle(path: str, sides: dict[int, str]) -> bool:
    """Settles a file that git could not merge, if nothing of a person's can be lost; says whether it did."""
    if conflicts.is_made(path):
        mine = OURS if OURS in sides else THEIRS
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write(path, sides[mine])
        click.echo(f"{path}: made by the pipeline; {'our' if mine == OURS else 'their'} side is taken until it is made anew.")
    elif conflicts.is_labels(path) and sides.keys() == {OURS, THEIRS} and not gives_test_set(Path(path).stem):
        other = Path(path).with_name(f"{names.of_content(names.number(Path(path).stem), content(sides[THEIRS]).decode('utf-8'))}.csv")
        write(path, sides[OURS])
        write(other, sides[THEIRS])
        revisions.git("add", "--", other.as_posix())
        click.echo(f"{path}: both branches have a round of this name. Ours keeps it, theirs is {other}.")
    elif path.endswith(".dvc") and sides.keys() >= {OURS, THEIRS}:
        merged = (merged_folder(sides) if ANCESTOR in sides else None) or joined(path, sides)
        if merged is None:
            click.echo(f"{path}: both sides changed the same data. Bring the data of one side, add the other's files, then `dvc add` it.")
            return False
        with files.atomic(path, "wb") as file:
            file.write(merged)
        click.echo(f"{path}: what either branch added or withdrew is in it.")
    else:
        return False
    revisions.git("add", "--", path)
    return True


def gives_test_set(name: str) -> bool:
    """Says whether split.holdout_rounds names this round, or cannot be read now: which of two it means, only a person knows."""
    try:
        return name in source.read().value["split"]["holdout_rounds"]
    except (UserError, TypeError, KeyError):
        return True


def content(blob: str) -> bytes:
    return revisions.git("cat-file", "blob", blob).stdout


def write(path: str | Path, blob: str) -> None:
    with files.atomic(path, "wb") as file:
        file.write(content(blob))


def merged_folder(sides: dict[int, str]) -> bytes | None:
    """Returns the .dvc file of a folder with what both sides added to it, by DVC's own merge driver; None where that refuses."""
    with tempfile.TemporaryDirectory() as folder:
        places = {side: Path(folder) / str(side) for side in sides}
        for side, place in places.items():
            place.write_bytes(content(sides[side]))
        words = [word for flag, side in (("--ancestor", ANCESTOR), ("--our", OURS), ("--their", THEIRS)) for word in (flag, str(places[side]))]
        done = subprocess.run([sys.executable, "-m", "dvc", "git-hook", "merge-driver", *words], capture_output=True, check=False)
        return places[OURS].read_bytes() if done.returncode == 0 else None


def joined(path: str, sides: dict[int, str]) -> bytes | None:
    """Returns the .dvc file of what both sides changed, file by file: what one side added, changed or removed; None where both did.

    Of a file from which both withdrew texts ours is taken: `withdraw` then takes out what the other side withdrew.
    """
    here = Path(path).with_suffix("")
    write(path, sides[OURS])
    with tempfile.TemporaryDirectory() as folder:
        theirs, before = (Path(folder) / side / here.name for side in ("theirs", "before"))
        wanted = {theirs: ["rev-parse", "MERGE_HEAD"]} | ({before: ["merge-base", "HEAD", "MERGE_HEAD"]} if ANCESTOR in sides else {})
        commands = [["checkout", "-q", path]]
        for place, words in wanted.items():
            place.parent.mkdir()
            commands.append(["get", "-q", ".", here.as_posix(), "--rev", revisions.git(*words).stdout.decode().strip(), "-o", str(place)])
        for words in commands:
            if subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, check=False).returncode:
                return None
        for name in sorted({name for place in (here, theirs, before) for name in inside(place)}):
            our, their, old = (place / name for place in (here, theirs, before))
            if (one := digest(their)) in (digest(our), digest(old)):
                continue
            if digest(our) != digest(old):
                if not only_withdrawn(old, their):
                    return None
            elif one is None:
                our.unlink()
            else:
                our.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(their, our)
    done = subprocess.run([sys.executable, "-m", "dvc", "add", "-q", here.as_posix()], capture_output=True, check=False)
    return Path(path).read_bytes() if done.returncode == 0 else None


def inside(place: Path) -> list[str]:
    """Returns the files of a folder, relative to it; of a file an empty name, which is the file itself."""
    return [""] if place.is_file() else [file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()]


def digest(file: Path) -> str | None:
    return files.sha256(file) if file.is_file() else None


def only_withdrawn(before: Path, after: Path) -> bool:
    """Says whether a file of texts has lost withdrawn ones and has changed in nothing else."""
    if not (before.is_file() and after.is_file()):
        return False
    try:
        column = params.load().data.text_column
        old, new = ({row.id for row in reader.stream(file, column)} for file in (before, after))
    except UserError:  # params.yaml may hold conflict marks, too
        return False
    return new <= old and old - new <= retired.read()


def bring_data() -> None:
    """Brings the data of all .dvc files that the merge changed: `dvc repro` would otherwise record what lies here in their place."""
    listed = revisions.git("diff", "--name-only", "-z", "--relative", "HEAD", "--", "*.dvc").stdout.decode("utf-8").split("\0")
    listed += revisions.git("diff", "--name-only", "-z", "--relative", "ORIG_HEAD", "--", "*.dvc").stdout.decode("utf-8").split("\0")
    for path in sorted({path for path in listed if path and Path(path).is_file()}):
        for verb in ("checkout", "pull"):
            done = subprocess.run([sys.executable, "-m", "dvc", verb, "-q", path], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
        else:
            raise UserError(
                f"{path} has changed in the merge, and its data is not here: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else '?'} "
                "Ask for a `dvc push` on the other side, then type `labelrounds merge` again."
            )
