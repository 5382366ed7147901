"""The pages of rules, derived variables, and the study's defaults."""

from collections.abc import Iterator

from imnm_fhir.derive.columns import CASE_COLUMNS
from imnm_fhir.findings import Rule
from imnm_fhir.terminology import mappings
from imnm_fhir.validation.across import read_queries
from imnm_fhir.validation.catalogue import expectations, load_catalogue
from imnm_fhir.validation.frames import known_columns
from imnm_fhir.validation.suites import read_suites
from scripts.reference.markdown import anchor, table


def rules_page() -> str:
    """The catalogue of validation rules."""
    rules = load_catalogue()
    reads = _reads()
    return "\n\n".join(
        [
            "# Rules",
            f"The {len(rules)} rules, each declared once in `expectations/rules.toml`. All are asked by"
            " `imnm-fhir validate` but those whose limits name another command. A rule is violated,"
            " satisfied, not applicable, or it"
            " *cannot be judged*, because a date is too coarse or a value was not sent; that is"
            " counted and is no finding.",
            table(
                ("kind", "what follows"),
                [
                    ("impossible", "stops the patient at the gate, never the whole site"),
                    ("definition", "the site's label differs from the derived one: counted, shown"),
                    ("improbable", "a question to the site"),
                    ("note", "for information"),
                ],
            ),
            "Which rows break a rule stands under the same id in the Great Expectations suites"
            " (`expectations/*.yaml`: one per table, and `cases.yaml` for rules across the facts of a"
            " patient) or in SQL (`within_sites.sql`, `across_sites.sql`); a rule that stands in one place"
            " only is an error. Each has a planted fault and a near miss in `tests/spec/rules_cases.toml`"
            " or `sites_cases.toml`. A date is two"
            " days, the earliest and the latest that it may mean, and `sure` in a suite names the columns"
            " under which the rule must be broken as well: `2019-03` neither breaks nor keeps a limit"
            " that lies inside March.",
            "Limits may be changed, kinds changed and rules switched off by a study's TOML (see"
            " [study](study.md)). Sources: `L` logical, `P` a default of this project, `S` the"
            " Madrid cohort paper, `R` and `V` with a number those of the [domain page](../domain.md).",
            table(
                ("rule", "what is wrong", "kind", "category", "limits", "reads", "source"),
                [row for rule in rules.values() for row in _rule(rule, reads)],
            ),
            "## What to do, and what the site is asked",
            table(
                ("rule", "what to do", "question", "evidence"),
                [
                    (rule.id, rule.advised("en"), rule.asked("en"), _evidence(rule))
                    for rule in rules.values()
                ],
            ),
        ]
    )


def _reads() -> dict[str, str]:
    """By rule, the elements (or groups of them) and columns that its checks read."""
    rules = load_catalogue()
    found: dict[str, dict[str, None]] = {}
    for check in read_suites(expectations(), rules, known_columns()):
        for at in check.at:
            name = (
                ", ".join(at.elements) if len(at.elements) < 4 else f"{len(at.elements)} elements"
            )
            said = f"{name}.{at.field}" if at.elements else f"{at.table}.{at.field}"
            found.setdefault(check.rule, {})[said] = None
    for query in read_queries(expectations(), rules):
        found.setdefault(query.rule, {})[f"whole sites ({query.file})"] = None
    return {rule: ", ".join(each) for rule, each in found.items()}


def _evidence(rule: Rule) -> str:
    said = [rule.evidence, *(part.evidence for part in rule.parts.values())]
    return " / ".join(dict.fromkeys(each for each in said if each))


def _rule(rule: Rule, reads: dict[str, str]) -> Iterator[tuple[str, ...]]:
    limits = ", ".join(f"{name} = {value}" for name, value in rule.limits.items())
    boundary = (rule.boundary or "").format(**rule.limits)
    command = f"asked by `imnm-fhir {rule.runs}`" if rule.runs != "validate" else ""
    about = "; ".join(each for each in (limits, boundary, command) if each)
    whole = rule.kind, rule.category, about, reads.get(rule.id, ""), rule.source
    yield anchor(rule.id), rule.said("en"), *whole
    for part in rule.parts.values():
        said = rule.said("en", part.name)
        if said != rule.said("en") or part.kind != rule.kind:
            own = (part.kind, part.category) if part.kind != rule.kind else ("", "")
            yield "", f"*{part.name}*: {said}", *own, "", "", ""


def cases_page() -> str:
    """The columns of the derived table, and the variants of their definitions."""
    rows = [(anchor(name), kind, said) for name, (kind, said) in CASE_COLUMNS.items()]
    return "\n\n".join(
        [
            "# Cases: derived variables",
            "One row per patient, made from the five tables by `derive_cases(cohort, study)`. Rules"
            " across facts of a patient and Table 1 read it. Empty means *cannot be judged*. A date"
            " is two columns, the earliest and the latest day that it may mean. `*_reported` is what"
            " the site said; the column without it is derived, by the variant that the"
            " [study](study.md) chose. A study with further visits has further columns.",
            table(("column", "type", "meaning"), rows),
        ]
    )


def study_page() -> str:
    """The defaults of a study, as the file that holds them says them."""
    text = (mappings() / "study.toml").read_text("utf-8").strip()
    return "\n\n".join(
        [
            "# Study: definitions, windows, limits",
            "Which definition a derived variable takes is chosen by the study, not by the site: a"
            " TOML file that says only what differs from the defaults below. It is given with"
            " `--study` to `validate` and `table1`; the footnotes of Table 1 name what was"
            " chosen.",
            '```toml\n# my-study.toml\n[study]\nname = "Consortium 2026"\n\n[variants]\n'
            'severe_weakness = "proximal-axial"\nstrategy = "concurrent"\n\n[rules]\n'
            'off = ["D03"]                    # not run, and the report says so\n'
            'kind = { K03 = "note", "K02.stop" = "improbable" }\n'
            "limits = { K03 = { least = 500 } }\n```",
            "## The defaults",
            f"```toml\n{text}\n```",
        ]
    )
