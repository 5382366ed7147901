"""Writes docs/reference/ from what the program itself reads: commands, dictionary, rules, cases, study.

`python docs/make_reference.py` writes the pages that changed and says which, then has
docs/run_examples.py run the commands in all other pages; `make docs` calls it.
The pages are committed, so that they can be read in the repository and reviewed with the change that
made them; tests/unit/test_docs.py fails when one is stale.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from imnm_fhir import api
from imnm_fhir.cli.main import COMMANDS, EXIT_CODES, imnm_fhir
from imnm_fhir.derive.columns import CASE_COLUMNS
from imnm_fhir.dictionary import Code, Element, load_dictionary
from imnm_fhir.findings import Rule
from imnm_fhir.sites.fields import fields_of
from imnm_fhir.terminology import Coding, load_project, mappings
from imnm_fhir.validation.across import read_queries
from imnm_fhir.validation.catalogue import expectations, load_catalogue
from imnm_fhir.validation.frames import known_columns
from imnm_fhir.validation.suites import read_suites

DOCS = Path(__file__).resolve().parent
TITLES = {
    "patients": "Patients",
    "observations": "Observations",
    "medications": "Medications",
    "conditions": "Conditions",
    "procedures": "Procedures",
}
LIBRARY = """Every command is a thin reader of functions that `imnm_fhir.api` offers, each loaded when first named.
`help(name)` says arguments, units and the errors raised."""
Rows = Iterable[Sequence[str]]


def table(header: Sequence[str], rows: Rows) -> str:
    """A Markdown table; bars and line breaks inside cells are kept as text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.replace("|", "\\|")).strip()


def listed(parts: Iterable[str | None]) -> str:
    """The parts that are there, with commas."""
    return ", ".join(part for part in parts if part)


def anchor(name: str) -> str:
    """A place in a table that links can name."""
    return f'<a id="{name}"></a>`{name}`'


# ------------------------------------------------------------------------------ commands


def commands_page() -> str:
    """The help of every command, as the command line shows it."""
    width: dict[str, Any] = {"terminal_width": 88, "max_content_width": 88}
    group = click.Context(imnm_fhir, info_name="imnm-fhir", **imnm_fhir.context_settings, **width)
    parts = [
        "# Commands",
        "Data go to stdout or into files, messages and progress to stderr. The same help is shown by"
        " `imnm-fhir COMMAND --help`. All verbs exist as functions of the library, too"
        " (`imnm_fhir.api`).",
        _help(imnm_fhir, group),
    ]
    for name in COMMANDS:
        command = imnm_fhir.get_command(group, name)
        assert command is not None
        context = click.Context(command, parent=group, info_name=name, **width)
        parts += [f"## imnm-fhir {name}", _help(command, context)]
        for part, inner in command.commands.items() if isinstance(command, click.Group) else ():
            within = click.Context(inner, parent=context, info_name=part, **width)
            parts += [f"### imnm-fhir {name} {part}", _help(inner, within)]
    return "\n\n".join(parts)


def _help(command: click.Command, context: click.Context) -> str:
    return f"```text\n{command.get_help(context).strip()}\n```"


def exit_codes_page() -> str:
    """The one table of exit codes."""
    advice = {
        0: "go on",
        1: "read the report or the list of differences",
        2: "read `imnm-fhir COMMAND --help`",
        3: "mend what the line names, then repeat the command",
        4: "read what the server said; the same command may be repeated, it makes nothing twice",
        5: "read the lines `not loaded`, mend what they name, repeat the command",
        70: "report the traceback, without patients' values",
        130: "repeat the command; what was there before is as it was",
    }
    rows = [(str(code), meaning, advice[code]) for code, meaning in EXIT_CODES.items()]
    return "\n\n".join(
        [
            "# Exit codes",
            "A script may rely on these. Every error message is one line on stderr (or one line per"
            " problem, where several were found together) that says where, what and what to do. It"
            " never holds a patient's value.",
            table(("code", "meaning", "what to do"), rows),
        ]
    )


# ------------------------------------------------------------------------------ dictionary


def elements_page() -> str:
    """Every element of the dictionary, by table."""
    dictionary = load_dictionary()
    parts = [
        "# Elements",
        f"The common data elements, version {dictionary.version} of the dictionary:"
        f" {len(dictionary.elements)} elements in five tables. A range is the plausible one; marks: "
        "`L` logical, `P` a default of this project, `S` the Madrid cohort paper, `R` and `V` the sources"
        " of the [domain page](../domain.md)."
        " Beside its public codes each element has one of the project's own CodeSystem. On the"
        " command line: `imnm-fhir elements NAME`.",
    ]
    for name, title in TITLES.items():
        resource = dictionary.tables[name].resource
        fields = ", ".join(f"`{field}`" for field in fields_of(dictionary.tables[name]))
        header = ("element", "definition", "value", "codes", "es, de, fr, it, nl")
        rows = [_element(each) for each in dictionary.of_table(name).values()]
        about = f"One row is one FHIR {resource}. Fields that a site's column may fill: {fields}."
        parts += [f"## {title}", about, table(header, rows)]
    return "\n\n".join(parts)


