"""Answers about whole columns as lines of the site mapping: proposed, for the site to read and sign.

Nothing changes the mapping by itself: somebody copies the line into it, and the next harmonising
reads the column so.
"""

import json
from collections.abc import Mapping

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.queries.record.answers import asked_entries, standing_answers
from imnm_fhir.queries.record.log import Entry, Log
from imnm_fhir.sites.mapping import SiteMapping, Target
from imnm_fhir.sites.words import code_values, column_words, value_set_of
from imnm_fhir.values import fold
from imnm_fhir.written import replace_atomically

FILE = "mapping-proposals.toml"
HEAD = """\
# Lines for the site mapping that follow from answers about whole columns. They are proposals: read
# them, copy what is right into the mapping beside the other keys of the column, then harmonise again.
"""


def mapping_lines(log: Log, mapping: SiteMapping | None = None) -> list[str]:
    """One proposal for each column that was answered, newest answer of each query.

    With the `mapping` a word that was answered in the site's own words is put as what they mean there.
    """
    asked = asked_entries(log)
    return [
        _line(asked[name], standing.last, mapping)
        for name, standing in standing_answers(log).items()
        if standing.last
        and not standing.contradicted
        and standing.last.get("patient") is None
        and standing.last.get("new")
        and asked.get(name, {}).get("proposes")
    ]


def _line(question: Entry, answer: Entry, mapping: SiteMapping | None) -> str:
    cell, new = answer["cell"], str(answer["new"])
    where = ", ".join(each for each in (cell.get("file"), cell.get("sheet")) if each)
    head = (
        f"# {where}: {_plain(question['question'])} Answered by {_plain(answer['by'])} "
        f"({_plain(answer['role'])}), {answer['at'][:10]}\n"
    )
    element = f"element = {_text(cell['element'])}, " if cell.get("element") else ""
    column = _text(str(cell.get("column")))
    if question.get("proposes") == "word" and cell.get("word") is not None:
        target = _target(mapping, cell)
        said, known = _meaning(mapping, target, new)
        line = f"{_text(cell['word'])} = {_text(said)}"
        note = (
            ""
            if known
            else f"# {_text(new)} is no word that this column knows: write what it means\n"
        )
        if target is not None and isinstance(target.words, str):
            return f"{head}{note}# in [words.{target.words}], which column {column} names:\n{line}"
        again = ", many_to_one = true" if _is_said_already(target, said) else ""
        return f"{head}{note}{column} = {{ {element}words = {{ {line} }}{again} }}"
    key = "unit" if question.get("proposes") == "unit" else "meant"
    return f"{head}{column} = {{ {element}{key} = {_text(new)} }}"


def _target(mapping: SiteMapping | None, cell: Mapping[str, str]) -> Target | None:
    """What the mapping says of the column of a cell: where it holds words, the target that they are for."""
    element = load_dictionary().elements.get(str(cell.get("element")))
    targets = (target for file in (mapping.files if mapping else ()) for target in file.targets)
    return next(
        (
            each
            for each in targets
            if element is not None
            and fold(each.column) == fold(str(cell.get("column")))
            and each.element == element.name
            and (
                each.words is not None
                or _holds_codes(each, element)
                or _is_yes_or_no(each, element)
            )
        ),
        None,
    )


def _is_said_already(target: Target | None, meaning: str) -> bool:
    """Whether another word of the column has the meaning, and nobody said that this is meant."""
    words = target.words if target and not target.keep and not target.many_to_one else None
    return isinstance(words, Mapping) and meaning in words.values()


def _holds_codes(target: Target, element: Element) -> bool:
    return value_set_of(load_dictionary(), element, target.field or "value_code") is not None


def _is_yes_or_no(target: Target, element: Element) -> bool:
    return element.type == "boolean" and target.field in (None, "value_boolean")


def _meaning(mapping: SiteMapping | None, target: Target | None, new: str) -> tuple[str, bool]:
    """What a word of the site means in its column, and whether the column knows it."""
    if mapping is None or target is None:
        return new, True
    element = load_dictionary().elements[str(target.element)]
    kind = "boolean" if _is_yes_or_no(target, element) else "code"
    values = (
        None
        if kind == "boolean"
        else code_values(element, target.field or "value_code", mapping.language)
    )
    words, _ = column_words(target.words, mapping, kind, values)
    found = words.get(fold(new)) if words else None
    return found or new, found is not None or new in (values or {}).values()


def _text(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's too."""
    return json.dumps(text, ensure_ascii=False)


def _plain(text: str) -> str:
    return " ".join(str(text).split())


def write_mapping_lines(log: Log, mapping: SiteMapping | None = None) -> int:
    """Write the proposals into the log's folder; how many there are. No file where there is none."""
    lines = mapping_lines(log, mapping)
    if not lines:
        (log.folder / FILE).unlink(missing_ok=True)
        return 0
    with replace_atomically(log.folder / FILE, private=True) as unfinished:
        unfinished.write_text(HEAD + "\n".join(["", *lines, ""]), "utf-8")
    return len(lines)
