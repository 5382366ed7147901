#!/usr/bin/env python3
"""Checks a delivery of the synthetic site Freiburg, without the library and without its mapping.

Usage: python freiburg_check.py FOLDER      (a delivery_1 or delivery_2); standard library only

Prints one line per figure and per finding (`;` between the cells) and exits 1 if any finding is
*impossible*. It reads the German cells by itself, so that what imnm-fhir finds and counts in the
same files can be compared with something that shares no line with it.
"""

import csv
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

Row = dict[str, str]
Bounds = tuple[date, date]

CUT_OFF = date(2023, 6, 30)
STEROIDS = {"Decortin", "Prednison", "Prednisolon", "Methylprednisolon"}
SAME_DRUG = {"MTX": "Methotrexat", "Imurel": "Azathioprin", "Imurek": "Azathioprin"}
SAME_DRUG |= {"CellCept": "Mycophenolat", "Decortin": "Prednison"}
OTHER_MSA = ("Jo-1", "PL-7", "PL-12", "EJ", "Mi-2", "MDA5", "TIF1-gamma", "SAE", "NXP2")
WORDS = {
    "Schwäche betont": {"Beine", "gleich", "Arme"},
    "Geschlecht": {"w", "m", ""},
    "Ansprechen 6 Monate": {
        "komplette Remission", "deutliche Besserung", "unverändert", "weiterhin schwer", "",
    },
}  # fmt: skip
STRATEGIES = {1: "Monotherapie", 2: "Zweifachtherapie", 3: "Dreifachtherapie"}
CK = "CK (µkat/L)"
DATED = r"[Dd]atum|^Symptombeginn|Beginn$|Ende$|Kontakt|^Visite 6"


class Finding(NamedTuple):
    """One finding; the header of the file is row 1."""

    rule: str
    kind: str
    patient: str
    file: str
    row: int
    column: str


class Case(NamedTuple):
    """One patient: the row, its number, and the rows of the two long files with theirs."""

    row: Row
    number: int
    ck: list[tuple[int, Row]]
    drugs: list[tuple[int, Row]]


def read(folder: Path, name: str) -> list[tuple[int, Row]]:
    """Return the numbered rows of a file in UTF-8 with a byte order mark, or else in cp1252."""
    content = (folder / f"{name}.csv").read_bytes()
    encoding = "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "cp1252"
    lines = content.decode(encoding).splitlines()
    return list(enumerate(csv.DictReader(lines, delimiter=";"), 2))


def bounds(text: str) -> Bounds | None:
    """Return the first and the last day that a full or partial date can mean."""
    parts = [int(part) for part in text.split(".")] if re.fullmatch(r"[\d.]+", text) else []
    if len(parts) == 3:
        whole = date(parts[2], parts[1], parts[0])
        return whole, whole
    if len(parts) == 2:
        following = date(parts[1] + parts[0] // 12, parts[0] % 12 + 1, 1)
        return date(parts[1], parts[0], 1), following - timedelta(days=1)
    return (date(parts[0], 1, 1), date(parts[0], 12, 31)) if parts else None


def after(later: str, earlier: str) -> bool:
    """Say whether `later` lies after `earlier` whatever their missing days are."""
    one, other = bounds(later), bounds(earlier)
    return bool(one and other and one[0] > other[1])


def units(text: str) -> float | None:
    """Return a CK in U/L, or None where the cell holds no number."""
    match = re.fullmatch(r"<?(-?\d+(,\d+)?)", text)
    return float(match.group(1).replace(",", ".")) * 60 if match else None


def months_later(start: date, months: int) -> date:
    """Return the day some calendar months on, at most the last day of its month."""
    place = start.month - 1 + months
    year, month = start.year + place // 12, place % 12 + 1
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last.replace(day=min(start.day, last.day))


def tempo(case: Case) -> str:
    """Return the class of the time from onset to diagnosis, `offen` where too coarse for one."""
    onset, diagnosed = bounds(case.row["Symptombeginn"]), bounds(case.row["Diagnosedatum"])
    assert onset and diagnosed
    if diagnosed[0] < onset[0]:
        return "verkehrt"
    classes = {
        "akut" if (diagnosed[0] - day).days < 28
        else "subakut" if diagnosed[0] <= months_later(day, 6) else "chronisch"
        for day in onset
    }  # fmt: skip
    return classes.pop() if len(classes) == 1 else "offen"


def age(case: Case) -> tuple[int, int]:
    """Return the lowest and highest age at onset that the dates allow."""
    born, onset = bounds(case.row["Geburtsdatum"]), bounds(case.row["Symptombeginn"])
    assert born and onset

    def years(day: date, birth: date) -> int:
        return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))

    return years(onset[0], born[1]), years(onset[1], born[0])


