"""Every way of sending gives the same server: what is stored, once, and nothing again."""

import json
from pathlib import Path

import pytest

from imnm_fhir.errors import ServerError
from imnm_fhir.server.capabilities import to_capabilities
from imnm_fhir.transfer.plans import CLIENT_ID, CREATE, SINGLE, TRANSACTION, UPDATE, Plan, ladder
from tests.unit.server.stand_in import StandIn, fhir
from tests.unit.transfer.conftest import Export, cohort_of, observation
from tests.unit.transfer.fhir_store import FhirStore

LACKS = {
    "all": (("transaction", "batch", "single"), True, "transactions of PUT Type/id"),
    "no transaction": (("batch", "single"), True, "batches"),
    "single alone": (("single",), True, "single requests"),
    "no client ids": (("transaction", "batch", "single"), False, "transactions of P"),
    "batch, no client ids": (("batch", "single"), False, "batches"),
    "single, no client ids": (("single",), False, "single requests"),
}


@pytest.mark.parametrize("name", LACKS)
@pytest.mark.parametrize("conditional", [("update", "create"), ("create",)])
def test_each_capability_has_a_plan(
    store: FhirStore, export: Export, name: str, conditional: tuple[str, ...]
) -> None:
    store.takes, store.client_ids, said = LACKS[name]
    store.conditional = conditional
    resources = cohort_of(patients=3, each=4)
    first = export(*resources, bundle_size=5)
    assert first.counts == {
        "Organization": {"created": 1},
        "Patient": {"created": 3},
        "Observation": {"created": 12},
    }
    assert first.complete and first.failures == []
    assert first.plan.startswith(said)
    assert len(store.kept) == 16 and set(store.versions.values()) == {1}
    _check_references(store)

    sent = len(store.writes())
    again = export(*resources)
    assert again.total("unchanged") == 16 and again.complete
    assert len(store.writes()) == sent

    resources[-1] = {**resources[-1], "valueInteger": 7}
    third = export(*resources)
    assert third.of("updated") == {"Observation": 1} and third.total("unchanged") == 15
    assert sorted(store.versions.values()) == [1] * 15 + [2]
    _check_references(store)


def _check_references(store: FhirStore) -> None:
    for resource in store.kept.values():
        if "subject" in resource:
            assert resource["subject"]["reference"] in store.kept


def test_ids_of_the_server_are_kept_in_the_journal(
    store: FhirStore, export: Export, tmp_path: Path
) -> None:
    store.client_ids = False
    export(*cohort_of(2, 2))
    assert all("/s" in place for place in store.kept)
    export(*cohort_of(2, 1), withdraw_missing=True)
    assert len(store.kept) == 5


def test_what_worked_is_tried_first_and_the_statement_is_not_read_again(
    server: StandIn, store: FhirStore, export: Export
) -> None:
    store.takes = ("single",)
    export(*cohort_of(2, 2))
    before = len(store.writes())
    server.metadata = lambda _: fhir({})  # nobody asks
    export(*cohort_of(2, 3))
    assert len(store.writes()) == before + 2


def test_a_statement_that_lies_falls_back_with_a_note(
    server: StandIn, store: FhirStore, export: Export
) -> None:
    store.takes = ("single",)
    server.metadata = lambda _: fhir(statement(["transaction", "batch"], updateCreate=True))
    done = export(*cohort_of(1, 1))
    assert done.complete
    assert any("does not take transactions" in note for note in done.notes)


def test_no_plan_possible_names_what_is_missing(store: FhirStore, export: Export) -> None:
    store.takes = ()
    with pytest.raises(ServerError, match="needed is one of: the interaction `update`"):
        export(*cohort_of(1, 1))
    assert not store.kept


def test_a_resource_without_identifier_where_one_is_needed(
    store: FhirStore, export: Export
) -> None:
    store.client_ids = False
    resources = [*cohort_of(1, 1), observation(9)]
    del resources[-1]["identifier"]
    done = export(*resources)
    assert [(each.id, each.status) for each in done.failures] == [("o9", None)]
    assert "has no business identifier" in done.failures[0].said
    assert done.total("created") == 3


def statement(interactions: list[str], **about: object) -> dict[str, object]:
    kinds = ("Organization", "Patient", "Observation")
    types = [{"type": kind, "interaction": [{"code": "update"}], **about} for kind in kinds]
    rest = {
        "mode": "server",
        "interaction": [{"code": each} for each in interactions],
        "resource": types,
    }
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [rest]}


def test_order_of_plans() -> None:
    def first(*args: object, **about: object) -> Plan:
        said = to_capabilities(statement(list(args[0]), **about))  # type: ignore[call-overload]
        return ladder(said, ["Patient"], *map(str, args[1:]))[0]

    assert first([]) == Plan(TRANSACTION, CLIENT_ID)
    assert first(["batch"]).envelope == "batch"
    assert first(["transaction"], updateCreate=False) == Plan(TRANSACTION, UPDATE)
    unlike = first(["transaction"], updateCreate=False, conditionalUpdate=False)
    assert unlike == Plan(TRANSACTION, CREATE)
    assert first([], Plan(SINGLE, CREATE).name) == Plan(SINGLE, CREATE)
    assert len(ladder(to_capabilities({}), ["Patient"])) == 9


def test_capabilities_are_read_whatever_they_look_like() -> None:
    odd = {"rest": [{"resource": [{"type": "Patient", "interaction": "x", "versioning": 7}, 3]}]}
    found = to_capabilities(odd)
    assert (
        found.of("Patient").interactions == frozenset() and found.of("Patient").versioning is None
    )
    assert to_capabilities({"rest": {}}).types == {}
    assert json.dumps(sorted(to_capabilities(statement(["batch"])).interactions)) == '["batch"]'
