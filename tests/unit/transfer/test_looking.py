"""Looking before acting: journals that know, journals that are gone, servers that others change."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.fhir import to_fhir
from imnm_fhir.fhir.text import write_json
from imnm_fhir.server import Connection
from imnm_fhir.transfer import (
    Choices,
    TransferStoppedError,
    journal_path,
    open_journal,
    transfer,
)
from imnm_fhir.transfer.journal import STORED, WITHDRAWN
from tests.unit.server.stand_in import Answer, Asked, StandIn, outcome
from tests.unit.small_cohort import cohort as small_cohort
from tests.unit.small_cohort import person
from tests.unit.transfer.conftest import (
    Export,
    Resource,
    cohort_of,
    observation,
    organization,
    patient,
    write_files,
)
from tests.unit.transfer.fhir_store import FhirStore


def journal_of(server: StandIn, tmp_path: Path) -> Path:
    return journal_path(tmp_path / "cohort", server.base_url)


def test_unchanged_costs_one_count_per_type(store: FhirStore, export: Export) -> None:
    export(*cohort_of(3, 10))
    before = len(store.asked)
    done = export(*cohort_of(3, 10))
    assert done.total("unchanged") == 34 and done.requests == 0
    assert [asked.method for asked in store.asked[before:]] == ["GET"] * 3


def test_without_the_journal_the_server_is_compared_and_nothing_sent(
    store: FhirStore, export: Export, server: StandIn, tmp_path: Path
) -> None:
    export(*cohort_of(3, 10))
    journal_of(server, tmp_path).unlink()
    sent = len(store.writes())
    done = export(*cohort_of(3, 10))
    assert done.total("unchanged") == 34 and len(store.writes()) == sent
    resources = cohort_of(3, 10)
    resources[7]["valueInteger"] = 9
    assert export(*resources).of("updated") == {"Observation": 1}


def test_a_server_that_was_emptied_is_noticed(store: FhirStore, export: Export) -> None:
    export(*cohort_of(2, 5))
    store.kept.clear()
    store.versions.clear()
    done = export(*cohort_of(2, 5))
    assert done.of("changed by others") == {"Organization": 1, "Patient": 2, "Observation": 10}
    assert any("the journal knows 10, the server counts 0" in note for note in done.notes)
    assert not store.kept
    assert export(*cohort_of(2, 5), overwrite=True).total("created") == 13
    assert len(store.kept) == 13


def test_what_others_changed_is_seen_by_verify_alone_or_before_an_update(
    store: FhirStore, export: Export
) -> None:
    export(*cohort_of(1, 5))
    for number in (1, 2):
        place = f"Observation/o{number}"
        store.kept[place] = {**store.kept[place], "valueInteger": 77}
        store.versions[place] += 1
    resources = cohort_of(1, 5)
    resources[3]["valueInteger"] = 5  # o1
    done = export(*resources)
    assert [each.id for each in done.failures] == ["o1"]
    done = export(*resources, verify=True)
    assert {each.id for each in done.failures} == {"o1", "o2"}
    assert store.kept["Observation/o2"]["valueInteger"] == 77
    done = export(*resources, overwrite=True)
    assert done.complete and store.kept["Observation/o1"]["valueInteger"] == 5
    assert "valueInteger" not in store.kept["Observation/o2"]
    assert export(*resources).total("unchanged") == 7


def test_a_change_between_looking_and_sending_is_seen_by_its_version(
    store: FhirStore, export: Export
) -> None:
    export(*cohort_of(1, 5))
    resources = cohort_of(1, 5)
    for each in resources[2:]:
        each["valueInteger"] = 5

    def meddle(asked: object) -> Answer | None:
        if asked in store.writes() and store.versions["Observation/o3"] == 1:
            store.kept["Observation/o3"] = {**store.kept["Observation/o3"], "valueInteger": 1}
            store.versions["Observation/o3"] = 2
        return None

    store.before = meddle
    done = export(*resources)
    assert done.of("updated") == {"Observation": 4}
    assert [(each.id, each.outcome) for each in done.failures] == [("o3", "changed by others")]
    assert store.kept["Observation/o3"]["valueInteger"] == 1


def test_the_same_change_by_others_is_no_conflict(store: FhirStore, export: Export) -> None:
    export(*cohort_of(1, 2))
    resources = cohort_of(1, 2)
    resources[2]["valueInteger"] = 5
    store.kept["Observation/o0"] = resources[2]
    store.versions["Observation/o0"] = 2
    assert export(*resources).complete
    assert store.versions["Observation/o0"] == 2


def test_a_server_that_does_not_count_is_asked_for_each(store: FhirStore, export: Export) -> None:
    store.before = lambda asked: outcome("no", 400) if "_summary" in asked.path else None
    export(*cohort_of(2, 5))
    done = export(*cohort_of(2, 5))
    assert done.total("unchanged") == 13 and done.requests == 0


def test_a_batch_of_reads_that_is_refused_becomes_single_reads(
    store: FhirStore, export: Export, server: StandIn, tmp_path: Path
) -> None:
    store.takes = ("transaction", "single")
    export(*cohort_of(2, 5))
    journal_of(server, tmp_path).unlink()
    assert export(*cohort_of(2, 5)).total("unchanged") == 13


def test_missing_is_listed_and_removed_on_demand(
    store: FhirStore, export: Export, server: StandIn, tmp_path: Path
) -> None:
    export(*cohort_of(3, 2))
    rest = cohort_of(2, 2)
    done = export(*rest)
    assert done.missing == {"Observation": 2, "Patient": 1} and len(store.kept) == 10
    assert "(taken out: 1 patient)" in "\n".join(done.lines())
    assert export(*rest, partial=True, withdraw_missing=True).missing == {}
    assert len(store.kept) == 10
    done = export(*rest, withdraw_missing=True)
    assert done.of("removed") == {"Observation": 2, "Patient": 1} and len(store.kept) == 7
    with open_journal(tmp_path / "cohort", server.base_url) as journal:
        assert [each.id for each in journal.entries([WITHDRAWN])] == ["o4", "o5", "p2"]
    assert export(*cohort_of(3, 2)).total("created") == 3  # they came back


def test_what_others_changed_is_not_removed_but_with_overwrite(
    store: FhirStore, export: Export
) -> None:
    export(*cohort_of(2, 2))
    store.kept["Observation/o3"] = {**store.kept["Observation/o3"], "valueInteger": 1}
    store.versions["Observation/o3"] = 2
    del store.kept["Observation/o2"]
    store.deleted.add("Observation/o2")
    rest = cohort_of(2, 1)
    done = export(*rest, withdraw_missing=True)
    assert done.of("removed") == {"Observation": 1}  # o2 is gone, as it should be
    assert [(each.id, each.outcome) for each in done.failures] == [("o3", "changed by others")]
    assert "Observation/o3" in store.kept
    done = export(*rest, withdraw_missing=True, overwrite=True)
    assert done.complete and "Observation/o3" not in store.kept


def test_a_foreign_resource_of_our_id_is_not_overwritten_by_another_plan(
    store: FhirStore, export: Export
) -> None:
    theirs = {**organization(), "name": "theirs", "meta": {}}

    def meddle(asked: object) -> Answer | None:
        if asked in store.writes() and "Organization/madrid" not in store.kept:
            store.kept["Organization/madrid"] = theirs
            store.versions["Organization/madrid"] = 1
            return outcome("exists already", 409)
        return None

    store.before = meddle
    done = export(*cohort_of(1, 1))
    assert store.kept["Organization/madrid"] == theirs
    assert ("madrid", "changed by others") in [(each.id, each.outcome) for each in done.failures]
    assert done.plan == "transactions of PUT Type/id"


def test_another_export_that_was_faster_with_the_same_is_no_conflict(
    store: FhirStore, export: Export
) -> None:
    def overtake(asked: object) -> Answer | None:
        if asked in store.writes() and "Organization/madrid" not in store.kept:
            store.kept["Organization/madrid"] = organization()
            store.versions["Organization/madrid"] = 1
            return outcome("created by another request at the same time", 409)
        return None

    store.before = overtake
    assert export(*cohort_of(1, 1)).complete
    assert set(store.versions.values()) == {1}


@pytest.mark.parametrize("takes", [("transaction", "batch", "single"), ("single",)])
def test_what_others_point_to_is_not_removed(
    store: FhirStore, export: Export, takes: tuple[str, ...]
) -> None:
    store.takes = takes
    export(*cohort_of(3, 1))
    foreign = {**observation(99, 2), "id": "foreign", "meta": {}}
    store.kept["Observation/foreign"] = foreign
    done = export(*cohort_of(2, 1), withdraw_missing=True)
    assert done.of("removed") == {"Observation": 1}
    assert [(each.id, each.outcome) for each in done.failures] == [("p2", "refused")]
    assert "cannot be removed: something points to it" in done.failures[0].said
    del store.kept["Observation/foreign"]
    assert export(*cohort_of(2, 1), withdraw_missing=True).of("removed") == {"Patient": 1}


def test_a_dry_run_keeps_nothing(
    store: FhirStore, export: Export, server: StandIn, tmp_path: Path
) -> None:
    done = export(*cohort_of(3, 100), dry_run=True)
    assert done.requests == 5 and done.total("created") == 304 and done.dry_run
    assert not store.writes() and not journal_of(server, tmp_path).exists()
    export(*cohort_of(3, 1))
    resources = [*cohort_of(2, 1), patient(7)]
    resources[-2]["valueInteger"] = 1
    done = export(*resources, dry_run=True, withdraw_missing=True)
    assert done.counts == {
        "Organization": {"unchanged": 1},
        "Patient": {"unchanged": 2, "created": 1, "removed": 1},
        "Observation": {"unchanged": 1, "updated": 1, "removed": 1},
    }


def test_all_or_nothing_names_what_would_dangle(store: FhirStore, export: Export) -> None:
    done = export(*cohort_of(2, 3), observation(99, patient=77), all_or_nothing=True)
    assert [(each.id, each.outcome) for each in done.failures] == [("o99", "held back")]
    assert done.total("not sent") == 9 and not store.kept
    assert export(*cohort_of(2, 3), all_or_nothing=True).requests == 1
    assert len(store.kept) == 9


def test_all_or_nothing_survives_a_lost_answer(store: FhirStore, export: Export) -> None:
    lose = [True]
    store.after = lambda asked, answer: (
        Answer(lost=True) if asked in store.writes() and lose and lose.pop() else answer
    )
    assert export(*cohort_of(2, 3), all_or_nothing=True).complete
    assert set(store.versions.values()) == {1} and len(store.writes()) == 1


def test_a_full_disk_stops_before_anything_is_sent(
    store: FhirStore, export: Export, server: StandIn, tmp_path: Path
) -> None:
    export(*cohort_of(1, 1))
    log = journal_of(server, tmp_path).with_suffix(".audit.jsonl")
    log.unlink()
    log.mkdir()
    sent = len(store.writes())
    with pytest.raises(ImnmFhirError, match="the audit log cannot be written"):
        export(*cohort_of(2, 1))
    assert len(store.writes()) == sent


def test_an_interrupted_export_goes_on_where_it_was(
    store: FhirStore, connection: Connection, export: Export, server: StandIn, tmp_path: Path
) -> None:
    """Rows that say `sending`: one arrived, one did not, one was a correction that arrived."""
    export(*cohort_of(1, 3))
    with closing(sqlite3.connect(journal_of(server, tmp_path))) as journal, journal:
        journal.execute("update resources set state = 'sending', pending = hash, hash = null")
    del store.kept["Observation/o1"], store.versions["Observation/o1"]
    resources = cohort_of(1, 3)
    resources[4]["valueInteger"] = 3  # o2, corrected meanwhile
    done = export(*resources)
    assert done.counts["Observation"] == {"unchanged": 1, "created": 1, "updated": 1}
    assert store.versions["Observation/o2"] == 2 and store.kept["Observation/o1"]
    with open_journal(tmp_path / "cohort", server.base_url) as opened:
        assert {state for _, state in opened.counts()} == {STORED}


def small_delivery(ck: str) -> list[Resource]:
    """A patient of ours as a server is sent it, with numbers that `json` writes."""
    parts: Any = person("P1")
    parts["observations"][0] |= {"value_number": ck}
    return [json.loads(write_json(each)) for each in to_fhir(small_cohort(parts))]


def normalise(store: FhirStore) -> None:
    """Let the server keep a narrative of its own beside what it is sent, with keys in its order."""
    store_as_sent = store._store

    def store_as_read(place: str, resource: Resource) -> Resource:
        told = {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}
        return store_as_sent(place, dict(reversed({"text": told, **resource}.items())))

    store._store = store_as_read  # type: ignore[method-assign]


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("loss", ["answer", "program"])
def test_what_a_server_normalised_without_an_answer_is_no_change_by_others(
    store: FhirStore, export: Export, server: StandIn, tmp_path: Path, loss: str, corrected: bool
) -> None:
    normalise(store)
    resources = small_delivery("5000")
    if corrected:
        export(*resources)
        resources = small_delivery("4000")
    lose = [loss == "answer"]
    store.after = lambda asked, answer: (
        Answer(lost=True) if asked in store.writes() and lose and lose.pop() else answer
    )
    done = export(*resources)
    if loss == "program":
        with closing(sqlite3.connect(journal_of(server, tmp_path))) as journal, journal:
            journal.execute("update resources set state = 'sending', pending = hash, hash = null")
        done = export(*resources)
    assert done.complete and not done.failures
    assert sorted(store.versions.values()) == [1, 1, 1, 2 if corrected else 1]


def test_what_others_changed_while_an_answer_was_lost_is_told(
    store: FhirStore, export: Export
) -> None:
    normalise(store)

    def after(asked: Asked, answer: Answer) -> Answer:
        if asked not in store.writes() or "Observation" not in asked.body.decode():
            return answer
        for place in [each for each in store.kept if each.startswith("Observation")]:
            store.kept[place] = {**store.kept[place], "valueQuantity": {"value": 1}}
        return Answer(lost=True)

    store.after = after
    assert [each.outcome for each in export(*small_delivery("5000")).failures] == [
        "changed by others"
    ]


def test_another_cohorts_resources_are_never_removed(
    store: FhirStore, connection: Connection, export: Export, tmp_path: Path
) -> None:
    export(*cohort_of(2, 1))
    other = write_files(tmp_path / "other", [{**organization(), "id": "freiburg"}])
    chosen = Choices(withdraw_missing=True)
    with pytest.raises(UsageError, match=r"also knows resources of urn:site\|madrid"):
        transfer(connection, other, tmp_path / "cohort", chosen, tags=[("urn:site", "freiburg")])
    assert len(store.kept) == 5


def test_server_gone_while_looking(store: FhirStore, export: Export) -> None:
    store.before = lambda asked: Answer(503)
    with pytest.raises(TransferStoppedError, match="503"):
        export(*cohort_of(1, 1))
