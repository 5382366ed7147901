"""The patients of a synthetic cohort as a German centre would send them: one wide table, two long ones.

Decimal commas, dates by day, month and year, local words, semicolons. Harmonised through `site.toml`
they give the same cohort again.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.synthetic import Row, Rows, patient_rows

MAPPING = Path(__file__).with_name("site.toml")
YES, NO = "ja", "nein"
WORDS = {
    "unknown": "unbekannt", "not-asked": "nicht gefragt", "not-performed": "n.d.",
    "female": "w", "male": "m", "yes": "ja",
    "positive": "positiv", "negative": "negativ", "elisa": "ELISA", "line_blot": "Lineblot",
    "complete": "Vollremission", "significant": "deutlich", "unchanged": "gleich",
    "still_severe": "schlecht", "baseline": "Erstvorstellung", "month_3": "3 Monate",
    "month_6": "6 Monate", "month_12": "12 Monate", "atorvastatin": "Sortis", "simvastatin": "Zocor",
    "rosuvastatin": "Crestor", "prednisone": "Prednison", "methotrexate": "MTX", "ivig": "IVIG",
    "rituximab": "Rituximab", "oral": "p.o.", "intravenous": "i.v.", "imnm": "IMNM",
    "breast_cancer": "Mammakarzinom", "lung_cancer": "Bronchialkarzinom",
    "colon_cancer": "Kolonkarzinom", "diabetes_type_2": "Diabetes mellitus Typ 2",
    "hypertension": "Hypertonie", "hypothyroidism": "Hypothyreose",
}  # fmt: skip
UNITS = {"mg/kg/d": "mg/kg/Tag", "g/kg": "g/kg", "U/L": "U/l", None: ""}


def day(text: str | None) -> str:
    """`04.03.2019`, `03.2019`, `2019`."""
    return ".".join(reversed(text.split("-"))) if text else ""


def number(text: str | None) -> str:
    """A decimal comma."""
    return text.replace(".", ",") if text else ""


def word(key: str | None) -> str:
    """The centre's word for a key of a value set."""
    return WORDS[key] if key else ""


def plain(text: str | None) -> str:
    """Text as it is."""
    return text or ""


def _truth(row: Row) -> str:
    if row.get("missing"):
        return WORDS[row["missing"]]
    return YES if row["value_boolean"] else NO


def _result(row: Row) -> str:
    return WORDS[row.get("missing") or row["value_code"]]


def _grade(row: Row) -> str:
    return str(row.get("value_text") or row["value_number"])


# Header, table, element, n, and either the field with its way of writing or a function of the row.
def _columns() -> list[tuple[str, str, str, str | None, Callable[[Row], str]]]:
    def of(field: str, write: Callable[[Any], str]) -> Callable[[Row], str]:
        return lambda row: write(row.get(field))

    observed: list[tuple[str, str, Callable[[Row], str]]] = [
        ("Einwilligung", "consent_reuse", of("value_code", word)),
        ("Einwilligung seit", "consent_valid_from", of("value_date", day)),
        ("Umfang der Einwilligung", "consent_scope", of("value_text", plain)),
        ("Statin vor Beginn", "statin_exposure", _truth),
        ("Proximale Schwäche", "proximal_weakness", _truth),
        ("Dysphagie", "dysphagia", _truth),
        ("Niedrigster MRC", "worst_mrc", _grade),
        ("Anti-HMGCR", "anti_hmgcr", _result),
        ("Anti-HMGCR Datum", "anti_hmgcr", of("date", day)),
        ("Anti-HMGCR Methode", "anti_hmgcr", of("method", word)),
        ("Anti-HMGCR Wert (U/ml)", "anti_hmgcr", of("value_number", number)),
        ("Anti-HMGCR Cut-off", "anti_hmgcr", of("reference_high", number)),
        ("Anti-HMGCR Grad", "anti_hmgcr", of("value_text", plain)),
        ("Anti-SRP", "anti_srp", _result),
        ("Anti-SRP Datum", "anti_srp", of("date", day)),
        ("Anti-SRP Methode", "anti_srp", of("method", word)),
        ("Anti-SRP Wert (U/ml)", "anti_srp", of("value_number", number)),
        ("Anti-SRP Cut-off", "anti_srp", of("reference_high", number)),
        ("Anti-SRP Grad", "anti_srp", of("value_text", plain)),
        ("Anti-Ro52", "anti_ro52", _result),
        ("Anti-Ro52 Datum", "anti_ro52", of("date", day)),
        ("LDH (U/l)", "ldh", of("value_number", number)),
        ("Ansprechen 6 Monate", "response", of("value_code", word)),
        ("mRS 6 Monate", "mrs", of("value_number", number)),
        ("HAQ", "haq", of("value_number", number)),
        ("Tumor", "cancer", _truth),
        ("Letzter Kontakt", "last_contact", of("value_date", day)),
        ("Todesursache", "cause_of_death", of("value_text", plain)),
    ]
    return [
        *((header, "observations", element, None, write) for header, element, write in observed),
        ("Statin", "medications", "statin", "1", of("value_code", word)),
        ("Statin Beginn", "medications", "statin", "1", of("start_date", day)),
        ("Statin Ende", "medications", "statin", "1", of("end_date", day)),
        ("Symptombeginn", "conditions", "imnm", None, of("onset_date", day)),
        ("Diagnosedatum", "conditions", "imnm", None, of("date", day)),
        ("Tumorart", "conditions", "cancer_diagnosis", None, of("value_code", word)),
        ("Tumor Datum", "conditions", "cancer_diagnosis", None, of("date", day)),
        ("Komorbidität", "conditions", "comorbidity", "1", of("value_code", word)),
        ("Komorbidität Freitext", "conditions", "comorbidity", "2", of("value_text", plain)),
        ("Biopsie Datum", "procedures", "biopsy", None, of("date", day)),
        ("EMG Datum", "procedures", "emg", None, of("date", day)),
        ("MRT Datum", "procedures", "mri", None, of("date", day)),
        ("Plasmapherese Beginn", "procedures", "plasma_exchange", None, of("date", day)),
        ("Plasmapherese Sitzungen", "procedures", "plasma_exchange", None, of("sessions", number)),
    ]


