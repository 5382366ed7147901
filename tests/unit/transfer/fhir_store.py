"""A FHIR server to export to, in memory, with the capabilities, limits and faults that a test wants."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.unit.server.stand_in import NO_CHANGE, Answer, Asked, fhir, outcome, outcome_json

Resource = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, words: str, expression: str = "") -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.expression = expression

    def outcome(self) -> Resource:
        found: Any = outcome_json(self.words)
        if self.expression:
            found["issue"][0]["expression"] = [self.expression]
        return dict(found)


@dataclass
class FhirStore:
    """Answers like HAPI unless told otherwise; `kept` is what it holds, by Type/id."""

    takes: tuple[str, ...] = ("transaction", "batch", "single")
    client_ids: bool = True
    conditional: tuple[str, ...] = ("update", "create")
    refuses: Callable[[Resource], str | None] = lambda _: None
    most: int = 1000
    integrity: bool = True
    refused_way: int = 405
    kept: dict[str, Resource] = field(default_factory=dict)
    versions: Counter[str] = field(default_factory=Counter)
    deleted: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[Asked], Answer | None] = lambda _: None
    after: Callable[[Asked, Answer], Answer] = lambda _, answer: answer
    number: int = 0

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.before(asked) or self.after(asked, self._reply(asked))

    def writes(self) -> list[Asked]:
        """The requests that wrote something."""
        return [each for each in self.asked if _writes(each)]

    def _reply(self, asked: Asked) -> Answer:
        path = asked.path.removeprefix("/fhir").strip("/")
        try:
            if not path:
                return self._bundle(json.loads(asked.body))
            if asked.method == "GET":
                return fhir(self._get(path))
            if "single" not in self.takes:
                return outcome("no single requests", self.refused_way)
            body = json.loads(asked.body) if asked.body else None
            headers = {name.lower(): value for name, value in asked.headers.items()}
            request = {"method": asked.method, "url": path, "ifMatch": headers.get("if-match")}
            request["ifNoneExist"] = headers.get("if-none-exist")
            done = self._write(request, body)
            status = int(done["status"][:3])
            return fhir(
                done.get("outcome", {}),
                status,
                Location=done.get("location", ""),
                ETag=done.get("etag", ""),
            )
        except Refused as refused:
            return fhir(refused.outcome(), refused.status)

    def _bundle(self, bundle: Resource) -> Answer:
        kind, entries = bundle["type"], bundle["entry"]
        reading = all(entry["request"]["method"] == "GET" for entry in entries)
        if kind not in self.takes and not (reading and "batch" in self.takes):
            raise Refused(self.refused_way, f"no {kind}")
        if len(entries) > self.most:
            return Answer(413)
        before = dict(self.kept), Counter(self.versions), set(self.deleted)
        answers = []
        for entry in entries:
            try:
                answers.append(self._entry(entry, entries if kind == "transaction" else []))
            except Refused as refused:
                if kind == "transaction":
                    self.kept, self.versions, self.deleted = before
                    raise
                answers.append(
                    {"response": {"status": str(refused.status), "outcome": refused.outcome()}}
                )
        return fhir({"resourceType": "Bundle", "type": f"{kind}-response", "entry": answers})

    def _entry(self, entry: Resource, others: list[Resource]) -> Resource:
        if entry["request"]["method"] == "GET":
            return {
                "resource": self._get(entry["request"]["url"]),
                "response": {"status": "200 OK"},
            }
        inside = {each["request"]["url"] for each in others}
        return {"response": self._write(entry["request"], entry.get("resource"), inside)}

    def _get(self, path: str) -> Resource:
        kind, _, query = path.partition("?")
        if "/" in kind:
            if kind in self.kept:
                meta = {**self.kept[kind].get("meta", {}), "versionId": str(self.versions[kind])}
                return {**self.kept[kind], "meta": meta}
            raise Refused(410 if kind in self.deleted else 404, f"{kind} is not known")
        wanted = {name: values[0] for name, values in parse_qs(query).items()}
        found = [place for place in self.kept if place.startswith(f"{kind}/")]
        if "identifier" in wanted:
            found = self._matches(kind, query)
        if "_summary" in wanted:
            tagged = [
                p for p in found if "_tag" not in wanted or self.kept[p].get("meta", {}).get("tag")
            ]
            return {"resourceType": "Bundle", "type": "searchset", "total": len(tagged)}
        entries = [{"resource": self._get(p), "search": {"mode": "match"}} for p in found]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entries}

    def _matches(self, kind: str, query: str) -> list[str]:
        wanted = unquote(query.removeprefix("identifier=")).replace("\\", "").partition("|")
        return [
            place
            for place, resource in self.kept.items()
            if place.startswith(f"{kind}/")
            and any(
                (each.get("system"), each.get("value")) == (wanted[0], wanted[2])
                for each in resource.get("identifier", [])
            )
        ]

    def _write(
        self,
        request: Resource,
        resource: Resource | None,
        inside: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> Resource:
        method, url = request["method"], request["url"]
        if method == "DELETE":
            return self._delete(url)
        assert resource is not None
        if words := self.refuses(resource):
            raise Refused(400, words, f"{resource['resourceType']}.status")
        self._check_references(resource, inside)
        kind, _, query = url.partition("?")
        if method == "PUT" and not query:
            return self._put(url, resource, request.get("ifMatch"))
        name = "update" if method == "PUT" else "create"
        criterion = query or request.get("ifNoneExist") or ""
        if name not in self.conditional or not criterion:
            raise Refused(412, f"no conditional {name}")
        matches = self._matches(kind, criterion)
        if len(matches) > 1:
            raise Refused(412, "several match")
        if matches and name == "create":
            return self._said("200 OK", matches[0])
        self.number += 1
        place = matches[0] if matches else f"{kind}/s{self.number}"
        return self._store(place, {**resource, "id": place.split("/")[1]})

    def _put(self, url: str, resource: Resource, match: str | None) -> Resource:
        if not self.client_ids and url not in self.kept:
            raise Refused(400, "client ids are not allowed")
        assert resource["id"] == url.split("/")[1]
        if match and url in self.kept and match != f'W/"{self.versions[url]}"':
            raise Refused(409, "not the current version")
        return self._store(url, resource)

    def _store(self, place: str, resource: Resource) -> Resource:
        if self.kept.get(place) == resource:
            return {**self._said("200 OK", place), "outcome": outcome_json("", NO_CHANGE)}
        status = "200 OK" if place in self.kept else "201 Created"
        self.kept[place] = resource
        self.deleted.discard(place)
        self.versions[place] += 1
        return self._said(status, place)

    def _said(self, status: str, place: str) -> Resource:
        version = self.versions[place]
        return {
            "status": status,
            "location": f"{place}/_history/{version}",
            "etag": f'W/"{version}"',
        }

    def _delete(self, url: str) -> Resource:
        pointing = f'"reference": "{url}"'
        if any(pointing in json.dumps(each) for each in self.kept.values()):
            raise Refused(409, "something points to it")
        if self.kept.pop(url, None) is not None:
            self.deleted.add(url)
        return {"status": "204 No Content"}

    def _check_references(self, resource: Resource, inside: set[str]) -> None:
        for target in re.findall(r'"reference": "([^"]+)"', json.dumps(resource)):
            if self.integrity and target not in self.kept and target not in inside:
                raise Refused(400, f"Resource {target} not found")


def _writes(asked: Asked) -> bool:
    if asked.method == "GET" or "$validate" in urlsplit(asked.path).path:
        return False
    if asked.path.strip("/") != "fhir":
        return True
    return any(entry["request"]["method"] != "GET" for entry in asked.entries())
