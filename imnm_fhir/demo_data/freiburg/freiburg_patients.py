"""The patients of the synthetic site Freiburg: what happened to each, cell by cell.

source/courses.csv says what happened to each patient and source/facts.csv which cells the site
wrote itself; whatever they leave open is drawn, seeded per patient, so that the same rows come out
at every run and with every version of Python. Standard library only.
"""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

Row = dict[str, str]
Sheet = list[Row]

HERE = Path(__file__).resolve().parent
SEED = 557
CUT_OFF = date(2023, 6, 30)
SHEETS = ("patienten", "ck", "medikamente")


PANEL = ("Jo-1", "PL-7", "PL-12", "EJ", "Mi-2", "MDA5", "TIF1-gamma", "Ro52", "SAE", "NXP2")
GROUP_WORD = {"hmgcr": "HMGCR", "srp": "SRP", "dual": "HMGCR+SRP", "seronegative": "seronegativ"}
COUNT_WORD = {1: "Monotherapie", 2: "Zweifachtherapie", 3: "Dreifachtherapie"}
MRC_DRAWN = {"hmgcr": "3 4- 4 3 4+ 3", "srp": "2 3- 3 3 2 3", "other": "3 4- 4 4-"}
CK_RANGE = {"hmgcr": (52.0, 160.0), "srp": (78.0, 240.0), "other": (40.0, 120.0)}
RESPONSE = {"c": "komplette Remission", "s": "deutliche Besserung"}
# drug: words that the site uses for it, dose, unit, route
DRUGS: dict[str, tuple[str, str, str, str]] = {
    "MTX": ("Methotrexat|MTX", "15|20", "mg/Woche", "s.c.|p.o."),
    "AZA": ("Imurek|Imurel|Azathioprin", "2|2,5", "mg/kg/Tag", "p.o."),
    "MMF": ("CellCept|Mycophenolat", "2.000", "mg/Tag", "p.o."),
    "IVIG": ("IVIG", "2", "g/kg", "i.v."),
}
CK_LEFT = {"c": (0.01, 0.05), "s": (0.04, 0.14), "n": (0.2, 0.5), "-": (0.2, 0.5)}


class Draw:
    """Draws of one patient, made of `random()` alone: the one method kept stable for ever."""

    def __init__(self, patient: str) -> None:
        """Start the draws of `patient`, such as `017`."""
        self._random = random.Random(SEED * 1000 + int(patient))

    def pick(self, words: str, separator: str = " ") -> str:
        """Draw one of the words."""
        choices = words.split(separator)
        return choices[int(self._random.random() * len(choices))]

    def days(self, low: int, high: int) -> timedelta:
        """Draw between `low` and `high` days, both included."""
        return timedelta(days=low + int(self._random.random() * (high - low + 1)))

    def number(self, low: float, high: float, digits: int = 1) -> str:
        """Draw a number with a decimal comma."""
        return f"{self.fraction(low, high):.{digits}f}".replace(".", ",")

    def fraction(self, low: float, high: float) -> float:
        """Draw a number."""
        return low + self._random.random() * (high - low)

    def yes(self, share: float) -> str:
        """Draw `ja` in that share of the draws, else `nein`."""
        return "ja" if self._random.random() < share else "nein"


def day(text: str) -> date:
    """Return the day of `dd.mm.yyyy`; a partial date is taken at its first day."""
    parts = ["01", "01", *text.split(".")][-3:]
    return date(int(parts[2]), int(parts[1]), int(parts[0]))


def german(when: date) -> str:
    """Return `dd.mm.yyyy`."""
    return when.strftime("%d.%m.%Y")


def kind_of(course: Row) -> str:
    """Return the serogroup as far as the draws differ by it."""
    if course["group"] in ("hmgcr", "srp"):
        return course["group"]
    return "srp" if course["group"] == "dual" else "other"


def tempo(onset: date, diagnosis: date) -> str:
    """Return the site's own word for the time from onset to diagnosis (28 days, 26 weeks)."""
    span = (diagnosis - onset).days
    return "akut" if span < 28 else "subakut" if span <= 183 else "chronisch"


