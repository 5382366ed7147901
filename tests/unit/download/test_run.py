"""Downloads from a server that does all that servers do: the result is always what it holds."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.download import Downloaded, Listed, open_download, read_list
from imnm_fhir.errors import ImnmFhirError, ServerError, UsageError
from imnm_fhir.server.reading.bulk import Polling
from tests.unit.download.conftest import TAG, observation, patient
from tests.unit.server.conftest import Clock
from tests.unit.server.fhir_source import PROJECT, FhirSource
from tests.unit.server.stand_in import Answer, Asked, StandIn, outcome

Run = Callable[..., Downloaded]
ALL = {"Observation": 20, "Organization": 1, "Patient": 5}
METHODS = ("search", "everything", "bulk")
KEY = "https://imnm-fhir.github.io/fhir/key"


def there(folder: Path) -> dict[str, dict[str, Any]]:
    """Every resource in the spool's folder, by type and id; none stands there twice."""
    found: dict[str, dict[str, Any]] = {}
    for path in (folder / "spool").glob("*.ndjson"):
        for line in path.read_text().splitlines():
            resource = json.loads(line)
            name = f"{resource['resourceType']}/{resource['id']}"
            assert name not in found
            found[name] = resource
    return found


def holds(store: FhirSource) -> dict[str, dict[str, Any]]:
    """Every resource of ours at the server."""
    tagged = {
        key: each for key, each in store.kept.items() if PROJECT in each["meta"].get("tag", [])
    }
    return {f"{kind}/{ident}": each for (kind, ident), each in tagged.items()}


def fails_once(when: Callable[[Asked], bool], answer: Answer) -> Callable[[Asked], Answer | None]:
    """A fault that is there the first time only."""
    left = [answer]
    return lambda asked: left.pop() if left and when(asked) else None


@pytest.mark.parametrize("method", METHODS)
def test_each_method_brings_all_of_ours_and_nothing_else(
    method: str, run: Run, store: FhirSource, tmp_path: Path
) -> None:
    got = run(method)
    assert (got.resources, got.method.name) == (ALL, method)
    assert there(tmp_path) == holds(store)


@pytest.mark.parametrize("method", METHODS)
def test_without_tag_all_come(method: str, run: Run, tmp_path: Path) -> None:
    assert run(method, tag=None).resources["Observation"] == 21
    assert "Observation/o99" in there(tmp_path)


def test_the_server_forgets_its_pages(run: Run, store: FhirSource, tmp_path: Path) -> None:
    store.fault = fails_once(lambda asked: "start=9" in asked.path, outcome("gone", 410))
    assert run("search").resources == ALL
    assert there(tmp_path) == holds(store)


def test_pages_that_are_always_forgotten_end(run: Run, store: FhirSource) -> None:
    store.fault = lambda asked: outcome("gone", 410) if "start=9" in asked.path else None
    with pytest.raises(ServerError, match="410 Gone"):
        run("search")


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_download_goes_on(
    method: str, run: Run, store: FhirSource, server: StandIn, tmp_path: Path
) -> None:
    late = {"search": "start=9", "everything": "p3/$everything", "bulk": "Observation-9"}[method]
    store.fault = fails_once(lambda asked: late in asked.path, outcome("tired", 500))
    with pytest.raises(ServerError, match="500"):
        run(method)
    before = len(server.asked)
    got = run()  # the same way, without being told
    assert (got.resources, got.method.name) == (ALL, method)
    assert there(tmp_path) == holds(store)
    again = [asked.path for asked in server.asked[before:]]
    early = {
        "search": "Observation?start=3",
        "everything": "p1/$everything",
        "bulk": "Observation-0",
    }
    assert not [path for path in again if early[method] in path]


def test_changes_while_paging_are_taken(run: Run, store: FhirSource, tmp_path: Path) -> None:
    def change() -> None:
        store.shift = lambda: None
        store.put(observation(0, "new value"))
        store.put(observation(50))
        store.delete("Observation", "o01")
        store.delete("Observation", "o19")

    store.shift = change
    assert run("search").resources["Observation"] == 19
    assert there(tmp_path) == holds(store)


def test_a_page_that_is_lost_in_silence_is_found_missing(
    run: Run, store: FhirSource, tmp_path: Path
) -> None:
    """The first reading lacks entries; the count tells, and what is missing is read."""
    short = Answer(200, b'{"resourceType":"Bundle","type":"searchset"}')
    store.fault = fails_once(lambda asked: "Observation" in asked.path, short)
    got = run("search")
    assert got.resources == ALL and there(tmp_path) == holds(store)
    assert any("20 Observation" in note for note in got.notes)