def _person(row: Row) -> list[str]:
    born = (
        WORDS[row["birth_date_missing"]] if "birth_date_missing" in row else day(row["birth_date"])
    )
    dead = NO if row.get("deceased_boolean") is False else ""
    return [row["patient"], born, WORDS[row["sex"]], dead, day(row.get("deceased_date"))]


PERSON = ["Pat-ID", "Geburtsdatum", "Geschlecht", "Verstorben", "Todesdatum"]
CK = ["Laufnr", "Pat-ID", "Datum", "CK", "Einheit", "Obere Norm", "Visite"]
DRUGS = ["Verordnung", "Pat-ID", "Medikament", "Beginn", "Dosis", "Rate", "Weg", "Indikation"]


def _ck(row: Row) -> list[str]:
    value = row.get("comparator", "") + number(row["value_number"])
    high, visit = number(row["reference_high"]), word(row["time_point"])
    return [row["n"], row["patient"], day(row["date"]), value, UNITS[row["unit"]], high, visit]


def _drug(row: Row) -> list[str]:
    dose, rate = (number(row.get(name)) for name in ("dose_number", "rate_number"))
    named = [word(row[name]) for name in ("value_code", "route", "reason")]
    return [row["n"], row["patient"], named[0], day(row["start_date"]), dose, rate, *named[1:]]


def _wide(rows: Rows) -> list[str]:
    found: dict[tuple[str, str, str | None], Row] = {}
    for table in ("observations", "medications", "conditions", "procedures"):
        for row in rows[table]:
            found[table, row["element"], row.get("n")] = row
    cells = []
    for _, table, element, n, write in COLUMNS:
        own = found.get((table, element, n))
        cells.append(write(own) if own else "")
    return _person(rows["patients"][0]) + cells


COLUMNS = _columns()


def make_site_files(patients: int, folder: Path) -> list[Path]:
    """The three files, made once."""
    paths = [folder / name for name in ("patienten.csv", "ck.csv", "medikamente.csv")]
    if folder.exists():
        return paths
    unfinished = folder.with_name(folder.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    headers = [PERSON + [each[0] for each in COLUMNS], CK, DRUGS]
    opened = [(unfinished / path.name).open("w", encoding="utf-8", newline="") for path in paths]
    try:
        writers = [csv.writer(file, delimiter=";") for file in opened]
        for writer, header in zip(writers, headers, strict=True):
            writer.writerow(header)
        for made in _lines(patients):
            for writer, lines in zip(writers, made, strict=True):
                writer.writerows(lines)
    finally:
        for file in opened:
            file.close()
    unfinished.rename(folder)
    return paths


def _lines(patients: int) -> Iterator[tuple[list[list[str]], list[list[str]], list[list[str]]]]:
    for each in range(1, patients + 1):
        rows = patient_rows(each)
        series = [_ck(row) for row in rows["observations"] if row["element"] == "ck"]
        drugs = [_drug(row) for row in rows["medications"] if row["element"] == "immunosuppressant"]
        yield [_wide(rows)], series, drugs