def identity(course: Row) -> Row:
    """Return who, since when, with which consent."""
    born, onset, diagnosed = (day(course[k]) for k in ("birth", "onset", "diagnosis"))
    age = onset.year - born.year - ((onset.month, onset.day) < (born.month, born.day))
    statin = course["statin"]
    exposed = statin if statin == "unbekannt" else "ja" if statin else "nein"
    return {
        "Pat-ID": f"FRB-{course['id']}", "Zentrum": "Freiburg (synthetisch)",
        "Geschlecht": course["sex"], "Geburtsdatum": course["birth"],
        "Symptombeginn": course["onset"], "Diagnosedatum": course["diagnosis"],
        "Alter bei Symptombeginn": str(age), "Verlauf": tempo(onset, diagnosed),
        "Familienanamnese Myopathie": "nein", "Komorbiditäten": "",
        "Einwilligung": "ja", "Einwilligung gültig bis": "",
        "Statin vor Symptombeginn": exposed,
        "Statin (Präparat)": "" if statin == "unbekannt" else statin,
        "Statin Beginn": course["since"], "Statin Ende": course["until"],
    }  # fmt: skip


def clinic(draw: Draw, course: Row) -> Row:
    """Return the first examination."""
    kind = kind_of(course)
    worst = draw.pick(MRC_DRAWN[kind])
    srp = kind == "srp"
    return {
        "Proximale Schwäche": "ja", "Schwäche symmetrisch": draw.yes(0.9),
        "Schwäche betont": draw.pick("Beine Beine Beine Beine gleich gleich Arme"),
        "MRC minimal": worst, "Schwere Schwäche": "ja" if worst[0] in "23" else "nein",
        "Myalgien": draw.yes(0.6), "Dysphagie": draw.yes(0.6 if srp else 0.25),
        "Nackenschwäche": draw.yes(0.6 if srp else 0.2), "Extramuskuläre Beteiligung": "",
    }  # fmt: skip


def hmgcr(draw: Draw, course: Row) -> tuple[str, str, str, str]:
    """Return result, method, value and cut-off of anti-HMGCR."""
    group, marks = course["group"], course["marks"].split()
    if group == "panel-without-hmgcr" or "hmgcr-n.d." in marks:
        return "n.d.", "", "", ""
    if group == "hmgcr-unknown":
        return "unbekannt", "", "", ""
    if group == "borderline":
        return "grenzwertig", "ELISA", "19,6", "20,0"
    if "clia" in marks:
        return "positiv", "CLIA", "", ""
    if group in ("hmgcr", "dual"):
        value = ">200" if course["id"] == "010" else draw.number(48, 196)
        return "positiv", "ELISA", value, "20,0"
    return "negativ", "ELISA", draw.number(1.5, 11), "20,0"


def srp(draw: Draw, course: Row) -> tuple[str, str, str]:
    """Return result, method and blot grade of anti-SRP."""
    if "srp-n.d." in course["marks"]:
        return "n.d.", "", ""
    if course["group"] not in ("srp", "dual"):
        return "negativ", draw.pick("Lineblot Lineblot Immunpräzipitation"), ""
    method = draw.pick("Lineblot Lineblot Dotblot Immunpräzipitation ELISA")
    return "positiv", method, draw.pick("+ ++ +++") if method.endswith("blot") else ""


def serology(draw: Draw, course: Row) -> Row:
    """Return the antibodies, one column each, and the group that the site reports."""
    row = {"Serologie Datum": german(day(course["diagnosis"]) - draw.days(2, 10))}
    names = ("", " Methode", " Wert (U/ml)", " Cut-off (U/ml)")
    names_srp = ("", " Methode", " Grad")
    row |= {f"Anti-HMGCR{n}": v for n, v in zip(names, hmgcr(draw, course), strict=True)}
    row |= {f"Anti-SRP{n}": v for n, v in zip(names_srp, srp(draw, course), strict=True)}
    row |= {f"Anti-{antibody}": "negativ" for antibody in PANEL}
    row["Panel Methode"] = "Lineblot"
    row["ANA"] = draw.pick("negativ negativ negativ negativ positiv n.d.")
    row["Serogruppe"] = GROUP_WORD.get(course["group"], "unklar")
    return row


