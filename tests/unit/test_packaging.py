"""What is installed is what is in the repository, under one name, from a lock that names no host."""

import os
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.build_wheel import build_wheel, project_files
from scripts.wheelhouse import (
    Locked,
    environment,
    needed_by_users,
    platform_tags,
    read_lock,
    requirements,
)

INSTALLED = ("imnm_fhir", "cli", "mappings", "expectations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def locked(repository: Path) -> list[Locked]:
    return read_lock(repository / "requirements.lock")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, list[str]]:
    """The requirements of users and of developers as pyproject.toml states them."""
    declared = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))
    return {"users": declared["project"]["dependencies"], **declared["dependency-groups"]}


def installed_path(name: str) -> str:
    """Where a file of the repository stands in the wheel."""
    return name if name.startswith("imnm_fhir/") else f"imnm_fhir/{name}"


def test_every_file_is_in_the_wheel(wheel: zipfile.ZipFile, repository: Path) -> None:
    """A data file whose suffix pyproject.toml does not list would be lost in silence."""
    expected = {
        installed_path(name): (repository / name).read_bytes()
        for name in project_files()
        if name.split("/")[0] in INSTALLED
        and not Path(name).name.startswith(".")
        and not (repository / name).is_symlink()
    }
    packed = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    assert sorted(expected.keys() - packed.keys()) == [], "missing in the wheel"
    assert sorted(packed.keys() - expected.keys()) == [], "in the wheel, not in the repository"
    assert [name for name in expected if expected[name] != packed[name]] == []


def test_wheel_adds_one_name(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"imnm_fhir"}


def test_wheel_carries_licence_and_notice(wheel: zipfile.ZipFile) -> None:
    licences = {Path(name).name for name in wheel.namelist() if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}


def test_wheel_is_for_every_machine(wheel: zipfile.ZipFile) -> None:
    assert str(wheel.filename).endswith("-py3-none-any.whl")


def test_locks_name_no_host_and_hash_everything(repository: Path) -> None:
    locks = [repository / "requirements.lock", *(repository / "benchmarks/locks").glob("*.lock")]
    assert len(locks) == 4
    for lock in locks:
        text = re.sub(r"--hash=sha256:\w+", "", lock.read_text("utf-8"))
        assert not re.search(r"://|^--|index", text, re.MULTILINE), lock
        assert [str(entry.requirement) for entry in read_lock(lock) if not entry.hashes] == []


def test_lock_holds_what_the_project_asks_for(
    locked: list[Locked], project: dict[str, list[str]]
) -> None:
    for line in (line for group in project.values() for line in group):
        wanted = Requirement(line)
        found = [e for e in locked if e.requirement.name == canonicalize_name(wanted.name)]
        assert found, f"{line} is not in requirements.lock; type: make lock"
        for entry in found:
            (pin,) = entry.requirement.specifier
            assert wanted.specifier.contains(pin.version), f"{line}: type make lock"


def test_wheelhouse_holds_what_users_need_and_no_more(
    locked: list[Locked], project: dict[str, list[str]]
) -> None:
    names = {entry.requirement.name for entry in needed_by_users(locked)}
    assert {canonicalize_name(Requirement(line).name) for line in project["users"]} <= names
    assert "numpy" in names  # asked for by pandas only
    assert not names & {"pytest", "ruff", "mypy", "build", "hypothesis"}


def test_wheelhouse_is_for_the_platform_that_was_asked_for(locked: list[Locked]) -> None:
    needed = needed_by_users(locked)
    assert "colorama==" in requirements(needed, "win_amd64", "3.11")
    assert "colorama==" not in requirements(needed, "macosx_14_0_arm64", "3.11")
    old, new = (
        re.findall("^numpy==.*? ", requirements(needed, "win_amd64", python), re.MULTILINE)
        for python in ("3.11", "3.13")
    )
    assert len(old) == len(new) == 1
    assert ";" not in requirements(needed, "manylinux_2_28_x86_64", "3.12")


@pytest.mark.parametrize(
    ("platform", "machine"),
    [
        ("win_amd64", "AMD64"),
        ("win_arm64", "arm64"),
        ("macosx_14_0_arm64", "arm64"),
        ("manylinux_2_28_x86_64", "x86_64"),
        ("manylinux_2_28_aarch64", "aarch64"),
    ],
)
def test_machine_is_read_from_the_platform(platform: str, machine: str) -> None:
    assert environment(platform, "3.12")["platform_machine"] == machine


def test_older_linux_tags_are_taken_too() -> None:
    tags = platform_tags("manylinux_2_28_x86_64")
    assert tags[0] == "manylinux_2_28_x86_64"
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64"} <= set(tags)


def test_commit_hooks_call_what_the_environment_has(repository: Path) -> None:
    hooks = (repository / ".pre-commit-config.yaml").read_text("utf-8")
    programs = re.findall(r"entry: (\S+)", hooks)
    assert len(programs) == 3
    assert [p for p in programs if not p.startswith(".venv/bin/") or "://" in hooks] == []


def test_make_asks_for_programs_that_exist(repository: Path) -> None:
    """Each file that the Makefile calls is there, so that no target is a dead end."""
    makefile = (repository / "Makefile").read_text("utf-8")
    called = set(re.findall(r"\b(?:scripts|docs|benchmarks)/\w+\.(?:py|sh)\b", makefile))
    modules = re.findall(r"-m ((?:servers|scripts)\.\w+)", makefile)
    called |= {module.replace(".", "/") + ".py" for module in modules}
    assert sorted(name for name in called if not (repository / name).is_file()) == []
    assert shutil.which("sh") and os.access(repository / ".ci" / "run", os.X_OK)