def test_a_server_that_gives_less_than_it_counts_is_an_error(run: Run, store: FhirSource) -> None:
    short = Answer(200, b'{"resourceType":"Bundle","type":"searchset"}')
    store.fault = lambda asked: (
        short if "Observation?" in asked.path and "_summary" not in asked.path else None
    )
    with pytest.raises(ServerError, match="0 Observation came, but the server counts 20"):
        run("search")


def test_a_server_that_never_counts(run: Run, store: FhirSource, tmp_path: Path) -> None:
    store.counts = False
    got = run("search")
    assert got.resources == ALL and there(tmp_path) == holds(store)
    assert "Patient: the server does not count them: compared by their ids instead" in got.notes


@pytest.mark.parametrize("refused", [{"_sort"}, {"_lastUpdated"}, {"_elements"}, {"_tag"}])
def test_parameters_that_a_server_refuses(
    refused: set[str], run: Run, store: FhirSource, tmp_path: Path
) -> None:
    store.refused = refused
    if refused == {"_elements"}:
        store.page_limit = 2
    assert run("search").resources == ALL
    assert there(tmp_path) == holds(store)


def test_changes_since_the_last_download(
    run: Run, store: FhirSource, server: StandIn, tmp_path: Path
) -> None:
    assert run(since="last", keep=True).method.name == "search"
    for number in range(20, 30):
        store.put(observation(number))
    store.put(observation(3, "corrected"))
    store.delete("Observation", "o04")
    before = len(server.asked)
    got = run(since="last", keep=True)
    assert got.method.name == "changes"
    assert got.notes == ["1 Observation are not at the server any more, and left"]
    assert there(tmp_path) == holds(store)
    assert there(tmp_path)["Observation/o03"]["valueString"] == "corrected"
    assert not [a for a in server.asked[before:] if "_elements" in a.path]  # the history told


def test_deleted_is_seen_without_a_history(run: Run, store: FhirSource, tmp_path: Path) -> None:
    run(since="last", keep=True)
    store.fault = lambda asked: outcome("no history", 405) if "_history" in asked.path else None
    store.delete("Observation", "o04")
    store.put(observation(30))
    store.put({**observation(7), "meta": {}})  # not ours any more
    assert run(since="last", keep=True).resources["Observation"] == 19
    assert there(tmp_path) == holds(store)


def test_a_deleted_resource_that_came_back(run: Run, store: FhirSource, tmp_path: Path) -> None:
    run(since="last", keep=True)
    store.delete("Observation", "o04")
    store.put(observation(4, "again"))
    store.delete("Observation", "o05")
    run(since="last", keep=True)
    assert there(tmp_path) == holds(store)


def test_changes_of_a_server_that_knows_no_time(
    run: Run, store: FhirSource, tmp_path: Path
) -> None:
    run(since="last", keep=True)
    store.refused = {"_lastUpdated"}
    store.put(observation(3, "corrected"))
    assert run(since="last", keep=True).method.name == "search"
    assert there(tmp_path) == holds(store)


def test_since_a_date_needs_an_earlier_import_and_leaves_no_gap(
    run: Run, store: FhirSource, tmp_path: Path
) -> None:
    with pytest.raises(ImnmFhirError, match="--since last, which reads everything the first time"):
        run(since="2026-01-01")
    assert not (tmp_path / "spool").exists()
    run(since="last", keep=True)
    store.put(observation(3, "corrected"))
    run(since="2099-01-01", keep=True)  # later than the last import: read from that one on
    assert there(tmp_path) == holds(store)
    with pytest.raises(ImnmFhirError, match="is no date"):
        run(since="yesterday")


def test_another_selection_does_not_mix_with_what_is_kept(
    run: Run, store: FhirSource, tmp_path: Path
) -> None:
    run(since="last", keep=True)
    assert run(since="last", tag=None).resources["Observation"] == 21
    assert run().resources == ALL
    assert there(tmp_path) == holds(store)


def test_a_damaged_spool_is_read_anew(run: Run, store: FhirSource, tmp_path: Path) -> None:
    run(since="last", keep=True)
    (tmp_path / "spool" / "Observation.ndjson").write_text("{}\n")
    assert run(since="last").resources == ALL
    (tmp_path / "spool" / ".state.json").write_text("[1]")
    assert run(since="last").resources == ALL
    assert there(tmp_path) == holds(store)


