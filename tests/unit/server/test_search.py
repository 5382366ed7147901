import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.server import Connection, import_resources
from tests.unit.server.stand_in import Answer, Asked, StandIn, bundle, outcome, outcome_json

TAG = {"system": "https://example.org/site", "code": "madrid"}


def found(identifier: str, mode: str | None = "match", **members: object) -> dict[str, Any]:
    resource = {"resourceType": "Observation", "id": identifier, "meta": {"tag": [TAG]}, **members}
    return {"resource": resource, **({"search": {"mode": mode}} if mode else {})}


class Shelf:
    """A server that pages through `entries`; `link` makes the next link, `total` counts."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries
        self.total: int | None = len(entries)
        self.link: Callable[[int], str] = lambda start: f"?start={start}&_count=2"
        self.refuses: Callable[[dict[str, list[str]]], bool] = lambda query: False

    def __call__(self, asked: Asked) -> Answer:
        query = parse_qs(urlsplit(asked.path).query, keep_blank_values=True)
        if self.refuses(query):
            return outcome("unknown parameter")
        if "_summary" in query:
            return bundle("searchset", [], **({} if self.total is None else {"total": self.total}))
        start, number = int(query.get("start", ["0"])[0]), int(query["_count"][0])
        end = start + number
        more = {"link": [{"relation": "next", "url": self.link(end)}]}
        return bundle(
            "searchset", self.entries[start:end], **(more if end < len(self.entries) else {})
        )


@pytest.fixture
def shelf(server: StandIn) -> Shelf:
    server.answer = shelf = Shelf([found(f"o{number}") for number in range(7)])
    return shelf


def ids(files: dict[str, Path]) -> list[str]:
    return [json.loads(line)["id"] for line in files["Observation"].read_text().splitlines()]


def read(connection: Connection, folder: Path, **options: Any) -> dict[str, Path]:
    return import_resources(connection, folder, ["Observation"], page_size=2, **options)


def test_all_pages_are_read(
    server: StandIn, connection: Connection, shelf: Shelf, tmp_path: Path
) -> None:
    pages: list[int] = []
    site = (TAG["system"], "madrid")
    files = read(connection, tmp_path / "new", tag=site, progress=pages.append)
    assert files == {"Observation": tmp_path / "new" / "Observation.ndjson"}
    assert ids(files) == [f"o{number}" for number in range(7)]
    assert pages == [2, 2, 2, 1]
    first = parse_qs(urlsplit(server.asked[0].path).query)
    tag = ["https://example.org/site|madrid"]
    assert first == {"_tag": tag, "_sort": ["_id"], "_count": ["2"]}
    assert parse_qs(urlsplit(server.asked[-1].path).query) == {"_tag": tag, "_summary": ["count"]}
    assert server.asked[0].headers["Prefer"] == "handling=strict"


def test_a_server_that_cannot_sort(connection: Connection, shelf: Shelf, tmp_path: Path) -> None:
    shelf.refuses = lambda query: "_sort" in query
    assert len(ids(read(connection, tmp_path))) == 7


def test_a_tag_that_the_server_does_not_search_is_looked_at_here(
    connection: Connection, shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.entries[3] = found("other", meta={"tag": [{"system": "https://example.org/else"}]})
    shelf.refuses = lambda query: "_tag" in query
    files = read(connection, tmp_path, tag=(TAG["system"], None))
    assert "other" not in ids(files) and len(ids(files)) == 6
    assert "1 Observation without the tag left out" in caplog.text


def test_special_characters_of_a_tag_are_escaped(
    server: StandIn, connection: Connection, shelf: Shelf, tmp_path: Path
) -> None:
    assert read(connection, tmp_path, tag=("s", "a|b,c$&")) == {}
    assert parse_qs(urlsplit(server.asked[0].path).query)["_tag"] == [r"s|a\|b\,c\$&"]


def test_only_what_matches_is_taken(
    connection: Connection, shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warning = {"severity": "warning", "code": "x", "diagnostics": "Slow today, 7 s"}
    said = {"resourceType": "OperationOutcome", "issue": [warning]}
    shelf.entries = [
        found("o1"),
        found("included", mode="include"),
        {"resource": said, "search": {"mode": "outcome"}},
        found("o2", mode=None),
    ]
    shelf.total = 2
    assert ids(read(connection, tmp_path)) == ["o1", "o2"]
    assert "Slow today, … s" in caplog.text


def test_what_comes_twice_counts_once(
    connection: Connection, shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.entries[4] = found("o3")
    shelf.total = 6
    assert ids(read(connection, tmp_path)) == ["o0", "o1", "o2", "o3", "o5", "o6"]
    assert "1 Observation came twice" in caplog.text


@pytest.mark.parametrize("total", [6, 8, 0])
def test_another_second_count_is_an_error(
    connection: Connection, shelf: Shelf, tmp_path: Path, total: int
) -> None:
    shelf.total = total
    old = tmp_path / "Observation.ndjson"
    old.write_text("old\n")
    with pytest.raises(ServerError, match=rf"7 Observation came.*counts {total}.*repeat"):
        read(connection, tmp_path)
    assert old.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [old]


def test_a_server_that_does_not_count(
    connection: Connection, shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.total = None
    assert len(ids(read(connection, tmp_path))) == 7
    assert "does not count its Observation: compared by their ids" in caplog.text


def test_a_type_without_resources_has_no_file(
    connection: Connection, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.entries, shelf.total = [], 0
    (tmp_path / "Observation.ndjson").write_text("of an earlier import\n")
    assert read(connection, tmp_path) == {}
    assert not list(tmp_path.iterdir())


def test_links_to_the_whole_address_and_to_a_path(
    server: StandIn, connection: Connection, shelf: Shelf, tmp_path: Path
) -> None:
    for link in (f"{server.base_url}?start=%d&_count=2", "/fhir/page?start=%d&_count=2"):
        shelf.link = lambda start, link=link: link % start  # type: ignore[misc]
        assert len(ids(read(connection, tmp_path))) == 7


@pytest.mark.parametrize(
    "link",
    ["http://127.0.0.2:1/fhir?p=2", "https://evil.example/x", "//evil.example/x", "file:///x"],
)
def test_a_link_to_another_origin_is_refused(
    connection: Connection, shelf: Shelf, tmp_path: Path, link: str
) -> None:
    shelf.link = lambda start: link
    with pytest.raises(ServerError, match="another origin"):
        read(connection, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("link", "requests"), [("?start=2&_count=2", 2), ("?start=2&_count=2&again=%d", 3)]
)
def test_links_in_a_circle_are_seen(
    server: StandIn, connection: Connection, shelf: Shelf, tmp_path: Path, link: str, requests: int
) -> None:
    turns = iter(range(1000))
    shelf.link = lambda start: link % next(turns) if "%" in link else link
    with pytest.raises(ServerError, match="circle"):
        read(connection, tmp_path)
    assert len(server.asked) == requests


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"<html>"), "no Bundle"),
        (bundle("history", []), "no search result"),
        (outcome('Search "canary" expired', 410), "410 Gone: Search … expired: repeat"),
        (outcome("No right", 403), "403 Forbidden: No right"),
        (outcome("Bad"), "400 Bad Request: Bad"),
        (bundle("searchset", [{"resource": outcome_json("Lost 3")}]), "says Lost …"),
        (bundle("searchset", [{"resource": {"resourceType": "Patient", "id": "1"}}]), "else"),
        (bundle("searchset", [{"resource": {"resourceType": "Observation"}}]), "without id"),
    ],
)
def test_what_is_no_search_result(
    server: StandIn, connection: Connection, tmp_path: Path, answer: Answer, words: str
) -> None:
    server.answer = lambda asked: answer
    with pytest.raises(ServerError, match=words) as error:
        read(connection, tmp_path)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_a_disk_that_refuses(connection: Connection, shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    with pytest.raises(ImnmFhirError, match="cannot be written"):
        read(connection, file)


def test_no_value_in_logs(
    connection: Connection, shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shelf.entries[2:3] = [found("o2", valueString="canary")] * 2
    shelf.total = 7
    assert "canary" in read(connection, tmp_path)["Observation"].read_text()
    assert caplog.text and "canary" not in caplog.text