def examinations(draw: Draw, course: Row) -> Row:
    """Return EMG, MRI and biopsy: done or not, when, and what they showed."""
    marks, diagnosed = course["marks"].split(), day(course["diagnosis"])
    emg = "nein" if "no-emg" in marks else "ja"
    refused = "biopsy-refused" in marks
    biopsy = "nein" if "no-biopsy" in marks else "abgelehnt" if refused else "ja"
    scan = "ja" if "mri" in marks else draw.yes(0.6)
    myopathic = draw.yes(0.95)

    def when(done: str, low: int, high: int) -> str:
        return german(diagnosed - draw.days(low, high)) if done == "ja" else ""

    def found(done: str, share: float) -> str:
        drawn = draw.yes(share)
        return drawn if done == "ja" else ""

    def stain(share: float) -> str:
        drawn = draw.pick("positiv" if draw.yes(share) == "ja" else "negativ negativ n.d.")
        return drawn if biopsy == "ja" else "n.d."

    return {
        "EMG durchgeführt": emg, "EMG Datum": when(emg, 2, 10),
        "EMG myopathisches Muster": myopathic if emg == "ja" else "",
        "EMG Spontanaktivität": found(emg, 0.75 if myopathic == "ja" else 0),
        "EMG myotone Entladungen": found(emg, 0.2 if course["since"] else 0),
        "MRT durchgeführt": scan, "MRT Datum": when(scan, 1, 9),
        "MRT Ödem": found(scan, 0.9), "MRT Verfettung": found(scan, 0.3),
        "Biopsie durchgeführt": biopsy, "Biopsie Datum": when(biopsy, 0, 9),
        "Biopsie Nekrosen/Regeneration": found(biopsy, 1),
        "Biopsie Lymphozyten": found(biopsy, 0.3), "Biopsie Makrophagen": found(biopsy, 0.4),
        "Biopsie HLA-I": stain(0.65), "Biopsie MAC": stain(0.5),
    }  # fmt: skip


def prescription(drug: str, start: str, stop: str, *how: str, phase: str = "") -> Row:
    """Return one row of medikamente.csv; `how` is dose, unit, route, indication."""
    dose, unit, route, reason = how
    return {
        "Medikament": drug, "Beginn": start, "Ende": stop, "Dosis": dose,
        "Einheit": unit, "Applikation": route, "Indikation": reason, "Therapiephase": phase,
    }  # fmt: skip


def glucocorticoid(draw: Draw, course: Row) -> list[Row]:
    """Return the oral drug in three dose steps without overlap, after a pulse if there was one."""
    marks = course["marks"].split()
    start = day(course["diagnosis"]) + draw.days(0, 6)
    if "early-steroid" in marks:
        start = day(course["diagnosis"]) - timedelta(days=21)
    name = draw.pick("Decortin Prednison Prednisolon")
    name = "Prednisolon" if "early-steroid" in marks else name
    name = "Decortin" if "asthma" in marks else name
    rows = []
    if "pulse" in marks:
        stop, dose = start + timedelta(days=3), draw.pick("500 1.000")
        rows.append(_infusion("Methylprednisolon", start, german(stop), dose, "mg/Tag"))
        start = stop
    steps = [start, start + draw.days(28, 42), start + draw.days(84, 112)]
    stops = [german(steps[1]), german(steps[2]), ""]
    doses = [("1", "mg/kg/Tag"), ("0,5", "mg/kg/Tag"), (draw.pick("7,5 10 15"), "mg/Tag")]
    phases = ("Induktion", "Induktion", "Erhaltung")
    for begin, stop_text, dosed, phase in zip(steps, stops, doses, phases, strict=True):
        how = (*dosed, "p.o.", "IMNM")
        rows.append(prescription(name, german(begin), stop_text, *how, phase=phase))
    return rows


def _infusion(name: str, start: date, stop: str, dose: str, unit: str) -> Row:
    return prescription(name, german(start), stop, dose, unit, "i.v.", "IMNM")


