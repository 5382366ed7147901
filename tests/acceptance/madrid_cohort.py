"""The cohort of madrid16.csv, made by hand: what harmonise makes of it, without harmonise."""

import csv
from functools import cache
from importlib.resources import files
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.keys import resource_id, row_key

SITE = "madrid_en"
ANSWERS = {
    "Statin before onset": "statin_exposure",
    "Proximal weakness": "proximal_weakness",
    "Weakness symmetrical": "weakness_symmetrical",
    "Myalgia": "myalgia",
    "Dysphagia": "dysphagia",
    "Neck weakness": "neck_weakness",
    "EMG myopathic MUPs": "emg_myopathic",
    "EMG spontaneous activity": "emg_spontaneous_activity",
    "EMG myotonic discharges": "emg_myotonic_discharges",
    "Muscle MRI done": "mri_done",
    "Muscle MRI oedema": "mri_oedema",
    "Muscle MRI fatty replacement": "mri_fatty_replacement",
    "Biopsy necrotic/regenerating fibres": "biopsy_necrosis_regeneration",
    "Biopsy lymphocytic infiltrate": "biopsy_lymphocytic_infiltrate",
    "Biopsy macrophagic infiltrate": "biopsy_macrophagic_infiltrate",
    "Cancer": "cancer",
    "Family history of hereditary myopathy": "family_history_myopathy",
}
ANTIBODIES = {
    "ANA": "ana", "Anti-Jo-1": "anti_jo1", "Anti-PL-7": "anti_pl7", "Anti-PL-12": "anti_pl12",
    "Anti-EJ": "anti_ej", "Anti-SRP": "anti_srp", "Anti-Mi-2": "anti_mi2", "Anti-MDA5": "anti_mda5",
    "Anti-TIF1-gamma": "anti_tif1g", "Anti-HMGCR": "anti_hmgcr", "Anti-Ro52": "anti_ro52",
    "Anti-SAE1/2": "anti_sae", "Anti-NXP2": "anti_nxp2",
}  # fmt: skip
NUMBERS = {
    "Age at symptom onset": ("age_at_onset_reported", None),
    "Worst MRC at diagnosis": ("worst_mrc", "baseline"),
    "Worst MRC at 6 months": ("worst_mrc", "month_6"),
    "CK at diagnosis (IU/L)": ("ck", "baseline"),
    "CK at 6 months (IU/L)": ("ck", "month_6"),
    "mRS at 6 months": ("mrs", "month_6"),
}
DRUGS = {
    "Prednisone": "prednisone", "Methotrexate": "methotrexate", "IVIG": "ivig",
    "Azathioprine": "azathioprine", "Mycophenolate": "mycophenolate_mofetil", "Rituximab": "rituximab",
}  # fmt: skip
PREDOMINANCE = {"lower limbs": "lower_limbs", "upper = lower": "equal"}
CANCERS = {"squamous cell carcinoma of the tongue": "tongue_squamous_cell_carcinoma"}


def _observations(row: dict[str, str]) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = []

    def add(element: str, time_point: str | None = None, **values: Any) -> None:
        facts.append({"element": element, "time_point": time_point, **values})

    for header, element in ANSWERS.items():
        if row[header]:
            add(element, "baseline", value_boolean=row[header] == "yes")
    for header, element in ANTIBODIES.items():
        add(element, "baseline", value_code=row[header], method="dot_blot")
    for header, (element, when) in NUMBERS.items():
        unit = load_dictionary().elements[element].unit
        day = row["Date CK at diagnosis"] if header.startswith("CK at diagnosis") else None
        add(element, when, value_number=row[header], unit=unit, date=day)
    add("weakness_predominance", "baseline", value_code=PREDOMINANCE[row["Weakness predominance"]])
    if row["Biopsy HLA-I"] == "not done":
        add("biopsy_hla1", "baseline", missing="not-performed")
    else:
        add("biopsy_hla1", "baseline", value_code=row["Biopsy HLA-I"])
    for n, muscle in enumerate(filter(None, row["EMG myotonia muscles"].split("; ")), 1):
        add("emg_myotonia_muscle", "baseline", n=str(n), value_text=muscle)
    add("visit_date", "month_6", value_date=row["Date of 6-month visit"])
    add("last_contact", value_date=row["Date of last contact"])
    add("subjective_change", "month_6", value_code=row["Patient-reported change at 6 months"])
    response = row["Response at 6 months"].replace(" ", "_")
    add("response", "month_6", value_code=response)
    add("relapse", value_boolean=row["Relapse"] == "yes", date=row["Date of relapse"] or None)
    return facts


