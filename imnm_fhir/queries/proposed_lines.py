"""Answers about whole columns as lines of the site mapping: proposed, for the site to read and sign.

Nothing changes the mapping by itself: somebody copies the line into it, and the next harmonising
reads the column so.
"""

import json
from collections.abc import Iterator

from imnm_fhir.queries.answers import asked_entries, standing_answers
from imnm_fhir.queries.log import Entry, Log
from imnm_fhir.written import replace_atomically

FILE = "mapping-proposals.toml"
HEAD = """\
# Lines for the site mapping that follow from answers about whole columns. They are proposals: read
# them, copy what is right into the mapping beside the other keys of the column, then harmonise again.
"""


def mapping_lines(log: Log) -> list[str]:
    """One proposal for each column that was answered, newest answer of each query."""
    asked = asked_entries(log)
    return [
        _line(asked[name], standing.last)
        for name, standing in standing_answers(log).items()
        if standing.last
        and not standing.contradicted
        and standing.last.get("patient") is None
        and standing.last.get("new")
        and asked.get(name, {}).get("proposes")
    ]


def _line(question: Entry, answer: Entry) -> str:
    cell = answer["cell"]
    keys = dict(_keys(question.get("proposes"), cell.get("word"), str(answer["new"])))
    inside = ", ".join(f"{name} = {value}" for name, value in keys.items())
    where = ", ".join(each for each in (cell.get("file"), cell.get("sheet")) if each)
    element = f"element = {_text(cell['element'])}, " if cell.get("element") else ""
    return (
        f"# {where}: {_plain(question['question'])} Answered by {_plain(answer['by'])} "
        f"({_plain(answer['role'])}), {answer['at'][:10]}\n"
        f"{_text(str(cell.get('column')))} = {{ {element}{inside} }}"
    )


def _keys(proposes: str | None, word: str | None, new: str) -> Iterator[tuple[str, str]]:
    if proposes == "word" and word is not None:
        yield "words", f"{{ {_text(word)} = {_text(new)} }}"
    elif proposes == "unit":
        yield "unit", _text(new)
    else:
        yield "meant", _text(new)


def _text(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's too."""
    return json.dumps(text, ensure_ascii=False)


def _plain(text: str) -> str:
    return " ".join(str(text).split())


def write_mapping_lines(log: Log) -> int:
    """Write the proposals into the log's folder; how many there are. No file where there is none."""
    lines = mapping_lines(log)
    if lines:
        with replace_atomically(log.folder / FILE, private=True) as unfinished:
            unfinished.write_text(HEAD + "\n".join(["", *lines, ""]), "utf-8")
    return len(lines)
