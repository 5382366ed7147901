"""What does not agree in a table of results, as a line that a reader understands."""

from collections.abc import Iterable
from dataclasses import dataclass

from imnm_fhir.aggregates.rows import Row
from imnm_fhir.aggregates.sentence import Sentence, sentence
from imnm_fhir.languages import SOURCE, Translator, translatable

PERCENT, PARTS, UNION, TWICE, SUBGROUP, RANGE, UNREAD = (
    translatable("percentage"), translatable("parts"), translatable("union"),
    translatable("label-twice"), translatable("sub-group"), translatable("range"),
    translatable("unread"),
)  # fmt: skip


@dataclass(frozen=True)
class Contradiction:
    """What does not agree: the check, the rows, and why.

    `certain` is False for what holds only under a condition, which `why` says.
    """

    check: str
    rows: tuple[int, ...]
    label: str
    group: str
    source: str
    why: Sentence
    certain: bool = True
    sheet: str | None = None

    @property
    def explanation(self) -> str:
        """Why, in English."""
        return self.why.said(Translator(SOURCE))

    def line(self, say: Translator | None = None) -> str:
        """The finding as one line, such as `row 12, Statin (Results): 11.8 % fits 2/17, not 2/16`."""
        say = say or Translator(SOURCE)
        places = sentence("rows {rows}", rows=self.rows)
        if len(self.rows) == 1:
            places = sentence("row {row}", row=self.rows[0])
        sheet = [sentence("sheet '{sheet}'", sheet=self.sheet).said(say)] if self.sheet else []
        about = ", ".join(each for each in (self.source, self.group) if each)
        name = self.label + (f" ({about})" if about else "")
        line = f"{', '.join([*sheet, places.said(say), name])}: {self.why.said(say)}"
        return line if self.certain else say(translatable("note: {line}"), line=line)


def said(
    check: str, row: Row, why: Sentence, rows: Iterable[Row] = (), certain: bool = True
) -> Contradiction:
    """A contradiction of a row, and of the `rows` that it is about besides."""
    places = tuple(dict.fromkeys(each.row for each in (row, *rows)))
    return Contradiction(check, places, row.label, row.group, row.source, why, certain, row.sheet)
