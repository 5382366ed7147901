-- What the suites of the five tables read: each row of the cohort with numbers and dates as such,
-- what the dictionary says of its element, and the patient's death and data cut-off beside it.
-- Given: the five tables (with `position`, the row's place), `sites` (site, data_date, today),
-- `elements`, `codes` (value_set, key, ...) and `column_codes` ("column", key) of the dictionary, and
-- `dose_units` (unit, and its factor to every other unit of a dose, in a column of that name).
-- Limits of rules are variables: getvariable('T10_gap_days') is the limit gap_days of T10.
-- Three sections by marker lines; every date becomes the earliest and latest day that it may mean.

-- macros
CREATE MACRO earliest(d) AS
    TRY_CAST(d || CASE length(d) WHEN 4 THEN '-01-01' WHEN 7 THEN '-01' ELSE '' END AS DATE);
CREATE MACRO latest(d) AS
    CASE length(d) WHEN 4 THEN TRY_CAST(d || '-12-31' AS DATE)
                   WHEN 7 THEN last_day(TRY_CAST(d || '-01' AS DATE))
                   ELSE TRY_CAST(d AS DATE) END;
CREATE MACRO number(x) AS TRY_CAST(x AS DOUBLE);
CREATE MACRO is_date(d) AS
    d IS NULL OR (regexp_full_match(d, '\d{4}(-\d\d(-\d\d)?)?') AND earliest(d) IS NOT NULL);
CREATE MACRO is_code(name, word) AS
    (word IS NULL OR EXISTS (FROM column_codes c WHERE c."column" = name AND c.key = word));
-- P(X >= k), X binomial of n and p
CREATE MACRO tail(k, n, p) AS
    list_sum(list_transform(range(k::BIGINT, n::BIGINT + 1), lambda x:
        exp(lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1) + x * ln(p) + (n - x) * ln(1 - p))));
CREATE VIEW weights AS
SELECT site, patient, earliest(date) AS day, time_point, TRY_CAST(value_number AS DOUBLE) AS kg
FROM observations
WHERE element = 'weight' AND comparator IS NULL AND TRY_CAST(value_number AS DOUBLE) > 0;
-- Every exact or partial date of a fact, as text.
CREATE VIEW all_dates AS
SELECT site, patient, 'birth_date' AS element, 'birth_date' AS field, birth_date AS text FROM patients
UNION ALL SELECT site, patient, element, 'date', date FROM observations
UNION ALL SELECT site, patient, element, 'value_date', value_date FROM observations
UNION ALL SELECT site, patient, element, 'start_date', start_date FROM medications
UNION ALL SELECT site, patient, element, 'end_date', end_date FROM medications
UNION ALL SELECT site, patient, element, 'onset_date', onset_date FROM conditions
UNION ALL SELECT site, patient, element, 'date', date FROM conditions
UNION ALL SELECT site, patient, element, 'date', date FROM procedures
UNION ALL SELECT site, patient, element, 'end_date', end_date FROM procedures;
CREATE VIEW persons AS
SELECT p.site, p.patient,
       CASE WHEN p.deceased_date IS NOT NULL THEN 'true'
            ELSE CAST(p.deceased_boolean AS VARCHAR) END AS deceased,
       earliest(p.deceased_date) AS death_earliest, latest(p.deceased_date) AS death_latest,
       earliest(p.birth_date) AS birth_earliest, latest(p.birth_date) AS birth_latest,
       -- A birth that is not before the onset is asked about once (D01), not again at every other date.
       CASE WHEN p.birth_date IS NULL THEN NULL
            WHEN earliest(p.birth_date) >= i.onset THEN 'no' ELSE 'yes' END AS born,
       coalesce(s.data_date, s.today) AS last_day
FROM patients p LEFT JOIN sites s USING (site)
LEFT JOIN (SELECT site, patient, min(latest(onset_date)) AS onset
           FROM conditions WHERE element = 'imnm' GROUP BY ALL) i USING (site, patient);

-- patients
SELECT p.position, p.site, p.patient, p.sex, p.sex_missing, p.birth_date, p.birth_date_missing,
       earliest(p.birth_date) AS birth_earliest, latest(p.birth_date) AS birth_latest,
       n.deceased, n.death_earliest, n.death_latest, n.last_day,
       is_date(p.birth_date) AND is_date(p.deceased_date) AS dates_fit,
       is_code('sex', p.sex) AND is_code('sex_missing', p.sex_missing)
           AND is_code('birth_date_missing', p.birth_date_missing)
           AND is_code('deceased_missing', p.deceased_missing) AS codes_fit
