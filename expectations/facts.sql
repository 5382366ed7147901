-- What the suite of `cases` reads beside the derived columns: differences between two of them, and
-- the bounds of censored numbers. One row per patient, in the order of `cases` (`position`).
-- A difference of dates has a least and a greatest value (`_low`, `_high`), since dates may be partial.
-- Given: `cases`, the five tables, and the macros of tables.sql.
SELECT c.* REPLACE (nullif(c.anti_srp_methods, '') AS anti_srp_methods),
       greatest(0, c.age_at_onset_reported - c.age_at_onset_high,
                c.age_at_onset_low - c.age_at_onset_reported) AS age_at_onset_difference,
       greatest(0, c.age_at_diagnosis_reported - c.age_at_diagnosis_high,
                c.age_at_diagnosis_low - c.age_at_diagnosis_reported) AS age_at_diagnosis_difference,
       -- A censored number: `<20` lies between -inf and 20, `>10000` between 10000 and inf.
       CASE WHEN c.ck_baseline_comparator IN ('<', '<=') THEN '-inf'::DOUBLE
            ELSE c.ck_baseline END AS ck_baseline_low,
       CASE WHEN c.ck_baseline_comparator IN ('>', '>=') THEN 'inf'::DOUBLE
            ELSE c.ck_baseline END AS ck_baseline_high,
       CASE WHEN c.ck_month_6_comparator IN ('<', '<=') THEN '-inf'::DOUBLE
            ELSE c.ck_month_6 END AS ck_month_6_low,
       CASE WHEN c.ck_month_6_comparator IN ('>', '>=') THEN 'inf'::DOUBLE
            ELSE c.ck_month_6 END AS ck_month_6_high,
       CASE WHEN c.ck_baseline_comparator IS NULL AND c.ck_month_6_comparator IS NULL
            THEN c.ck_month_6 - c.ck_baseline END AS ck_change,
       greatest(0, date_diff('day', c.ck_labelled_baseline_date_latest, c.diagnosis_earliest),
                date_diff('day', c.diagnosis_latest, c.ck_labelled_baseline_date_earliest))
           + CASE WHEN c.ck_labelled_baseline_date_latest IS NULL OR c.diagnosis_latest IS NULL
                  THEN NULL ELSE 0 END AS ck_labelled_baseline_days_low,
       greatest(date_diff('day', c.ck_labelled_baseline_date_earliest, c.diagnosis_latest),
                date_diff('day', c.diagnosis_earliest, c.ck_labelled_baseline_date_latest))
           AS ck_labelled_baseline_days_high,
       coalesce(s.not_after_onset, 0) AS statin_rows_not_after_onset,
       date_diff('day', c.diagnosis_latest, c.statin_last_day_earliest)
           AS statin_days_after_diagnosis_low,
       date_diff('day', c.diagnosis_earliest, c.statin_last_day_latest)
           AS statin_days_after_diagnosis_high,
       date_diff('day', c.diagnosis_latest, c.first_treatment_earliest) AS treatment_delay_low,
       date_diff('day', c.diagnosis_earliest, c.first_treatment_latest) AS treatment_delay_high,
       date_diff('day', c.first_treatment_latest, c.anti_hmgcr_date_earliest)
           AS anti_hmgcr_days_after_treatment_low,
       date_diff('day', c.first_treatment_earliest, c.anti_hmgcr_date_latest)
           AS anti_hmgcr_days_after_treatment_high,
       date_diff('day', c.first_treatment_latest, c.anti_srp_date_earliest)
           AS anti_srp_days_after_treatment_low,
       date_diff('day', c.first_treatment_earliest, c.anti_srp_date_latest)
           AS anti_srp_days_after_treatment_high,
       date_diff('day', c.first_treatment_latest, c.biopsy_date_earliest)
           AS biopsy_days_after_treatment_low,
       date_diff('day', c.first_treatment_earliest, c.biopsy_date_latest)
           AS biopsy_days_after_treatment_high,
       nullif(c.cancer_associated, 'undetermined') AS cancer_associated_determined,
       m.value_code AS enmc_class_reported
FROM cases c
LEFT JOIN (
    SELECT p.site, p.patient,
           count(*) FILTER (WHERE coalesce(earliest(d.start_date) <= p.onset_latest, true))
               AS not_after_onset
    FROM medications d JOIN cases p USING (site, patient)
    WHERE d.element = 'statin' GROUP BY ALL
) s USING (site, patient)
LEFT JOIN (
    SELECT site, patient, min(value_code) AS value_code
    FROM observations WHERE element = 'enmc_class_reported' GROUP BY ALL
) m USING (site, patient)
ORDER BY c.position;
