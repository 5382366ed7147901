"""The whole check of a mapping: against the dictionary, the files' columns and their cells."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imnm_fhir.sites.contents import check_contents
from imnm_fhir.sites.faults import Faults
from imnm_fhir.sites.fit import TablePlan, fit_tables
from imnm_fhir.sites.mapping import SiteMapping
from imnm_fhir.sites.resolve import resolve

if TYPE_CHECKING:
    from imnm_fhir.readers import TextTable


def check_site_mapping(mapping: SiteMapping, tables: Sequence["TextTable"]) -> None:
    """Nothing where the mapping fits the dictionary and the tables.

    Raises `Problems` with every fault, each with the mapping's line and what to do.
    """
    plan_tables(mapping, tables)


def plan_tables(mapping: SiteMapping, tables: Sequence["TextTable"]) -> list[TablePlan]:
    """Each table with the plan that the mapping has for it; raises as `check_site_mapping` does."""
    faults = Faults(mapping.source, mapping.lines)
    for line, message in mapping.to_fill_in:
        faults.at(line, message)
    plan = resolve(mapping, faults)
    fitted = fit_tables(plan, tables, faults)
    for each in fitted:
        check_contents(each, faults)
    faults.stop(f"{mapping.source} does not fit, so nothing was written:")
    return fitted