def severe(mrc: str) -> bool | None:
    """Say whether an MRC grade is 3 or less; None where it cannot be judged."""
    known = {"0", "1", "2", "3", "3-", "2-", "2+", "4-", "4", "4+", "5-", "5"}
    return mrc[0] in "0123" if mrc in known else None


def group(row: Row) -> str:
    """Return the serogroup that the antibodies give."""
    hmgcr, srp = row["Anti-HMGCR"], row["Anti-SRP"]
    if "positiv" in (hmgcr, srp):
        return "+".join(n for n, r in (("HMGCR", hmgcr), ("SRP", srp)) if r == "positiv")
    return "seronegativ" if hmgcr == srp == "negativ" else "unklar"


def treatment(case: Case) -> list[tuple[date, Row]]:
    """Return the drugs given for IMNM with their first day, the earliest first."""
    diagnosed = bounds(case.row["Diagnosedatum"])
    assert diagnosed
    started = [(bounds(drug["Beginn"]), drug) for _, drug in case.drugs]
    early = diagnosed[0] - timedelta(days=365)
    counted = [
        (start[0], drug) for start, drug in started if start
        and (drug["Indikation"] == "IMNM" or (not drug["Indikation"] and start[0] >= early))
    ]  # fmt: skip
    return sorted(counted, key=lambda pair: pair[0])


def strategy(case: Case) -> int:
    """Return how many different drugs were started by day 42; all glucocorticoids are one."""
    diagnosed = case.row["Diagnosedatum"]
    limit = bounds(diagnosed)
    assert limit
    names = [
        drug["Medikament"] for day, drug in treatment(case)
        if (day - limit[0]).days <= 42 and not after(diagnosed, drug["Ende"])
    ]  # fmt: skip
    return len({"steroid" if name in STEROIDS else SAME_DRUG.get(name, name) for name in names})


def baseline(case: Case) -> float | None:
    """Return the last CK before treatment, -90 to +42 days of diagnosis, else the first in it."""
    diagnosed = bounds(case.row["Diagnosedatum"])
    given = treatment(case)
    assert diagnosed and given
    dated = [(bounds(row["Datum"]), units(row[CK])) for _, row in case.ck]
    near = sorted(
        (day[0], value) for day, value in dated
        if day and value is not None and -90 <= (day[0] - diagnosed[0]).days <= 42
    )  # fmt: skip
    before = [value for day, value in near if day <= given[0][0]]
    return before[-1] if before else near[0][1] if near else None


def at(case: Case, visit: str) -> float | None:
    """Return the CK of a visit in U/L."""
    return next((units(row[CK]) for _, row in case.ck if row["Visite"] == visit), None)


def drops(row: Row) -> bool:
    """Say whether birth, onset, diagnosis and last contact are out of order."""
    order = ("Geburtsdatum", "Symptombeginn", "Diagnosedatum", "Letzter Kontakt")
    return any(after(row[a], row[b]) for a, b in pairwise(order))


def wrong_rankin(row: Row) -> bool:
    """Say whether an mRS of 6 stands with a living patient, or a lower one with a dead one."""
    rankin, visit, death = row["mRS 6 Monate"], row["Visite 6 Monate"], row["Todesdatum"]
    if rankin == "6":
        return not death or after(death, visit)
    return rankin in set("012345") and after(visit, death)


def positive_msa(row: Row) -> int:
    """Return how many myositis-specific antibodies are positive."""
    return sum(row[f"Anti-{name}"] == "positiv" for name in (*OTHER_MSA, "HMGCR", "SRP"))


def window(row: Row) -> str:
    """Return whether the cancer lies within three years of the onset."""
    found, onset = bounds(row["Tumor Diagnosedatum"]), bounds(row["Symptombeginn"])
    if not found or not onset:
        return ""
    first, last = months_later(onset[0], -36), months_later(onset[1], 36)
    return "ja" if first <= found[0] and found[1] <= last else "nein"


def seronegative(row: Row) -> bool:
    """Say whether the site calls the patient seronegative."""
    return row["Serogruppe"] == "seronegativ"


