-- Rules across the sites of a cohort, in SQL: Great Expectations judges one row at a time.
-- One section per rule and part, marked `-- rule.part`; $names are the rule's limits.
-- A query returns the sites or patients that break the rule: site, and where they are meant patient,
-- other_site, other_patient, element, and what the rule's evidence names. verdict 'too-few' says that
-- the site cannot be judged. Each site is compared with the others, never with itself.
-- Given: what within_sites.sql is given, and the views below.
CREATE VIEW traits AS
SELECT site, patient, 'sex' AS trait, CASE sex WHEN 'female' THEN true WHEN 'male' THEN false END AS has
FROM cases
UNION ALL SELECT site, patient, 'hmgcr', CASE anti_hmgcr WHEN 'positive' THEN true WHEN 'negative' THEN false END FROM cases
UNION ALL SELECT site, patient, 'srp', CASE anti_srp WHEN 'positive' THEN true WHEN 'negative' THEN false END FROM cases
UNION ALL SELECT site, patient, 'statin', statin_exposure FROM cases;
CREATE VIEW shares AS
WITH counted AS (
    SELECT site, trait, count(*) FILTER (WHERE has) AS found, count(has) AS known
    FROM traits GROUP BY site, trait
), others AS (
    SELECT *, sum(found) OVER (PARTITION BY trait) - found AS others_found,
           sum(known) OVER (PARTITION BY trait) - known AS others_known
    FROM counted
)
SELECT *, (others_found + 0.5) / (others_known + 1) AS expected,
       found / greatest(known, 1) AS share
FROM others WHERE known > 0;
CREATE MACRO beyond(share, expected, known, others_known, between_sites, sd) AS
    abs(share - expected) > sd * sqrt(expected * (1 - expected) * (1 / known + 1 / others_known)
                                      + between_sites * between_sites);
CREATE MACRO odd_share(wanted, name, fewest, between_sites, sd) AS TABLE
SELECT site, name AS element, found, known, others_found, others_known,
       CASE WHEN known < fewest OR others_known < fewest THEN 'too-few' ELSE 'violated' END AS verdict
FROM shares WHERE trait = wanted
  AND (known < fewest OR others_known < fewest
       OR beyond(share, expected, known, others_known, between_sites, sd));

-- A05.two-sites
-- Candidates only: birth, onset and diagnosis that may lie within $days of each other and baseline CK
-- within $ck_percent; or the very day of birth with onset and CK. Sex is not compared: a site that
-- codes it the wrong way round would hide its copies.
SELECT a.site, a.patient, b.site AS other_site, b.patient AS other_patient
FROM cases a JOIN cases b ON a.site <> b.site
 AND abs(a.ck_baseline - b.ck_baseline) * 100 <= $ck_percent * greatest(a.ck_baseline, b.ck_baseline)
WHERE date_diff('day', b.birth_latest, a.birth_earliest) <= $days
  AND date_diff('day', a.birth_latest, b.birth_earliest) <= $days
  AND date_diff('day', b.onset_latest, a.onset_earliest) <= $days
  AND date_diff('day', a.onset_latest, b.onset_earliest) <= $days
  AND ((a.birth_earliest = a.birth_latest AND b.birth_earliest = b.birth_latest
        AND a.birth_earliest = b.birth_earliest)
    OR (coalesce(date_diff('day', b.diagnosis_latest, a.diagnosis_earliest) <= $days
             AND date_diff('day', a.diagnosis_latest, b.diagnosis_earliest) <= $days, true)
        AND (a.serogroup = b.serogroup OR 'unknown' IN (a.serogroup, b.serogroup))))
ORDER BY ALL;

-- G02.sex
SELECT * FROM odd_share('sex', 'sex', $least, $between, $sd);

-- G02.hmgcr
SELECT * FROM odd_share('hmgcr', 'anti_hmgcr', $least, $between, $sd);

-- G02.srp
SELECT * FROM odd_share('srp', 'anti_srp', $least, $between, $sd);

-- G02.statin
SELECT * FROM odd_share('statin', 'statin_exposure', $least, $between, $sd);