def course_of(draw: Draw, drug: str, start: date) -> list[Row]:
    """Return the rows of one drug that starts on that day."""
    if drug == "RTX":
        second = start + timedelta(days=14)
        return [
            _infusion("Rituximab", start, german(second), "1.000", "mg"),
            _infusion("Rituximab", second, "", "1.000", "mg"),
        ]
    names, doses, unit, routes = DRUGS[drug]
    how = (draw.pick(doses, "|"), unit, draw.pick(routes, "|"))
    reason = "IMNM" if draw.yes(0.85) == "ja" else ""
    return [prescription(draw.pick(names, "|"), german(start), "", *how, reason)]


def prescriptions(draw: Draw, course: Row) -> list[Row]:
    """Return all drugs of one patient for IMNM and for other diseases, without the statins."""
    diagnosed = day(course["diagnosis"])
    rows = glucocorticoid(draw, course) if "PDN" in course["first"] else []
    for drug in course["first"].split("+"):
        if drug != "PDN":
            rows += course_of(draw, drug, diagnosed + draw.days(3, 35))
    for row in rows:
        row["Therapiephase"] = row["Therapiephase"] or "Induktion"
    for change, after in (entry.split("@") for entry in course["later"].split()):
        ended, drug = ["", *change.split(">")][-2:]
        started = course_of(draw, drug, diagnosed + timedelta(days=int(after)))
        for row in rows:  # "AZA>MMF": the old drug ends on the day the new one starts
            if ended and row["Medikament"] in DRUGS[ended][0].split("|"):
                row["Ende"] = started[0]["Beginn"]
        rows += [row | {"Therapiephase": "Eskalation"} for row in started]
    if "rheumatoid" in course["marks"]:
        how = ("10", "mg/Woche", "p.o.", "rheumatoide Arthritis")
        rows.insert(0, prescription("Methotrexat", "2014", "06.2017", *how))
    if "asthma" in course["marks"]:
        how = ("5", "mg/Tag", "p.o.", "Asthma bronchiale")
        rows.insert(0, prescription("Prednisolon", "2018", "", *how))
    return rows


def plasma_exchange(draw: Draw, course: Row) -> Row:
    """Return plasma exchange, a procedure: it stands with the patient, not with the drugs."""
    sessions = next((m[5:] for m in course["marks"].split() if m.startswith("plex-")), "")
    start = day(course["diagnosis"]) + draw.days(8, 20)
    return {
        "Plasmapherese": "ja" if sessions else "nein",
        "Plasmapherese Beginn": german(start) if sessions else "",
        "Plasmapherese Sitzungen": sessions,
        "Therapie initial": course["first"],
        "Strategie initial": COUNT_WORD[len(course["first"].split("+"))],
    }


def outcome(draw: Draw, course: Row, worst: str) -> Row:
    """Return the 6-month visit; MRC and mRS follow from the response, this from the course."""
    visit = german(day(course["diagnosis"]) + draw.days(176, 194))
    severe = worst[0] in "23" and worst not in ("3+", "3-4")
    drawn = {
        "c": (RESPONSE["c"], "5", "gebessert", draw.pick("0 0 1")),
        "s": (RESPONSE["s"], draw.pick("4 4+ 4+"), "gebessert", draw.pick("1 1 2")),
        "n": ("weiterhin schwer", draw.pick("3 3 3-"), draw.pick("gleich schlechter"), "3"),
        "-": ("", "", "", ""),
    }
    response, mrc, felt, rankin = drawn[course["course"]]
    if course["course"] == "n" and not severe:
        response, mrc, felt, rankin = "unverändert", worst, "gleich", "2"
    return {
        "Visite 6 Monate": visit if response else "", "MRC minimal 6 Monate": mrc,
        "Ansprechen 6 Monate": response, "Subjektiv 6 Monate": felt, "mRS 6 Monate": rankin,
    }  # fmt: skip