# rule, kind, column at fault, and whether a case breaks it
RULES: list[tuple[str, str, str, Callable[[Case], bool]]] = [
    ("D01", "impossible", "Symptombeginn", lambda c: drops(c.row)),
    ("D04", "definition", "Verlauf", lambda c: tempo(c) not in (
        "offen", "verkehrt", c.row["Verlauf"],
    )),
    ("D05", "improbable", "Symptombeginn", lambda c: tempo(c) == "offen"),
    ("D06", "impossible", "Todesdatum", lambda c: any(
        after(c.row[name], c.row["Todesdatum"])
        for name in ("Letzter Kontakt", "Visite 6 Monate", "Rezidiv Datum", "Tumor Diagnosedatum")
    )),
    ("A01", "impossible", "Geburtsdatum", lambda c: age(c)[1] < 0 or age(c)[0] > 110),
    ("A03", "impossible", "Alter bei Symptombeginn", lambda c: not (
        age(c)[0] - 1 <= int(c.row["Alter bei Symptombeginn"]) <= age(c)[1] + 1
    )),
    ("A04", "impossible", "Geschlecht", lambda c: not c.row["Geschlecht"]),
    ("K03", "improbable", CK, lambda c: (baseline(c) or 1000) < 1000),
    ("K06", "improbable", CK, lambda c: (at(c, "6 Monate") or 0) > (baseline(c) or 0)),
    ("K07", "improbable", CK, lambda c: 10 <= (baseline(c) or 0) <= 170),
    ("S01", "impossible", "Anti-HMGCR", lambda c: any(
        name in c.row["Serogruppe"] and c.row[f"Anti-{name}"] != "positiv"
        for name in ("HMGCR", "SRP")
    )),
    ("S02", "improbable", "Anti-SRP", lambda c: group(c.row) == "HMGCR+SRP"),
    ("S03", "impossible", "Serogruppe", lambda c: seronegative(c.row)
        and group(c.row) == "unklar" and "n.d." in (c.row["Anti-HMGCR"], c.row["Anti-SRP"])),
    ("S04", "definition", "Serogruppe", lambda c: seronegative(c.row) and positive_msa(c.row) > 0),
    ("S05", "improbable", "Serogruppe", lambda c: any(
        c.row[f"Anti-{name}"] == "positiv" for name in OTHER_MSA
    )),
    ("S06", "improbable", "Serogruppe", lambda c: positive_msa(c.row) > 1),
    ("M01", "impossible", "MRC minimal", lambda c: c.row["MRC minimal"][0] in "6789"),
    ("M02", "definition", "Schwere Schwäche", lambda c: severe(c.row["MRC minimal"]) is not None
        and severe(c.row["MRC minimal"]) is not (c.row["Schwere Schwäche"] == "ja")),
    ("M07", "improbable", "Subjektiv 6 Monate", lambda c:
        c.row["Subjektiv 6 Monate"] == "gebessert"
        and c.row["Ansprechen 6 Monate"] in ("unverändert", "weiterhin schwer")),
    ("M08", "impossible", "mRS 6 Monate", lambda c: c.row["mRS 6 Monate"] in ("7", "8", "9")),
    ("M09", "impossible", "mRS 6 Monate", lambda c: wrong_rankin(c.row)),
    ("T01", "definition", "Strategie initial", lambda c:
        STRATEGIES.get(min(strategy(c), 3)) != c.row["Strategie initial"]),
    ("T02", "improbable", "Diagnosedatum", lambda c: after(
        c.row["Diagnosedatum"], treatment(c)[0][1]["Beginn"]
    )),
    ("X01", "impossible", "Statin vor Symptombeginn", lambda c:
        (c.row["Statin vor Symptombeginn"] == "ja") != bool(c.row["Statin (Präparat)"])),
    ("X02", "impossible", "Statin Beginn", lambda c: after(
        c.row["Statin Beginn"], c.row["Symptombeginn"]
    )),
    ("X03", "improbable", "Statin Ende", lambda c: late_statin(c.row)),
    ("N01", "definition", "Tumorassoziiert", lambda c: c.row["Tumorassoziiert"] != ""
        and c.row["Tumorassoziiert"] != window(c.row)),
    ("B01", "impossible", "Biopsie HLA-I", lambda c: c.row["Biopsie durchgeführt"] != "ja"
        and c.row["Biopsie HLA-I"] in ("positiv", "negativ")),
    ("E01", "impossible", "EMG Spontanaktivität", lambda c: c.row["EMG durchgeführt"] != "ja"
        and c.row["EMG Spontanaktivität"] == "ja"),
    ("Z01", "improbable", "Rezidiv Datum", lambda c: after(
        treatment(c)[0][1]["Beginn"], c.row["Rezidiv Datum"]
    )),
]  # fmt: skip


def late_statin(row: Row) -> bool:
    """Say whether a statin went on for more than 30 days after the diagnosis."""
    stop, diagnosed = bounds(row["Statin Ende"]), bounds(row["Diagnosedatum"])
    return bool(stop and diagnosed and (stop[0] - diagnosed[1]).days > 30)


def cell_findings(name: str, rows: list[tuple[int, Row]]) -> Iterator[Finding]:
    """Yield what single cells break: conversions, ranges, future dates, reversed courses."""
    for number, row in rows:
        for column, cell in row.items():
            rule = cell_rule(column, cell)
            rule = "T04" if column == "Ende" and after(row["Beginn"], cell) else rule
            if rule:
                kind = "conversion" if rule.islower() else "impossible"
                yield Finding(rule, kind, row["Pat-ID"], f"{name}.csv", number, column)