FROM patients p LEFT JOIN persons n USING (site, patient);

-- observations
SELECT o.position, o.site, o.patient, o.element, o.time_point, o.n, o.comparator, o.value_code,
       o.value_text, o.unit, o.missing, o.method,
       number(o.value_number) AS value_number,
       TRY_CAST(o.reference_high AS DOUBLE) AS reference_high,
       CAST(o.value_boolean AS VARCHAR) AS value_boolean,
       earliest(o.date) AS date_earliest, latest(o.date) AS date_latest,
       earliest(o.value_date) AS value_date_earliest, latest(o.value_date) AS value_date_latest,
       e.name IS NOT NULL AS element_known,
       -- A censored number: `<20` lies below 20, `>10000` above 10000.
       CASE WHEN o.comparator IN ('<', '<=') THEN '-inf'::DOUBLE
            WHEN o.comparator = '>' THEN number(o.value_number) + 1e-6
            ELSE number(o.value_number) END AS number_low,
       CASE WHEN o.comparator IN ('>', '>=') THEN 'inf'::DOUBLE
            WHEN o.comparator = '<' THEN number(o.value_number) - 1e-6
            ELSE number(o.value_number) END AS number_high,
       coalesce(o.time_point <> 'baseline',
                earliest(o.date) > i.diagnosis + getvariable('K05_days')::INTEGER) AS follow_up,
       e.type AS element_type, e."group" AS element_group, e.range_low, e.range_high, e.range_mark,
       CAST(a.value_boolean AS VARCHAR) AS test_done,
       n.deceased, n.death_earliest, n.death_latest, n.birth_earliest, n.birth_latest, n.born,
       n.last_day, n.patient IS NOT NULL AS patient_known,
       coalesce(o.value_number, o.value_code, o.value_text, CAST(o.value_boolean AS VARCHAR),
                o.value_date) IS NOT NULL AS has_value,
       coalesce(regexp_full_match(o.value_text, '\++'), false) AS has_grade,
       CASE WHEN e.range_mark IS NULL THEN NULL
            ELSE number(o.value_number)
                 BETWEEN coalesce(e.range_low, '-inf'::DOUBLE) AND coalesce(e.range_high, 'inf'::DOUBLE)
       END AS range_fits,
       is_date(o.date) AND is_date(o.value_date) AS dates_fit,
       (o.value_code IS NULL OR v.key IS NOT NULL) AND is_code('time_point', o.time_point)
           AND is_code('missing', o.missing) AND is_code('method', o.method)
           AND is_code('comparator', o.comparator) AS codes_fit,
       CASE WHEN o.value_number IS NULL OR (e.unit IS NULL AND e.units IS NULL) THEN NULL
            WHEN o.unit IS NULL THEN e.unit IS NULL
            ELSE o.unit = e.unit OR coalesce(list_contains(e.units, o.unit), false)
       END AS unit_fits,
       CASE WHEN o.missing IS NOT NULL THEN NOT has_value
            ELSE CASE e.type
                WHEN 'number' THEN (o.value_number IS NOT NULL OR o.value_text IS NOT NULL)
                    AND o.value_code IS NULL AND o.value_boolean IS NULL AND o.value_date IS NULL
                WHEN 'code' THEN coalesce(o.value_code, o.value_number, o.value_text) IS NOT NULL
                    AND o.value_boolean IS NULL AND o.value_date IS NULL
                WHEN 'boolean' THEN o.value_boolean IS NOT NULL AND o.value_code IS NULL
                    AND o.value_number IS NULL AND o.value_date IS NULL
                WHEN 'date' THEN o.value_date IS NOT NULL AND o.value_code IS NULL
                    AND o.value_number IS NULL AND o.value_boolean IS NULL
                ELSE o.value_text IS NOT NULL END
       END AND (o.value_number IS NULL OR number(o.value_number) IS NOT NULL) AS type_fits
FROM observations o
LEFT JOIN elements e ON e.name = o.element AND e."table" = 'observations'
LEFT JOIN (SELECT site, patient, max(latest(date)) AS diagnosis
           FROM conditions WHERE element = 'imnm' GROUP BY ALL) i
    ON i.site = o.site AND i.patient = o.patient
