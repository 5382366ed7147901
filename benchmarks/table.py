"""The table of results, for the terminal and for docs/benchmarks.md."""

import json
import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.comparisons import GROUPS, Row, Target
from benchmarks.data import FOLDER, Data, versions
from benchmarks.environments import PYRATE, pinned

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
HEADER = "| | resources/s | seconds | processor s | memory, MB | beside | target |"

Results = dict[str, list[dict[str, float]]]


def write_page(page: Path | None) -> str:
    """The table of the results on disk, one part per size; put between the marks of a page."""
    sizes = sorted(int(path.stem.split("-")[1]) for path in FOLDER.glob("results-*.json"))
    text = "\n\n".join([_machine(), *(_part(size, size == sizes[-1]) for size in sizes)])
    if page and page.exists():
        before, _, rest = page.read_text("utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")
    return text


def _machine() -> str:
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    today = datetime.now(UTC).date().isoformat()
    return (
        f"{today}; {platform.system()} on {platform.machine()}, {_processor()}, {os.cpu_count()} "
        f"processors, {memory:.0f} GB, load {os.getloadavg()[1]:.1f} at the end; {named}, {pinned(PYRATE)}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _part(patients: int, largest: bool) -> str:
    results: Results = json.loads((FOLDER / f"results-{patients}.json").read_text("utf-8"))
    counts = Data(patients).counts
    each = counts["bytes"] / counts["ndjson"]
    repetitions = max(len(found) for found in results.values())
    title = (
        f"### {patients:,} patients\n\n{counts['ndjson']:,} resources of {each:,.0f} bytes, "
        f"{counts['bytes'] / 1e6:,.0f} MB; {_repeated(repetitions)}."
    )
    lines = [HEADER, "|---|--:|--:|--:|--:|---|---|"]
    for group, rows in GROUPS.items():
        shown = [_line(row, results, largest) for row in rows if row.piece in results]
        lines += [f"| *{group}* | | | | | | |", *shown] if shown else []
    return f"{title}\n\n" + "\n".join(lines)


def _repeated(times: int) -> str:
    return "measured once" if times == 1 else f"medians of {times} repetitions"


def _line(row: Row, results: Results, largest: bool) -> str:
    found = results[row.piece]
    rate = statistics.median(each["count"] / each["seconds"] for each in found)
    seconds = [each["seconds"] for each in found]
    spread = f"{statistics.median(seconds):,.2f} ({min(seconds):,.2f} to {max(seconds):,.2f})"
    processor = statistics.median(each["processor"] for each in found)
    memory = statistics.median(each["memory"] for each in found)
    beside, target = _compared(row, results)
    if largest and row.memory:
        met = "met" if memory <= row.memory else "**missed**"
        target = [*target, f"memory at most {row.memory} MB: {met}"]
    cells = (row.what, f"{rate:,.0f}", spread, f"{processor:,.2f}", f"{memory:,.0f}")
    return f"| {' | '.join(cells)} | {'; '.join(beside)} | {'; '.join(target)} |"


def _compared(row: Row, results: Results) -> tuple[list[str], list[str]]:
    """How the piece stands to others, and whether that is enough."""
    beside, targets = [], []
    for target in row.targets:
        if target.beside not in results:
            continue
        mine, other = results[row.piece], results[target.beside]
        times, work = _times(mine, other, "seconds"), _times(mine, other, "processor")
        beside.append(
            f"{_share(target, times)} {NAMES[target.beside]} (work {_share(target, work)})"
        )
        if target.times is not None:
            met = "met" if times >= target.times else "**missed**"
            least = f"{target.times:.0%}" if target.times < 1 else f"{target.times:g}x"
            targets.append(f"{least}: {met}")
    return beside, targets


def _share(target: Target, times: float) -> str:
    """A share of the limit as per cent, all else as a multiple."""
    if target.times is not None and target.times < 1:
        return f"{times:.0%}"
    return f"{times:,.2f}x" if times < 1 else f"{times:,.1f}x" if times < 10 else f"{times:,.0f}x"


def _times(mine: list[dict[str, float]], other: list[dict[str, float]], of: str) -> float:
    """The median of the speed of one beside the other, repetition by repetition, by `of` a second."""
    pairs = zip(mine, other, strict=False)
    return statistics.median((a["count"] / a[of]) / (b["count"] / b[of]) for a, b in pairs)


NAMES = {
    "write_limit": "of the bytes alone",
    "write_loop": "the loop",
    "validate_models": "fhir.resources",
    "read_loop": "the loop",
    "read_loop_as_server": "the loop",
    "read_pyrate": "fhir-pyrate",
    "harmonise_pandas": "pandas",
    "validate_pandas": "pandas",
}
