"""The columns of `cases`: type and one sentence each. Rules, Table 1 and later outputs read these.

Three-valued throughout: null means *cannot be judged* (not sent, unknown, dates too coarse).
A date is two columns, the earliest and the latest day that it may mean; both null where not sent.
Lists are text joined by `"; "`, empty text where nothing is in them. `*_reported` is what the site
said; the column without it is derived here by the study's variant.
"""

from imnm_fhir.derive.names import CK
from imnm_fhir.dictionary import load_dictionary

TYPES = ("text", "integer", "number", "boolean", "date")
VISITS = ("baseline", "month_3", "month_6", "month_12", "month_24")

Column = tuple[str, str]  # type, sentence
CK_UNIT = load_dictionary().elements[CK].unit


def _date(name: str, what: str) -> dict[str, Column]:
    return {
        f"{name}_earliest": ("date", f"Earliest possible day of {what}"),
        f"{name}_latest": ("date", f"Latest possible day of {what}"),
    }


IDENTITY: dict[str, Column] = {
    "site": ("text", "Id of the site"),
    "patient": ("text", "Pseudonym of the patient within the site"),
    "data_date": ("date", "Data cut-off: the study's, else the site's"),
    "adults_only": ("boolean", "Whether the study takes adults only"),
    "sex": ("text", "Sex: female, male, other, unknown"),
    **_date("birth", "birth"),
    **_date("onset", "the first symptom of IMNM"),
    **_date("diagnosis", "the diagnosis of IMNM"),
    **_date("last_contact", "the last contact"),
    **_date("death", "death"),
    "deceased": ("boolean", "Dead; a date of death says yes"),
    "oldest_date": ("date", "Oldest date of the patient's facts, the latest day that it may mean"),
    "oldest_date_element": ("text", "Element of the oldest date"),
    "newest_date": ("date", "Newest date of the patient's facts, the earliest day it may mean"),
    "newest_date_element": ("text", "Element of the newest date"),
    "last_event": ("date", "As newest_date, without the date of death"),
    "last_event_element": ("text", "Element of the last event"),
    "consent": (
        "text",
        "On study.today: valid, legal-basis, unclear, expired, not-yet, no, withdrawn, unknown, none",
    ),
    "consent_reported": ("text", "The answer to reuse of the data: yes, no, unknown, withdrawn"),
    "legal_basis": ("text", "What the site declares in the place of consent"),
}

COURSE: dict[str, Column] = {
    "age_at_onset": ("integer", "Years at onset from dates (lower bound), else as reported"),
    "age_at_onset_low": ("integer", "Least age at onset that the dates allow"),
    "age_at_onset_high": ("integer", "Greatest age at onset that the dates allow"),
    "age_at_onset_marked": ("boolean", "age_at_onset is the lower bound of an interval"),
    "age_at_onset_reported": ("number", "Age at onset as the site says it"),
    "age_at_diagnosis": ("integer", "Years at diagnosis from dates (lower bound), else reported"),
    "age_at_diagnosis_low": ("integer", "Least age at diagnosis that the dates allow"),
    "age_at_diagnosis_high": ("integer", "Greatest age at diagnosis that the dates allow"),
    "age_at_diagnosis_reported": ("number", "Age at diagnosis as the site says it"),
    "diagnosis_year": ("integer", "Year of the diagnosis"),
    "onset_to_diagnosis_days": ("integer", "Days from onset to diagnosis where both are exact"),
    "onset_to_diagnosis_days_low": ("integer", "Least days from onset to diagnosis"),
    "onset_to_diagnosis_days_high": ("integer", "Greatest days from onset to diagnosis"),
    "onset_class": ("text", "Diagnostic interval: acute, subacute, chronic"),
    "onset_class_unjudged": ("text", "Why there is no onset_class: no-date, reversed, too-coarse"),
    "onset_class_reported": ("text", "Onset class as the site says it"),
    "family_history": ("boolean", "Family history of a hereditary myopathy"),
    "comorbidities": ("text", "List of comorbidities"),
}