def cell_rule(column: str, cell: str) -> str | None:
    """Return the rule that one cell breaks by itself."""
    day = bounds(cell) if re.search(DATED, column) else None
    if day and (day[0] > CUT_OFF or day[0].year < 1900):
        return "D09"
    if column in WORDS and cell not in WORDS[column]:
        return "unknown-word"
    if column.startswith("MRC") and re.search("[A-Z]", cell):
        return "spreadsheet-date"
    if cell[:1] in ("=", "@"):
        return "formula-start"
    value = units(cell) if column == CK else 0.0
    if value is None:
        return "unreadable-number"
    return "K01" if value < 0 else "K02" if value > 200_000 else None


def cases(folder: Path) -> tuple[list[Case], list[Finding]]:
    """Return the patients that stand there once, and a finding for each that stands twice."""
    patients = read(folder, "patienten")
    met = Counter(row["Pat-ID"] for _, row in patients)
    twice = [
        Finding("A05", "impossible", row["Pat-ID"], "patienten.csv", number, "Pat-ID")
        for number, row in patients if met[row["Pat-ID"]] > 1
    ]  # fmt: skip

    def of(rows: list[tuple[int, Row]], patient: str) -> list[tuple[int, Row]]:
        return [(number, row) for number, row in rows if row["Pat-ID"] == patient]

    ck, drugs = read(folder, "ck"), read(folder, "medikamente")
    return [
        Case(row, number, of(ck, row["Pat-ID"]), of(drugs, row["Pat-ID"]))
        for number, row in patients if met[row["Pat-ID"]] == 1
    ], twice  # fmt: skip


def place(case: Case, column: str) -> tuple[str, int]:
    """Return the file and row to name for a finding on the patient."""
    if column != CK:
        return "patienten.csv", case.number
    return "ck.csv", next(n for n, row in case.ck if row["Visite"] == "Erstvorstellung")


def findings(folder: Path) -> list[Finding]:
    """Return all findings of a delivery."""
    known, found = cases(folder)
    for name in ("patienten", "ck", "medikamente"):
        found += cell_findings(name, read(folder, name))
    for case in known:
        for rule, kind, column, broken in RULES:
            if broken(case):
                found.append(Finding(rule, kind, case.row["Pat-ID"], *place(case, column), column))
    return found


def spread(values: list[float]) -> str:
    """Return `median (lowest-highest) n`."""
    return f"{median(values):g} ({min(values):g}-{max(values):g}) n={len(values)}"


def counted(words: list[str]) -> str:
    """Return each word with how often it stands there."""
    return ", ".join(f"{word or 'blank'} {n}" for word, n in sorted(Counter(words).items()))


def figures(known: list[Case]) -> Iterator[tuple[str, str]]:
    """Yield what can be counted in these patients, CK in U/L."""
    rows = [case.row for case in known]
    first, six = ([ck(c) for c in known] for ck in (baseline, lambda c: at(c, "6 Monate")))
    yield "patients", str(len(rows))
    for label, column in (
        ("sex", "Geschlecht"), ("statin before onset", "Statin vor Symptombeginn"),
        ("reported serogroup", "Serogruppe"), ("response at 6 months", "Ansprechen 6 Monate"),
        ("mRS at 6 months", "mRS 6 Monate"), ("relapse", "Rezidiv"), ("cancer", "Tumor"),
        ("died", "Verstorben"), ("plasma exchange", "Plasmapherese"),
        ("HLA-I", "Biopsie HLA-I"), ("biopsy", "Biopsie durchgeführt"),
    ):  # fmt: skip
        yield label, counted([row[column] for row in rows])
    yield "serogroup", counted([group(row) for row in rows])
    yield "diagnostic interval", counted([tempo(case) for case in known])
    yield "severe weakness", counted([str(severe(row["MRC minimal"])) for row in rows])
    yield "strategy by day 42", counted([str(strategy(case)) for case in known])
    yield "lowest age at onset", spread([age(case)[0] for case in known])
    yield "baseline CK", spread([round(value, 6) for value in first if value is not None])
    yield "CK at 6 months", spread([round(value, 6) for value in six if value is not None])


def main(folder: Path) -> int:
    """Print figures and findings; return 1 where a finding is impossible."""
    known, _ = cases(folder)
    found = findings(folder)
    agreed = [case for case in known if case.row["Einwilligung"] == "ja"]  # an end lies in 2049
    if not any(finding.kind == "conversion" for finding in found):
        for label, chosen in (("all", known), ("consent", agreed)):
            for figure, value in figures(chosen):
                print("figure", label, figure, value, sep=";")
    for finding in sorted(found):
        print("finding", *finding, sep=";")
    return 1 if any(finding.kind == "impossible" for finding in found) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
