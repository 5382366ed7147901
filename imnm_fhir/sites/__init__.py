"""Site mappings: which column of a centre's files holds what, in which words, units and styles."""

from imnm_fhir.sites.check import check_site_mapping, plan_tables
from imnm_fhir.sites.load import built_in_sites, load_site_mapping, parse_site_mapping
from imnm_fhir.sites.mapping import SiteMapping
from imnm_fhir.sites.new_site import new_site

__all__ = [
    "SiteMapping",
    "built_in_sites",
    "check_site_mapping",
    "load_site_mapping",
    "new_site",
    "parse_site_mapping",
    "plan_tables",
]
