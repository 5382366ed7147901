"""Builds the Java programs of this folder once per machine and says how they are run."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALL = "apt-get install openjdk-17-jdk-headless maven"
# Short-lived programs: a plain garbage collector and the first compiler only start fastest. Warnings
# of the class archive go nowhere, as standard output carries results.
OPTIONS = (
    "-Xmx1g",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dfile.encoding=UTF-8",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
)


class JavaError(RuntimeError):
    """A Java program cannot be built or run here; the message says what to do."""


@dataclass(frozen=True)
class Program:
    """A Maven project of this folder, its main class, and arguments of a run that ends by itself.

    That run is done once after the build: it writes an archive of the loaded classes, and each later
    start takes about a third less time.
    """

    project: str
    main: str
    rehearsal: tuple[str, ...]


def java_command(program: Program, arguments: list[str], properties: list[str]) -> list[str]:
    """The command line that runs `program`, which is built first where it must be."""
    archive = build(program) / "classes.jsa"
    return _command(
        archive.parent, f"-XX:SharedArchiveFile={archive}", program, arguments, properties
    )


def build(program: Program) -> Path:
    """The folder with the built program: program.jar, lib/ and classes.jsa.

    It is kept in the user's cache under the hash of the project's files and of the Java version, so
    only the first call on a machine takes time (and the network). Raises `JavaError` without a JDK
    17 or Maven, and when the build fails.
    """
    java = find_java()
    source = HERE / program.project
    cache = cache_folder()
    target = cache / f"{program.project}-{_digest(source, java)}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        if not target.is_dir():  # another process may have built it meanwhile
            print(f"building servers/{program.project} into {target}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                project = shutil.copytree(source, Path(scratch) / "project")
                _package(project)
                (project / "target").rename(target)
            _rehearse(target, program)
    return target


def find_java() -> str:
    """The path of a java of version 17 or newer; raises `JavaError` where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        raise JavaError(f"no java found; type: {INSTALL}")
    version = re.search(r'version "(\d+)', _java_version(java))
    if version is None or int(version[1]) < 17:
        raise JavaError(f"{java} is older than Java 17; type: {INSTALL}")
    return java


def cache_folder() -> Path:
    """Where built programs are kept: $IMNM_FHIR_CACHE, or imnm-fhir in the user's cache folder."""
    own = os.environ.get("IMNM_FHIR_CACHE")
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(user) / "imnm-fhir"


def _command(
    folder: Path, archive: str, program: Program, arguments: list[str], properties: list[str]
) -> list[str]:
    # Each jar by name and sorted: the class archive holds only for the very same class path.
    jars = [folder / "program.jar", *sorted((folder / "lib").glob("*.jar"))]
    class_path = os.pathsep.join(map(str, jars))
    options = [*OPTIONS, archive, *properties, "-cp", class_path]
    return [find_java(), *options, program.main, *arguments]


def _package(project: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise JavaError(f"no mvn (Maven) found; type: {INSTALL}")
    retries = "-Dmaven.wagon.http.retryHandler.count=5"
    command = [maven, "-B", "-ntp", "-q", "-Dstyle.color=never", retries, "package"]
    done = subprocess.run(
        command,
        cwd=project,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        raise JavaError(f"Maven could not build servers/{project}:\n{done.stdout[-3000:]}")


def _rehearse(folder: Path, program: Program) -> None:
    """Write classes.jsa; without it programs run all the same, so a failure is only said."""
    archive = f"-XX:ArchiveClassesAtExit={folder / 'classes.jsa'}"
    command = _command(folder, archive, program, list(program.rehearsal), [])
    done = subprocess.run(
        command, cwd=HERE / program.project, stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode != 0:
        print(
            f"servers/{program.project}: no class archive, starts will be slower", file=sys.stderr
        )


def _digest(source: Path, java: str) -> str:
    digest = hashlib.sha256(_java_version(java).encode())
    for path in sorted(source.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _java_version(java: str) -> str:
    return subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file: two processes never share Maven's repository while it downloads."""
    with path.open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