def events(draw: Draw, course: Row) -> Row:
    """Return relapse, cancer, death and the last contact, none of it after the cut-off date."""
    marks, diagnosed = course["marks"].split(), day(course["diagnosis"])
    last = min(diagnosed + draw.days(620, 1500), CUT_OFF - draw.days(3, 60))
    relapse = diagnosed + draw.days(300, 560)
    if "lost" in marks:
        last = diagnosed + timedelta(days=118)
    if "dead" in marks:
        last = diagnosed + timedelta(days=590)
    return {
        "Rezidiv": "ja" if "relapse" in marks else "nein",
        "Rezidiv Datum": german(relapse) if "relapse" in marks else "",
        "Tumor": "nein", "Tumorart": "", "Tumor Diagnosedatum": "", "Tumorassoziiert": "",
        "Verstorben": "ja" if "dead" in marks else "nein",
        "Todesdatum": german(last) if "dead" in marks else "", "Todesursache": "",
        "Letzter Kontakt": german(last), "Kommentar": "",
    }  # fmt: skip


def enzymes(draw: Draw, course: Row, patient: Row) -> Sheet:
    """Return the CK series of one patient, in µkat/L, by date."""
    diagnosed, last = day(course["diagnosis"]), day(patient["Letzter Kontakt"])
    first = draw.fraction(*CK_RANGE[kind_of(course)])
    first = 14.8 if "low-ck" in course["marks"] else first
    six = first * draw.fraction(*CK_LEFT[course["course"]])
    treated = draw.fraction(0.1, 0.4)
    seen, relapse = patient["Visite 6 Monate"], patient["Rezidiv Datum"]
    planned = [
        (diagnosed - draw.days(1, 8), "Erstvorstellung", first),
        (diagnosed + draw.days(80, 100), "3 Monate", six + (first - six) * treated),
        (diagnosed + draw.days(350, 380), "12 Monate", six * draw.fraction(0.4, 1.1)),
        (diagnosed + draw.days(715, 745), "24 Monate", six * draw.fraction(0.2, 0.9)),
    ]
    referred, before = diagnosed - draw.days(20, 45), first * draw.fraction(0.6, 1.1)
    if draw.yes(0.35) == "ja":
        planned.append((referred, "außerplanmäßig", before))
    if seen:
        planned.append((day(seen), "6 Monate", six))
    if relapse:
        planned.append((day(relapse), "außerplanmäßig", first * draw.fraction(0.2, 0.4)))
    onset, norm = day(course["onset"]), "3,17" if course["sex"] == "m" else "2,78"
    return [
        {"Datum": german(when), "CK (µkat/L)": microkatal(value),
         "Obere Norm (µkat/L)": norm, "Visite": visit}
        for when, visit, value in sorted(planned) if onset < when <= last
    ]  # fmt: skip


def microkatal(value: float) -> str:
    """Return the CK as the laboratory prints it: two decimals, `<0,50` below its limit."""
    return "<0,50" if value < 0.5 else f"{value:.2f}".replace(".", ",")


def numbered(label: str, pattern: str, patient: str, rows: Sheet, before: int) -> Sheet:
    """Return the rows with the site's own record number and the patient in front."""
    return [
        {label: pattern.format(before + place), "Pat-ID": patient, **row}
        for place, row in enumerate(rows, 1)
    ]


def read(name: str) -> Sheet:
    """Return the rows of one table under source/."""
    with (HERE / "source" / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=";"))


def site() -> dict[str, Sheet]:
    """Return the three sheets as the site knows them, without any fault."""
    sheets: dict[str, Sheet] = {name: [] for name in SHEETS}
    facts = read("facts.csv")
    for course in read("courses.csv"):
        draw = Draw(course["id"])
        row = identity(course) | clinic(draw, course)
        told = {f["column"]: f["cell"] for f in facts if f["patient"] == row["Pat-ID"]}
        row |= {column: cell for column, cell in told.items() if column in row}
        row |= serology(draw, course) | examinations(draw, course) | plasma_exchange(draw, course)
        row |= outcome(draw, course, row["MRC minimal"]) | events(draw, course)
        drugs, ck = prescriptions(draw, course), enzymes(draw, course, row)
        row |= told
        sheets["patienten"].append(row)
        before = len(sheets["ck"]), len(sheets["medikamente"])
        sheets["ck"] += numbered("Laufnr", "{:05d}", row["Pat-ID"], ck, 100 + before[0])
        sheets["medikamente"] += numbered("Verordnung", "V-{:03d}", row["Pat-ID"], drugs, before[1])
    return sheets
