"""The words of the report, from `expectations/report.toml` and the catalogues of sentences."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from imnm_fhir.findings import Rule
from imnm_fhir.languages import Translator, load_sentences, with_sign


@dataclass(frozen=True)
class DateMark:
    """A date that the figure of dates shows: its letter, the name of its words, its place in the cohort."""

    letter: str
    label: str
    table: str
    element: str
    field: str


@dataclass(frozen=True)
class Words:
    """The words of the report in one language, and the sentences that it had to leave in English.

    `numbers` are the elements and `marks` the dates that the figures show.
    """

    translator: Translator
    texts: Mapping[str, str]
    numbers: tuple[str, ...] = ()
    marks: tuple[DateMark, ...] = ()

    @property
    def language(self) -> str:
        """The language that the words are in."""
        return self.translator.language

    @property
    def untranslated(self) -> int:
        """How many sentences were said in English because the catalogue lacks them."""
        return len(self.translator.untranslated)

    def __call__(self, name: str, **fills: Any) -> str:
        """The words called `name`, with `{fills}` filled in."""
        return self.translator(self.texts[name], **fills)

    def number(self, value: float) -> str:
        """A number of a figure, to six digits, with the decimal sign of the language."""
        return with_sign(f"{value:.6g}", self.language)

    def sentence(self, rule: Rule, part: str | None = None) -> str:
        """The sentence of a rule, or of its part."""
        return self.translator(rule.part(part).sentence, **rule.said_limits(self.language))

    def mark(self, mark: DateMark) -> str:
        """What a letter in the figure of dates means."""
        return self(mark.label)

    def advice(self, rule: Rule) -> str:
        """What a rule says to do."""
        return self.translator(rule.advice, **rule.said_limits(self.language))


def load_words(language: str) -> Words:
    """The words of a language; raises as `load_sentences`, such as `UsageError` where there are none."""
    load_sentences(language)
    declared = _declared()
    figures = declared["figures"]
    marks = tuple(DateMark(**each) for each in figures["dates"])
    return Words(Translator(language), declared["words"], tuple(figures["numbers"]), marks)


@cache
def _declared() -> dict[str, Any]:
    return tomllib.loads((files("imnm_fhir.expectations") / "report.toml").read_text("utf-8"))
