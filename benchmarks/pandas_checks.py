"""What a competent user writes by hand instead of validating: a mask per rule in plain pandas.

The same cohort, a mask for each rule of its conformance and for the commoner rules across the facts
of a patient. A mask says which rows break it: no finding, no place in the site's file, no judgement
whether a partial date allows both answers, no difference between kept and cannot be judged.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.dictionary import load_dictionary

if TYPE_CHECKING:
    import pandas as pd

    Mask = pd.Series[bool]

DATES = {
    "patients": ("birth_date", "deceased_date"),
    "observations": ("date", "value_date"),
    "medications": ("start_date", "end_date"),
    "conditions": ("onset_date", "date", "recorded_date"),
    "procedures": ("date", "end_date"),
}


def check_with_pandas(files: dict[str, Path]) -> dict[str, int]:
    """How many rows break each mask, by the mask's name."""
    import pandas as pd

    tables = {name: pd.read_parquet(path) for name, path in files.items()}
    found: dict[str, Any] = {}
    for name, table in tables.items():
        found |= {f"{name} {rule}": mask for rule, mask in _row_masks(name, table, tables).items()}
    found |= _patient_masks(_wide(tables), tables)
    return {rule: int(mask.sum()) for rule, mask in found.items()}


def _row_masks(
    name: str, table: "pd.DataFrame", tables: dict[str, "pd.DataFrame"]
) -> dict[str, "Mask"]:
    key = list(load_dictionary().tables[name].key)
    masks = {f"date {column}": _no_date(table[column]) for column in DATES[name]}
    masks["duplicate"] = table.duplicated(key, keep=False)
    for column, value_set in load_dictionary().column_value_sets.items():
        if column in table:
            known = list(load_dictionary().value_sets[value_set].codes)
            masks[f"code {column}"] = table[column].notna() & ~table[column].isin(known)
    if name == "patients":
        return masks
    masks["orphan"] = ~table["patient"].isin(tables["patients"]["patient"])
    if "value_code" in table:
        masks["code value_code"] = _strange_codes(table)
    if name == "observations":
        masks |= _number_masks(table)
    return masks


def _no_date(column: "pd.Series[str]") -> "Mask":
    import pandas as pd

    filled = column.str.cat(column.str.len().map({4: "-01-01", 7: "-01", 10: ""}).fillna(""))
    return column.notna() & pd.to_datetime(filled, format="%Y-%m-%d", errors="coerce").isna()


def _strange_codes(table: "pd.DataFrame") -> "Mask":
    dictionary = load_dictionary()
    pairs = {
        f"{name} {key}"
        for name, element in dictionary.elements.items()
        if element.value_set
        for key in dictionary.value_sets[element.value_set].codes
    }
    return table["value_code"].notna() & ~(table["element"] + " " + table["value_code"]).isin(pairs)


def _number_masks(table: "pd.DataFrame") -> dict[str, "Mask"]:
    import pandas as pd

    elements = load_dictionary().of_table("observations")
    number = pd.to_numeric(table["value_number"], errors="coerce")
    ranges = {name: each.range for name, each in elements.items() if each.range}
    low = table["element"].map({n: float(r.low) for n, r in ranges.items() if r.low is not None})
    high = table["element"].map({n: float(r.high) for n, r in ranges.items() if r.high is not None})
    units = {f"{n} {u}" for n, e in elements.items() for u in (e.unit, *e.units) if u}
    values = ["value_number", "value_code", "value_boolean", "value_date", "value_text", "missing"]
    return {
        "range": (number < low) | (number > high),
        "unit": table["unit"].notna() & ~(table["element"] + " " + table["unit"]).isin(units),
        "number without unit": number.notna() & table["unit"].isna(),
        "no value": table[values].isna().all(axis=1),
        "value and reason": table["missing"].notna() & table[values[:-1]].notna().any(axis=1),
    }


