"""What a competent user writes by hand instead of harmonising: pandas, the same conversions, no provenance.

Cells are read as text, words mapped, dates and numbers turned by whole columns, the wide table
melted into five long ones, ids hashed, all written as Parquet. A cell that cannot be read becomes
null without a word; nothing says from which row or column a value came.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.site_files import UNITS, WORDS

if TYPE_CHECKING:
    import pandas as pd

SITE = "bench_de"
KEYS = {word: key for key, word in WORDS.items()}
MISSING = {"unbekannt": "unknown", "nicht gefragt": "not-asked", "n.d.": "not-performed"}
RECORDS = {"n": None, "time_point": None}


def harmonise_with_pandas(files: list[Path], folder: Path) -> dict[str, "pd.DataFrame"]:
    """The five tables of the site's three files, written into `folder` as Parquet."""
    import pandas as pd

    wide, series, drugs = (pd.read_csv(path, sep=";", dtype=str) for path in files)
    wide = wide.rename(columns={"Pat-ID": "patient"})
    tables = {
        "patients": _patients(wide),
        "observations": pd.concat([*_observations(wide), _series(series)], ignore_index=True),
        "medications": pd.concat([_statins(wide), _drugs(drugs)], ignore_index=True),
        "conditions": pd.concat(_conditions(wide), ignore_index=True),
        "procedures": pd.concat(_procedures(wide), ignore_index=True),
    }
    for name, table in tables.items():
        table["id"] = _ids(table, name)
        table.to_parquet(folder / f"{name}.parquet", compression="zstd")
    return tables


def _ids(table: "pd.DataFrame", name: str) -> list[str]:
    key = ["patient"] if name == "patients" else ["patient", "element", "time_point", "n"]
    frame = table.reindex(columns=key).fillna("")
    joined = SITE + "/" + frame[key[0]]
    for column in key[1:]:
        joined = joined + "/" + frame[column]
    return ["i" + hashlib.sha256(each.encode()).hexdigest()[:32] for each in joined]


def _dates(column: "pd.Series[str]") -> "pd.Series[str]":
    """`04.03.2019`, `03.2019` and `2019` as partial ISO dates that the calendar has."""
    import pandas as pd

    parts = column.str.extract(r"^(?:(?:(\d{1,2})\.)?(\d{1,2})\.)?(\d{4})$")
    day, month, year = parts[0], parts[1], parts[2]
    text = year + ("-" + month.str.zfill(2)).fillna("") + ("-" + day.str.zfill(2)).fillna("")
    filled = text.str.cat(text.str.len().map({4: "-01-01", 7: "-01", 10: ""}).fillna(""))
    known = pd.to_datetime(filled, format="%Y-%m-%d", errors="coerce").notna()
    return text.where(known)


def _numbers(column: "pd.Series[str]") -> "pd.Series[str]":
    """Decimal commas as canonical text; what is no number becomes null."""
    text = column.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    return text.where(text.str.fullmatch(r"-?\d{1,15}(\.\d{1,6})?"))


def _codes(column: "pd.Series[str]") -> "pd.Series[str]":
    return column.map(KEYS)


def _of(wide: "pd.DataFrame", element: str, **columns: Any) -> "pd.DataFrame":
    """Rows of one element, of those patients of whom any column but the constants has a value."""
    import pandas as pd

    series = {name: each for name, each in columns.items() if isinstance(each, pd.Series)}
    frame = pd.DataFrame(series)
    kept = frame.notna().any(axis=1)
    constants = {name: each for name, each in columns.items() if name not in series}
    frame = frame[kept].assign(site=SITE, patient=wide["patient"][kept], element=element)
    return frame.assign(**{**RECORDS, **constants})


def _answer(wide: "pd.DataFrame", header: str, element: str, **more: Any) -> "pd.DataFrame":
    column = wide[header]
    truth = column.map({"ja": True, "nein": False})
    return _of(wide, element, value_boolean=truth, missing=column.map(MISSING), **more)


def _antibody(wide: "pd.DataFrame", name: str, element: str) -> "pd.DataFrame":
    number = _numbers(wide[f"{name} Wert (U/ml)"])
    high = _numbers(wide[f"{name} Cut-off"])
    return _of(
        wide,
        element,
        value_code=_codes(wide[name].where(~wide[name].isin(MISSING))),
        missing=wide[name].map(MISSING),
        date=_dates(wide[f"{name} Datum"]),
        method=_codes(wide[f"{name} Methode"]),
        value_number=number,
        reference_high=high,
        unit=number.notna().map({True: "U/mL", False: None}),
        value_text=wide[f"{name} Grad"],
    )


