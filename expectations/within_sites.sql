-- Rules about each site by itself, in SQL: Great Expectations judges one row at a time.
-- One section per rule and part, marked `-- rule.part`; $names are the rule's limits.
-- A query returns the sites that break the rule: site, and where they are meant element and field,
-- and what the rule's evidence names. verdict 'too-few' says that the site cannot be judged.
-- Given: what tables.sql and facts.sql are given, `cases`, and the views below.
CREATE VIEW exact_dates AS
SELECT site, element, field, day(TRY_CAST(text AS DATE)) AS day_of_month
FROM all_dates WHERE length(text) = 10 AND TRY_CAST(text AS DATE) IS NOT NULL;
CREATE VIEW ck_numbers AS
SELECT site, patient, time_point, TRY_CAST(value_number AS DOUBLE) AS value
FROM observations
WHERE element = 'ck' AND comparator IS NULL AND TRY_CAST(value_number AS DOUBLE) > 0;

-- Who should have a fact that the study demands ([demanded] of study.toml), patient by patient. `state`:
-- due; else why nobody waits for it: not-yet (the data end before the visit's window does), died,
-- left (no contact after the visit's day), undated (no diagnosis), refused (consent: no or withdrawn).
-- A visit of which the site sent anything took place; the first examination always did.
CREATE VIEW owed AS
WITH visited AS (
    SELECT DISTINCT site, patient, time_point FROM observations
    WHERE time_point IS NOT NULL AND missing IS NULL
), seen AS (
    SELECT site, patient, max(earliest(date)) AS day FROM observations GROUP BY ALL
), dated AS (
    SELECT c.site, c.patient, c.consent_reported, c.ck_baseline, c.deceased, c.death_earliest,
           d.element, d.time_point, d.percent, d.months, d.before_days, d.after_days,
           CAST(c.diagnosis_earliest + to_months(d.months) AS DATE) AS visit_earliest,
           CAST(c.diagnosis_latest + to_months(d.months) AS DATE) AS visit_latest,
           greatest(coalesce(c.last_contact_earliest, c.death_earliest), n.day) AS followed_until,
           coalesce(c.data_date, s.today) AS last_day, v.patient IS NOT NULL AS took_place
    FROM (SELECT DISTINCT ON (site, patient) * FROM cases) c CROSS JOIN demanded d
    LEFT JOIN sites s ON s.site = c.site
    LEFT JOIN seen n ON n.site = c.site AND n.patient = c.patient
    LEFT JOIN visited v ON v.site = c.site AND v.patient = c.patient AND v.time_point = d.time_point
)
SELECT *,
       CASE WHEN coalesce(consent_reported IN ('no', 'withdrawn'), false) THEN 'refused'
            WHEN time_point IS NULL THEN 'due'
            WHEN months > 0 AND coalesce(death_earliest <= visit_latest, false) THEN 'died'
            WHEN took_place AND (months = 0 OR death_earliest IS NOT NULL
                                 OR NOT coalesce(deceased, false)) THEN 'due'
            WHEN coalesce(visit_latest + after_days > last_day, false) THEN 'not-yet'
            WHEN months = 0 THEN 'due'
            WHEN visit_latest IS NULL THEN 'undated'
            WHEN coalesce(followed_until >= visit_latest, false) THEN 'due'
            ELSE 'left'
       END AS state
FROM dated;
-- Whether they have it: a value, or only a reason. At a visit what the site calls so, and what has no
-- visit and may have been in its window; at baseline also what has neither visit nor day.
CREATE VIEW sent_ever AS
SELECT site, patient, element,
       bool_or(coalesce(value_number, value_code, value_text, value_boolean::VARCHAR,
                        value_date) IS NOT NULL) AS given,
       bool_or(missing IS NOT NULL) AS reason
FROM observations GROUP BY ALL
UNION ALL SELECT site, patient, element, true, false FROM medications GROUP BY ALL
UNION ALL SELECT site, patient, element, true, false FROM conditions GROUP BY ALL
UNION ALL SELECT site, patient, element, true, false FROM procedures GROUP BY ALL
UNION ALL SELECT site, patient, 'birth_date', birth_date IS NOT NULL,
                 birth_date_missing IS NOT NULL FROM patients
UNION ALL SELECT site, patient, 'sex', sex IS NOT NULL, sex_missing IS NOT NULL FROM patients
UNION ALL SELECT site, patient, 'deceased', coalesce(deceased_boolean::VARCHAR, deceased_date) IS NOT NULL,
                 deceased_missing IS NOT NULL FROM patients;
CREATE VIEW sent_at AS
SELECT w.site, w.patient, w.element, w.time_point,
       bool_or(coalesce(o.value_number, o.value_code, o.value_text, o.value_boolean::VARCHAR,
                        o.value_date) IS NOT NULL) AS given,
       bool_or(o.missing IS NOT NULL) AS reason
FROM owed w JOIN observations o
  ON o.site = w.site AND o.patient = w.patient AND o.element = w.element
 AND (o.time_point = w.time_point
      OR (o.time_point IS NULL
          AND ((o.date IS NULL AND w.months = 0)
               OR (latest(o.date) >= w.visit_earliest - w.before_days
                   AND earliest(o.date) <= w.visit_latest + w.after_days))))
WHERE w.time_point IS NOT NULL
GROUP BY ALL;
CREATE TABLE demand_counts AS -- read by the rule and by the report
WITH met AS (
    SELECT w.*,
           CASE WHEN w.time_point IS NULL THEN coalesce(e.given, false)
                ELSE coalesce(a.given, false) -- the baseline CK has a wider window of its own
                     OR (w.element = 'ck' AND w.months = 0 AND w.ck_baseline IS NOT NULL)
           END AS given,
           CASE WHEN w.time_point IS NULL THEN coalesce(e.reason, false)
                ELSE coalesce(a.reason, false) END AS reason,
           coalesce(e.given, false) AS ever
    FROM owed w
    LEFT JOIN (SELECT site, patient, element, bool_or(given) AS given, bool_or(reason) AS reason
               FROM sent_ever GROUP BY ALL) e
        ON e.site = w.site AND e.patient = w.patient AND e.element = w.element
    LEFT JOIN sent_at a ON a.site = w.site AND a.patient = w.patient AND a.element = w.element
        AND a.time_point = w.time_point
), waited_for AS (
    SELECT * REPLACE (CASE WHEN given AND state <> 'refused' THEN 'due' ELSE state END AS state)
    FROM met
)
SELECT site, element, time_point, percent AS demanded, months,
       count(*) FILTER (WHERE state = 'due') AS patients,
       count(*) FILTER (WHERE state = 'due' AND given) AS given,
       count(*) FILTER (WHERE state = 'due' AND reason AND NOT given) AS reasons,
       count(*) FILTER (WHERE state = 'not-yet') AS not_yet,
       count(*) FILTER (WHERE state = 'died') AS died,
       count(*) FILTER (WHERE state = 'left') AS left_before,
       count(*) FILTER (WHERE state = 'undated') AS undated,
       count(*) FILTER (WHERE state = 'refused') AS refused,
       list(patient ORDER BY patient) FILTER (WHERE state = 'due' AND NOT given AND NOT reason) AS lacking,
       bool_or(ever) AS sent
FROM waited_for GROUP BY site, element, time_point, percent, months;

-- D08.site
SELECT site, count(*) FILTER (WHERE day_of_month = 1) AS firsts, count(*) AS days,
       CASE WHEN count(*) < $least THEN 'too-few' ELSE 'violated' END AS verdict
FROM exact_dates GROUP BY site
HAVING days < $least
    OR (firsts * 100 > $percent * days AND tail(firsts, days, 12 / 365.25) < $chance);

-- D08.column
-- One column may hide among many dates. Of few dates chance gives many firsts: it is asked of both.
SELECT site, element, field, count(*) FILTER (WHERE day_of_month = 1) AS firsts, count(*) AS days
FROM exact_dates GROUP BY site, element, field
HAVING days >= $least AND firsts * 100 > $percent * days AND tail(firsts, days, 12 / 365.25) < $chance;

-- K10.multiples
SELECT site, 'ck' AS element, count(*) FILTER (WHERE value % $multiple = 0) AS found,
       count(*) AS "values", max(value) AS highest,
       CASE WHEN count(*) < $least THEN 'too-few' ELSE 'violated' END AS verdict
FROM ck_numbers GROUP BY site HAVING "values" < $least OR found = "values";

-- K10.ceiling
SELECT site, 'ck' AS element, count(*) FILTER (WHERE list_contains($ceilings, value)) AS found,
       count(*) AS "values", max(value) AS highest,
       CASE WHEN count(*) < $least THEN 'too-few' ELSE 'violated' END AS verdict
FROM ck_numbers GROUP BY site HAVING "values" < $least OR list_contains($ceilings, highest);

-- Z03
-- A cohort that came by FHIR does not say what the site's mapping said.
SELECT s.site, 'relapse' AS element,
       CASE WHEN s.relapse_definition IS NULL THEN 'too-few' ELSE 'violated' END AS verdict
FROM sites s
WHERE coalesce(s.relapse_definition, '') = ''
  AND EXISTS (FROM observations o WHERE o.site = s.site AND o.element = 'relapse'
              AND o.value_boolean IS NOT NULL);

-- completeness
-- A reason answers the demand: nobody is asked again. What a site never sent is asked once, not for each visit.
SELECT site, element, time_point, element || coalesce('@' || time_point, '') AS element_label,
       given, patients, reasons, demanded
FROM demand_counts
WHERE (given + reasons) * 100 < demanded * patients
QUALIFY sent OR row_number() OVER (PARTITION BY site, element ORDER BY months NULLS FIRST) = 1
ORDER BY ALL;

-- digit-preference
WITH digits AS (
    SELECT site, value % 10 AS digit, count(*) AS found FROM ck_numbers
    WHERE value >= 100 AND value = floor(value) GROUP BY ALL
), sums AS (
    SELECT site, sum(found) AS "values", max(found) AS found, arg_max(digit, found) AS digit
    FROM digits GROUP BY site
)
SELECT site, 'ck' AS element, found, "values", digit,
       CASE WHEN "values" < $least THEN 'too-few' ELSE 'violated' END AS verdict
FROM sums
WHERE "values" < $least
   OR (found * 100 > $percent * "values" AND 10 * tail(found, "values", 0.1) < $chance);

-- copied-values.value
-- Of rounded numbers many are alike; they are a matter of digits.
SELECT site, 'ck' AS element, value, count(DISTINCT patient) AS sharing
FROM ck_numbers WHERE value >= $least * 10 AND value % 10 <> 0
GROUP BY site, value HAVING sharing >= $patients;

-- copied-values.series
WITH plain AS (
    SELECT DISTINCT site, patient, time_point, value FROM ck_numbers
    WHERE value >= $least AND value % 10 <> 0
)
SELECT a.site, a.patient, b.site AS other_site, b.patient AS other_patient, 'ck' AS element,
       count(*) AS shared
FROM plain a JOIN plain b
  ON a.site = b.site AND a.patient <> b.patient AND a.value = b.value
 AND a.time_point IS NOT DISTINCT FROM b.time_point
GROUP BY ALL HAVING shared >= $values
ORDER BY ALL;