EXPOSURE: dict[str, Column] = {
    "statin_exposure": ("boolean", "Statin before onset: the answer, else a start before onset"),
    "statin_exposure_reported": ("boolean", "The site's answer to statin before onset"),
    "statin_agents": ("text", "List of statins by ingredient, combinations taken apart"),
    "statin_rows": ("integer", "Number of statin rows"),
    "statin_started_before_onset": (
        "boolean",
        "A statin started before onset; false: all later",
    ),
    **_date("statin_first_start", "the first start of a statin"),
    **_date("statin_last_day", "the last day on a statin (ongoing: last contact or data_date)"),
}

CLINIC: dict[str, Column] = {
    "proximal_weakness": ("boolean", "Proximal weakness at presentation; false: explicitly none"),
    "weakness_symmetrical": ("boolean", "Weakness is symmetrical"),
    "weakness_predominance": ("text", "Where weakness predominates"),
    "myalgia": ("boolean", "Myalgia at presentation"),
    "dysphagia": ("boolean", "Dysphagia at presentation"),
    "neck_weakness": ("boolean", "Neck weakness at presentation"),
    "extramuscular": ("boolean", "Extramuscular manifestation: the answer, else a disease listed"),
    "extramuscular_diseases": ("text", "List of extramuscular diseases"),
    "severe_weakness": ("boolean", "Severe weakness at baseline by the study's variant"),
    "severe_weakness_any": ("boolean", "Any MRC grade at baseline is 3 or less"),
    "severe_weakness_proximal_axial": ("boolean", "Proximal or axial MRC grade 3 or less"),
    "severe_weakness_mmt8": ("boolean", "MMT8 total at baseline at or below the study's limit"),
    "severe_weakness_reported": ("boolean", "Severe weakness as the site says it"),
}

SEROLOGY: dict[str, Column] = {
    "anti_hmgcr": ("text", "Anti-HMGCR over all assays: positive, borderline, negative, untested"),
    "anti_srp": ("text", "Anti-SRP over all assays: positive, borderline, negative, untested"),
    "anti_hmgcr_methods": ("text", "List of assays of anti-HMGCR with a result"),
    "anti_srp_methods": ("text", "List of assays of anti-SRP with a result"),
    **_date("anti_hmgcr_date", "the assay that decides anti_hmgcr"),
    **_date("anti_srp_date", "the assay that decides anti_srp"),
    "msa_positive": ("text", "List of positive myositis-specific antibodies"),
    "msa_positive_count": ("integer", "Number of positive myositis-specific antibodies"),
    "other_msa": ("text", "Another MSA: positive, borderline, negative (all tested are), untested"),
    "other_msa_positive": ("text", "As msa_positive, without anti-HMGCR and anti-SRP"),
    "other_msa_positive_count": ("integer", "Number in other_msa_positive"),
    "antibodies_tested_count": ("integer", "Number of antibodies with a result"),
    "antibodies_positive": ("text", "List of all positive antibodies, associated ones included"),
    "ana": ("text", "ANA: positive, borderline, negative, untested"),
    "serogroup": (
        "text",
        "hmgcr, srp, dual, seronegative, unknown, or a group of the study's variants",
    ),
    "serogroup_default": ("text", "Serogroup by the default: a positive decides"),
    "serogroup_other_untested": ("boolean", "One of HMGCR and SRP decides, the other is untested"),
    "serogroup_reported": ("text", "Serogroup as the site says it"),
}

ENZYMES: dict[str, Column] = {
    "ck_baseline": ("number", f"Baseline CK in {CK_UNIT} by the study's variant"),
    "ck_baseline_comparator": ("text", "Comparator of ck_baseline; null for an exact number"),
    "ck_baseline_choice": (
        "text",
        "before-treatment, treated, never-treated, labelled, or the variant: window, peak",
    ),
    "ck_baseline_x_uln": ("number", "ck_baseline as a multiple of its own upper limit of normal"),
    "ck_baseline_imputed": (
        "boolean",
        "ck_baseline was made of a multiple by an imputed upper limit",
    ),
    "ck_baseline_default": ("number", "Baseline CK by the default"),
    "ck_baseline_window": ("number", "First CK in the study's window around the diagnosis"),
    "ck_baseline_peak": ("number", "Highest CK in the study's span around the diagnosis"),
    **_date("ck_baseline_date", "ck_baseline"),
    "ck_labelled_baseline": ("number", f"CK that the site calls baseline, in {CK_UNIT}"),
    "ck_labelled_baseline_comparator": ("text", "Its comparator; null for an exact number"),
    **_date("ck_labelled_baseline_date", "ck_labelled_baseline"),
    "ck_max": ("number", f"Highest CK of all, in {CK_UNIT}"),
    "ck_month_6_x_uln": ("number", "ck_month_6 as a multiple of its own upper limit of normal"),
    "ck_month_6_imputed": (
        "boolean",
        "ck_month_6 was made of a multiple by an imputed upper limit",
    ),
}

