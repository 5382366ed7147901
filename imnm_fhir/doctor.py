"""Looking at a FHIR server before anything is sent to it: what it can do, how fast, what is there."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from statistics import median
from time import perf_counter
from typing import Any

from imnm_fhir.download import Wanted
from imnm_fhir.download.method import choose_method
from imnm_fhir.download.selection import select
from imnm_fhir.errors import ServerError
from imnm_fhir.server.capabilities import Capabilities, read_capabilities
from imnm_fhir.server.reading.counts import count_queries
from imnm_fhir.server.reading.search import STRICT, Query, find, query_path
from imnm_fhir.server.request.connection import Connection, Response
from imnm_fhir.shapes.tree import load_shapes
from imnm_fhir.terminology import load_project
from imnm_fhir.transfer.plans import ladder

_MEASURED = 5  # requests whose median is told
_MOST_SITES = 50
_CLOCK_LIMIT = 60  # seconds; signed tokens are refused beyond about as much
YES, NO, UNSAID = "yes", "no", "not said"


@dataclass(frozen=True)
class Ability:
    """One thing that a server may be able to do: what it says, and what it did when asked (read only)."""

    name: str
    said: str
    tried: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """What was found of a server.

    `latency` and `slowest` are seconds of a small question; `clock` the seconds by which the server's
    clock is ahead of ours, None where it shows none. `present` counts resources with the project's
    tag by type, `sites` by site and type; None: the server does not count. `problems` are what an
    export or import would meet, `notes` what is worth knowing.
    """

    url: str
    fhir_version: str
    software: str
    latency: float
    slowest: float
    clock: float | None
    abilities: tuple[Ability, ...]
    export_plan: str
    import_plan: str
    present: Mapping[str, int | None]
    sites: Mapping[str, Mapping[str, int | None]]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    types: tuple[str, ...] = field(default=(), repr=False)

    def record(self) -> dict[str, Any]:
        """The diagnosis for JSON: numbers are finite, texts printable."""
        return {name: value for name, value in asdict(self).items() if name != "types"}

    def lines(self) -> Iterator[str]:
        """The diagnosis as a page of text, a line each."""
        yield f"{self.url}"
        yield f"  FHIR {self.fhir_version}, {self.software or 'software not said'}"
        yield f"  latency {self.latency * 1000:,.0f} ms (median of {_MEASURED}; slowest {self.slowest * 1000:,.0f} ms)"
        yield f"  clock   {_clock_words(self.clock)}"
        yield f"  export  {self.export_plan}"
        yield f"  import  {self.import_plan}"
        yield ""
        yield f"  {'can it':<34}{'it says':<12}tried"
        yield from (f"  {a.name:<34}{a.said:<12}{a.tried}".rstrip() for a in self.abilities)
        yield ""
        yield f"  {'there of this project':<34}{'all':>9}" + "".join(
            f"{s[:20]:>22}" for s in self.sites
        )
        for kind, count in self.present.items():
            shown = "".join(f"{_number(each.get(kind)):>22}" for each in self.sites.values())
            yield f"  {kind:<34}{_number(count):>9}{shown}"
        yield from (f"note: {note}" for note in self.notes)
        yield from (f"problem: {problem}" for problem in self.problems)


def diagnose(connection: Connection) -> Diagnosis:
    """Look at the server behind a connection; nothing is written, and no export is started.

    Raises ServerError where not even its metadata can be read.
    """
    capabilities = read_capabilities(connection)
    types = tuple(shape.resource for shape in load_shapes().values())
    tag = load_project().tag
    times, last = _measure(connection)
    clock = _clock(last)
    counts = count_queries(connection, [Query(kind, (), tag) for kind in types])
    present = dict(zip(types, counts, strict=True))
    problems, notes = list(_lacks(capabilities, types, present)), []
    if clock is not None and abs(clock) > _CLOCK_LIMIT:
        notes.append(
            f"the clocks differ by {abs(clock):,.0f} seconds: signed tokens may be refused"
        )
    sites = _sites(connection, types, notes) if any(present.values()) else {}
    return Diagnosis(
        connection.base_url,
        _clean(connection.fhir_version),
        _clean(connection.software),
        round(median(times), 4),
        round(max(times), 4),
        clock,
        tuple(_abilities(connection, capabilities, types, tag)),
        _export_plan(capabilities, types),
        _import_plan(connection, types, tag, problems),
        present,
        sites,
        tuple(problems),
        tuple(notes),
        types,
    )


def _measure(connection: Connection) -> tuple[list[float], Response]:
    times = []
    for _ in range(_MEASURED):
        begin = perf_counter()
        last = connection.request("GET", "Patient?_count=1&_elements=id")
        times.append(perf_counter() - begin)
    return times, last


def _clock(response: Response) -> float | None:
    """By how much the server's clock is ahead; its header has whole seconds, so half of one is off."""
    try:
        moment = parsedate_to_datetime(response.headers.get("Date", ""))
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    ahead = (moment - datetime.now(UTC)).total_seconds() + 0.5
    return 0.0 if abs(ahead) <= 1 else float(round(ahead))


