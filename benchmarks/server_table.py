"""What was measured with a server, for the terminal and for docs/benchmarks.md."""

import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import CLIENTS, SMALL

BEGIN, END = "<!-- servers: begin -->", "<!-- servers: end -->"
QUIET = 1.0  # a load above this, and the machine did other work
Results = Mapping[str, Any]


def write_page(results: Results, page: Path | None) -> str:
    """The tables of one run; put between the marks of a page."""
    parts: dict[str, Callable[[Results], Iterator[str]]] = {
        "export": _export,
        "import": _import,
        "command": _command,
    }
    lines = [line for name in parts if name in results for line in parts[name](results[name])]
    table = ["| | measured | target |", "|---|---|---|", *lines]
    pieces = [_machine(results), *(["\n".join(table)] if lines else [])]
    for name, told in {"counting": _counting, "clients": _clients, "faults": _faults}.items():
        pieces += [told(results[name])] if name in results else []
    text = "\n\n".join(pieces)
    if page:
        before, _, rest = page.read_text("utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")
    return text


def _machine(results: Results) -> str:
    least, most = results["load"]
    busy = (
        " (**a busy machine**: other work shared it)"
        if most > QUIET + results["processors"]
        else ""
    )
    return (
        f"{results['date']}; {results['processors']} processors, load {least} to {most}{busy}; HAPI in memory on "
        "the same machine; Bundles of 100, 2 connections."
    )


def _line(what: str, measured: str, target: str, met: bool) -> str:
    return f"| {what} | {measured} | {target}: {'met' if met else '**missed**'} |"


def _spread(values: list[float], form: str) -> str:
    middle, least, most = (format(f(values), form) for f in (statistics.median, min, max))
    return f"{middle} ({least} to {most})"


def _export(found: Results) -> Iterator[str]:
    rounds = found["rounds"]
    shares = [each["bare"] / each["export"] for each in rounds]
    rate = statistics.median(found["resources"] / each["export"] for each in rounds)
    measured = f"{_spread(shares, '.0%')}; {rate:,.0f} resources/s"
    what = f"export of {found['resources']:,} resources, of a bare loop of prepared Bundles"
    yield _line(what, measured, "90%", statistics.median(shares) >= 0.9)
    times = [each["export"] / each["unchanged"] for each in rounds]
    measured = f"{_spread(times, ',.0f')} times faster"
    yield _line("the same again, unchanged", measured, "20", statistics.median(times) >= 20)


def _import(found: Results) -> Iterator[str]:
    pieces = {
        "import by search, of a bare download": ("bare pages", "search"),
        "import by `$export`, kick-off to files": ("bare export", "export"),
        "its files alone": ("bare files", "files"),
    }
    for what, (bare, ours) in pieces.items():
        shares = [each[bare] / each[ours] for each in found["rounds"]]
        yield _line(what, _spread(shares, ".0%"), "80%", statistics.median(shares) >= 0.8)


def _command(found: Results) -> Iterator[str]:
    times = [found["first"] / each for each in found["unchanged"]]
    seconds = statistics.median(found["unchanged"])
    measured = f"{found['first']:.1f} s, then {seconds:.1f} s: {_spread(times, '.1f')} times faster"
    what = f"the whole command `imnm-fhir export`, {found['resources']:,} resources, then unchanged"
    yield _line(what, measured, "20", statistics.median(times) >= 20)


def _counting(found: Results) -> str:
    memory = found["MB at each tenth"]
    return (
        f"{found['resources']:,} resources to a stand-in that only counts, 8 connections: "
        f"{found['per second']:,} resources/s; {found['MB before']:.0f} MB before, {memory[0]:.0f} MB at the first "
        f"tenth, {memory[-1]:.0f} MB at the last. Unchanged again: {found['unchanged, seconds']:.1f} s."
    )


def _clients(found: Results) -> str:
    lines = [
        f"| {found['resources']:,} resources, {found['rounds']} rounds | resources/s | of ours |"
    ]
    lines += ["|---|--:|--:|"]
    for client in CLIENTS:
        share = found["of our speed"][client]
        lines.append(f"| {client} | {found['per second'][client]:,} | {share:.0%} |")
    return "\n".join(lines)


def _faults(found: Results) -> str:
    header = f"| {SMALL} resources in Bundles of 20 | " + " | ".join(CLIENTS) + " |"
    lines = [header, "|---|" + "---|" * len(CLIENTS)]
    for cell, clients in found.items():
        lines.append(f"| {cell} | " + " | ".join(_lost(clients[each]) for each in CLIENTS) + " |")
    return "\n".join(lines)


def _lost(found: Results) -> str:
    again = f", {found['again']} stored twice" if found["again"] else ""
    return f"{found['lost']} lost, {found['said_failed']} called failed{again}"
