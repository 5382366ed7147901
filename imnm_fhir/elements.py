"""The dictionary as text for people."""

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.errors import UsageError
from imnm_fhir.shapes.tree import load_shapes
from imnm_fhir.terminology import load_project


def list_elements(search: str | None = None, language: str = "en") -> str:
    """One line per element: name, table, unit or value set, label.

    Raises `UsageError` for a language without labels and for a search that finds nothing.
    """
    _check_language(language)
    found = [e for e in load_dictionary().elements.values() if not search or _has(e, search)]
    if not found:
        raise UsageError(f"no element has '{search}' in its name, label or definition")
    rows = [(e.name, e.table, e.unit or e.value_set or e.type, e.labels[language]) for e in found]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def describe_element(name: str, language: str = "en") -> str:
    """All that the dictionary knows of one element, a line each."""
    _check_language(language)
    dictionary = load_dictionary()
    element = dictionary.element(name)
    lines = [
        f"{element.name}: {element.labels[language]}",
        f"  {element.definition}",
        f"  table      {element.table} ({load_shapes()[element.table].resource})",
        f"  type       {element.type}" + (", reported by the site" if element.reported else ""),
    ]
    if element.unit or element.units:
        lines.append(f"  unit       {', '.join(filter(None, (element.unit, *element.units)))}")
    if element.range:
        low, high = element.range.low or "", element.range.high or ""
        lines.append(f"  range      {low} to {high} [{element.range.mark}]")
    for coding in element.codings:
        lines.append(f"  code       {coding.system} | {coding.code} | {coding.display}")
    if element.value_set:
        for code in dictionary.value_sets[element.value_set].codes.values():
            lines.append(f"  value      {code.key}: {code.labels[language]}")
    if element.source:
        lines.append(f"  source     {element.source}")
    return "\n".join(lines)


def _has(element: Element, search: str) -> bool:
    texts = (element.name, element.definition, *element.labels.values(), *element.names)
    return any(search.casefold() in text.casefold() for text in texts)


def _check_language(language: str) -> None:
    if language not in load_project().languages:
        raise UsageError(
            f"no labels in '{language}'; there are {', '.join(load_project().languages)}"
        )