LEFT JOIN codes v ON v.value_set = e.value_set AND v.key = o.value_code
LEFT JOIN persons n ON n.site = o.site AND n.patient = o.patient
LEFT JOIN (SELECT site, patient, element, bool_or(value_boolean) AS value_boolean
           FROM observations WHERE element IN (SELECT answer FROM elements) GROUP BY ALL) a
    ON a.site = o.site AND a.patient = o.patient AND a.element = e.answer;

-- medications
WITH spans AS (
    SELECT m.position, m.site, m.patient, m.value_code, m.route,
           coalesce(m.dose_number || m.dose_unit, m.rate_number || m.rate_unit) AS step,
           earliest(m.start_date) AS start_earliest, latest(m.start_date) AS start_latest,
           CASE WHEN m.end_date IS NULL AND m.status = 'active' THEN DATE '9999-12-31'
                ELSE earliest(m.end_date) END AS end_earliest,
           CASE WHEN m.end_date IS NULL THEN DATE '9999-12-31'
                ELSE latest(m.end_date) END AS end_latest
    FROM medications m
), pairs AS (
    -- Two rows of one drug that may run at once, unless their route or dose step differ.
    SELECT b.position,
           bool_or(greatest(a.start_latest, b.start_latest)
                   < least(a.end_earliest, b.end_earliest)) AS surely
    FROM spans a JOIN spans b USING (site, patient, value_code)
    WHERE (a.start_earliest, a.position) < (b.start_earliest, b.position)
      AND coalesce(a.route = b.route, true) AND coalesce(a.step = b.step, true)
      AND greatest(a.start_earliest, b.start_earliest) < least(a.end_latest, b.end_latest)
      AND coalesce(a.start_earliest <= a.end_latest AND b.start_earliest <= b.end_latest, true)
    GROUP BY b.position
), weighed AS (
    -- The weight nearest to the start; that of the first examination where days are not known.
    SELECT m.position, arg_min(w.kg, coalesce(abs(date_diff('day', w.day, earliest(m.start_date))),
               CASE WHEN w.time_point = 'baseline' THEN 100000 ELSE 100001 END)) AS kg
    FROM medications m JOIN weights w USING (site, patient) GROUP BY m.position
)
SELECT m.position, m.site, m.patient, m.element, m.time_point, m.n, m.value_code, m.value_text,
       m.status, m.route, m.reason, m.phase,
       number(m.dose_number) AS dose_number, m.dose_unit,
       number(m.rate_number) AS rate_number, m.rate_unit,
       e.name IS NOT NULL AS element_known,
       weighed.kg AS weight,
       coalesce(number(m.rate_number) * r."mg/kg/d", number(m.rate_number) * r."mg/d" / weighed.kg) AS rate_mg_kg_d,
       coalesce(number(m.rate_number) * r."mg/d", number(m.rate_number) * r."mg/kg/d" * weighed.kg) AS rate_mg_d,
       coalesce(number(m.rate_number) * r."mg/wk", number(m.rate_number) * r."mg/kg/wk" * weighed.kg) AS rate_mg_wk,
       CASE WHEN m.rate_number IS NULL THEN NULL ELSE m.rate_unit LIKE '%/d' END AS rate_is_daily,
       coalesce(number(m.dose_number) * d."g/kg", number(m.dose_number) * d."g" / weighed.kg) AS dose_g_kg,
       (m.rate_number IS NOT NULL AND r."mg/d" IS NOT NULL)
           OR (m.dose_number IS NOT NULL AND d."g" IS NOT NULL) AS dose_is_absolute,
       earliest(m.start_date) AS start_earliest, latest(m.start_date) AS start_latest,
       earliest(m.end_date) AS end_earliest, latest(m.end_date) AS end_latest,
       CASE WHEN m.value_code IS NULL OR m.start_date IS NULL THEN NULL
            WHEN pairs.position IS NULL THEN 'no'
            WHEN coalesce(pairs.surely, false) THEN 'yes' ELSE 'unknown' END AS overlap,
       make_date(v.withdrawn, 12, 31) AS drug_withdrawn,
       v."group" AS drug_group,
       n.deceased, n.death_earliest, n.death_latest, n.birth_earliest, n.birth_latest, n.born,
       n.last_day, n.patient IS NOT NULL AS patient_known,
       is_date(m.start_date) AND is_date(m.end_date) AS dates_fit,
       (m.value_code IS NULL OR v.key IS NOT NULL) AND is_code('status', m.status)
           AND is_code('route', m.route) AND is_code('reason', m.reason)
           AND is_code('phase', m.phase)
           AND is_code('start_missing', m.start_missing) AND is_code('end_missing', m.end_missing)
           AND is_code('time_point', m.time_point) AS codes_fit,
       list_contains(e.takes, v."group") AS group_fits,
       (m.dose_number IS NULL OR number(m.dose_number) IS NOT NULL)
           AND (m.rate_number IS NULL OR number(m.rate_number) IS NOT NULL) AS type_fits,
       CASE WHEN m.dose_number IS NULL AND m.rate_number IS NULL THEN NULL
            ELSE (m.dose_number IS NULL OR coalesce(list_contains(e.units, m.dose_unit), false))
             AND (m.rate_number IS NULL OR coalesce(list_contains(e.units, m.rate_unit), false))
       END AS unit_fits
