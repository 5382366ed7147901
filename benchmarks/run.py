"""Measure speed and memory and print one table; `make bench`, or `python benchmarks/run.py --help`."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.comparisons import ROWS, UP_TO
from benchmarks.data import FOLDER, ROOT, Data, make
from benchmarks.environments import PYRATE, own_environment
from benchmarks.table import write_page

SIZES = (2_000, 20_000, 100_000)
REPETITIONS = {2_000: 5, 20_000: 5, 100_000: 3}

Results = dict[str, list[dict[str, float]]]


def main() -> None:
    """Measure what the arguments say, print the table, write it into docs/benchmarks.md."""
    arguments = _arguments()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if "read_pyrate" in arguments.only:
        own_environment(PYRATE)
    for patients in arguments.patients:
        data = Data(patients)
        _say(f"{patients} patients: making the data")
        make(data)
        times = arguments.repetitions or REPETITIONS.get(patients, 3)
        measure(data, arguments.only, times)
    print(write_page(ROOT / "docs" / "benchmarks.md" if arguments.write else None))


def _arguments() -> argparse.Namespace:
    pieces = [row.piece for row in ROWS]
    parser = argparse.ArgumentParser(description="Measure speed and memory; prints one table.")
    parser.add_argument("--patients", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--repetitions", type=int, help="default: 5, 5, 3 by size")
    parser.add_argument("--only", nargs="+", choices=pieces, default=pieces, metavar="PIECE")
    parser.add_argument(
        "--no-write", dest="write", action="store_false", help="leave docs/benchmarks.md as it is"
    )
    return parser.parse_args()


def measure(data: Data, only: list[str], repetitions: int) -> Results:
    """Every piece in turn, as often as said, each time in a process of its own.

    A piece that fails is left out from then on, and said; what was measured is kept.
    """
    found: Results = {}
    chosen = [
        row.piece
        for row in ROWS
        if row.piece in only and data.patients <= UP_TO.get(row.piece, data.patients)
    ]
    for repetition in range(repetitions):
        for piece in list(chosen):
            place = f"{data.patients} patients, {repetition + 1}/{repetitions}, {piece}"
            try:
                result = _one(piece, data.patients)
            except subprocess.CalledProcessError as error:
                _say(f"{place}: failed ({error.returncode})")
                chosen.remove(piece)
                continue
            found.setdefault(piece, []).append(result)
            _say(f"{place}: {result['count'] / result['seconds']:,.0f}/s")
        (FOLDER / f"results-{data.patients}.json").write_text(json.dumps(found, indent=1))
    return found


def _one(piece: str, patients: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.measure", piece, str(patients)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _say(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