@pytest.mark.parametrize("method", ["search", "everything"])
def test_listed_patients(method: str, run: Run, server: StandIn, tmp_path: Path) -> None:
    listed = Listed("list.txt", {(KEY, "madrid/1"): 1, (KEY, "madrid/3"): 2})
    got = run(method, listed=listed)
    assert got.resources == {"Observation": 8, "Organization": 1, "Patient": 2}
    assert {name for name in there(tmp_path) if name.startswith("Patient")} == {
        "Patient/p1",
        "Patient/p3",
    }
    assert "madrid" not in "".join(asked.path for asked in server.asked)  # addresses are logged


def test_listed_patients_who_are_not_there(run: Run) -> None:
    listed = Listed("list.txt", {(KEY, "madrid/1"): 1, (KEY, "madrid/KANARIE"): 4})
    with pytest.raises(ImnmFhirError, match=r"list.txt: 1 patient is not at .*line 4\)") as error:
        run(listed=listed)
    assert "KANARIE" not in str(error.value)
    assert run(listed=listed, keep_going=True).resources["Patient"] == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_group(method: str, run: Run, store: FhirSource, tmp_path: Path) -> None:
    members = [{"entity": {"reference": f"Patient/p{number}"}} for number in (0, 2)]
    store.put({"resourceType": "Group", "id": "g", "member": members})
    got = run(method, group="g", tag=TAG)
    assert got.resources == {"Observation": 8, "Organization": 1, "Patient": 2}


def test_a_group_that_is_not_there_or_empty(run: Run, store: FhirSource) -> None:
    with pytest.raises(ServerError, match="reading the Group: answered 404"):
        run(group="g")
    store.put({"resourceType": "Group", "id": "g"})
    with pytest.raises(ServerError, match="names no patient"):
        run(group="g")


def test_bulk_takes_no_list(run: Run) -> None:
    with pytest.raises(UsageError, match="takes no list"):
        run("bulk", listed=Listed("list.txt", {(KEY, "madrid/1"): 1}))


def test_polling_is_capped_and_grows(run: Run, store: FhirSource, clock: Clock) -> None:
    store.polls = 8
    run("bulk", polling=Polling(most=5))
    assert clock.waits == pytest.approx([1, 1.5, 2.25, 3.375, 5, 5, 5, 5], rel=0.01)


def test_a_shorter_retry_after_is_kept_to(run: Run, store: FhirSource, clock: Clock) -> None:
    store.polls, store.retry_after = 4, "2"
    run("bulk")
    assert clock.waits == [1, 1.5, 2, 2]


def test_an_export_that_never_ends(run: Run, store: FhirSource) -> None:
    store.polls = 10**6
    with pytest.raises(ServerError, match="not ready after 10 minutes: repeat the command later"):
        run("bulk", polling=Polling(patience=600))
    store.polls = 0
    assert run().resources == ALL
    assert store.exports == 1  # the same export was waited for


def test_an_expired_file_asks_for_a_new_export(run: Run, store: FhirSource, tmp_path: Path) -> None:
    store.fault = fails_once(
        lambda asked: "file/1-Observation-9" in asked.path, outcome("gone", 410)
    )
    assert run("bulk").resources == ALL
    assert store.exports == 2 and there(tmp_path) == holds(store)


def test_packed_files(run: Run, store: FhirSource, tmp_path: Path) -> None:
    store.packed = True
    assert run("bulk").resources == ALL
    assert there(tmp_path) == holds(store)


def test_the_manifest_of_a_server_that_exports_too_little(
    run: Run, store: FhirSource, tmp_path: Path
) -> None:
    """A file that is not listed: the second count finds what is missing, and it is read."""

    def shorten(asked: Asked) -> None:
        if "status/" in asked.path and store.manifest["output"][-1]["type"] == "Observation":
            store.manifest["output"].pop()

    store.fault = shorten
    got = run("bulk")
    assert got.resources == ALL and there(tmp_path) == holds(store)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"resourceType":"Observation","id":"x"', "line 1: is no resource"),
        (b"<html>KANARIE</html>", "line 1: is no resource"),
        (b'{"resourceType":"../../x","id":"x"}', "line 1: is no resource"),
        (b'{"resourceType":"Observation"}', "without id"),
        (b'{"resourceType":"Observation","id":"x","n":NaN}', "line 1: is no resource"),
        (b'{"resourceType":"Observation","id":"KANARIE \xff"}', "not UTF-8"),
        (b"", "has 0 lines, and should have"),
    ],
)
def test_files_that_are_no_resources(line: bytes, words: str, run: Run, store: FhirSource) -> None:
    store.fault = lambda asked: Answer(200, line) if "file/1-Observation-0" in asked.path else None
    with pytest.raises(ServerError, match=words) as error:
        run("bulk")
    assert "KANARIE" not in str(error.value)