FROM medications m
LEFT JOIN elements e ON e.name = m.element AND e."table" = 'medications'
LEFT JOIN dose_units r ON r.unit = m.rate_unit
LEFT JOIN dose_units d ON d.unit = m.dose_unit
LEFT JOIN weighed ON weighed.position = m.position
LEFT JOIN codes v ON v.value_set = e.value_set AND v.key = m.value_code
LEFT JOIN persons n ON n.site = m.site AND n.patient = m.patient
LEFT JOIN pairs ON pairs.position = m.position;

-- conditions
WITH cells AS (
    SELECT site, file, sheet, row, "column", count(*) AS facts
    FROM conditions WHERE element = 'cancer_diagnosis' AND file IS NOT NULL AND row IS NOT NULL
    GROUP BY ALL
)
SELECT c.position, c.site, c.patient, c.element, c.time_point, c.n, c.value_code, c.value_text,
       earliest(c.onset_date) AS onset_earliest, latest(c.onset_date) AS onset_latest,
       earliest(c.date) AS date_earliest, latest(c.date) AS date_latest,
       earliest(c.recorded_date) AS recorded_earliest, latest(c.recorded_date) AS recorded_latest,
       v."group" AS disease_group,
       e.name IS NOT NULL AS element_known,
       coalesce(cells.facts > 1, false)
           OR (c.value_code IS NULL AND coalesce(regexp_matches(c.value_text, '[+;&/]|, '), false))
           AS several_in_cell,
       n.deceased, n.death_earliest, n.death_latest, n.birth_earliest, n.birth_latest, n.born,
       n.last_day, n.patient IS NOT NULL AS patient_known,
       is_date(c.onset_date) AND is_date(c.date) AND is_date(c.recorded_date) AS dates_fit,
       (c.value_code IS NULL OR v.key IS NOT NULL) AND is_code('onset_missing', c.onset_missing)
           AND is_code('date_missing', c.date_missing)
           AND is_code('time_point', c.time_point) AS codes_fit,
       list_contains(e.takes, v."group") AS group_fits
FROM conditions c
LEFT JOIN elements e ON e.name = c.element AND e."table" = 'conditions'
LEFT JOIN cells ON cells.site = c.site AND cells.file = c.file AND cells.row = c.row
    AND cells.sheet IS NOT DISTINCT FROM c.sheet AND cells."column" IS NOT DISTINCT FROM c."column"
LEFT JOIN codes v ON v.value_set = e.value_set AND v.key = c.value_code
LEFT JOIN persons n ON n.site = c.site AND n.patient = c.patient;

-- procedures
SELECT r.position, r.site, r.patient, r.element, r.time_point, r.n, r.value_text,
       earliest(r.date) AS date_earliest, latest(r.date) AS date_latest,
       earliest(r.end_date) AS end_earliest, latest(r.end_date) AS end_latest,
       TRY_CAST(r.sessions AS DOUBLE) AS sessions, e.name IS NOT NULL AS element_known,
       n.deceased, n.death_earliest, n.death_latest, n.birth_earliest, n.birth_latest, n.born,
       n.last_day, n.patient IS NOT NULL AS patient_known,
       is_date(r.date) AND is_date(r.end_date) AS dates_fit,
       is_code('date_missing', r.date_missing) AND is_code('time_point', r.time_point) AS codes_fit,
       r.sessions IS NULL OR TRY_CAST(r.sessions AS DOUBLE) IS NOT NULL AS type_fits
FROM procedures r
LEFT JOIN elements e ON e.name = r.element AND e."table" = 'procedures'
LEFT JOIN persons n ON n.site = r.site AND n.patient = r.patient;
