"""Synthetic cohorts of any size, each patient drawn from a seed of its own.

The first 2,000 patients of 20,000 are therefore the same as those of 2,000. Nothing here is about
anybody: names of drugs and diseases are keys of the dictionary, all else is chance.
"""

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import (
    ROW_GROUP,
    arrow_schema,
    new_manifest,
    read_manifest,
    sort_rows,
    table_from_rows,
    write_manifest,
)
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.keys import resource_id, row_key

if TYPE_CHECKING:
    import pyarrow as pa

SEED = 20261129
SITE = "bench_de"
ABOUT = {"name": "Synthetic centre", "country": "DE", "language": "de", "cut_off": "2024-12-31"}
CHUNK = 2_000  # patients drawn at a time
FILE = "patienten.csv"
# Quotes, backslashes, umlauts, a character outside the basic plane, a line break.
TEXTS = (
    'Zustand nach "Bandscheibenvorfall" L4/5, Größe ca. 2 cm',
    "Œdème, déjà connu; Verlauf unauffällig",
    "Pfad C:\\Befunde\\2019, siehe Arztbrief 𝛼-Variante",
    "Erste Zeile\nzweite Zeile: Übelkeit",
    "Reflux",
)
GRADES = ("+", "++", "+++")

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def patient_rows(number: int) -> Rows:
    """The rows of one patient by table, about 23 in all."""
    patient = _Patient(number)
    patient.person()
    patient.answers()
    patient.serology()
    patient.enzymes()
    patient.course()
    patient.drugs()
    patient.diseases()
    patient.procedures()
    return patient.rows


