"""The element and value names that the definitions speak of, in one place.

Everything else that derive knows of drugs, diseases and antibodies are attributes of the dictionary
(groups, ingredients, `good`, `confirms_srp`, ...).
"""

BASELINE, MONTH_6 = "baseline", "month_6"

# conditions, medications, procedures
IMNM, CANCER_DIAGNOSIS = "imnm", "cancer_diagnosis"
COMORBIDITY, EXTRAMUSCULAR_DISEASE = "comorbidity", "extramuscular_disease"
STATIN, IMMUNOTHERAPY = "statin", "immunosuppressant"
BIOPSY, EMG, MRI, PLASMA_EXCHANGE = "biopsy", "emg", "mri", "plasma_exchange"

# observations that definitions read by name
CK, WORST_MRC, MMT8, MRS, WEIGHT = "ck", "worst_mrc", "mmt8", "mrs", "weight"
VISIT_DATE, LAST_CONTACT = "visit_date", "last_contact"
RESPONSE, SUBJECTIVE_CHANGE, RELAPSE = "response", "subjective_change", "relapse"
HMGCR, SRP = "anti_hmgcr", "anti_srp"
CONSENT, LEGAL_BASIS = "consent_reuse", "legal_basis"
CONSENT_FROM, CONSENT_TO = "consent_valid_from", "consent_valid_to"

# value keys
POSITIVE, BORDERLINE, NEGATIVE, UNTESTED = "positive", "borderline", "negative", "untested"
NOT_PERFORMED, DECLINED = "not-performed", "asked-declined"
COMPLETE, IMPROVED = "complete", "improved"
ACTIVE, COMPLETED = "active", ("completed", "stopped")
FOR_IMNM = "imnm"
GLUCOCORTICOID, STATIN_GROUP = "glucocorticoid", "statin"
CANCER_GROUP = "cancer"
INTRAVENOUS = "intravenous"
