"""Made-up deliveries of any size for exports to a real server, and what the server holds of them."""

import json
from pathlib import Path
from typing import Any

from imnm_fhir.server import Connection
from imnm_fhir.transfer import Choices, Transferred, transfer

SYSTEM = "https://example.org/imnm/site"
Resource = dict[str, Any]


def cohort(site: str, observations: int, patients: int = 5) -> list[Resource]:
    def resource(kind: str, identifier: str, **members: object) -> Resource:
        key = {"system": "https://example.org/imnm/key", "value": identifier}
        meta = {"tag": [{"system": SYSTEM, "code": site}]}
        return {
            "resourceType": kind, "id": identifier, "meta": meta, "identifier": [key], **members,
        }  # fmt: skip

    def observation(number: int) -> Resource:
        subject = {"reference": f"Patient/{site}-p{number % patients}"}
        return resource(
            "Observation", f"{site}-o{number}", status="final", code={"text": "CK"}, subject=subject,
            valueQuantity={"value": number, "unit": "U/L"},
        )  # fmt: skip

    managing = {"reference": f"Organization/{site}"}
    people = [
        resource("Patient", f"{site}-p{n}", managingOrganization=managing) for n in range(patients)
    ]
    clinic = resource("Organization", site, name=site)
    return [clinic, *people, *map(observation, range(observations))]


def write(folder: Path, resources: list[Resource]) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    texts: dict[str, list[str]] = {}
    for each in resources:
        texts.setdefault(each["resourceType"], []).append(json.dumps(each) + "\n")
    for name, lines in texts.items():
        (folder / f"{name}.ndjson").write_text("".join(lines))
    return {name: folder / f"{name}.ndjson" for name in texts}


def export(
    connection: Connection, folder: Path, resources: list[Resource], **choices: Any
) -> Transferred:
    site = resources[0]["meta"]["tag"][0]["code"]
    files = write(folder / "ndjson", resources)
    return transfer(connection, files, folder / "cohort", Choices(**choices), tags=[(SYSTEM, site)])


def put(connection: Connection, resource: Resource) -> None:
    place = f"{resource['resourceType']}/{resource['id']}"
    assert connection.request("PUT", place, json=resource).status == 200


def version(connection: Connection, place: str) -> str:
    found: Any = connection.request("GET", place).json()
    return str(found["meta"]["versionId"])


def held(connection: Connection, site: str, system: str = SYSTEM) -> dict[str, Resource]:
    """What the server holds of a site, by Type/id."""
    found: dict[str, Resource] = {}
    for kind in ("Organization", "Patient", "Condition", "Observation"):
        address: str | None = f"{kind}?_tag={system}|{site}&_count=1000"
        while address:
            page: Any = connection.request("GET", address).json()
            for entry in page.get("entry", []):
                found[f"{kind}/{entry['resource']['id']}"] = entry["resource"]
            links = {each["relation"]: each["url"] for each in page.get("link", [])}
            address = links.get("next")
    return found


def check_once(server: Connection, site: str, number: int, system: str = SYSTEM) -> None:
    """The server holds so many resources of the site, each in its first version."""
    found = held(server, site, system)
    assert len(found) == number
    assert {each["meta"]["versionId"] for each in found.values()} == {"1"}