def _conditions(row: dict[str, str]) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = [
        {
            "element": "imnm",
            "value_code": "imnm",
            "onset_date": row["Date of symptom onset"],
            "date": row["Date of diagnosis"],
        }
    ]
    for header, element in (
        ("Comorbidities", "comorbidity"),
        ("Extra-muscular disease", "extramuscular_disease"),
    ):
        for n, text in enumerate(filter(None, row[header].split("; ")), 1):
            facts.append({"element": element, "n": str(n), "value_text": text})
    for n, text in enumerate(filter(None, row["Cancer type"].split("; ")), 1):
        day = row["Date of cancer diagnosis"]
        code = CANCERS.get(text, text)
        facts.append({"element": "cancer_diagnosis", "n": str(n), "value_code": code, "date": day})
    return facts


def _medications(row: dict[str, str]) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = []
    if row["Statin name"]:
        facts.append(
            {
                "element": "statin",
                "n": "1",
                "value_code": row["Statin name"],
                "start_date": row["Statin start date"],
                "end_date": row["Statin stop date"],
                "status": "completed",
            }
        )
    for header, code in DRUGS.items():
        if row[f"{header} start"]:
            stop = row.get(f"{header} stop") or None
            facts.append(
                {
                    "element": "immunosuppressant",
                    "n": code,
                    "value_code": code,
                    "start_date": row[f"{header} start"],
                    "end_date": stop,
                    "status": "completed" if stop else "unknown",
                }
            )
            if header == "Prednisone":
                rate = row["Prednisone dose (mg/kg/day)"]
                facts[-1] |= {"rate_number": rate, "rate_unit": "mg/kg/d"}
    return facts


def _procedures(row: dict[str, str]) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = [
        {"element": "emg", "date": row["EMG date"]},
        {"element": "biopsy", "date": row["Biopsy date"]},
    ]
    if row["Plasma exchange start"]:
        sessions = row["Plasma exchange sessions"]
        day = row["Plasma exchange start"]
        facts.append({"element": "plasma_exchange", "date": day, "sessions": sessions})
    return facts


def _patients(row: dict[str, str]) -> list[dict[str, Any]]:
    dead = row["Died"] == "yes"
    return [
        {
            "birth_date": row["Date of birth"],
            "sex": {"F": "female", "M": "male"}[row["Sex"]],
            "deceased_boolean": None if dead else False,
            "deceased_date": row["Date of death"] or None,
        }
    ]


MAKERS = {
    "patients": _patients,
    "observations": _observations,
    "medications": _medications,
    "conditions": _conditions,
    "procedures": _procedures,
}


@cache
def madrid_cohort() -> Cohort:
    """The sixteen synthetic patients as a cohort of the site `madrid_en`."""
    source = files("imnm_fhir") / "demo_data" / "madrid" / "madrid16.csv"
    with source.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    tables = {}
    for name in TABLES:
        key = load_dictionary().tables[name].key
        facts = [
            {"site": SITE, "patient": row["Patient ID"], **fact}
            for row in rows
            for fact in MAKERS[name](row)
        ]
        for fact in facts:
            fact["id"] = resource_id(row_key(fact.get(part) for part in key))
        tables[name] = table_from_rows(name, facts)
    about = {"name": "Madrid (synthetic)", "country": "ES", "cut_off": "2022-06-30"}
    return Cohort(new_manifest("site file", {SITE: about}), tables)
