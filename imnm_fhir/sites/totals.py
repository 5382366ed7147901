"""Lines of totals and means at the foot of a table of persons: no patients, or perhaps one."""

from imnm_fhir.sites.fit import TablePlan
from imnm_fhir.values.words import names_totals

WHO_SOMEBODY_IS = ("sex", "birth_date")


def totals_rows(fitted: TablePlan) -> tuple[list[int], list[int]]:
    """The places of the lines of totals, and of those that may be a patient: they say who it is.

    Other tables have no need of it: there a row of nobody who is in a table of persons is refused.
    """
    facts = (fact for fact in fitted.plan.facts if fact.element.name in WHO_SOMEBODY_IS)
    about = {column for fact in facts for each in fact.readings for column in each.columns}
    named = [
        place
        for place, text in enumerate(fitted.cells(str(fitted.plan.file.patient)))
        if about and names_totals(text)
    ]
    doubtful = [place for place in named if any(fitted.cells(each)[place] for each in about)]
    return [place for place in named if place not in doubtful], doubtful
