"""Taking a patient off a server: dependants first, then the patient, then the history, then proof."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.fhir.text import read_json
from imnm_fhir.languages import counted
from imnm_fhir.proof import key_of
from imnm_fhir.server import Connection, Response
from imnm_fhir.server.reading.search import escape_search_value, find
from imnm_fhir.server.request.words import cut_values, words_of
from imnm_fhir.shapes.found import as_mapping
from imnm_fhir.shapes.tree import load_shapes
from imnm_fhir.terminology import load_project
from imnm_fhir.withdrawal.person import Person

GONE = (404, 410)
ROUNDS = 3  # a resource that another one holds goes in the next round
Place = tuple[str, str]  # type and the server's id


@dataclass
class AtServer:
    """What happened at one server: resources removed, kept (with why), histories that stay."""

    url: str
    removed: list[Place] = field(default_factory=list)
    kept: dict[Place, str] = field(default_factory=dict)
    histories: str = ""
    left: list[Place] = field(default_factory=list)

    @property
    def is_absent(self) -> bool:
        """Whether the last search found nothing of the patient, the history apart."""
        return not self.kept and not self.left

    def lines(self) -> list[str]:
        """What happened, a line each; ids only."""
        lines = [f"{self.url}: {counted(len(self.removed), 'resource')} removed"]
        lines += [
            f"{self.url}: {kind}/{ident} stays: {why}" for (kind, ident), why in self.kept.items()
        ]
        lines += [f"{self.url}: {self.histories}"] if self.histories else []
        if self.left:
            names = ", ".join(f"{kind}/{ident}" for kind, ident in self.left[:5])
            return [*lines, f"{self.url}: still there: {names}"]
        return [
            *lines,
            *([f"{self.url}: searched again: nothing is left"] if not self.kept else []),
        ]


def withdraw_at(
    connection: Connection,
    person: Person,
    known: Collection[Place] = (),
    *,
    cascade: bool = False,
    expunge: bool = True,
    note: Callable[[Collection[Place]], None] = lambda places: None,
) -> AtServer:
    """Remove all of a patient's resources; safe to repeat.

    `known` are places that a cohort or a journal tells of. Resources of other systems that point to
    the patient are listed, and removed with `cascade`. `expunge` asks for the old versions to be
    removed too, which not every server does. `note` is told all places before anything is removed:
    a server that goes away then may still hold their old versions. Raises ServerError where the
    server cannot be searched.
    """
    done = AtServer(connection.base_url)
    held = _held(connection, person)
    theirs = [] if cascade else [place for place, ours in held.items() if not ours]
    done.kept = dict.fromkeys(theirs, "another system wrote it; --cascade removes it too")
    note(held.keys() - set(theirs))
    waiting = _ordered({*held, *_still_there(connection, known)} - set(theirs))
    for _ in range(ROUNDS):
        waiting = [place for place in waiting if not _delete(connection, place, done, cascade)]
        if not waiting:
            break
    if expunge and (done.removed or known):
        done.histories = _expunge(connection, {*done.removed, *known})
    done.left = [place for place in _held(connection, person) if place not in done.kept]
    return done


def _held(connection: Connection, person: Person) -> dict[Place, bool]:
    """What the server finds of the patient, by our key and by what points there; whether it is ours."""
    system = f"{load_project().base}/key"
    by_key = find(
        connection, "Patient", {"identifier": f"{system}|{escape_search_value(person.key)}"}
    )
    patients = {str(read_json(line)["id"]) for line in by_key}
    if _is_there(connection, ("Patient", person.id)):
        patients.add(person.id)
    places = {("Patient", ident): True for ident in patients}
    for ident in sorted(patients):
        for kind in _dependants():
            for line in find(connection, kind, {"subject": f"Patient/{ident}", "_count": "200"}):
                resource = read_json(line)
                places[kind, str(resource["id"])] = _is_ours(resource)
        places |= _everything(connection, ident)
    return places


def _is_ours(resource: Mapping[str, Any]) -> bool:
    """Whether a resource carries our tag or a key of ours."""
    tags = as_mapping(resource.get("meta")).get("tag")
    system, _ = load_project().tag
    systems = [as_mapping(tag).get("system") for tag in tags] if isinstance(tags, list) else []
    return system in systems or key_of(resource) is not None


def _dependants() -> list[str]:
    kinds = {shape.resource for shape in load_shapes().values()}
    return sorted(kinds - {"Organization", "Patient"})


def _everything(connection: Connection, ident: str) -> dict[Place, bool]:
    """What else points to the patient, as far as the server has `$everything`."""
    response = connection.request("GET", f"Patient/{ident}/$everything?_count=500")
    bundle = response.json()
    entries = bundle.get("entry") if response.status == 200 and isinstance(bundle, dict) else None
    resources = [
        as_mapping(as_mapping(entry).get("resource"))
        for entry in (entries if isinstance(entries, list) else ())
    ]
    return {
        (str(each.get("resourceType")), str(each.get("id"))): _is_ours(each)
        for each in resources
        if _points_to(each, ident)
    }


def _points_to(resource: Mapping[str, Any], ident: str) -> bool:
    references = [resource.get(name) for name in ("subject", "patient")]
    return any(
        isinstance(each, dict) and str(each.get("reference")).endswith(f"Patient/{ident}")
        for each in references
    )


def _still_there(connection: Connection, known: Collection[Place]) -> Iterator[Place]:
    """Places that a search may miss (a server without referential integrity), if they are there."""
    yield from (place for place in sorted(known) if _is_there(connection, place))


def _is_there(connection: Connection, place: Place) -> bool:
    kind, ident = place
    return connection.request("GET", f"{kind}/{ident}?_elements=id").status == 200


def _ordered(places: Collection[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (place[0] == "Patient", place))


def _delete(connection: Connection, place: Place, done: AtServer, cascade: bool) -> bool:
    """Delete one resource; False where it may go in a later round."""
    path, headers = "/".join(place), {"X-Cascade": "delete"} if cascade else {}
    response = connection.request(
        "DELETE", f"{path}?_cascade=delete" if cascade else path, headers=headers
    )
    if response.status in (200, 202, 204, *GONE):
        done.removed.append(place)
        done.kept.pop(place, None)
        return True
    done.kept[place] = _why(response)
    return False


def _why(response: Response) -> str:
    said = words_of(response.json()) or cut_values(response.body[:300].decode("utf-8", "replace"))
    if response.status == 409:
        return f"another resource points to it ({said}); --cascade removes that too"
    return f"HTTP {response.status}: {said}"


def _expunge(connection: Connection, places: Collection[Place]) -> str:
    """Remove the histories (HAPI's `$expunge`); what to know of it, in a line."""
    refused: dict[int, int] = {}
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "expungeDeletedResources", "valueBoolean": True},
            {"name": "expungePreviousVersions", "valueBoolean": True},
        ],
    }
    for kind, ident in _ordered(places):
        path = f"{kind}/{ident}/$expunge"
        response = connection.request("POST", path, json=body, idempotent=True)
        if response.status not in (200, 204, *GONE):
            refused[response.status] = refused.get(response.status, 0) + 1
    if not refused:
        return "old versions are expunged too"
    status = ", ".join(f"HTTP {code}" for code in sorted(refused))
    return (
        f"the server keeps old versions of {counted(sum(refused.values()), 'resource')} ($expunge: {status}): "
        "ask who runs it to remove them for good"
    )