TESTS: dict[str, Column] = {
    "emg_done": ("boolean", "EMG was done: the answer, else a procedure"),
    **_date("emg_date", "the EMG"),
    "emg_myopathic": ("boolean", "Myopathic motor unit potentials"),
    "emg_spontaneous_activity": ("boolean", "Spontaneous activity"),
    "emg_myotonic_discharges": ("boolean", "Myotonic discharges"),
    "emg_myotonia_muscles": ("text", "List of muscles with myotonic discharges"),
    "emg_findings": ("text", "List of EMG elements with a result"),
    "mri_done": ("boolean", "Muscle MRI was done: the answer, else a procedure"),
    "mri_oedema": ("boolean", "Oedema on MRI"),
    "mri_fatty_replacement": ("boolean", "Fatty replacement on MRI"),
    "mri_findings": ("text", "List of MRI elements with a result"),
    "biopsy_done": ("boolean", "Muscle biopsy was done: the answer, else a procedure"),
    **_date("biopsy_date", "the biopsy"),
    "biopsy_necrosis_regeneration": ("boolean", "Necrotic or regenerating fibres"),
    "biopsy_lymphocytic_infiltrate": ("boolean", "Lymphocytic infiltrate"),
    "biopsy_macrophagic_infiltrate": ("boolean", "Macrophagic infiltrate"),
    "biopsy_infiltrate": ("boolean", "Lymphocytic or macrophagic infiltrate"),
    "biopsy_hla1": ("text", "HLA-I: positive, negative, untested"),
    "biopsy_mac": ("text", "MAC (C5b-9): positive, negative, untested"),
    "biopsy_p62": ("text", "Sarcoplasmic p62: positive, negative, untested"),
    "biopsy_cd20": ("text", "CD20: positive, negative, untested"),
    "biopsy_findings": ("text", "List of biopsy elements with a result"),
}

TREATMENT: dict[str, Column] = {
    "treatments": ("text", "List of drugs ever for IMNM, glucocorticoids by their own names"),
    "treatments_not_counted": ("text", "List of immunotherapies that are not (surely) for IMNM"),
    "glucocorticoid_ever": ("boolean", "A glucocorticoid for IMNM at any time"),
    "glucocorticoid_start_rate": ("number", "First glucocorticoid dose by weight, pulses apart"),
    "glucocorticoid_start_rate_unit": ("text", "Its unit"),
    **_date("first_treatment", "the first glucocorticoid or immunosuppressant for IMNM"),
    "first_treatment_drugs": ("text", "List of drugs that started on that day"),
    "diagnosis_to_treatment_days": ("integer", "Days from diagnosis to it where both are exact"),
    "strategy": ("text", "none, mono, bi, poly at induction by the study's variant"),
    "strategy_default": ("text", "Distinct drugs started by day 42 after the diagnosis"),
    "strategy_concurrent": ("text", "Distinct drugs running on day 42 after the diagnosis"),
    "strategy_from_first_treatment": ("text", "Distinct drugs started by day 42 of treatment"),
    "strategy_without_glucocorticoids": ("text", "As strategy_default, without glucocorticoids"),
    "strategy_month_6": ("text", "Distinct drugs running at the 6-month visit"),
    "strategy_reported": ("text", "Strategy at induction as the site says it"),
    "drugs_induction": ("text", "List of drugs that strategy counts"),
    "drugs_month_6": ("text", "List of drugs that strategy_month_6 counts"),
    "drug_stops_before_start": ("text", "List of drugs whose stop is surely before the start"),
    "drug_overlaps": ("text", "List of drugs of which two rows surely overlap"),
    "plasma_exchange": ("boolean", "Plasma exchange: the answer, else a procedure"),
    "plasma_exchange_sessions": ("integer", "Number of sessions over all courses"),
    **_date("plasma_exchange_first", "the first plasma exchange"),
}

