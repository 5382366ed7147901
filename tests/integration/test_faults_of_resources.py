"""Bad resources among good ones, and a type that may not be written: exactly those are reported."""

from pathlib import Path

import pytest

from imnm_fhir.server import Connection, ServerOptions, connect
from imnm_fhir.transfer import Transferred
from servers.faulty_proxy import Exchange, Proxy, outcome, pass_through
from tests.integration.small_delivery import check_once, cohort, export, held

BAD = "1931-13-45"  # no date, and a canary
SCATTERED = [*range(40, 65), *range(65, 940, 35)]


def with_bad(site: str, number: int, bad: list[int]) -> list[dict[str, object]]:
    resources = cohort(site, number)
    for each in bad:
        resources[6 + each]["effectiveDateTime"] = BAD
    return resources


@pytest.mark.parametrize(
    ("of", "bad"), [(5000, [3777]), (1000, SCATTERED)], ids=["one of 5,000", "fifty of 1,000"]
)
def test_some_are_bad(
    of: int, bad: list[int], at_server: Connection, site: str, tmp_path: Path
) -> None:
    done = export(at_server, tmp_path, with_bad(site, of - 6, bad))
    check_reported(done, site, bad)
    assert done.total("created") == of - len(bad)
    check_once(at_server, site, of - len(bad))
    again = export(at_server, tmp_path, cohort(site, of - 6))  # mended
    assert again.complete and again.of("created") == {"Observation": len(bad)}
    check_once(at_server, site, of)


def test_all_are_bad(at_server: Connection, site: str, tmp_path: Path) -> None:
    bad = list(range(60))
    done = export(at_server, tmp_path, with_bad(site, 60, bad))
    check_reported(done, site, bad)
    check_once(at_server, site, 6)


def check_reported(done: Transferred, site: str, bad: list[int]) -> None:
    assert {each.id for each in done.failures} == {f"{site}-o{number}" for number in bad}
    assert {each.expression for each in done.failures} == {"Observation.effectiveDateTime"}
    assert done.failed == len(bad) == done.total("refused") and BAD not in repr(done)


def test_a_bad_patient_keeps_those_who_point_to_it(
    at_server: Connection, site: str, tmp_path: Path
) -> None:
    resources = cohort(site, 100)
    resources[3]["birthDate"] = BAD
    done = export(at_server, tmp_path, resources)
    assert (done.total("refused"), done.total("held back")) == (1, 20)
    check_once(at_server, site, 85)
    assert export(at_server, tmp_path, cohort(site, 100)).total("created") == 21
    check_once(at_server, site, 106)


def test_a_type_that_may_not_be_written(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    def forbid(exchange: Exchange) -> None:
        if exchange.writes and b'"resourceType":"Patient"' in exchange.body.replace(b" ", b""):
            exchange.send(outcome(403, "no right to write Patient"))

    proxy.play(forbid)
    with connect(proxy.url, options=ServerOptions(patience=30)) as connection:
        done = export(connection, tmp_path, cohort(site, 60))
        assert {each.outcome: each.type for each in done.failures} == {
            "refused": "Patient", "held back": "Observation",
        }  # fmt: skip
        assert done.total("refused") == 5 and done.total("held back") == 60
        assert set(held(at_server, site)) == {f"Organization/{site}"}
        proxy.play(pass_through)
        assert export(connection, tmp_path, cohort(site, 60)).complete
    check_once(at_server, site, 66)
