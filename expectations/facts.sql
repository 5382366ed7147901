-- What the suite of `cases` reads beside the derived columns: differences between two of them, and
-- the bounds of censored numbers. One row per patient, in the order of `cases` (`position`).
-- A difference of dates has a least and a greatest value (`_low`, `_high`), since dates may be partial.
-- Given: `cases`, the five tables, and the macros, views and variables of tables.sql.
WITH infusions AS (
    SELECT m.site, m.patient, earliest(m.start_date) AS day, length(m.start_date) = 10 AS exact,
           TRY_CAST(m.dose_number AS DOUBLE) * d.mg AS mg,
           TRY_CAST(m.dose_number AS DOUBLE) * d."mg/m2" AS mg_m2
    FROM medications m LEFT JOIN dose_units d ON d.unit = m.dose_unit
    WHERE m.value_code = 'rituximab'
), gaps AS (
    SELECT *, date_diff('day', lag(day) OVER (PARTITION BY site, patient ORDER BY day), day) AS gap
    FROM infusions
), courses AS (
    SELECT *, coalesce(gap > getvariable('T10_new_course_days')::INTEGER, true) AS is_first,
           count(*) FILTER (WHERE gap > getvariable('T10_new_course_days')::INTEGER)
               OVER (PARTITION BY site, patient ORDER BY day ROWS UNBOUNDED PRECEDING) AS course
    FROM gaps
), regimes AS (
    -- Whether a course is one of the two regimes; a single infusion cannot be judged.
    SELECT site, patient,
           CASE WHEN count(*) = 1 OR NOT coalesce(bool_and(exact AND (mg IS NOT NULL OR mg_m2 IS NOT NULL)), false)
                THEN NULL
                ELSE coalesce(count(*) = getvariable('T10_doses')::INTEGER
                         AND bool_and(mg = getvariable('T10_dose')::DOUBLE)
                         AND bool_and(is_first OR abs(gap - getvariable('T10_gap_days')::INTEGER)
                                      <= getvariable('T10_tolerance_days')::INTEGER), false)
                  OR coalesce(count(*) = getvariable('T10_doses_by_area')::INTEGER
                         AND bool_and(mg_m2 = getvariable('T10_dose_by_area')::DOUBLE)
                         AND bool_and(is_first OR abs(gap - getvariable('T10_gap_days_by_area')::INTEGER)
                                      <= getvariable('T10_tolerance_days')::INTEGER), false)
           END AS fits
    FROM courses GROUP BY site, patient, course
), rituximab AS (
    SELECT site, patient,
           CASE WHEN bool_or(NOT fits) THEN false WHEN bool_and(fits IS NOT NULL) THEN true END AS fits
    FROM regimes GROUP BY ALL
), cancers AS (
    SELECT c.site, c.patient, count(*) AS found, bool_or(p.onset_earliest IS NULL) AS no_onset,
           count(*) FILTER (WHERE latest(c.date)
               < p.onset_earliest - to_years(getvariable('N03_years')::INTEGER)) AS surely_before,
           count(*) FILTER (WHERE coalesce(earliest(c.date)
               < p.onset_latest - to_years(getvariable('N03_years')::INTEGER), true)) AS maybe_before
    FROM conditions c JOIN cases p USING (site, patient)
    WHERE c.element = 'cancer_diagnosis' GROUP BY ALL
), statins AS (
    SELECT site, patient,
           statin_exposure AND coalesce(statin_agents, '') = '' AS agent_unknown
    FROM cases WHERE statin_exposure IS NOT NULL
), statin_sites AS (
    SELECT site, count(*) FILTER (WHERE agent_unknown) AS unknown, count(*) AS exposed
    FROM statins JOIN cases USING (site, patient) WHERE statin_exposure GROUP BY site
), steroid_sites AS (
    SELECT site, count(*) AS patients, count(*) FILTER (WHERE NOT glucocorticoid_ever) AS without,
           count(*) FILTER (WHERE glucocorticoid_ever IS NULL) AS not_known
    FROM cases GROUP BY site
)
SELECT c.* REPLACE (nullif(c.anti_srp_methods, '') AS anti_srp_methods),
       greatest(0, c.age_at_onset_reported - c.age_at_onset_high,
                c.age_at_onset_low - c.age_at_onset_reported) AS age_at_onset_difference,
       greatest(0, c.age_at_diagnosis_reported - c.age_at_diagnosis_high,
                c.age_at_diagnosis_low - c.age_at_diagnosis_reported) AS age_at_diagnosis_difference,
       -- A censored number: `<20` lies between -inf and less than 20, `>10000` between more than 10000 and inf.
       CASE WHEN c.ck_baseline_comparator IN ('<', '<=') THEN '-inf'::DOUBLE
            ELSE c.ck_baseline + if(c.ck_baseline_comparator = '>', 1e-6, 0) END AS ck_baseline_low,
       CASE WHEN c.ck_baseline_comparator IN ('>', '>=') THEN 'inf'::DOUBLE
            ELSE c.ck_baseline - if(c.ck_baseline_comparator = '<', 1e-6, 0) END AS ck_baseline_high,
       CASE WHEN c.ck_month_6_comparator IN ('<', '<=') THEN '-inf'::DOUBLE
            ELSE c.ck_month_6 + if(c.ck_month_6_comparator = '>', 1e-6, 0) END AS ck_month_6_low,
       CASE WHEN c.ck_month_6_comparator IN ('>', '>=') THEN 'inf'::DOUBLE
            ELSE c.ck_month_6 - if(c.ck_month_6_comparator = '<', 1e-6, 0) END AS ck_month_6_high,
       CASE WHEN c.ck_baseline_comparator IN ('<', '<=') THEN '-inf'::DOUBLE
            ELSE c.ck_baseline_x_uln + if(c.ck_baseline_comparator = '>', 1e-6, 0) END AS ck_baseline_x_uln_low,
       CASE WHEN c.ck_baseline_comparator IN ('>', '>=') THEN 'inf'::DOUBLE
            ELSE c.ck_baseline_x_uln - if(c.ck_baseline_comparator = '<', 1e-6, 0) END AS ck_baseline_x_uln_high,
       CASE WHEN c.ck_baseline_comparator IS NULL THEN c.ck_baseline END AS ck_baseline_exact,
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
       m.value_code AS enmc_class_reported,
       coalesce(r.patient IS NOT NULL, false) AS rituximab_given, r.fits AS rituximab_fits,
       CASE WHEN k.no_onset THEN NULL WHEN k.surely_before = k.found THEN true
            WHEN k.maybe_before < k.found THEN false END AS cancers_only_long_before,
       u.agent_unknown AS statin_agent_unknown, x.unknown AS statin_agents_unknown, x.exposed AS statin_exposed,
       CASE WHEN x.exposed >= getvariable('X04_least')::INTEGER
            THEN 100 * x.unknown / x.exposed END AS statin_agents_unknown_percent,
       g.patients AS site_patients,
       CASE WHEN g.patients < getvariable('T13_patients')::INTEGER OR c.glucocorticoid_ever THEN false
            WHEN c.glucocorticoid_ever IS NULL OR c.onset_earliest > c.diagnosis_latest THEN NULL
            WHEN g.without > 1 THEN false WHEN g.not_known > 0 THEN NULL ELSE true
       END AS alone_without_glucocorticoid
FROM cases c
LEFT JOIN rituximab r USING (site, patient)
LEFT JOIN cancers k USING (site, patient)
LEFT JOIN statins u USING (site, patient)
LEFT JOIN statin_sites x USING (site)
LEFT JOIN steroid_sites g USING (site)
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
) m USING (site, patient);