def _patients(wide: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    born = wide["Geburtsdatum"]
    return pd.DataFrame(
        {
            "site": SITE,
            "patient": wide["patient"],
            "birth_date": _dates(born),
            "birth_date_missing": born.map(MISSING),
            "sex": _codes(wide["Geschlecht"]),
            "deceased_boolean": wide["Verstorben"].map({"ja": True, "nein": False}),
            "deceased_date": _dates(wide["Todesdatum"]),
        }
    )


def _observations(wide: "pd.DataFrame") -> list["pd.DataFrame"]:
    grade = wide["Niedrigster MRC"]
    first, later = {"time_point": "baseline"}, {"time_point": "month_6"}
    ro52 = {"date": _dates(wide["Anti-Ro52 Datum"]), "method": "line_blot"}
    signed = grade.where(grade.str.contains(r"[+-]$", na=False))
    return [
        _of(wide, "consent_reuse", value_code=_codes(wide["Einwilligung"])),
        _of(wide, "consent_valid_from", value_date=_dates(wide["Einwilligung seit"])),
        _of(wide, "consent_scope", value_text=wide["Umfang der Einwilligung"]),
        _answer(wide, "Statin vor Beginn", "statin_exposure"),
        _answer(wide, "Proximale Schwäche", "proximal_weakness", **first),
        _answer(wide, "Dysphagie", "dysphagia", **first),
        _of(
            wide, "worst_mrc", value_number=grade.str.rstrip("+-"), value_text=signed,
            unit="{score}", **first,
        ),
        _antibody(wide, "Anti-HMGCR", "anti_hmgcr"),
        _antibody(wide, "Anti-SRP", "anti_srp"),
        _of(wide, "anti_ro52", value_code=_codes(wide["Anti-Ro52"]), **ro52),
        _of(wide, "ldh", value_number=_numbers(wide["LDH (U/l)"]), unit="U/L", **first),
        _of(wide, "response", value_code=_codes(wide["Ansprechen 6 Monate"]), **later),
        _of(wide, "mrs", value_number=_numbers(wide["mRS 6 Monate"]), unit="{score}", **later),
        _of(wide, "haq", value_number=_numbers(wide["HAQ"]), unit="{score}"),
        _answer(wide, "Tumor", "cancer"),
        _of(wide, "last_contact", value_date=_dates(wide["Letzter Kontakt"])),
        _of(wide, "cause_of_death", value_text=wide["Todesursache"]),
    ]  # fmt: skip


def _series(series: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    units = {written: unit for unit, written in UNITS.items()}
    return pd.DataFrame(
        {
            "site": SITE,
            "patient": series["Pat-ID"],
            "element": "ck",
            "time_point": _codes(series["Visite"]),
            "n": series["Laufnr"],
            "comparator": series["CK"].str.extract(r"^([<>]=?)")[0],
            "value_number": _numbers(series["CK"].str.lstrip("<>=")),
            "unit": series["Einheit"].map(units),
            "reference_high": _numbers(series["Obere Norm"]),
            "date": _dates(series["Datum"]),
        }
    )


def _statins(wide: "pd.DataFrame") -> "pd.DataFrame":
    end = _dates(wide["Statin Ende"])
    found = _of(
        wide,
        "statin",
        n="1",
        value_code=_codes(wide["Statin"]),
        start_date=_dates(wide["Statin Beginn"]),
        end_date=end,
    )
    found["status"] = found["end_date"].notna().map({True: "completed", False: "unknown"})
    return found


def _drugs(drugs: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    dose, rate = _numbers(drugs["Dosis"]), _numbers(drugs["Rate"])
    return pd.DataFrame(
        {
            "site": SITE,
            "patient": drugs["Pat-ID"],
            "element": "immunosuppressant",
            "n": drugs["Verordnung"],
            "value_code": _codes(drugs["Medikament"]),
            "start_date": _dates(drugs["Beginn"]),
            "status": "unknown",
            "dose_number": dose,
            "dose_unit": dose.notna().map({True: "g/kg", False: None}),
            "rate_number": rate,
            "rate_unit": rate.notna().map({True: "mg/kg/d", False: None}),
            "route": _codes(drugs["Weg"]),
            "reason": _codes(drugs["Indikation"]),
        }
    )


def _conditions(wide: "pd.DataFrame") -> list["pd.DataFrame"]:
    onset, found = _dates(wide["Symptombeginn"]), _dates(wide["Diagnosedatum"])
    kind, when = _codes(wide["Tumorart"]), _dates(wide["Tumor Datum"])
    return [
        _of(wide, "imnm", value_code="imnm", onset_date=onset, date=found),
        _of(wide, "cancer_diagnosis", value_code=kind, date=when),
        _of(wide, "comorbidity", n="1", value_code=_codes(wide["Komorbidität"])),
        _of(wide, "comorbidity", n="2", value_text=wide["Komorbidität Freitext"]),
    ]


def _procedures(wide: "pd.DataFrame") -> list["pd.DataFrame"]:
    return [
        _of(wide, "biopsy", date=_dates(wide["Biopsie Datum"])),
        _of(wide, "emg", date=_dates(wide["EMG Datum"])),
        _of(wide, "mri", date=_dates(wide["MRT Datum"])),
        _of(
            wide, "plasma_exchange", date=_dates(wide["Plasmapherese Beginn"]),
            sessions=_numbers(wide["Plasmapherese Sitzungen"]),
        ),
    ]  # fmt: skip
