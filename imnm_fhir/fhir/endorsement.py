"""An investigator's endorsement of a delivery as FHIR: a Provenance about the site's Organization.

It is declared, not signed by a key: `Provenance.signature` stays empty. What is endorsed stands in its
entities as hashes: of the rows that travel with it, by which whoever fetches them can compare, and of the
state that was signed at the site. Statement and role are extensions: the words are the investigator's own,
and the value sets of `activity` and `agent.type` are extensible. https://hl7.org/fhir/R4/provenance.html
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from imnm_fhir.dictionary import PROVENANCE, TABLES, load_dictionary
from imnm_fhir.engine import FEW, open_engine
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.writing.lines import sql_text
from imnm_fhir.keys import resource_id, row_key
from imnm_fhir.terminology import load_project

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

KIND = "Provenance"
TEXTS = ("by", "role", "statement", "at", "state", "content")
SHOWN = ("site", "by", "role", "at")  # to people, on a terminal
HASH = re.compile(r"[0-9a-f]{64}")
BATCH = 50_000  # hashes of rows that are on their way at a time
# What a server may add without changing what is endorsed.
SERVERS = ("meta", "text")
Endorsement = Mapping[str, str]  # the site, and TEXTS


def endorsement_resource(said: Endorsement) -> dict[str, Any]:
    """The Provenance of an endorsement: its site, `by`, `role`, `statement`, `at`, `state`, `content`."""
    base, site, (system, code) = load_project().base, said["site"], load_project().tag
    return {
        "resourceType": KIND,
        "id": resource_id(row_key((site, None, "endorsement"))),
        "meta": {
            "source": f"{base}/site/{site}",
            "tag": [
                {"system": system, "code": code},
                {"system": f"{base}/site", "code": site},
            ],
        },
        "extension": [_extension("statement", said["statement"])],
        "target": [
            {
                "reference": f"Organization/{resource_id(row_key((site,)))}",
                "identifier": {"system": f"{base}/key", "value": row_key((site,))},
            }
        ],
        "recorded": said["at"],
        "agent": [
            {"extension": [_extension("role", said["role"])], "who": {"display": said["by"]}}
        ],
        "entity": [_entity("content", said["content"]), _entity("state", said["state"])],
    }


def _extension(name: str, value: str) -> dict[str, Any]:
    url = load_project().local("StructureDefinition", f"endorsement-{name}")
    return {"url": url, "valueString": value}


def _entity(name: str, value: str) -> dict[str, Any]:
    identifier = {"system": f"{load_project().base}/delivery-{name}", "value": value}
    return {"role": "source", "what": {"identifier": identifier}}


def is_endorsement(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is a Provenance with our tag."""
    tags = resource.get("meta", {}).get("tag") if isinstance(resource.get("meta"), dict) else None
    ours, _ = load_project().tag
    return resource.get("resourceType") == KIND and any(
        isinstance(tag, dict) and tag.get("system") == ours
        for tag in (tags if isinstance(tags, list) else ())
    )


def read_endorsement(resource: Mapping[str, Any]) -> dict[str, str]:
    """What an endorsement of ours says; raises `ImnmFhirError` where any leaf is not as we write it."""
    try:
        said = {
            "site": resource["target"][0]["identifier"]["value"],
            "by": resource["agent"][0]["who"]["display"],
            "role": resource["agent"][0]["extension"][0]["valueString"],
            "statement": resource["extension"][0]["valueString"],
            "at": resource["recorded"],
            "content": resource["entity"][0]["what"]["identifier"]["value"],
            "state": resource["entity"][1]["what"]["identifier"]["value"],
        }
        _moment(said)
        known = all(isinstance(each, str) and each for each in said.values())
        hashes = known and all(HASH.fullmatch(said[name]) for name in ("content", "state"))
        shown = hashes and all(said[name].isprintable() for name in SHOWN)
        if not shown or _without_servers(resource) != _without_servers(endorsement_resource(said)):
            raise ValueError
    except (KeyError, IndexError, TypeError, ValueError):
        raise ImnmFhirError("is no endorsement as this project writes it") from None
    return said


def endorsements_entry(said: Iterable[Mapping[str, str]], sites: Collection[str]) -> dict[str, Any]:
    """What the manifest of an import says of the endorsements of its `sites`: the newest of each."""
    listed = sorted(said, key=_moment)
    found = {
        each["site"]: {name: each[name] for name in TEXTS}
        for each in listed
        if each["site"] in sites
    }
    return {"endorsements": found} if found else {}


def _moment(said: Mapping[str, str]) -> float:
    """When it was endorsed; `ValueError` where that is no moment of any calendar."""
    at = datetime.fromisoformat(said["at"])
    if at.tzinfo is None:
        raise ValueError
    return at.timestamp()


def _without_servers(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What was endorsed: without what a server manages, such as its own ids."""
    kept = {name: value for name, value in resource.items() if name not in (*SERVERS, "id")}
    targets = [{k: v for k, v in each.items() if k != "reference"} for each in kept["target"]]
    return {**kept, "target": targets}


def content_hashes(tables: Mapping[str, "pa.Table"]) -> dict[str, str]:
    """By site, the SHA-256 of its rows in all tables, but for where each stands in a file."""
    with open_engine(threads=FEW) as engine:
        for name in TABLES:
            engine.register(name, tables[name])
        return content_hashes_in(engine)


def content_hashes_of_files(files: Mapping[str, str]) -> dict[str, str]:
    """As `content_hashes`, of tables in Parquet files by name; memory does not grow with them."""
    with open_engine(threads=FEW) as engine:
        for name in TABLES:
            engine.execute(
                f"create temp view {name} as select * from read_parquet({sql_text(files[name])})"
            )
        return content_hashes_in(engine)


def content_hashes_in(engine: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    """As `content_hashes`, of the engine's views of the tables."""
    hashes: dict[str, Any] = {}
    for name in TABLES:
        for site, digest in _row_hashes(engine, name):
            if site not in hashes:
                hashes[site] = hashlib.sha256(load_dictionary().version.encode())
            hashes[site].update(f"\n{name} {digest}".encode())
    return {site: each.hexdigest() for site, each in hashes.items()}


def _row_hashes(engine: "duckdb.DuckDBPyConnection", table: str) -> Iterator[tuple[str, str]]:
    columns = [each for each in load_dictionary().tables[table].columns if each not in PROVENANCE]
    listed = ", ".join(f'cast("{each}" as varchar)' for each in columns)
    query = f"select site, sha256(to_json([{listed}])::varchar) from {table} order by site, id"
    found = engine.execute(query)
    while rows := found.fetchmany(BATCH):
        yield from rows
