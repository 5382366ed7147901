"""A hospital's machine without a network: the wheelhouse installs there and the demo runs.

The installation happens in a network namespace without interfaces, with a read-only home, in a folder
with a space and an umlaut, by a Python that sees nothing of this checkout.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.wheelhouse import fill, this_platform

ALONE = 'mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME" && exec "$@"'


@dataclass(frozen=True)
class Machine:
    """A folder to work in, and the words before a command that cut it off from network and home."""

    folder: Path
    prefix: tuple[str, ...]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """The command, run on this machine with next to no environment."""
        surroundings = {
            "PATH": os.defpath,
            "HOME": str(self.folder.parent / "home"),
            "TMPDIR": str(self.folder.parent / "tmp"),
            "LANG": "C.UTF-8",
        }
        return subprocess.run(
            [*self.prefix, *command],
            cwd=self.folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Python code, run on this machine."""
        return self.run(sys.executable, "-c", code)


def isolation() -> tuple[str, ...]:
    """The words before a command that take network and home away; they need root or user namespaces."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    return ("unshare", "--net", "--mount", *user, "sh", "-c", ALONE, "sh")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    top = tmp_path_factory.mktemp("offline")
    folder = top / "Universitätsklinik Süd"
    for made in (folder, top / "home", top / "tmp"):
        made.mkdir()
    yield Machine(folder, isolation())
    shutil.rmtree(top)  # an environment takes most of a gigabyte


@pytest.fixture(scope="module")
def installed(machine: Machine, repository: Path) -> Path:
    """The folder of the commands of an environment into which the wheelhouse was installed."""
    platform, python = this_platform(), f"{sys.version_info[0]}.{sys.version_info[1]}"
    wheelhouse = repository / "build" / "wheelhouse" / platform
    fill(wheelhouse, platform, python)
    made = machine.run(sys.executable, "-m", "venv", "environment")
    assert made.returncode == 0, made.stderr
    commands = machine.folder / "environment" / "bin"
    options = ("--no-index", "--only-binary", ":all:", "--find-links", str(wheelhouse))
    done = machine.run(str(commands / "python"), "-m", "pip", "install", *options, "imnm-fhir")
    assert done.returncode == 0, done.stderr
    return commands


def test_machine_has_no_network_and_a_read_only_home(machine: Machine) -> None:
    """Otherwise the tests below would show nothing."""
    interfaces = machine.python("import socket; print([name for _, name in socket.if_nameindex()])")
    assert interfaces.stdout in ("['lo']\n", "[]\n"), interfaces.stderr
    call = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    assert "Network is unreachable" in machine.python(call).stderr
    write = "from pathlib import Path; (Path.home() / 'x').write_text('x')"
    assert "Read-only file system" in machine.python(write).stderr


def test_help_answers(machine: Machine, installed: Path) -> None:
    answer = machine.run(str(installed / "imnm-fhir"), "--help")
    assert answer.returncode == 0, answer.stderr
    assert "harmonise" in answer.stdout


def test_package_is_the_installed_one(machine: Machine, installed: Path) -> None:
    where = machine.run(
        str(installed / "python"), "-c", "import imnm_fhir; print(imnm_fhir.__file__)"
    )
    assert Path(where.stdout.strip()).is_relative_to(machine.folder), where.stderr


def test_demo_runs_to_table_1(machine: Machine, installed: Path) -> None:
    shown = machine.run(str(installed / "imnm-fhir"), "demo", "demo")
    assert shown.returncode == 0, shown.stderr
    assert "Table 1" in shown.stdout
    assert any((machine.folder / "demo").iterdir())