def _wide(tables: dict[str, "pd.DataFrame"]) -> "pd.DataFrame":
    """One row per patient with what the rules across facts compare, dates as days."""
    seen, drugs = tables["observations"], tables["medications"]
    wide = tables["patients"].set_index("patient")[["birth_date", "deceased_date"]]
    wide = wide.apply(_days)

    def first(table: str, element: str, column: str) -> Any:
        rows = tables[table]
        return rows[rows["element"] == element].groupby("patient")[column].first()

    wide["onset"] = _days(first("conditions", "imnm", "onset_date"))
    wide["diagnosis"] = _days(first("conditions", "imnm", "date"))
    wide["cancer_date"] = _days(first("conditions", "cancer_diagnosis", "date"))
    wide["biopsy"] = _days(first("procedures", "biopsy", "date"))
    wide["last"] = _days(first("observations", "last_contact", "value_date"))
    wide["consent"] = first("observations", "consent_reuse", "value_code")
    for element in ("anti_hmgcr", "anti_srp"):
        wide[element] = first("observations", element, "value_code")
        wide[f"{element}_number"] = _float(first("observations", element, "value_number"))
        wide[f"{element}_high"] = _float(first("observations", element, "reference_high"))
    for element in ("statin_exposure", "proximal_weakness", "cancer"):
        wide[element] = first("observations", element, "value_boolean")
    wide["mrc"] = _float(first("observations", "worst_mrc", "value_number"))
    creatine = seen[(seen["element"] == "ck") & seen["value_number"].notna()]
    wide["ck_peak"] = _float(creatine["value_number"]).groupby(creatine["patient"]).max()
    wide["ck_first"] = _days(creatine.groupby("patient")["date"].min())
    for element in ("statin", "immunosuppressant"):
        rows = drugs[drugs["element"] == element]
        wide[element] = _days(rows.groupby("patient")["start_date"].min())
        wide[f"{element}_end"] = _days(rows.groupby("patient")["end_date"].max())
    return wide


def _days(column: "pd.Series[str]") -> "pd.Series[Any]":
    import pandas as pd

    filled = column.str.cat(column.str.len().map({4: "-07-01", 7: "-15", 10: ""}).fillna(""))
    return pd.to_datetime(filled, format="%Y-%m-%d", errors="coerce")


def _float(column: "pd.Series[str]") -> "pd.Series[float]":
    import pandas as pd

    return pd.to_numeric(column, errors="coerce")


def _patient_masks(wide: "pd.DataFrame", tables: dict[str, "pd.DataFrame"]) -> dict[str, "Mask"]:
    import pandas as pd

    cut_off = pd.Timestamp(2024, 12, 31)
    age = (wide["onset"] - wide["birth_date"]).dt.days / 365.25
    positive = {name: wide[name] == "positive" for name in ("anti_hmgcr", "anti_srp")}
    above = {name: wide[f"{name}_number"] > wide[f"{name}_high"] for name in positive}
    return {
        "onset before birth": wide["onset"] <= wide["birth_date"],
        "diagnosis before onset": wide["diagnosis"] < wide["onset"],
        "same day": wide["diagnosis"] == wide["onset"],
        "ten years": (wide["diagnosis"] - wide["onset"]).dt.days > 3653,
        "contact before diagnosis": wide["last"] < wide["diagnosis"],
        "contact after cut-off": wide["last"] > cut_off,
        "contact after death": wide["last"] > wide["deceased_date"],
        "death before diagnosis": wide["deceased_date"] < wide["diagnosis"],
        "too old": age > 100,
        "child": age < 18,
        "low CK": wide["ck_peak"] < 1000,
        "CK before onset": wide["ck_first"] < wide["onset"],
        "CK over the limit": wide["ck_peak"] > 200_000,
        "both antibodies": positive["anti_hmgcr"] & positive["anti_srp"],
        "HMGCR below": positive["anti_hmgcr"]
        & ~above["anti_hmgcr"]
        & wide["anti_hmgcr_number"].notna(),
        "SRP below": positive["anti_srp"] & ~above["anti_srp"] & wide["anti_srp_number"].notna(),
        "HMGCR above": (wide["anti_hmgcr"] == "negative") & above["anti_hmgcr"],
        "SRP above": (wide["anti_srp"] == "negative") & above["anti_srp"],
        "no antibody tested": wide["anti_hmgcr"].isna() & wide["anti_srp"].isna(),
        "weak at 5": (wide["proximal_weakness"] == True) & (wide["mrc"] == 5),  # noqa: E712
        "strong below 5": (wide["proximal_weakness"] == False) & (wide["mrc"] < 5),  # noqa: E712
        "statin unsaid": (wide["statin_exposure"] == False) & wide["statin"].notna(),  # noqa: E712
        "statin unnamed": (wide["statin_exposure"] == True) & wide["statin"].isna(),  # noqa: E712
        "statin after onset": wide["statin"] > wide["onset"],
        "statin ends early": wide["statin_end"] < wide["statin"],
        "HMGCR without statin": positive["anti_hmgcr"] & (wide["statin_exposure"] == False),  # noqa: E712
        "treated early": wide["immunosuppressant"] < wide["diagnosis"],
        "untreated": wide["immunosuppressant"].isna(),
        "biopsy after treatment": wide["biopsy"] > wide["immunosuppressant"],
        "biopsy late": (wide["biopsy"] - wide["diagnosis"]).dt.days > 365,
        "cancer unsaid": (wide["cancer"] == False) & wide["cancer_date"].notna(),  # noqa: E712
        "cancer undated": (wide["cancer"] == True) & wide["cancer_date"].isna(),  # noqa: E712
        "cancer near": (wide["cancer_date"] - wide["onset"]).dt.days.abs() <= 1096,
        "no consent": wide["consent"] != "yes",
    }
