"""The pages of docs/reference/ that are made from what the program itself reads."""

from collections.abc import Callable

from scripts.reference.commands import commands_page, exit_codes_page, library_page
from scripts.reference.dictionary import elements_page, value_sets_page
from scripts.reference.fhir import fhir_page
from scripts.reference.rules import cases_page, rules_page, study_page

PAGES: dict[str, Callable[[], str]] = {
    "commands": commands_page,
    "exit-codes": exit_codes_page,
    "elements": elements_page,
    "value-sets": value_sets_page,
    "rules": rules_page,
    "cases": cases_page,
    "study": study_page,
    "fhir": fhir_page,
    "library": library_page,
}
WARNING = "<!-- Made by docs/make_reference.py: change what it reads, then run make docs. -->"


def page(name: str) -> str:
    """The text of one page of the reference."""
    return f"{WARNING}\n\n{PAGES[name]()}\n"
