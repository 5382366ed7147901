"""YAML read strictly: every mapping and list remembers its line, a key may stand once only.

PyYAML takes the last of two equal keys in silence and reads `no` as false; neither may change a
rule unseen, so both are faults with file and line.
"""

from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.errors import ImnmFhirError


@dataclass(frozen=True)
class Lines:
    """A YAML document as plain data, and the line of every node by its path."""

    data: Any
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    faults: tuple[tuple[int, str], ...] = ()

    def line(self, *path: str | int) -> int:
        """The line of the node at `path`, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str, name: str) -> Lines:
    """The document in `text`; raises `ImnmFhirError` where it is no YAML at all."""
    import yaml

    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "cannot be read"
        raise ImnmFhirError(f"{name}{place}: is not YAML ({what}); mend it") from None
    lines: dict[tuple[str | int, ...], int] = {}
    faults: list[tuple[int, str]] = []
    data = _plain(root, (), lines, faults) if root else None
    return Lines(data, lines, tuple(faults))


def _plain(
    node: Any,
    path: tuple[str | int, ...],
    lines: dict[tuple[str | int, ...], int],
    faults: list[tuple[int, str]],
) -> Any:
    import yaml

    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(each, (*path, place), lines, faults) for place, each in enumerate(node.value)
        ]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in found:
                faults.append((line, f"'{key.value}' stands twice; keep one"))
            lines[(*path, key.value)] = line
            found[key.value] = _plain(value, (*path, key.value), lines, faults)
        return found
    return _scalar(node, faults)


def _scalar(node: Any, faults: list[tuple[int, str]]) -> Any:
    import yaml

    word = node.value
    if node.tag == "tag:yaml.org,2002:timestamp":
        return word  # dates stay text: the limits of a rule are text, too
    if node.tag == "tag:yaml.org,2002:bool" and word.lower() not in ("true", "false"):
        faults.append((node.start_mark.line + 1, f"YAML reads {word} as a truth value; quote it"))
        return word
    constructor = yaml.SafeLoader("")
    return constructor.construct_object(node)
