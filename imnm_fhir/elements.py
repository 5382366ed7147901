"""The dictionary as text for people."""

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.dictionary.drugs import drug_words
from imnm_fhir.errors import UsageError
from imnm_fhir.languages import label, load_sentences
from imnm_fhir.shapes.tree import load_shapes
from imnm_fhir.sites.faults import near
from imnm_fhir.values import fold

MOST = 12  # values of one element that are shown unasked


def list_elements(search: str | None = None, language: str = "en") -> str:
    """One line per element: name, table, unit or value set, label; then the values that were found.

    A search finds elements by name, label, definition or header, and values (drugs by their brands
    and abbreviations too) with the elements that take them. Raises `UsageError` for a language
    without labels and for a search that finds nothing.
    """
    load_sentences(language)
    values = _found_values(search, language) if search else {}
    found = [
        e
        for e in load_dictionary().elements.values()
        if not search or _has(e, search) or any(_takes(e, name, key) for name, key in values)
    ]
    if not found:
        raise UsageError(
            f"nothing has '{search}' in its name, label or definition{_near_words(search or '')}"
        )
    rows = [
        (e.name, e.table, e.unit or e.value_set or e.type, label(e.labels, language)) for e in found
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    return "\n".join([*lines, *([""] if values else []), *values.values()])


def _found_values(search: str, language: str) -> dict[tuple[str, str], str]:
    """By value set and key, a line for each value that has the text in key, label or a further name."""
    wanted, found = fold(search), {}
    drugs: dict[str, list[str]] = {}
    for word, key in drug_words().items():
        drugs.setdefault(key, []).append(word)
    sets = {each.value_set for each in load_dictionary().elements.values()}
    for name, value_set in load_dictionary().value_sets.items():
        if name not in sets:
            continue
        for key, code in value_set.codes.items():
            names = [*code.labels.values(), *code.attributes.get("names", ())]
            names += drugs.get(key, []) if name == "drug" else []
            said = [each for each in dict.fromkeys(names) if wanted in fold(each)]
            if said or wanted in fold(key):
                shown = label(code.labels, language)
                more = [each for each in said if fold(each) != fold(shown)]
                beside = f" ({', '.join(more)})" if more else ""
                found[name, key] = f"value {key} of {name}: {shown}{beside}"
    return found


def _takes(element: Element, name: str, key: str) -> bool:
    """Whether the element can have that value."""
    if element.value_set != name:
        return False
    groups = element.attributes.get("takes")
    group = load_dictionary().value_sets[name].codes[key].attributes.get("group")
    return not groups or group in groups


def _near_words(search: str) -> str:
    """The end of a message: words of the dictionary that are near."""
    words = {name for name in load_dictionary().elements} | set(drug_words())
    return near(search, words)


def describe_element(name: str, language: str = "en", every: bool = False) -> str:
    """All that the dictionary knows of one element, a line each; of many values the first, unless `every`."""
    load_sentences(language)
    dictionary = load_dictionary()
    element = dictionary.element(name)
    lines = [
        f"{element.name}: {label(element.labels, language)}",
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
        codes = dictionary.value_sets[element.value_set].codes
        keys = [key for key in codes if _takes(element, element.value_set, key)]
        shown = keys if every else keys[:MOST]
        lines += [f"  value      {key}: {label(codes[key].labels, language)}" for key in shown]
        if len(shown) < len(keys):
            lines.append(f"             and {len(keys) - len(shown)} more; --values lists all")
    if element.source:
        lines.append(f"  source     {element.source}")
    return "\n".join(lines)


def _has(element: Element, search: str) -> bool:
    texts = (element.name, element.definition, *element.labels.values(), *element.names)
    return any(search.casefold() in text.casefold() for text in texts)
