"""Fills build/wheelhouse/PLATFORM with our wheel and those of all packages it needs, for machines without a network.

`python -m scripts.wheelhouse [--platform win_amd64] [--python 3.12]`: by default for a machine like
this one. There: `pip install --no-index --find-links FOLDER imnm-fhir`.

Versions and hashes come from requirements.lock. pip judges the markers of packages by the machine it
runs on, so for another platform they are judged here, and pip only downloads.
"""

import argparse
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from scripts.build_wheel import REPOSITORY, build_wheel

# From the tag of a wheel to what the markers of packages ask for.
SYSTEMS = {
    "win": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
    "macosx": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "manylinux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
}
PROJECT = "imnm-fhir (pyproject.toml)"


@dataclass(frozen=True)
class Locked:
    """An entry of the lock: the package with its version and marker, its hashes, and what asks for it."""

    requirement: Requirement
    hashes: tuple[str, ...]
    via: frozenset[str]


def read_lock(path: Path) -> list[Locked]:
    """The entries of a lock that uv wrote with hashes and annotations."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", path.read_text("utf-8"))
    return [_read_entry(entry) for entry in entries if "==" in entry]


def _read_entry(entry: str) -> Locked:
    requirement = entry.split("\\\n")[0].strip()
    hashes = re.findall(r"--hash=(\S+)", entry)
    comments = re.findall(r"^ +# +(?:via )?(?!via$)(\S.*)$", entry, re.MULTILINE)
    return Locked(Requirement(requirement), tuple(hashes), frozenset(comments))


def needed_by_users(entries: list[Locked]) -> list[Locked]:
    """The entries that the package itself needs, in one step or in several; not those of developers."""
    names = {PROJECT}
    while True:
        found = {entry.requirement.name for entry in entries if entry.via & names}
        if found <= names:
            return [entry for entry in entries if entry.requirement.name in names]
        names |= found


def environment(platform: str, python: str) -> dict[str, str]:
    """The values that markers ask for on a platform such as `win_amd64` with Python `3.12`."""
    system = next((system for system in SYSTEMS if platform.startswith(system)), None)
    if system is None:
        sys.exit(
            f"{platform}: not a platform (win_amd64, manylinux_2_28_x86_64, macosx_14_0_arm64)"
        )
    machine = re.sub(r"^(win|macosx_\d+_\d+|manylinux\w*?_\d+_\d+|manylinux\d+)_", "", platform)
    return {
        **SYSTEMS[system],
        "platform_machine": {"amd64": "AMD64"}.get(machine, machine),
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def platform_tags(platform: str) -> list[str]:
    """The tags that wheels for `platform` may have; pip itself adds older ones for macOS only."""
    linux = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", platform)
    if linux is None:
        return [platform]
    newest, machine = int(linux[1]), linux[2]
    numbered = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 4, -1)]
    return [*numbered, f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"linux_{machine}"]


def this_platform() -> str:
    """The platform of the running Python, for Linux with the oldest C library that is in use."""
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return platform.replace("linux_", "manylinux_2_28_", 1)


def requirements(entries: list[Locked], platform: str, python: str) -> str:
    """What a machine of that kind needs, as a requirements file with hashes and without markers."""
    values = environment(platform, python)
    lines = [f"# {platform}, Python {python}"]
    for entry in entries:
        wanted = entry.requirement
        if wanted.marker is None or wanted.marker.evaluate(values):
            hashes = " ".join(f"--hash={digest}" for digest in entry.hashes)
            lines.append(f"{wanted.name}{wanted.specifier} {hashes}")
    return "\n".join(lines) + "\n"


def download(listed: Path, platform: str, python: str, folder: Path) -> None:
    """Download the wheels that the file `listed` names into `folder`, without resolving anything."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--python-version", python, "--dest", str(folder), "--requirement", str(listed)]
    command += [part for tag in platform_tags(platform) for part in ("--platform", tag)]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"the wheels for {platform} with Python {python} could not be downloaded")


def fill(folder: Path, platform: str, python: str) -> Path:
    """Our wheel, in `folder` with all wheels it needs; they are downloaded unless they are there.

    requirements.txt in the folder says what was downloaded, and is written last.
    """
    entries = needed_by_users(read_lock(REPOSITORY / "requirements.lock"))
    wanted, done = requirements(entries, platform, python), folder / "requirements.txt"
    if not done.exists() or done.read_text("utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        unfinished = folder / "requirements.unfinished.txt"
        unfinished.write_text(wanted, "utf-8")
        download(unfinished, platform, python, folder)
        unfinished.rename(done)
    return build_wheel(folder)


def main() -> None:
    """Fill the folder and print the command that installs from it."""
    parser = argparse.ArgumentParser(description="Fill build/wheelhouse/PLATFORM.")
    parser.add_argument("--platform", default="", help="tag of the wheels, such as win_amd64")
    parser.add_argument("--python", default="", help="version of Python, such as 3.12")
    options = parser.parse_args()
    platform = options.platform or this_platform()
    python = options.python or f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder = REPOSITORY / "build" / "wheelhouse" / platform
    fill(folder, platform, python)
    print(f"pip install --no-index --find-links {folder.relative_to(REPOSITORY)} imnm-fhir")


if __name__ == "__main__":
    main()