def _lacks(
    capabilities: Capabilities, types: Sequence[str], present: Mapping[str, int | None]
) -> Iterator[str]:
    """What an export or an import needs, and the server says that it has not."""
    if capabilities.types:
        for kind in types:
            if kind not in capabilities.types:
                yield f"{kind}: not among the server's types"
    writing = capabilities.denied(types, "update") and capabilities.denied(types, "create")
    if writing:
        yield f"neither update nor create of {', '.join(writing)}: nothing can be exported"
    if denied := capabilities.denied(types, "search-type"):
        yield f"no search of {', '.join(denied)}: only an export of files could be imported"
    uncounted = [kind for kind, count in present.items() if count is None]
    if uncounted:
        yield f"does not count {', '.join(uncounted)} by our tag: imports compare id by id, slowly"


def _abilities(
    connection: Connection, capabilities: Capabilities, types: Sequence[str], tag: tuple[str, str]
) -> Iterator[Ability]:
    interactions = capabilities.interactions
    of = [capabilities.of(kind) for kind in types]
    yield Ability("transaction", _listed("transaction", interactions))
    yield Ability("batch", _listed("batch", interactions), _try_batch(connection))
    yield Ability("update", _all(_listed("update", each.interactions) for each in of))
    yield Ability("ids chosen by the client", _all(_flag(each.update_create) for each in of))
    yield Ability("conditional create", _all(_flag(each.conditional_create) for each in of))
    yield Ability("conditional update", _all(_flag(each.conditional_update) for each in of))
    yield Ability("conditional delete", _all(_text(each.conditional_delete) for each in of))
    yield Ability("versions", _all(_text(each.versioning) for each in of))
    by_tag = query_path(Query("Patient", (), tag), {"_summary": "count"})
    said = _all(_listed("_tag", each.search_parameters) for each in of)
    yield Ability("search by tag", said, _try(connection, by_tag))
    late = "Patient?_lastUpdated=ge2020-01-01T00%3A00%3A00Z&_summary=count"
    said = _all(_listed("_lastUpdated", each.search_parameters) for each in of)
    yield Ability("search by time of change", said, _try(connection, late))
    said = _listed("history-type", capabilities.of("Patient").interactions)
    yield Ability("history", said, _try(connection, "Patient/_history?_count=1"))
    names = capabilities.of("Patient").operations | capabilities.operations
    yield Ability("$everything", _operation("everything", names))
    yield Ability("bulk $export", _operation("export", capabilities.operations))
    yield Ability("$validate", _operation("validate", names))


def _listed(name: str, names: frozenset[str]) -> str:
    return UNSAID if not names else YES if name in names else NO


def _operation(name: str, names: frozenset[str]) -> str:
    return YES if name in {each.lstrip("$") for each in names} else UNSAID


def _flag(value: bool | None) -> str:
    return UNSAID if value is None else YES if value else NO


def _text(value: str | None) -> str:
    return UNSAID if value is None else NO if value in ("no-version", "not-supported") else YES


def _all(answers: Iterator[str]) -> str:
    """One answer for all types: what most types say, with how many where they differ."""
    counts = Counter(answers)
    answer, number = counts.most_common(1)[0]
    total = sum(counts.values())
    return answer if number == total else f"{counts[YES]} of {total}"


def _try(connection: Connection, path: str) -> str:
    """Whether the server answers a question as it should."""
    try:
        response = connection.request("GET", path, headers=STRICT, patience=10)
    except ServerError:
        return NO
    bundle = response.json()
    right = isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle"
    return YES if response.status == 200 and right else NO


def _try_batch(connection: Connection) -> str:
    found = count_queries(connection, [Query("Patient")], singly=False)
    return YES if found != [None] else NO


def _export_plan(capabilities: Capabilities, types: Sequence[str]) -> str:
    first = str(ladder(capabilities, types)[0])
    return f"{first}; if the server refuses it, the next way is tried"


def _import_plan(
    connection: Connection, types: tuple[str, ...], tag: tuple[str, str], problems: list[str]
) -> str:
    wanted = Wanted(types, tag)
    try:
        return choose_method(connection, wanted, select(connection, wanted), None).sentence()
    except ServerError as error:
        problems.append(str(error))
        return "not possible"


def _sites(
    connection: Connection, types: Sequence[str], notes: list[str]
) -> dict[str, dict[str, int | None]]:
    """Counts by type of each site of ours that has its Organization at the server."""
    project = load_project()
    names: set[str] = set()
    try:
        for line in find(connection, "Organization", {"_tag": "|".join(project.tag)}):
            names.update(_site_names(line, f"{project.base}/site"))
    except ServerError as error:
        notes.append(f"the sites could not be read: {error}")
    if len(names) > _MOST_SITES:
        notes.append(f"{len(names)} sites; the first {_MOST_SITES} are shown")
    shown = sorted(names)[:_MOST_SITES]
    queries = [Query(kind, (), (f"{project.base}/site", name)) for name in shown for kind in types]
    counts = iter(count_queries(connection, queries))
    return {_clean(name): {kind: next(counts) for kind in types} for name in shown}


def _site_names(line: bytes, system: str) -> Iterator[str]:
    from imnm_fhir.server.reading.pages import read_resource

    meta = read_resource(line).get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    for tag in tags if isinstance(tags, list) else ():
        if (
            isinstance(tag, dict)
            and tag.get("system") == system
            and isinstance(tag.get("code"), str)
        ):
            yield tag["code"]


def _clean(text: str) -> str:
    """A server's word as it may be shown: printable, and not long."""
    return "".join(character for character in text if character.isprintable())[:60]


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _clock_words(clock: float | None) -> str:
    if clock is None:
        return "not shown by the server"
    if clock == 0:
        return "as ours"
    return f"{abs(clock):,.0f} seconds {'ahead of' if clock > 0 else 'behind'} ours"
