-- Rules across the sites of a cohort, in SQL: Great Expectations judges one row at a time.
-- One section per rule and part, marked `-- rule.part`; $names are the rule's limits.
-- A query returns the patients that break the rule: site, patient, other_site, other_patient.
-- Given: `cases` with the facts of facts.sql, and the five tables.

-- A05.two-sites
-- Candidates only: birth and onset that may lie within $days of each other, and baseline CK within
-- $ck_percent. Sex is not compared: a site that codes it the wrong way round would hide its copies.
SELECT a.site, a.patient, b.site AS other_site, b.patient AS other_patient
FROM cases a JOIN cases b ON a.site <> b.site
 AND abs(a.ck_baseline - b.ck_baseline) * 100 <= $ck_percent * greatest(a.ck_baseline, b.ck_baseline)
WHERE date_diff('day', b.birth_latest, a.birth_earliest) <= $days
  AND date_diff('day', a.birth_latest, b.birth_earliest) <= $days
  AND date_diff('day', b.onset_latest, a.onset_earliest) <= $days
  AND date_diff('day', a.onset_latest, b.onset_earliest) <= $days
ORDER BY ALL;