def test_files_with_errors_stop_and_say_why(run: Run, store: FhirSource) -> None:
    issue = {"severity": "error", "code": "exception", "diagnostics": "Database went away"}
    said = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()

    def with_error(asked: Asked) -> Answer | None:
        store.manifest and store.manifest.update(
            error=[{"type": "OperationOutcome", "url": f"{store.base_url}/file/errors"}]
        )
        return Answer(200, said) if "file/errors" in asked.path else None

    store.fault = with_error
    with pytest.raises(ServerError, match=r"not whole: Database went away: .*--method search"):
        run("bulk")
    issue["severity"] = "warning"
    said = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    assert run("bulk").resources == ALL


def test_deleted_files_take_away(run: Run, store: FhirSource, tmp_path: Path) -> None:
    entry = {"request": {"method": "DELETE", "url": "Observation/o07"}}
    gone = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).encode()

    def with_deleted(asked: Asked) -> Answer | None:
        if "status/" in asked.path:
            store.manifest["deleted"] = [
                {"type": "Bundle", "url": f"{store.base_url}/file/deleted"}
            ]
        if "file/deleted" in asked.path:
            store.delete("Observation", "o07")
            return Answer(200, gone)
        return None

    store.fault = with_deleted
    assert run("bulk").resources["Observation"] == 19
    assert there(tmp_path) == holds(store)


def test_a_file_elsewhere_is_not_followed_with_our_token(run: Run, store: FhirSource) -> None:
    def lead_away(asked: Asked) -> None:
        if "status/" in asked.path:
            store.manifest["output"][0]["url"] = "https://evil.example/file"

    store.fault = lead_away
    with pytest.raises(ServerError, match="another origin"):
        run("bulk")


@pytest.mark.parametrize("method", ["everything", "bulk"])
def test_a_server_without_the_operation(method: str, run: Run, store: FhirSource) -> None:
    store.operations = False
    with pytest.raises(ServerError, match=r"answered 40\d"):
        run(method)


def test_a_full_disk_keeps_what_came_and_goes_on(
    run: Run, store: FhirSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.write, [4000]

    def write(place: int, content: bytes) -> int:
        left[0] -= len(content)
        if left[0] < 0:
            real(place, bytes(content)[:10])
            raise OSError(28, "No space left on device")
        return real(place, content)

    with monkeypatch.context() as patch:
        patch.setattr("imnm_fhir.server.reading.spool.os.write", write)
        with pytest.raises(ImnmFhirError, match="the disk is full: free space and repeat") as error:
            run("search")
    assert "\n" not in str(error.value)
    assert run().resources == ALL
    assert there(tmp_path) == holds(store)


def test_two_at_once(run: Run, tmp_path: Path) -> None:
    with open_download(tmp_path / "spool"), pytest.raises(ImnmFhirError, match="another imnm-fhir"):
        run()


def test_lists_of_identifiers(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# ours\nmadrid/1\n\nhttps://x.example|7\nmadrid/1\n0042\n")
    assert read_list(path, "madrid").lines == {
        (KEY, "madrid/1"): 2,
        ("https://x.example", "7"): 4,
        (KEY, "madrid/0042"): 6,
    }
    for text, said in (
        ("0042", "line 1: does not say"),
        ("|7", "line 1: is no"),
        ("#\n", "names no"),
    ):
        path.write_text(text)
        with pytest.raises(ImnmFhirError, match=said) as error:
            read_list(path, None)
        assert "0042" not in str(error.value)
    with pytest.raises(ImnmFhirError, match="cannot be read"):
        read_list(tmp_path / "none.txt", None)


def test_the_automatic_way(
    run: Run, server: StandIn, store: FhirSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.server.stand_in import fhir

    said = {
        "resourceType": "CapabilityStatement", "fhirVersion": "4.0.1",
        "rest": [{"mode": "server", "operation": [{"name": "export"}]}],
    }  # fmt: skip
    assert "names no bulk export" in run().method.why
    server.metadata = lambda asked: fhir(said)
    store.put(patient(0))
    assert run().method.sentence() == "read by search (goes on from where it was cut short)"
    assert run(tag=None).method.sentence() == "read by search (fewer than 50,000 resources)"
    monkeypatch.setattr("imnm_fhir.download.method.MANY", 20)
    assert run(types=("Patient", "Observation")).method.name == "bulk"
