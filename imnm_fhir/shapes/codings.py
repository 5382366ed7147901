"""Reading codings: which element a resource is of, and which key of a value set a concept names.

A code counts only with its system. A coding that is known to mean something else than its
neighbours refuses the resource; one that is not known is listed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.shapes.found import Found, Leaf, Mismatch, Refusal, as_mapping, leaves
from imnm_fhir.shapes.tree import Hole
from imnm_fhir.terminology import load_project

Pair = tuple[str, str]
VALUE_KEYS = {"medications": "medicationCodeableConcept", "conditions": "code"}


def find_element(table: str, resource: Mapping[str, Any]) -> str | None:
    """The element that a resource is of: by its codings, else by the value that it holds.

    None for patients and organisations. Raises `Mismatch` where no element fits, `Refusal` where the
    codings are of several elements.
    """
    if table in ("patients", "organization"):
        return None
    pairs = _named_pairs(table, resource)
    by_code = load_dictionary().elements_by_code
    found = {name for pair in pairs for name in by_code.get((table, *pair), ())}
    if not found and table in VALUE_KEYS:
        concept = as_mapping(resource.get(VALUE_KEYS[table]))
        found = _elements_that_take(table, pairs_of(concept.get("coding")))
    if len(found) > 1:
        raise Refusal("code: its codings are of several elements")
    if not found:
        raise Mismatch("code: no element has it")
    return found.pop()


def _named_pairs(table: str, resource: Mapping[str, Any]) -> list[Pair]:
    """The codings that name the element, where the shape of the table has them."""
    if table == "conditions":
        address = load_project().local("StructureDefinition", "element")
        extensions = resource.get("extension")
        return [
            (load_project().local("CodeSystem", "element"), str(each.get("valueCode")))
            for each in map(as_mapping, extensions if isinstance(extensions, list) else [])
            if each.get("url") == address
        ]
    named = resource.get("category" if table == "medications" else "code")
    concepts = named if isinstance(named, list) else [named]
    return [pair for concept in concepts for pair in pairs_of(as_mapping(concept).get("coding"))]


def pairs_of(codings: Any) -> list[Pair]:
    """System (in the words of the project) and code of every coding of a list."""
    canonical = load_project().canonical_system
    listed = codings if isinstance(codings, list) else []
    return [
        (canonical(_text(each, "system")), _text(each, "code")) for each in map(as_mapping, listed)
    ]


def _text(coding: Mapping[str, Any], key: str) -> str:
    value = coding.get(key)
    return value if isinstance(value, str) else ""


def _elements_that_take(table: str, pairs: Iterable[Pair]) -> set[str]:
    return {
        name
        for name, element in load_dictionary().of_table(table).items()
        for pair in pairs
        if _group(element, pair) in element.attributes.get("takes", ())
    }


def _group(element: Element, pair: Pair) -> Any:
    value_set = load_dictionary().value_sets[element.value_set or ""]
    key = value_set.keys_by_code.get(pair)
    return value_set.codes[key].attributes.get("group") if key else None


def read_codings(hole: Hole, value: Any, path: str, element: str | None) -> Found:
    """The key of the hole's value set that the codings name; unknown codings are left unread."""
    value_set = load_dictionary().value_set_of(element or "", hole.column)
    if value_set is None:
        raise Mismatch(f"{path}: this element takes no code here")
    keys = [value_set.keys_by_code.get(pair) for pair in pairs_of(value)]
    known = {key for key in keys if key}
    if len(known) > 1:
        raise Refusal(f"{path}: its codings contradict each other")
    if not known:
        raise Mismatch(f"{path}: no code of value set {value_set.name}")
    found = Found(unread=list(_rest(value, [key is not None for key in keys], path)))
    found.put(hole.column, known.pop(), path)
    return found


def read_element(hole: Hole, value: Any, path: str, element: str | None) -> Found:
    """Checks that the codings name the element; unknown codings are left unread."""
    accepted = load_dictionary().elements[element or ""].accepted
    if hole.kind == "code":
        pairs = [(load_project().local("CodeSystem", "element"), str(value))]
    else:
        pairs = pairs_of(value)
    known = [pair in accepted for pair in pairs]
    if not any(known):
        raise Mismatch(f"{path}: none of the codes of the element")
    return Found(unread=[] if hole.kind == "code" else list(_rest(value, known, path)))


def read_category(value: Any, path: str, element: str | None) -> Found:
    """Checks that the codings hold the element's category; other codings are left unread."""
    code = load_dictionary().elements[element or ""].category
    wanted = (load_project().system("observation-category"), str(code))
    known = [pair == wanted for pair in pairs_of(value)]
    if not any(known):
        raise Mismatch(f"{path}: is not the category of the element")
    return Found(unread=list(_rest(value, known, path)))


def _rest(codings: list[Any], known: list[bool], path: str) -> Iterator[Leaf]:
    """What the codings hold beside the system, code and display of the known ones."""
    for index, (coding, is_known) in enumerate(zip(codings, known, strict=True)):
        rest = {k: v for k, v in coding.items() if not _is_taken(k, v)} if is_known else coding
        if not is_known or rest:
            yield from leaves(rest, f"{path}[{index}]")


def _is_taken(key: str, value: Any) -> bool:
    return key in ("system", "code") or (key == "display" and isinstance(value, str))
