"""The client against a real server: sent twice, changed, refused, and read back as it was sent."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.errors import ServerError
from imnm_fhir.server import Connection, Credentials, connect, import_resources
from imnm_fhir.transfer import Choices, Transferred, transfer
from servers.fhir_server import FhirServer

NUMBERS = ["0.5", "9856", "1.000001", "123456789012345", "1.50", "0.000001", "12345678.123456"]
SYSTEM = "https://example.org/imnm/site"
TYPES = ("Organization", "Patient", "Observation")


def lines(site: str, observations: int) -> dict[str, list[str]]:
    """Resources of one site, their numbers as text that JSON would not keep through a float."""
    meta = json.dumps({"tag": [{"system": SYSTEM, "code": site}]})
    head = f'"meta":{meta},"id":"{site}'
    patients = [
        f'{{"resourceType":"Patient",{head}-p{n}","birthDate":"19{n + 30}-02",'
        f'"managingOrganization":{{"reference":"Organization/{site}"}}}}'
        for n in range(5)
    ]
    return {
        "Observation": [observation(site, head, n) for n in range(observations)],
        "Organization": [f'{{"resourceType":"Organization",{head}","name":"Clinic \\"É\\""}}'],
        "Patient": patients,
    }


def observation(site: str, head: str, number: int, effective: str = "2019-03") -> str:
    value = NUMBERS[number % len(NUMBERS)]
    return (
        f'{{"resourceType":"Observation",{head}-o{number}","status":"final",'
        f'"code":{{"text":"a\\n💊"}},"subject":{{"reference":"Patient/{site}-p{number % 5}"}},'
        f'"effectiveDateTime":"{effective}","valueQuantity":{{"value":{value},"unit":"U/L"}}}}'
    )


def export(
    connection: Connection, folder: Path, resources: dict[str, list[str]], **choices: Any
) -> Transferred:
    folder.mkdir(exist_ok=True)
    for name, texts in resources.items():
        (folder / f"{name}.ndjson").write_text("".join(f"{text}\n" for text in texts))
    site = json.loads(resources["Organization"][0])["meta"]["tag"][0]
    tags = [(site["system"], site["code"])]
    files = {name: folder / f"{name}.ndjson" for name in resources}
    return transfer(connection, files, folder / "cohort", Choices(**choices), tags=tags)


def as_sent(text: str) -> Any:
    """A resource without what servers add, every number as the text that it was."""
    resource = json.loads(text, parse_float=str, parse_int=str)
    for added in ("versionId", "lastUpdated", "source"):
        resource["meta"].pop(added, None)
    return resource


def read_back(
    connection: Connection, folder: Path, site: str | None, system: str = SYSTEM
) -> dict[str, dict[str, str]]:
    """Per type the lines that came back, by id."""
    files = import_resources(connection, folder, TYPES, tag=(system, site), page_size=40)
    return {
        name: {json.loads(line)["id"]: line for line in path.read_text("utf-8").splitlines()}
        for name, path in files.items()
    }


def versions(back: dict[str, dict[str, str]]) -> dict[str, int]:
    texts = [line for found in back.values() for line in found.values()]
    resources = [json.loads(text) for text in texts]
    return {resource["id"]: int(resource["meta"]["versionId"]) for resource in resources}


@pytest.fixture
def connection(fhir_server: str) -> Iterator[Connection]:
    with connect(fhir_server) as connection:
        yield connection


def test_the_same_export_twice_makes_no_new_version_and_a_changed_value_one(
    connection: Connection, tmp_path: Path
) -> None:
    resources = lines("exported-twice", 250)
    counts = {"Organization": 1, "Patient": 5, "Observation": 250}
    first = export(connection, tmp_path, resources)
    assert (first.of("created"), first.failures) == (counts, [])
    second = export(connection, tmp_path, resources)
    assert (second.of("unchanged"), second.requests) == (counts, 0)
    assert set(versions(read_back(connection, tmp_path, "exported-twice")).values()) == {1}

    resources["Observation"][3] = resources["Observation"][3].replace("2019-03", "2019-04")
    third = export(connection, tmp_path, resources)
    assert third.of("updated") == {"Observation": 1}
    assert third.of("unchanged")["Observation"] == 249
    found = versions(read_back(connection, tmp_path, "exported-twice"))
    assert {name for name, version in found.items() if version != 1} == {"exported-twice-o3"}
    assert found["exported-twice-o3"] == 2


def test_what_comes_back_is_what_was_sent(connection: Connection, tmp_path: Path) -> None:
    resources = lines("read-back", 90)
    export(connection, tmp_path, resources)
    export(connection, tmp_path, lines("read-back-other", 10))
    back = read_back(connection, tmp_path / "back", "read-back")
    for name, texts in resources.items():
        sent = {json.loads(text)["id"]: as_sent(text) for text in texts}
        assert {key: as_sent(line) for key, line in back[name].items()} == sent
    for number in NUMBERS:
        assert f'"value":{number},' in "".join(back["Observation"].values())


def test_any_site_of_the_system_is_read(connection: Connection, tmp_path: Path) -> None:
    """HAPI searches no tag without its code, so all is read; and foreign resources are left out."""
    for site in ("one", "two"):
        resources = lines(site, 3)
        for name, texts in resources.items():
            resources[name] = [text.replace(SYSTEM, "urn:any-site") for text in texts]
        export(connection, tmp_path, resources)
    export(connection, tmp_path, lines("three", 3))
    back = read_back(connection, tmp_path / "back", None, system="urn:any-site")
    assert set(back["Organization"]) == {"one", "two"} and len(back["Observation"]) == 6


def test_bad_resources_are_named_and_all_else_is_stored(
    connection: Connection, tmp_path: Path
) -> None:
    resources = lines("some-bad", 250)
    head = resources["Observation"][0].split('","status"')[0].removesuffix("-o0")
    head = head.removeprefix('{"resourceType":"Observation",')
    resources["Observation"][77] = observation("some-bad", head, 77, effective="1931-13-45")
    resources["Observation"][201] = resources["Observation"][201].replace("-p1", "-nobody")
    sent = export(connection, tmp_path, resources)
    found = {failure.id: failure for failure in sent.failures}
    assert set(found) == {"some-bad-o77", "some-bad-o201"}
    assert found["some-bad-o77"].status == 400
    assert found["some-bad-o77"].expression == "Observation.effectiveDateTime"
    assert found["some-bad-o201"].outcome == "held back"
    assert "1931" not in repr(sent)
    back = read_back(connection, tmp_path / "back", "some-bad")
    assert len(back["Observation"]) == 248 == sent.of("created")["Observation"]


def test_a_bundle_too_large_is_halved_and_credentials_are_asked_for(
    start_hapi: Callable[..., FhirServer], tmp_path: Path
) -> None:
    server = start_hapi(max_bundle=30, token="secret")
    with connect(server.url, Credentials("bearer", secret="secret")) as connection:
        assert export(connection, tmp_path, lines("small", 100)).of("created")["Observation"] == 100
    with (
        connect(server.url, Credentials("bearer", secret="canary")) as connection,
        pytest.raises(ServerError, match="401 Unauthorized") as refused,
    ):
        export(connection, tmp_path, lines("small", 1))
    assert "canary" not in str(refused.value)
