"""What the study demands, beside what was sent: the rows of the report's table."""

from imnm_fhir.dictionary.labels import element_label, time_point_label
from imnm_fhir.findings import DemandCount, Validation
from imnm_fhir.report.words import Words

MOST = 30  # patients named of one demand
APART = {  # patients whom nobody waits for, and the words that count them
    "not_yet": "not_yet",
    "died": "died_before",
    "left_before": "left_before",
    "undated": "undated_visit",
    "refused": "refused_use",
}


def demand_rows(validation: Validation, words: Words) -> list[dict[str, object]]:
    """A row for each site and demand, those that are not met first; empty where none was asked."""
    counted = sorted(validation.demands, key=lambda each: each.met)
    return [_row(each, words) for each in counted]


def _row(each: DemandCount, words: Words) -> dict[str, object]:
    apart = [
        words(name, count=count) for key, name in APART.items() if (count := getattr(each, key))
    ]
    by_values = each.given * 100 >= each.demanded * each.patients
    said = "" if by_values else words("met_with_reasons" if each.met else "unmet")
    return {
        "site": each.site,
        "label": element_label(each.element, words.translator),
        "visit": time_point_label(each.time_point, words.translator) or words("any_time"),
        "patients": each.patients,
        "given": each.given,
        "share": f"{_percent(each)} %" if each.patients else "",
        "reasons": each.reasons,
        "lacking": len(each.lacking),
        "who": ", ".join(each.lacking[:MOST]) + (", …" if len(each.lacking) > MOST else ""),
        "demanded": f"{each.demanded:g} %",
        "said": said,
        "apart": "; ".join(apart),
    }


def _percent(each: DemandCount) -> int:
    """The share in whole percent, rounded down: 89.9 % does not look like the 90 % that are demanded."""
    return each.given * 100 // each.patients
