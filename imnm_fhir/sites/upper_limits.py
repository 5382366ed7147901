"""The upper limit of normal that a mapping gives for a column: one, one by sex, or imputed ones.

`upper_limit = { value = "190", unit = "U/L" }`, `{ female = "170", male = "190", unit = "U/L" }`, or
`"imputed"`: the dictionary's limits of a population (domain 5, trap 6), for multiples whose own limit
nobody knows; what they make is marked in `method`. The limit of each row then stands in a column that
no file has.
"""

import re
from collections.abc import Collection

from imnm_fhir.dictionary import Dictionary, Element
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.sites.fields import default_field
from imnm_fhir.sites.mapping import Target, UpperLimit
from imnm_fhir.sites.plan import MADE, Limit, Reading, SourceUnit, UpperLimits
from imnm_fhir.sites.readings import Context
from imnm_fhir.sites.section import Section
from imnm_fhir.sites.unit_of import source_unit
from imnm_fhir.units import convert
from imnm_fhir.values import Unreadable, canonical_number

FIELD = "reference_high"
IMPUTED = "imputed"
SEXES = ("female", "male")
UNCLEAR = re.compile(r"[1-9]\d{0,2}\.\d{3}")
UNCLEAR_LIMIT = "a limit such as 1.900 has the thousands sign of this mapping; write 1900, or 1.9 for the decimal"


def read_upper_limit(section: Section, key: str = "upper_limit") -> UpperLimit | None:
    """What a column's section says of its upper limit; faults of its form are noted."""
    given = section.take(key)
    if given is None or given == IMPUTED:
        return UpperLimit() if given else None
    if not isinstance(given, dict):
        section.fault(key, f'expected {{ value = "…", unit = "…" }} or "{IMPUTED}"')
        return None
    inside = Section(given, (*section.place, key), section.faults)
    by_sex = {sex: text for sex in SEXES if (text := inside.text(sex))}
    value, unit = inside.text("value"), inside.required_text("unit")
    inside.close()
    if (value is None) != (len(by_sex) == len(SEXES)) or (value is not None and by_sex):
        section.fault(key, "give either value, or both female and male")
        return None
    return UpperLimit(by_sex or {"": value or ""}, unit)


def upper_limit_reading(
    context: Context, target: Target, element: Element, filled: Collection[str]
) -> Reading | None:
    """How the limit of a target's column is read; None, with a fault, where it has no use.

    `filled` are the fields of the fact that columns and constants fill already.
    """
    said = target.upper_limit
    if said is None:
        return None
    try:
        if FIELD in filled:
            raise ImnmFhirError("the limit comes from a column already; keep one of them")
        if target.field not in (None, "value", default_field(element)) or element.type != "number":
            raise ImnmFhirError(
                f"belongs to the value of a number, which {element.name} is not here"
            )
        if target.style.thousands == "." and any(map(UNCLEAR.fullmatch, said.by_sex.values())):
            raise ImnmFhirError(UNCLEAR_LIMIT)
        limits = _limits(said, element)
        if not said.by_sex and "method" in filled:
            raise ImnmFhirError("an imputed limit is marked in method, which is filled already")
    except (ImnmFhirError, Unreadable) as error:
        context.fault(target.line, target.column, f"upper_limit: {error}")
        return None
    mark = None if said.by_sex else imputed_mark(context.dictionary)
    # a column may fill several facts, each with its limit
    fact = element.name, target.time_point, target.n
    return Reading(
        f"{MADE}{target.line} {target.column} {fact}", target.line, FIELD, "number", carries=False,
        element=element, decimal=".", unit=SourceUnit(element.unit), optional=True,
        limits=UpperLimits(limits, mark),
    )  # fmt: skip


def imputed_mark(dictionary: Dictionary) -> str:
    """The method that says that a value rests on an imputed limit."""
    sets = dictionary.value_sets[dictionary.column_value_sets["method"]]
    return sets.members(imputed=True)[0]


def _limits(said: UpperLimit, element: Element) -> tuple[Limit, ...]:
    """The limits in the element's own unit, in the order in which they are tried."""
    if not said.by_sex:
        known = element.attributes.get("upper_limits")
        if not known:
            raise ImnmFhirError(f"none is known to impute for {element.name}; give the site's own")
        return tuple(
            Limit(str(each["limit"]), each.get("sex"), each.get("below_age")) for each in known
        )
    unit = source_unit(element, FIELD, str(said.unit))
    if unit.factor is None:
        raise ImnmFhirError(f"unit '{said.unit}' is no unit of a limit")
    found = []
    for sex, text in said.by_sex.items():
        value = canonical_number(text)
        if float(value) <= 0:
            raise ImnmFhirError(f"'{text}' is no limit; it must be above 0")
        found.append(Limit(convert(value, unit.factor), sex or None))
    return tuple(found)