-- G02.sex-flipped
-- The share alone cannot tell: 60 % women are 40 % men. What a laboratory and a pair of scales know
-- of sex can: the upper limit of CK is higher for men, and men are heavier.
WITH limits AS (
    SELECT c.site, c.sex, c.patient, median(TRY_CAST(o.reference_high AS DOUBLE)) AS uln
    FROM cases c JOIN observations o USING (site, patient)
    WHERE o.element = 'ck' AND c.sex IN ('female', 'male')
      AND TRY_CAST(o.reference_high AS DOUBLE) > 0
      AND o.method IS DISTINCT FROM 'imputed_limit' -- which follows the sex that the site sent
    GROUP BY ALL
), weighed AS (
    SELECT c.site, c.sex, c.patient, avg(w.kg) AS kg
    FROM cases c JOIN weights w USING (site, patient) WHERE c.sex IN ('female', 'male') GROUP BY ALL
), by_limit AS (
    SELECT site, median(uln) FILTER (WHERE sex = 'female') AS women_uln,
           median(uln) FILTER (WHERE sex = 'male') AS men_uln,
           coalesce(least(count(*) FILTER (WHERE sex = 'female'), count(*) FILTER (WHERE sex = 'male'))
                    >= $rows AND women_uln >= men_uln * $uln_ratio, false) AS limits_reversed
    FROM limits GROUP BY site
), by_weight AS (
    SELECT site, avg(kg) FILTER (WHERE sex = 'female') AS women_weight,
           avg(kg) FILTER (WHERE sex = 'male') AS men_weight,
           coalesce(least(count(*) FILTER (WHERE sex = 'female'), count(*) FILTER (WHERE sex = 'male'))
                    >= $rows
                AND (women_weight - men_weight) > $weight_z * sqrt(
                    var_samp(kg) FILTER (WHERE sex = 'female') / count(*) FILTER (WHERE sex = 'female')
                  + var_samp(kg) FILTER (WHERE sex = 'male') / count(*) FILTER (WHERE sex = 'male')),
                false) AS weights_reversed
    FROM weighed GROUP BY site
)
SELECT s.site, 'sex' AS element, found, known, others_found, others_known,
       women_uln, men_uln, women_weight, men_weight,
       CASE WHEN known < $least OR others_known < $least THEN 'too-few' ELSE 'violated' END AS verdict
FROM shares s LEFT JOIN by_limit USING (site) LEFT JOIN by_weight USING (site)
WHERE trait = 'sex'
  AND (known < $least OR others_known < $least OR limits_reversed OR weights_reversed
       OR (beyond(share, expected, known, others_known, $between, $sd)
           AND NOT beyond(1 - share, expected, known, others_known, $between, 1)));

-- ck-unit
-- The median misses a mixture of 30 %. So the values that lie below nearly all of the other sites'
-- are counted, visit by visit, and times $factor they must lie where the others' do.
WITH logs AS (
    SELECT site, patient, coalesce(time_point, '-') AS visit, log10(value) AS x FROM ck_numbers
), pairs AS (
    SELECT s.site, o.visit, o.x FROM (SELECT DISTINCT site FROM logs) s JOIN logs o ON o.site <> s.site
), middle AS (
    SELECT site, visit, median(x) AS mid, mad(x) AS spread, count(*) AS n FROM pairs
    GROUP BY site, visit HAVING n >= $least
), floors AS (
    SELECT *, mid - $sd * greatest(1.4826 * spread, 0.2) AS low FROM middle
), others AS (
    SELECT p.site, p.visit, count(*) AS others_values, count(*) FILTER (WHERE p.x < f.low) AS others_low,
           any_value(f.low) AS low, any_value(f.mid) AS mid
    FROM pairs p JOIN floors f USING (site, visit) GROUP BY ALL
), own AS (
    SELECT l.site, l.visit, count(*) AS "values", count(*) FILTER (WHERE l.x < o.low) AS low_values,
           median(l.x) FILTER (WHERE l.x < o.low) + log10($factor) AS converted,
           any_value(o.low) AS low, any_value(o.mid) AS mid,
           any_value(o.others_values) AS others_values, any_value(o.others_low) AS others_low
    FROM logs l JOIN others o USING (site, visit) GROUP BY ALL
)
SELECT site, 'ck' AS element, low_values AS low, "values", round(pow(10, own.low)) AS "limit",
       others_low, others_values, round(pow(10, converted)) AS median_converted,
       round(pow(10, mid)) AS others_median
FROM own
WHERE "values" >= $least AND low_values >= $rows AND abs(converted - mid) < $spread
  AND tail(low_values, "values", greatest($expected, others_low / others_values)) < $chance
ORDER BY ALL;

-- missingness
WITH held AS (
    SELECT DISTINCT site, patient, element FROM observations
    WHERE coalesce(value_number, value_code, value_text, value_boolean::VARCHAR, value_date) IS NOT NULL
), sizes AS (
    SELECT site, count(DISTINCT patient) AS patients FROM patients GROUP BY site
), counted AS (
    SELECT e.element, s.site, s.patients, count(h.patient) AS given
    FROM (SELECT DISTINCT element FROM held) e CROSS JOIN sizes s
    LEFT JOIN held h ON h.site = s.site AND h.element = e.element GROUP BY ALL
), others AS (
    -- Only sites that send the element at all are compared.
    SELECT *, sum(given) OVER (PARTITION BY element) - given AS others_given,
           sum(patients) OVER (PARTITION BY element) - patients AS others_patients
    FROM counted WHERE given > 0
)
SELECT site, element, given, patients, others_given, others_patients
FROM others
WHERE patients >= $least AND others_patients >= $least
  AND given / patients + $percent / 100 < others_given / others_patients
  AND tail(patients - given, patients,
           (others_patients - others_given + 1) / (others_patients + 2)) < $chance
ORDER BY ALL;
