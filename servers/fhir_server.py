"""Starts and stops a HAPI FHIR R4 server on this machine. `python -m servers.fhir_server` serves until Ctrl-C."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from servers.java import JavaError, Program, java_command

HAPI = Program("hapi", "FhirServer", rehearsal=("0",))
Setting = str | int | bool
START_SECONDS = 180


@dataclass
class FhirServer:
    """A running server: `url` is its base address, without a slash at the end."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """End the server and wait for it; a second call does nothing."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the server as a crash would."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def start_fhir_server(log: Path, **settings: Setting) -> FhirServer:
    """A running FHIR server on a free port of the loopback interface, empty and in memory.

    `log` takes what the server prints; `settings` are those of servers/README.md. Raises `JavaError`
    where it does not answer within `START_SECONDS`.
    """
    properties = [f"-Dfhir.{name}={_text(value)}" for name, value in settings.items()]
    command = java_command(HAPI, ["0"], properties)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
        )
    server = FhirServer("", process, log)
    try:
        server.url = _wait_until_ready(server)
    except BaseException:
        server.kill()
        raise
    return server


def _text(value: Setting) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wait_until_ready(server: FhirServer) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        ended = server.process.poll() is not None
        lines = server.log.read_text("utf-8", "replace").splitlines(keepends=True)
        for line in lines:
            if line.startswith("READY ") and line.endswith("\n"):
                return line.split()[1]
        if ended:
            raise JavaError(f"the FHIR server ended while starting:\n{''.join(lines[-20:])}")
        time.sleep(0.1)
    raise JavaError(
        f"the FHIR server did not answer within {START_SECONDS} seconds; see {server.log}"
    )


def main() -> None:
    """Serve until Ctrl-C or the end of the process; the address goes to standard output."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            server = start_fhir_server(Path(folder) / "server.log")
        except JavaError as error:
            sys.exit(str(error))
        print(server.url, flush=True)
        print("FHIR R4, in memory; Ctrl-C stops it", file=sys.stderr, flush=True)
        try:
            server.process.wait()
            print(server.log.read_text("utf-8", "replace")[-2000:], file=sys.stderr)
        finally:
            server.stop()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
