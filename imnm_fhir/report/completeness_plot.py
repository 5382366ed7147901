"""The figure of what was sent: patients by elements, a square each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imnm_fhir.cohort import Cohort
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.dictionary.labels import element_label
from imnm_fhir.report.words import Words

if TYPE_CHECKING:
    import pyarrow as pa

SENT, WITH_REASON, NOT_SENT = 2, 1, 0
MOST_PATIENTS = 120  # rows of the figure; the table beside it counts all
LEFT, TOP, SIDE = 118.0, 190.0, 15.0
LONGEST = 32  # of a label in the figure; the table has it whole
MISSING = {"birth_date": "birth_date_missing", "sex": "sex_missing", "deceased": "deceased_missing"}


@dataclass(frozen=True)
class ElementCount:
    """One column: how many patients have a value, only a reason, nothing."""

    name: str
    label: str
    short: str
    x: float
    sent: int
    with_reason: int
    not_sent: int


@dataclass(frozen=True)
class CompletenessPlot:
    """The figure: one SVG path for each state, and the counts of every element over all patients."""

    elements: Sequence[ElementCount]
    patients: Sequence[tuple[str, float]]
    sent: str
    with_reason: str
    width: float
    height: float
    side: float
    left: float
    right: float
    top: float
    all_patients: int
    never: Sequence[str]


def completeness_plot(cohort: Cohort, words: Words) -> CompletenessPlot:
    """The figure of all elements that anybody has, in the dictionary's order.

    Of many patients those with the most gaps are drawn. `never` are the labels of elements that
    nobody has.
    """
    states = element_states(cohort)
    people = cohort.tables["patients"]
    patients = sorted(zip(people["site"].to_pylist(), people["patient"].to_pylist(), strict=True))
    several = len(cohort.sites) > 1
    known = load_dictionary().elements
    shown = [name for name in known if name in states]
    gaps = {each: sum(states[name].get(each, 0) < SENT for name in shown) for each in patients}
    drawn = set(sorted(patients, key=lambda each: -gaps[each])[:MOST_PATIENTS])
    rows = [each for each in patients if each in drawn]
    height = TOP + SIDE * len(rows)
    return CompletenessPlot(
        elements=[
            _count(name, LEFT + SIDE * place, states[name], len(patients), words)
            for place, name in enumerate(shown)
        ],
        patients=[
            ("/".join(each) if several else each[1], TOP + SIDE * place)
            for place, each in enumerate(rows)
        ],
        sent=_squares(rows, shown, states, SENT),
        with_reason=_squares(rows, shown, states, WITH_REASON),
        width=LEFT + SIDE * len(shown) + 90,
        height=height + 6,
        side=SIDE,
        left=LEFT,
        right=LEFT + SIDE * len(shown),
        top=TOP,
        all_patients=len(patients),
        never=[
            element_label(name, words.translator) or name for name in known if name not in states
        ],
    )


def element_states(cohort: Cohort) -> dict[str, dict[tuple[str, str], int]]:
    """By element and patient: `SENT` for a value, `WITH_REASON` for a reason why there is none."""
    states: dict[str, dict[tuple[str, str], int]] = {}
    for element, column in MISSING.items():
        _add_people(states, cohort.tables["patients"], element, column)
    for name in ("observations", "medications", "conditions", "procedures"):
        _add_rows(states, cohort.tables[name])
    return states


def _add_people(
    states: dict[str, dict[tuple[str, str], int]], people: "pa.Table", element: str, reason: str
) -> None:
    import pyarrow.compute as pc

    fields = ["deceased_boolean", "deceased_date"] if element == "deceased" else [element]
    given = pc.is_valid(people[fields[0]])
    for each in fields[1:]:
        given = pc.or_(given, pc.is_valid(people[each]))
    keys = zip(people["site"].to_pylist(), people["patient"].to_pylist(), strict=True)
    both = zip(keys, given.to_pylist(), pc.is_valid(people[reason]).to_pylist(), strict=True)
    found = {
        key: SENT if value else WITH_REASON for key, value, excused in both if value or excused
    }
    if found:
        states[element] = found


def _add_rows(states: dict[str, dict[tuple[str, str], int]], table: "pa.Table") -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    sent = pc.is_null(table["missing"]) if "missing" in table.column_names else None
    flags = sent if sent is not None else pa.chunked_array([pa.repeat(True, len(table))])
    wanted = table.select(["site", "patient", "element"]).append_column("sent", flags)
    found = wanted.group_by(["site", "patient", "element"]).aggregate([("sent", "max")])
    names = ("site", "patient", "element", "sent_max")
    for site, patient, element, value in zip(
        *(found[name].to_pylist() for name in names), strict=True
    ):
        states.setdefault(element, {})[site, patient] = SENT if value else WITH_REASON


def _count(
    name: str, x: float, states: Mapping[tuple[str, str], int], people: int, words: Words
) -> ElementCount:
    sent = sum(state == SENT for state in states.values())
    label = element_label(name, words.translator) or name
    short = label if len(label) <= LONGEST else f"{label[: LONGEST - 1].rstrip()}…"
    nothing = people - len(states)
    return ElementCount(name, label, short, x, sent, len(states) - sent, nothing)


def _squares(
    rows: Sequence[tuple[str, str]],
    elements: Sequence[str],
    states: Mapping[str, Mapping[tuple[str, str], int]],
    wanted: int,
) -> str:
    """All squares of one state as one path."""
    parts, inner = [], SIDE - 2
    for down, patient in enumerate(rows):
        for across, name in enumerate(elements):
            if states[name].get(patient, NOT_SENT) == wanted:
                parts.append(f"M{LEFT + SIDE * across + 1:g} {TOP + SIDE * down + 1:g}")
                parts.append(f"h{inner:g}v{inner:g}h-{inner:g}z")
    return "".join(parts)
