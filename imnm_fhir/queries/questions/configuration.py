"""What is asked and in which order: `expectations/queries.toml`; how much at once: the study."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import load_study

REST = "rest"


@dataclass(frozen=True)
class Topic:
    """What a query is about, as a study ranks it."""

    name: str
    rules: frozenset[str]
    elements: frozenset[str]
    groups: frozenset[str]

    def has(self, rules: tuple[str, ...], element: str | None) -> bool:
        """Whether a query of these rules about this element belongs here."""
        known = load_dictionary().elements.get(element or "")
        plain = {rule.partition(".")[0] for rule in rules} | set(rules)
        return bool(
            plain & self.rules or element in self.elements or (known and known.group in self.groups)
        )


@dataclass(frozen=True)
class ColumnCause:
    """A cause that can lie in a whole column: its rules, from how many rows on, and the question."""

    rules: frozenset[str]
    rows: int
    question: str
    proposes: str | None = None
    word: bool = False


@dataclass(frozen=True)
class Asking:
    """The whole configuration."""

    cap: int
    kinds: frozenset[str]
    consequences: frozenset[str]
    together: frozenset[str]
    topics: tuple[Topic, ...]
    columns: tuple[ColumnCause, ...]
    explained: Mapping[str, frozenset[str]]

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the topics, what matters first."""
        return (*(each.name for each in self.topics), REST)

    def topic(self, rules: tuple[str, ...], element: str | None) -> str:
        """The first topic that a query belongs to."""
        return next((each.name for each in self.topics if each.has(rules, element)), REST)

    def column_cause(self, rule: str) -> ColumnCause | None:
        """The cause of a whole column that a rule (or rule.part) can have."""
        plain = rule.partition(".")[0]
        return next((each for each in self.columns if {rule, plain} & each.rules), None)


@cache
def load_asking() -> Asking:
    """The configuration as `expectations/queries.toml` has it, and how many a study asks at once by default."""
    raw = tomllib.loads((files("imnm_fhir.expectations") / "queries.toml").read_text("utf-8"))
    return Asking(
        cap=load_study().questions,
        kinds=frozenset(raw["kinds"]),
        consequences=frozenset(raw["consequences"]),
        together=frozenset(raw["together"]),
        topics=tuple(
            Topic(
                name,
                *(frozenset(each.get(key, ())) for key in ("rules", "elements", "groups")),
            )
            for name, each in raw["topic"].items()
        ),
        columns=tuple(
            ColumnCause(
                frozenset(each["rules"]),
                each["rows"],
                each["question"],
                each.get("proposes"),
                each.get("word", False),
            )
            for each in raw["column"].values()
        ),
        explained={rule: frozenset(elements) for rule, elements in raw["explained"].items()},
    )
