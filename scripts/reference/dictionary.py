"""The pages of elements and value sets."""

from collections.abc import Iterable, Mapping

from imnm_fhir.dictionary import Code, Element, load_dictionary
from imnm_fhir.sites.fields import fields_of
from imnm_fhir.terminology import Coding, load_project
from scripts.reference.markdown import anchor, listed, table

TITLES = {
    "patients": "Patients",
    "observations": "Observations",
    "medications": "Medications",
    "conditions": "Conditions",
    "procedures": "Procedures",
}


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