def _element(each: Element) -> tuple[str, ...]:
    value = [each.type, listed([each.unit, *each.units])]
    if each.value_set:
        value.append(f"[{each.value_set}](value-sets.md#{each.value_set})")
    if each.range:
        low, high = each.range.low, each.range.high
        ends = f"{low} to {high}" if low and high else f"from {low}" if low else f"to {high}"
        value.append(f"{ends} [{each.range.mark}]")
    definition = each.definition + (" *(as the site says it)*" if each.reported else "")
    return anchor(each.name), definition, listed(value), codes(each.codings), others(each.labels)


def others(labels: Mapping[str, str]) -> str:
    """The labels in the further languages, each once."""
    return "; ".join(dict.fromkeys(said for language, said in labels.items() if language != "en"))


def codes(codings: Iterable[Coding]) -> str:
    """Public codings as `loinc 2157-6`; the project's own are left out."""
    project = load_project()
    short = {address: name for name, address in project.systems.items()}
    public = [each for each in codings if not each.system.startswith(project.base)]
    return "<br>".join(f"{short.get(each.system, each.system)} {each.code}" for each in public)


def value_sets_page() -> str:
    """Every value set with its values."""
    parts = [
        "# Value sets",
        "The values that a coded element may take. The key stands in the cohort's tables and in the"
        " word tables of a site mapping; codings are looked up when FHIR is written or read.",
    ]
    for name, each in load_dictionary().value_sets.items():
        users = [e.name for e in load_dictionary().elements.values() if e.value_set == name]
        used = ", ".join(f"[{user}](elements.md#{user})" for user in users)
        local = " Published as the project's CodeSystem." if each.local else ""
        text = f"{each.definition}.{local}" + (f" Used by {used}." if users else "")
        header = ("key", "definition", "codes", "es, de, fr, it, nl")
        parts += [f"## {name}", text, table(header, map(_value, each.codes.values()))]
    return "\n\n".join(parts)


def _value(code: Code) -> tuple[str, ...]:
    return f"`{code.key}`", code.definition, codes(code.codings), others(code.labels)


# ------------------------------------------------------------------------------ rules, cases, study


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


# ------------------------------------------------------------------------------ FHIR


def fhir_page() -> str:
    """One resource of each type, as the demo's cohort is exported."""
    parts = [
        "# Resources in FHIR",
        "What one row of each table becomes in FHIR R4. Reading takes the same facts back from these"
        " resources, and from those of others where the dictionary knows that a code, a unit or a"
        " second coding means the same; what it does not understand is listed. The declaration of"
        " both directions is `mappings/shapes.toml`.",
    ]
    for kind, resource in _examples().items():
        text = json.dumps(resource, indent=2, ensure_ascii=False, default=int)  # whole Decimals
        parts += [f"## {kind}", f"```json\n{text}\n```"]
    return "\n\n".join(parts)


def _examples() -> Mapping[str, dict[str, object]]:
    from importlib.resources import as_file, files

    from imnm_fhir.fhir import to_fhir
    from imnm_fhir.harmonise import harmonise
    from imnm_fhir.sites import load_site_mapping

    with as_file(files("imnm_fhir") / "demo_data" / "madrid" / "madrid16.csv") as path:
        cohort = harmonise([path], load_site_mapping("madrid_en"))
    wanted = {
        "Organization": "", "Patient": "", "Observation": "/ck/baseline", "Condition": "/imnm/",
        "MedicationStatement": "/statin/", "Procedure": "/biopsy/",
    }  # fmt: skip
    found: dict[str, dict[str, object]] = {}
    for resource in to_fhir(cohort):
        kind = str(resource["resourceType"])
        key = str(resource["identifier"][0]["value"])
        if kind not in found and wanted[kind] in key:
            found[kind] = dict(resource)
    return {kind: found[kind] for kind in wanted}


def library_page() -> str:
    """The functions of imnm_fhir.api by command, each with the first line of its docstring."""
    example = str(api.__doc__).split("\n\n", 1)[1]
    used = {name for names in api.VERBS.values() for name in names}
    groups = {f"`imnm-fhir {command}`": names for command, names in api.VERBS.items()}
    groups["objects, single resources"] = tuple(each for each in api.__all__ if each not in used)
    rows = [
        (command, f"`{name}`", str(getattr(api, name).__doc__).split("\n")[0])
        for command, names in groups.items()
        for name in names
    ]
    code = f"```python\n{example.strip()}\n```"
    return "\n\n".join(
        ["# Library", LIBRARY, code, table(("command", "function", "what it gives"), rows)]
    )


PAGES: dict[str, Callable[[], str]] = {
    "commands": commands_page,
    "exit-codes": exit_codes_page,
    "elements": elements_page,
    "value-sets": value_sets_page,
    "rules": rules_page,
    "cases": cases_page,
    "study": study_page,
    "fhir": fhir_page,
    "library": library_page,
}
WARNING = "<!-- Made by docs/make_reference.py: change what it reads, then run make docs. -->"


def page(name: str) -> str:
    """The text of one page of the reference."""
    return f"{WARNING}\n\n{PAGES[name]()}\n"


def main() -> None:
    """Write each page that is not there as it should be."""
    folder = DOCS / "reference"
    folder.mkdir(exist_ok=True)
    for name in PAGES:
        path, text = folder / f"{name}.md", page(name)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: docs/reference/{name}.md", file=sys.stderr)
    subprocess.run([sys.executable, DOCS / "run_examples.py"], check=True)


if __name__ == "__main__":
    main()