class _Patient:
    """One patient while drawn: the chance, the dates that hang together, the rows so far."""

    def __init__(self, number: int) -> None:
        self.chance = Random(f"{SEED}/{number}")
        self.name = f"BEN-{number:06d}"
        self.number = number
        self.year = self.chance.randint(2005, 2021)  # of the diagnosis
        self.statin = self.chance.random() < 0.6
        self.hmgcr = self.chance.random() < (0.75 if self.statin else 0.2)
        self.srp = not self.hmgcr and self.chance.random() < 0.6
        self.cancer = self.chance.random() < 0.1
        self.last = self.day(self.year + 3, False)  # contact, or death
        self.rows: Rows = {table: [] for table in TABLES}

    def add(self, table: str, element: str | None = None, **values: Any) -> None:
        """A row, with its provenance; `element` is None for the patient itself."""
        row: Row = {"site": SITE, "patient": self.name, **values}
        row |= {"file": FILE, "row": self.number + 1}
        if element:
            row["element"] = element
        self.rows[table].append(row)

    def likely(self, probability: float) -> bool:
        return self.chance.random() < probability

    def day(self, year: int, partial: bool = True) -> str:
        """A date of the year; one in four is the month or the year alone."""
        text = f"{year}-{self.chance.randint(1, 12):02d}-{self.chance.randint(1, 28):02d}"
        length = self.chance.choices((10, 7, 4), (75, 15, 10))[0] if partial else 10
        return text[:length]

    def number_text(self, low: int, high: int, decimals: int) -> str:
        """Canonical text of a number between two whole ones, with up to so many decimals."""
        scale = 10**decimals
        return canonical(Decimal(self.chance.randint(low * scale, high * scale)) / scale)

    def person(self) -> None:
        born = self.day(self.year - self.chance.randint(25, 85))
        row: Row = {"birth_date": born} if self.likely(0.97) else {"birth_date_missing": "unknown"}
        row["sex"] = self.chance.choice(("female", "female", "male"))
        self.dead = self.likely(0.12)
        if self.dead:
            row["deceased_date"] = self.last
        elif self.likely(0.9):
            row["deceased_boolean"] = False
        self.add("patients", **row)

    def answer(self, element: str, truth: bool, reason: str = "unknown", **more: Any) -> None:
        """A yes or no, or, once in ten, the reason why there is none."""
        value = {"missing": reason} if self.likely(0.1) else {"value_boolean": truth}
        self.add("observations", element, **value, **more)

    def answers(self) -> None:
        self.add("observations", "consent_reuse", value_code="yes")
        since = self.day(self.year, False)
        self.add("observations", "consent_valid_from", value_date=since)
        if self.likely(0.2):
            self.add("observations", "consent_scope", value_text=self.chance.choice(TEXTS))
        self.answer("statin_exposure", self.statin)
        first = {"time_point": "baseline"}
        weak = self.likely(0.95)
        self.answer("proximal_weakness", weak, **first)
        self.answer("dysphagia", self.likely(0.35), "not-asked", **first)
        grade = self.chance.choice(("2", "3", "4", "4+", "4-")) if weak else "5"
        signed = {"value_text": grade} if grade[-1] in "+-" else {}
        value = {"value_number": grade.rstrip("+-"), "unit": "{score}", **signed}
        self.add("observations", "worst_mrc", **value, **first)

    def serology(self) -> None:
        when = self.day(self.year, False)
        for element, positive in (("anti_hmgcr", self.hmgcr), ("anti_srp", self.srp)):
            if self.likely(0.08):
                self.add("observations", element, missing="not-performed", date=when)
                continue
            row: Row = {"value_code": "positive" if positive else "negative", "date": when}
            row["method"] = self.chance.choice(("elisa", "line_blot"))
            if row["method"] == "elisa":
                low, high = (20, 400) if positive else (0, 19)
                row["value_number"] = self.number_text(low, high, self.chance.choice((0, 1, 2, 6)))
                row |= {"unit": "U/mL", "reference_high": "20"}
            elif positive:
                row["value_text"] = self.chance.choice(GRADES)
            self.add("observations", element, **row)
        if self.likely(0.3):
            result = "positive" if self.likely(0.15) else "negative"
            self.add("observations", "anti_ro52", value_code=result, method="line_blot", date=when)

    def enzymes(self) -> None:
        """A series of creatine kinase in the unit of the element; the first one is the highest."""
        level = self.chance.randint(2_000, 30_000)
        visits = ("baseline", None, "month_3", "month_6", None, "month_12")
        for place in range(self.chance.randint(2, 6)):
            exact = canonical(Decimal(self.chance.randint(level * 5, level * 10)) / 10)
            row: Row = {"value_number": exact, "unit": "U/L", "reference_high": "170"}
            if place == 0 and self.likely(0.05):
                row |= {"value_number": "20000", "comparator": ">"}
            row |= {"time_point": visits[place], "n": f"{self.number:06d}-{place + 1}"}
            year = self.year + place // 4
            self.add("observations", "ck", **row, date=f"{year}-{1 + 2 * (place % 4):02d}-15")
            level = max(40, level // 3)
        if self.likely(0.3):
            exact = self.number_text(150, 2_000, self.chance.choice((0, 1, 2)))
            self.add("observations", "ldh", value_number=exact, unit="U/L", time_point="baseline")

    def course(self) -> None:
        later = {"time_point": "month_6"}
        if self.likely(0.6):
            value = self.chance.choice(("complete", "significant", "unchanged", "still_severe"))
            self.add("observations", "response", value_code=value, **later)
        if self.likely(0.3):
            exact = str(self.chance.randint(0, 5))
            self.add("observations", "mrs", value_number=exact, unit="{score}", **later)
        if self.likely(0.3):
            self.add("observations", "haq", value_number=self.number_text(0, 3, 3), unit="{score}")
        self.answer("cancer", self.cancer)
        self.add("observations", "last_contact", value_date=self.last)
        if self.dead:
            self.add("observations", "cause_of_death", value_text=self.chance.choice(TEXTS))

    def drugs(self) -> None:
        if self.statin:
            agent = self.chance.choice(("atorvastatin", "simvastatin", "rosuvastatin"))
            row: Row = {"value_code": agent, "start_date": self.day(self.year - 3)}
            ended = {"end_date": self.day(self.year), "status": "completed"}
            row |= ended if self.likely(0.8) else {"status": "unknown"}
            self.add("medications", "statin", n="1", **row)
        given = ["prednisone", *self.chance.sample(("methotrexate", "ivig", "rituximab"), 2)]
        for place, agent in enumerate(given[: self.chance.choice((1, 2, 2, 3))], 1):
            row = {"value_code": agent, "n": f"V{self.number:06d}-{place}", "reason": "imnm"}
            row |= {"start_date": self.day(self.year + 1), "status": "unknown", "route": "oral"}
            if agent == "prednisone":
                rate = self.chance.choice(("1", "0.5", "0.75"))
                row |= {"rate_number": rate, "rate_unit": "mg/kg/d"}
            elif agent == "ivig":
                row |= {"dose_number": "2", "dose_unit": "g/kg", "route": "intravenous"}
            self.add("medications", "immunosuppressant", **row)

    def diseases(self) -> None:
        onset = self.day(self.year - 1)
        self.add(
            "conditions", "imnm", value_code="imnm", onset_date=onset, date=self.day(self.year)
        )
        if self.cancer:
            kind = self.chance.choice(("breast_cancer", "lung_cancer", "colon_cancer"))
            self.add("conditions", "cancer_diagnosis", value_code=kind, date=self.day(self.year))
        if self.likely(0.3):
            kind = self.chance.choice(("diabetes_type_2", "hypertension", "hypothyroidism"))
            self.add("conditions", "comorbidity", value_code=kind, n="1")
        if self.likely(0.2):
            self.add("conditions", "comorbidity", value_text=self.chance.choice(TEXTS), n="2")

    def procedures(self) -> None:
        for element, probability in (("biopsy", 0.8), ("emg", 0.5), ("mri", 0.3)):
            if self.likely(probability):
                self.add("procedures", element, date=self.day(self.year))
        if self.likely(0.05):
            sessions = str(self.chance.randint(3, 9))
            self.add("procedures", "plasma_exchange", date=self.day(self.year), sessions=sessions)


def canonical(number: Decimal) -> str:
    """The number as the cohort holds it: no exponent, no trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def chunks(patients: int) -> Iterator[dict[str, "pa.Table"]]:
    """The five tables of some patients at a time, in the order of their keys, with their ids."""
    for first in range(1, patients + 1, CHUNK):
        rows: Rows = {table: [] for table in TABLES}
        for number in range(first, min(first + CHUNK, patients + 1)):
            for table, made in patient_rows(number).items():
                rows[table] += made
        yield {table: _finished(table, made) for table, made in rows.items()}


def _finished(name: str, rows: list[Row]) -> "pa.Table":
    key = load_dictionary().tables[name].key
    for row in rows:
        row["id"] = resource_id(row_key(row.get(column) for column in key))
    return sort_rows(table_from_rows(name, rows), name)


def make_cohort(patients: int, folder: Path) -> Path:
    """The cohort folder of so many patients, made once; its files are as `write_cohort` makes them."""
    if (folder / "manifest.json").exists():
        return folder
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    files = {table: _File(table, folder) for table in TABLES}
    for tables in chunks(patients):
        for name, table in tables.items():
            files[name].add(table)
    manifest = new_manifest("site file", {SITE: ABOUT})
    manifest["tables"] = {name: file.finish() for name, file in files.items()}
    manifest["issues"] = _no_issues(folder)
    write_manifest(manifest, folder)
    return folder


class _File:
    """One Parquet file while written: chunks wait until they fill a row group."""

    def __init__(self, name: str, folder: Path) -> None:
        import pyarrow.parquet as pq

        self.folder, self.name, self.rows = folder, name, 0
        self.path = folder / "tables" / f"{name}.parquet"
        self.schema = arrow_schema(load_dictionary().tables[name])
        self.writer = pq.ParquetWriter(self.path, self.schema, compression="zstd")
        self.waiting: list[pa.Table] = []

    def add(self, table: "pa.Table") -> None:
        self.waiting.append(table)
        if sum(each.num_rows for each in self.waiting) >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self.waiting:
            table = pa.concat_tables(self.waiting)
            self.rows += table.num_rows
            self.writer.write_table(table, ROW_GROUP)
            self.waiting = []

    def finish(self) -> dict[str, Any]:
        self.flush()
        self.writer.close()
        return _named(self.path, self.name, self.rows)


def _named(path: Path, name: str, rows: int) -> dict[str, Any]:
    """Give the file the name of its hash; what the manifest says of it."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    file = f"tables/{name}.{digest[:16]}.parquet"
    path.rename(path.parents[1] / file)
    return {"file": file, "sha256": digest, "rows": rows}


def _no_issues(folder: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from imnm_fhir.issues import COLUMNS

    kinds = [(name, pa.int32() if name == "row" else pa.string()) for name in COLUMNS]
    path = folder / "tables" / "issues.parquet"
    pq.write_table(pa.schema(kinds).empty_table(), path, compression="zstd")
    return _named(path, "issues", 0)


def counts(folder: Path) -> dict[str, int]:
    """Rows by table of a cohort folder."""
    return {name: about["rows"] for name, about in read_manifest(folder)["tables"].items()}
