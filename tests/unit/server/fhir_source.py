"""A small FHIR server to import from: search, history, $everything, Group, $export, all in memory."""

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.unit.server.stand_in import Answer, Asked, fhir, outcome

PROJECT = {"system": "https://imnm-fhir.github.io/fhir/project", "code": "imnm-fhir"}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Resource = dict[str, Any]
Query = dict[str, list[str]]


class FhirSource:
    """Keeps resources; `fault` may answer instead, `refused` are parameters that give 400.

    Time passes by a minute with each change. `exported` files are made at kick-off; `polls` is how
    often an export is not ready yet. `counts` False: no total is ever told.
    """

    def __init__(self, base_url: str = "") -> None:
        self.base_url = base_url
        self.kept: dict[tuple[str, str], Resource] = {}
        self.log: list[tuple[datetime, str, str, Resource | None]] = []
        self.now = BEGIN
        self.fault: Callable[[Asked], Answer | None] = lambda asked: None
        self.refused: set[str] = set()
        self.counts = True
        self.page_limit = 1000
        self.operations = True
        self.polls = 1
        self.retry_after = "120"
        self.packed = False
        self.exports = 0
        self.files: dict[str, bytes] = {}
        self.manifest: Resource = {}
        self.shift: Callable[[], None] = lambda: None  # runs after each page

    def put(self, resource: Resource) -> None:
        self.now += timedelta(minutes=1)
        kind, ident = resource["resourceType"], resource["id"]
        version = sum(1 for _, k, i, _ in self.log if (k, i) == (kind, ident)) + 1
        meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": self.now.isoformat()}  # fmt: skip
        self.kept[kind, ident] = {**resource, "meta": meta}
        self.log.append((self.now, kind, ident, self.kept[kind, ident]))

    def delete(self, kind: str, ident: str) -> None:
        self.now += timedelta(minutes=1)
        del self.kept[kind, ident]
        self.log.append((self.now, kind, ident, None))

    def load(self, resources: Iterable[Resource]) -> None:
        for resource in resources:
            self.put(resource)

    def __call__(self, asked: Asked) -> Answer:
        answer = self.fault(asked) or self._answer(asked)
        headers = {"Date": format_datetime(self.now, usegmt=True), **answer.headers}
        return replace(answer, headers=headers)

    def _answer(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        path = unquote(parts.path.removeprefix("/fhir/"))
        query = parse_qs(parts.query, keep_blank_values=True)
        if asked.method == "POST" and path.endswith("/_search"):
            path, query = path.removesuffix("/_search"), parse_qs(asked.body.decode())
        if self.refused & set(query):
            return outcome("unknown parameter")
        if path.endswith("$export"):
            return self._kick_off(path, query) if self.operations else outcome("no", 404)
        if path.startswith("status/"):
            return self._status(asked)
        if path.startswith("file/"):
            return self._file(path, asked)
        if path.endswith("/$everything"):
            return self._everything(path.split("/")[1], query)
        if path.endswith("/_history"):
            return self._history(path.split("/")[0], query)
        if path in ("/fhir", ""):
            return outcome("no batch", 404)
        if "/" in path:
            kind, _, ident = path.partition("/")
            found = self.kept.get((kind, ident))
            return fhir(found) if found else outcome("not there", 404)
        return self._search(path, query)

    def _search(self, kind: str, query: Query) -> Answer:
        found = [each for each in self.kept.values() if _fits(each, kind, query)]
        found.sort(key=lambda each: str(each["id"]))
        if query.get("_summary") == ["count"]:
            total = {"total": len(found)} if self.counts else {}
            return fhir({"resourceType": "Bundle", "type": "searchset", **total})
        return self._page(kind, found, query)

    def _page(self, path: str, found: list[Resource], query: Query) -> Answer:
        start = int(query.get("start", ["0"])[0])
        size = min(int(query.get("_count", ["20"])[0]), self.page_limit)
        content: Resource = {"resourceType": "Bundle", "type": "searchset"}
        entries = [{"resource": each, "search": {"mode": "match"}} for each in found[start:][:size]]
        if entries:
            content["entry"] = entries
        if start + size < len(found):
            more = {**{k: v[0] for k, v in query.items()}, "start": str(start + size)}
            link = "&".join(f"{key}={value.replace('|', '%7C')}" for key, value in more.items())
            content["link"] = [{"relation": "next", "url": f"{self.base_url}/{path}?{link}"}]
        self.shift()
        return fhir(content)

    def _everything(self, patient: str, query: Query) -> Answer:
        if not self.operations:
            return outcome("no such operation", 400)
        if ("Patient", patient) not in self.kept:
            return outcome("not there", 404)
        found = [each for each in self.kept.values() if _patient_of(each) == patient]
        return self._page(f"Patient/{patient}/$everything", found, query)

    def _history(self, kind: str, query: Query) -> Answer:
        since = datetime.fromisoformat(query.get("_since", ["2000-01-01T00:00:00Z"])[0])
        entries: list[Resource] = []
        for moment, name, ident, resource in reversed(self.log):
            if name == kind and moment >= since:
                method = "PUT" if resource else "DELETE"
                entry: Resource = {"request": {"method": method, "url": f"{kind}/{ident}"}}
                entries.append({**entry, "resource": resource} if resource else entry)
        return fhir({"resourceType": "Bundle", "type": "history", "entry": entries})

    def _kick_off(self, path: str, query: Query) -> Answer:
        self.exports += 1
        self._polled = 0
        kinds = query["_type"][0].split(",")
        members = self._members(path)
        output = []
        for kind in kinds:
            lines = [
                json.dumps(each)
                for (name, _), each in self.kept.items()
                if name == kind and (members is None or _patient_of(each) in members)
            ]
            for number in range(0, len(lines), 3):  # several files per type
                name = f"file/{self.exports}-{kind}-{number}"
                chunk = "".join(f"{line}\n" for line in lines[number : number + 3])
                self.files[name] = gzip.compress(chunk.encode()) if self.packed else chunk.encode()
                count = chunk.count("\n")
                output.append({"type": kind, "url": f"{self.base_url}/{name}", "count": count})
        self.manifest = {
            "transactionTime": self.now.isoformat(), "request": path, "requiresAccessToken": True,
            "output": output, "error": [],
        }  # fmt: skip
        where = f"{self.base_url}/status/{self.exports}"
        return Answer(202, b"", {"Content-Location": where})

    def _members(self, path: str) -> set[str] | None:
        if not path.startswith("Group/"):
            return None
        group = self.kept["Group", path.split("/")[1]]
        return {each["entity"]["reference"].split("/")[1] for each in group["member"]}

    def _status(self, asked: Asked) -> Answer:
        if asked.method == "DELETE":
            return Answer(202)
        self._polled += 1
        if self._polled <= self.polls:
            return Answer(202, b"", {"Retry-After": self.retry_after, "X-Progress": "10%"})
        return fhir(self.manifest)

    def _file(self, path: str, asked: Asked) -> Answer:
        if path not in self.files:
            return outcome("expired", 404)
        body, wanted = self.files[path], asked.headers.get("Range", "")
        if wanted:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            named = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}", "ETag": '"1"'}
            return Answer(206, body[start:], named)
        return Answer(200, body, {"ETag": '"1"', "Content-Type": "application/fhir+ndjson"})


def _fits(resource: Resource, kind: str, query: Query) -> bool:
    if resource["resourceType"] != kind:
        return False
    for name, (value, *_) in query.items():
        values = value.replace("\\|", "|").split(",")
        tags = [f"{tag['system']}|{tag['code']}" for tag in resource["meta"].get("tag", [])]
        identifiers = [
            f"{i.get('system')}|{i.get('value')}" for i in resource.get("identifier", [])
        ]
        since = value.removeprefix("ge") if name == "_lastUpdated" else "0001-01-01T00:00:00Z"
        fits = {
            "_tag": bool(set(values) & set(tags)),
            "_id": resource["id"] in values,
            "subject": f"Patient/{_patient_of(resource)}" in values and kind != "Patient",
            "identifier": bool(set(values) & set(identifiers)),
            "_lastUpdated": resource["meta"]["lastUpdated"]
            >= datetime.fromisoformat(since).isoformat(),
        }
        if not fits.get(name, True):
            return False
    return True


def _patient_of(resource: Resource) -> str | None:
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    reference = resource.get("subject", {}).get("reference")
    return reference.split("/")[1] if reference else None
