"""Sentences about numbers, said later in the language of whoever reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from imnm_fhir.aggregates.numbers import Percent
from imnm_fhir.languages import Translator, with_sign


@dataclass(frozen=True)
class Sentence:
    """An English sentence with its `{fills}`: numbers, texts of the table, further sentences."""

    text: str
    fills: tuple[tuple[str, object], ...] = ()

    def said(self, say: Translator) -> str:
        """The sentence in the language of `say`, numbers with its decimal sign."""
        return say(self.text, **{name: _said(fill, say) for name, fill in self.fills})


def sentence(text: str, **fills: object) -> Sentence:
    """A sentence with its fills by name."""
    return Sentence(text, tuple(fills.items()))


def _said(fill: object, say: Translator) -> str:
    if isinstance(fill, Sentence):
        return fill.said(say)
    if isinstance(fill, Percent):
        return f"{fill.bound}{_said(fill.value, say)} %"
    if isinstance(fill, Decimal):
        return with_sign(str(fill), say.language)
    if isinstance(fill, Sequence) and not isinstance(fill, str):
        return ", ".join(_said(each, say) for each in fill)
    return str(fill)
