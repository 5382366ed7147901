"""Builds the wheel from the files of the checkout: `build_wheel.py FOLDER`.

A copy of the files that git knows or would add is built, outside the checkout: what an earlier build
left behind cannot slip into the wheel, and nothing is left in the checkout.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def project_files() -> list[str]:
    """The files of the checkout, relative to it, without those that git ignores or that were deleted."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout
    names = {name for name in listed.decode("utf-8").split("\0") if name}
    return sorted(name for name in names if (REPOSITORY / name).exists())


def copy_project(target: Path) -> None:
    """Copy the files of the checkout into `target`; links stay links."""
    for name in project_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target / name, follow_symlinks=False)


def build_wheel(folder: Path) -> Path:
    """The wheel, newly built into `folder`, where it replaces older ones; needs no network."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("imnm_fhir-*.whl"):
        old.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        copy_project(Path(scratch))
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
        done = subprocess.run(
            [*command, str(folder.resolve()), scratch],
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        raise RuntimeError(f"the wheel could not be built:\n{done.stdout[-3000:]}")
    (wheel,) = folder.glob("imnm_fhir-*.whl")
    return wheel


if __name__ == "__main__":
    print(build_wheel(Path(sys.argv[1])))
