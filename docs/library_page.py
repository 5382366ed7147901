"""The page docs/reference/library.md: the functions of imnm_fhir.api, by command, as their docstrings say."""

import inspect
import re
from collections.abc import Iterator

from imnm_fhir import api

TITLE = """# Library

Every command is a thin reader of functions that `imnm_fhir.api` offers: on cohorts and resources in memory, or on
folders, files and servers where a name ends in `_files`, `_folder`, `_folders` or `_of`.
Importing the module loads nothing heavy; each function is loaded when it is first named."""


def library_page() -> str:
    """The page: an example, the functions of each command, then those that no command needs alone."""
    used = {name for names in api.VERBS.values() for name in names}
    parts = [TITLE, "", "```python", _example(), "```"]
    for command, names in api.VERBS.items():
        parts += ["", f"## imnm-fhir {command}", *_entries(names)]
    parts += ["", "## Objects and single resources"]
    parts += _entries([name for name in api.__all__ if name not in used])
    return "\n".join(parts)


def _example() -> str:
    return str(api.__doc__).split("\n\n", 1)[1].strip()


def _entries(names: "tuple[str, ...] | list[str]") -> Iterator[str]:
    for name in names:
        function = getattr(api, name)
        yield f"\n### {name}\n"
        yield f"`from imnm_fhir.api import {name}`\n"
        if inspect.isfunction(function):
            yield f"```python\n{_signature(name, function)}\n```\n"
        yield inspect.cleandoc(function.__doc__ or "")


def _signature(name: str, function: "object") -> str:
    """The call, one argument a line, annotations as they are written."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    arguments = [_argument(each) for each in signature.parameters.values()]
    keyword = [each.kind is each.KEYWORD_ONLY for each in signature.parameters.values()]
    if any(keyword):
        arguments.insert(keyword.index(True), "*")
    gives = inspect.formatannotation(signature.return_annotation)
    return f"{name}({', '.join(arguments)}) -> {_short(gives)}"


def _argument(argument: inspect.Parameter) -> str:
    said = f"{argument.name}: {_short(inspect.formatannotation(argument.annotation))}"
    if argument.default is argument.empty:
        return said
    plain = isinstance(argument.default, str | int | float | bool | tuple | None)
    return f"{said} = {argument.default!r}" if plain else f"{said} = ..."


def _short(annotation: str) -> str:
    """The annotation without modules and quotes: `pathlib.Path` is `Path`."""
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", annotation.replace("'", ""))
