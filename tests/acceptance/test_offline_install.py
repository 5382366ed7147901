"""A hospital's machine without a network: the wheelhouse installs there and the demo runs.

The installation happens in a network namespace without interfaces, with a read-only home, in a folder
with a space and an umlaut, by a Python that sees nothing of this checkout.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts.wheelhouse import fill, this_platform

READ_ONLY_HOME = 'mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME" && exec "$@"'
# What the kernel does not forbid to us it may forbid here, where Python itself refuses to be let out.
WATCH = """
import errno, os, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    if event == "os.mkdir" or (event == "open" and arguments[2] and arguments[2] & writes):
        if str(arguments[0]).startswith(os.environ["HOME"] + os.sep):
            raise OSError(errno.EROFS, "Read-only file system")

sys.addaudithook(refuse)
"""


@dataclass(frozen=True)
class Machine:
    """A folder to work in, the words before a command that cut it off, and its whole environment."""

    folder: Path
    prefix: tuple[str, ...]
    surroundings: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """The command, run on this machine."""
        return subprocess.run(
            [*self.prefix, *command],
            cwd=self.folder,
            env=self.surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )


def cut_off(machine: Machine) -> Machine:
    """The machine without network and with a read-only home.

    By namespaces of the kernel, which need root or user namespaces; else by a hook in each Python,
    which does not see what compiled code does.
    """
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    prefix = ("unshare", "--net", "--mount", *user, "sh", "-c", READ_ONLY_HOME, "sh")
    cut = replace(machine, prefix=prefix)
    if shutil.which("unshare") and cut.run("true").returncode == 0:
        return cut
    watch = machine.folder.parent / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH, "utf-8")
    return replace(machine, surroundings={**machine.surroundings, "PYTHONPATH": str(watch)})


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    top = tmp_path_factory.mktemp("offline")
    folder = top / "Universitätsklinik Süd"
    for made in (folder, top / "home", top / "tmp"):
        made.mkdir()
    surroundings = {
        "PATH": os.defpath,
        "HOME": str(top / "home"),
        "TMPDIR": str(top / "tmp"),
        "LANG": "C.UTF-8",
    }
    yield cut_off(Machine(folder, (), surroundings))
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
    call = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    assert "Network is unreachable" in machine.run(sys.executable, "-c", call).stderr
    write = "from pathlib import Path; (Path.home() / 'x').write_text('x')"
    assert "Read-only file system" in machine.run(sys.executable, "-c", write).stderr


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