OUTCOME: dict[str, Column] = {
    "good_response": ("boolean", "Good response at 6 months by the study's variant"),
    "good_response_default": ("boolean", "Response at 6 months is complete or significant"),
    "good_response_tis": (
        "boolean",
        "Total improvement score at 6 months reaches the study's limit",
    ),
    "good_response_ck": (
        "boolean",
        "CK at 6 months is within the study's multiple of its upper limit of normal",
    ),
    "ever_good_response": ("boolean", "Some visit has a complete or significant response"),
    **_date("first_good_response", "the first visit with a complete or significant response"),
    "relapse": ("boolean", "Relapse: the site's answer"),
    "relapse_derived": ("boolean", "Loss of remission (CK, strength) with a new drug"),
    **_date("relapse_first", "the first relapse"),
    "mild_mrs_while_severe": ("boolean", "Some visit has severe weakness and mRS 0 or 1"),
    "complete_while_weak": ("boolean", "Some visit has response complete and MRC below 5"),
    "improved_while_not_better": ("boolean", "Some visit: feels improved, response not better"),
    "mrs_6_without_death": ("boolean", "Some visit has mRS 6 and no death by its day"),
    "mrs_below_6_after_death": ("boolean", "Some visit has mRS 0-5 and lies after death"),
}

CANCER: dict[str, Column] = {
    "cancer": ("boolean", "Any cancer that counts: the answer, else a diagnosis"),
    "cancer_reported": ("boolean", "The site's answer to cancer"),
    "cancers": ("text", "List of cancers that count by the study"),
    "cancers_excluded": ("text", "List of cancers that do not count (skin, in situ)"),
    "cancers_without_date": ("integer", "Number of counted cancers without any date"),
    **_date("cancer_first", "the first counted cancer"),
    "cancer_associated": ("text", "yes, no, undetermined: -3..+3 years of onset"),
    "cancer_associated_paper": ("text", "yes, no, undetermined: 0..+3 years after diagnosis"),
    "cancer_associated_reported": ("text", "Cancer associated as the site says it: yes, no"),
    "cause_of_death": ("text", "Cause of death as the site says it"),
}


def visit_columns(visit: str) -> dict[str, Column]:
    """The columns of one visit, such as `mrs_month_6`."""
    return {
        **_date(f"visit_{visit}", f"visit {visit}"),
        f"ck_{visit}": ("number", f"CK in {CK_UNIT} in the window of {visit}, nearest to its day"),
        f"ck_{visit}_comparator": ("text", f"Comparator of ck_{visit}; null for an exact number"),
        f"worst_mrc_{visit}": ("number", f"Worst MRC grade at {visit}; 4+ and 4- are 4"),
        f"severe_weakness_{visit}": ("boolean", f"Any MRC grade at {visit} is 3 or less"),
        f"mrs_{visit}": ("number", f"Modified Rankin scale at {visit}"),
        f"response_{visit}": ("text", f"Objective response at {visit}"),
        f"subjective_change_{visit}": ("text", f"Change that the patient reports at {visit}"),
    }


def _visits(visits: tuple[str, ...]) -> dict[str, Column]:
    columns = {name: each for visit in visits for name, each in visit_columns(visit).items()}
    for name in ("ck_baseline", "ck_baseline_comparator"):
        columns.pop(name, None)  # baseline CK has a definition of its own
    return columns


CASE_COLUMNS: dict[str, Column] = {
    **IDENTITY, **COURSE, **EXPOSURE, **CLINIC, **SEROLOGY, **ENZYMES, **TESTS, **TREATMENT,
    **OUTCOME, **CANCER, **_visits(VISITS),
}  # fmt: skip


def case_columns(visits: tuple[str, ...] = VISITS) -> dict[str, Column]:
    """All columns: `CASE_COLUMNS`, those of a study's further visits, one per further antibody."""
    dictionary = load_dictionary()
    results = "positive, borderline, negative, untested"
    antibodies = [*dictionary.of_group("msa"), *dictionary.of_group("maa")]
    return {
        **CASE_COLUMNS,
        **_visits(visits),
        **{
            name: CASE_COLUMNS.get(
                name, ("text", f"{dictionary.elements[name].definition}: {results}")
            )
            for name in antibodies
        },
    }
