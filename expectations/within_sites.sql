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
WITH answers AS (
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
), counted AS (
    SELECT p.site, d.element, d.percent AS demanded, count(*) AS patients,
           count(*) FILTER (WHERE a.given) AS given,
           count(*) FILTER (WHERE a.reason AND NOT a.given) AS reasons
    FROM (SELECT DISTINCT site, patient FROM patients) p CROSS JOIN demanded d
    LEFT JOIN answers a ON a.site = p.site AND a.patient = p.patient AND a.element = d.element
    GROUP BY ALL
)
SELECT site, element, element AS element_label, given, patients, reasons, demanded
FROM counted WHERE given * 100 < demanded * patients;

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
