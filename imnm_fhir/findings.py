"""What a validation found: findings with their places, outcomes per rule, and the verdict."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from imnm_fhir.dictionary.labels import element_at_label
from imnm_fhir.issues import KINDS, Issue
from imnm_fhir.keys import row_key
from imnm_fhir.languages import Translator, number_text, translate, with_sign
from imnm_fhir.units import factor


@dataclass(frozen=True)
class Place:
    """One cell that a finding speaks of: where it stands in the site's file, and its value.

    `code` is the drug or disease of the row; `field` is the cohort's column, `column` the site's own
    header, `value` the canonical value and `word` the cell as the site wrote it, None where the row
    came from no file of the site; both are written to the site's own report only.
    """

    table: str
    element: str | None
    time_point: str | None
    n: str | None
    code: str | None
    field: str
    file: str | None
    sheet: str | None
    row: int | None
    column: str | None
    value: str | None
    word: str | None = None


@dataclass(frozen=True)
class Finding(Issue):
    """An `Issue` that a rule found, with the part of the rule and every cell that it read.

    `numbers` are those that the rule's evidence speaks of, by name, written for people.
    """

    part: str | None = None
    places: tuple[Place, ...] = ()
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How many patients broke a rule, kept it, or could not be judged, and why not.

    `not_applicable` counts patients of whom the rule asks nothing (its condition is surely not
    met). `reasons` counts, by part and reason, the patients that could not be judged.
    """

    rule: str
    violated: int
    satisfied: int
    unjudged: int
    not_applicable: int
    reasons: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One of the things that a rule asks: its kind and category, and what it says in English."""

    name: str
    kind: str
    category: str
    sentence: str
    question: str
    evidence: str


@dataclass(frozen=True)
class Rule:
    """A rule of the catalogue. `limits` are numbers, ISO dates or words that a study may change.

    `question` asks the site and leads to no answer; `evidence` (empty where there is none) says what
    speaks for the finding, with numbers of the data; `converted` reads the limits in another unit
    (from, to). `boundary` says in words on which side the limit itself lies. `runs` is the command
    that asks the rule: validate, check-table, table1 or pool.
    """

    id: str
    kind: str
    category: str
    source: str
    sentence: str
    advice: str
    question: str
    limits: Mapping[str, Any]
    parts: Mapping[str, Part]
    evidence: str = ""
    converted: tuple[str, str] | None = None
    boundary: str | None = None
    runs: str = "validate"

    def part(self, name: str | None) -> Part:
        """The part called `name`; the rule as a whole where it is None."""
        if name is None:
            about = (self.kind, self.category, self.sentence, self.question, self.evidence)
            return Part("", *about)
        return self.parts[name]

    def said(self, language: str, part: str | None = None) -> str:
        """The sentence in `language` (English where it lacks one) with the limits filled in."""
        return translate(self.part(part).sentence, language, **self.said_limits(language))

    def advised(self, language: str) -> str:
        """What to do, in `language`, with the limits filled in."""
        return translate(self.advice, language, **self.said_limits(language))

    def asked(self, language: str, part: str | None = None) -> str:
        """The neutral question to the site, in `language`, with the limits filled in."""
        return translate(self.part(part).question, language, **self.said_limits(language))

    def evidenced(self, language: str, finding: Finding) -> str | None:
        """What speaks for a finding of this rule, in `language`; None where the rule says nothing."""
        evidence = self.part(finding.part).evidence
        if not evidence:
            return None
        say = Translator(language)
        said = {
            name: element_at_label(text, say)
            if name.endswith("_label")
            else with_sign(text, language)
            for name, text in finding.numbers
        }
        return translate(evidence, language, **self.numbers(language), **said)

    def said_limits(self, language: str) -> dict[str, str]:
        """The limits by name, as its sentences say them in `language`."""
        return {name: with_sign(str(limit), language) for name, limit in self.limits.items()}

    def numbers(self, language: str) -> dict[str, str]:
        """The limits by name, written for people; `low_converted` is `low` in the other unit."""
        numbers = {name: number_text(limit, language) for name, limit in self.limits.items()}
        if self.converted:
            by = factor(*self.converted)
            numbers |= {
                f"{name}_converted": number_text(float(limit * by), language)
                for name, limit in self.limits.items()
                if isinstance(limit, int | float)
            }
        return numbers


@dataclass(frozen=True)
class DemandCount:
    """How far a site meets one demand of the study: an element at a visit, or (None) at any time.

    Of `patients` who should have it by now, `given` have a value and `reasons` only a reason. Not
    among them are those `not_yet` at the visit when the data end, who `died` or `left_before` it,
    whose diagnosis is `undated`, and who `refused` that their data are used. `lacking` are the
    pseudonyms of those who have neither: for the site's own report only.
    """

    site: str
    element: str
    time_point: str | None
    demanded: float
    patients: int
    given: int
    reasons: int
    not_yet: int
    died: int
    left_before: int
    undated: int
    refused: int
    lacking: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        """Whether the share with a value, or a reason why there is none, is at least the demanded one."""
        return (self.given + self.reasons) * 100 >= self.demanded * self.patients


@dataclass(frozen=True)
class RuleSetting:
    """A rule as it ran, what the study changed of it, and whether the study switched it off."""

    rule: Rule
    changed: tuple[str, ...] = ()
    off: bool = False


@dataclass(frozen=True)
class Waiver:
    """A named person lets one patient through one rule (`consent` for a committee's waiver).

    `date` is the day on which it was given, `until` (ISO) the last on which it holds, None for ever;
    `place` says where it stands.
    """

    patient: str
    rule: str
    who: str
    why: str
    date: str
    site: str | None = None
    until: str | None = None
    place: str = field(default="", compare=False)

    def covers(self, site: str | None, patient: str | None, rule: str) -> bool:
        """Whether this waiver is for that patient and rule."""
        return self.rule == rule and self.patient == patient and self.site in (None, site)


@dataclass(frozen=True)
class Validation:
    """Everything a validation found in one cohort.

    `findings` are those of rules (`Finding`) and those of harmonising (`Issue`); `waived` pairs a
    finding with the waiver that lets it through; `patients` are the keys of all patients;
    `compared` counts, by definition rule, (site's word, derived word, whether they differ); `manifest` is that of
    the cohort; `today` is the day on which future dates were judged.
    """

    findings: tuple[Issue, ...]
    waived: tuple[tuple[Finding, Waiver], ...]
    outcomes: tuple[Outcome, ...]
    rules: tuple[RuleSetting, ...]
    patients: tuple[str, ...]
    compared: Mapping[str, Mapping[tuple[str, str, bool], int]]
    manifest: Mapping[str, Any]
    today: str
    study: str
    waivers: tuple[Waiver, ...] = ()
    idle_waivers: tuple[str, ...] = ()  # what to say of waivers without effect
    demands: tuple[DemandCount, ...] = ()

    @cached_property
    def patients_failing(self) -> dict[str, tuple[str, ...]]:
        """By key (site/patient), the impossible rules that a patient of the cohort breaks.

        A patient who was refused when harmonising is not in the cohort, and so does not fail it.
        """
        failing: dict[str, set[str]] = {}
        for each in self.findings:
            if each.kind == "impossible" and each.patient:
                failing.setdefault(row_key((each.site, each.patient)), set()).add(each.rule)
        return {key: tuple(sorted(failing[key])) for key in self.patients if key in failing}

    @property
    def holding_nobody(self) -> int:
        """How many impossible findings are about nobody of the cohort: a refused row, a whole column."""
        known = set(self.patients)
        impossible = (each for each in self.findings if each.kind == "impossible")
        return sum(
            not each.patient or row_key((each.site, each.patient)) not in known
            for each in impossible
        )

    @property
    def passed(self) -> bool:
        """Whether no impossible finding is left unwaived: the cohort can go on as it is."""
        return not self.patients_failing

    @property
    def verdict(self) -> str:
        """Whether this can be pooled: `yes`, `without` those patients, or `no`: nobody is left."""
        if self.passed:
            return "yes"
        return "no" if len(self.patients_failing) == len(self.patients) else "without"

    def lines(self) -> list[str]:
        """The verdict and the counts, a line each; no patient is named."""
        failing, all_ = len(self.patients_failing), len(self.patients)
        verdict = {
            "yes": f"passed: all {all_} patients may go on",
            "without": f"not passed: {failing} of {all_} patients have impossible findings",
            "no": f"not passed: every one of {all_} patients has impossible findings",
        }[self.verdict]
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
        unjudged = sum(each.unjudged > 0 for each in self.outcomes)
        lines = [verdict, f"findings: {counts}"]
        if self.passed and self.holding_nobody:
            lines.append(_of_nobody(self.holding_nobody))
        lines.append(f"{len(self.outcomes)} rules ran; {unjudged} could not judge every patient")
        if self.waived:
            lines.append(f"let through by waivers: {len(self.waived)}")
        return lines + [f"waiver without effect: {each}" for each in self.idle_waivers]

    def counts(self) -> dict[str, int]:
        """Number of findings by kind, in the order of `KINDS`."""
        found = Counter(each.kind for each in self.findings)
        return {kind: found[kind] for kind in KINDS}

    def entry(self, table_hashes: Mapping[str, str], at: str) -> dict[str, Any]:
        """The manifest's `validation` entry, bound to `table_hashes`; `at` is when (ISO, UTC)."""
        return {
            "passed": self.passed,
            "table_hashes": dict(table_hashes),
            "findings": self.counts(),
            "patients_failing": {key: list(each) for key, each in self.patients_failing.items()},
            "waived": len(self.waived),
            "rules": [each.rule.id for each in self.rules if not each.off],
            "study": self.study,
            "at": at,
        }


def _of_nobody(count: int) -> str:
    """How a line says that all impossible findings are about nobody who is there."""
    said = "the impossible finding is" if count == 1 else f"the {count} impossible findings are"
    holds = "holds" if count == 1 else "hold"
    return f"{said} about what was refused or a whole column, and {holds} no patient of the cohort back"
