"""How one column is read: its kind, words, missing reasons, unit and style, all checked."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from imnm_fhir.dictionary import Dictionary, Element
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.sites.faults import Faults, listed, near
from imnm_fhir.sites.fields import carries, kind_of, reason_field
from imnm_fhir.sites.mapping import FILL_IN, Beside, SiteMapping, Style, Target, Words
from imnm_fhir.sites.plan import Reading, SourceUnit
from imnm_fhir.sites.unit_of import source_unit
from imnm_fhir.sites.words import code_values, column_words, many_to_one, value_set_of
from imnm_fhir.values import MISSING_REASONS, DateStyle, fold, fold_words
from imnm_fhir.values.words import FoldedWords


@dataclass(frozen=True)
class Context:
    """What every check needs: the mapping, the dictionary, and where faults go."""

    mapping: SiteMapping
    dictionary: Dictionary
    faults: Faults

    def fault(self, line: int, column: str, message: str) -> None:
        """Note what is wrong with a column."""
        self.faults.at(line, f"column '{column}': {message}")


@dataclass(frozen=True)
class Source:
    """What a reading is made from: a target's own column, or one beside it."""

    column: str
    line: int
    field: str
    words: Words
    unit: str | None
    missing: Mapping[str, str]
    common_missing: Mapping[str, str]
    style: Style
    many_to_one: bool
    meant: bool
    unmapped: str
    optional: bool
    keep: str | None = None
    ongoing: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    switch: tuple[str, ...] = ()


def source_of(target: Target, field: str) -> Source:
    """The target's own column as the source of a field."""
    named = {
        each.name: getattr(target, each.name) for each in fields(Source) if each.name != "field"
    }
    return Source(field=field, **named)


def source_beside(target: Target, field: str, beside: Beside) -> Source:
    """A column that stands beside the target's as the source of a field."""
    named = {each.name: getattr(beside, each.name) for each in fields(Beside)}
    return Source(field=field, line=target.line, optional=target.optional, **named)


def make_reading(
    context: Context, element: Element | None, table: str, source: Source
) -> Reading | None:
    """How the source is read; None, with a fault, where its words, unit or reasons are wrong."""
    kind = kind_of(context.dictionary, table, source.field)
    try:
        words = _words(context, element, kind, source)
        missing = _missing(context, source)
        unit = _unit(element, kind, source)
        takes_text = _takes_text(context, table, source)
    except ImnmFhirError as error:
        context.fault(source.line, source.column, str(error))
        return None
    return Reading(
        column=source.column,
        line=source.line,
        field=source.field,
        kind=kind,
        carries=carries(table, source.field) and kind not in ("element", "unit"),
        reason_field=reason_field(context.dictionary.tables[table], source.field),
        element=element,
        words=words,
        missing=missing,
        ongoing=frozenset(map(fold, source.ongoing)),
        unit=unit,
        split=source.split,
        switch=source.switch,
        keeps_text=source.keep is not None,
        unmapped=source.unmapped if takes_text or source.unmapped != "text" else "stop",
        optional=source.optional,
        **_styles(source.style),
    )


def _styles(style: Style) -> dict[str, Any]:
    """The style of a reading: what was declared, and how dates are read with it."""
    order, eras = style.date_order or "ymd", style.eras or False
    return {
        "decimal": style.decimal,
        "thousands": style.thousands,
        "date_order": style.date_order,
        "dates": DateStyle(order, style.two_digit_pivot, style.excel_dates, eras),
    }


def _takes_text(context: Context, table: str, source: Source) -> bool:
    """Whether the word itself can be kept beside the value; raises where that is asked in vain."""
    if source.ongoing and source.field != "end_date":
        raise ImnmFhirError('ongoing belongs to field = "end_date"')
    columns = context.dictionary.tables[table].columns
    takes = "value_text" in columns and carries(table, source.field)
    if source.keep not in (None, "value_text") or (source.keep and not takes):
        raise ImnmFhirError('keep can only be "value_text", and only beside a value')
    return takes


def _values(
    context: Context, element: Element | None, kind: str, field: str
) -> dict[str, str] | None:
    """Key by folded word that the column may have, None where any text may stand."""
    if kind == "element":
        return {name: name for name in context.dictionary.elements}
    values = code_values(element, field, context.mapping.language) if kind == "code" else None
    if field == "time_point":
        return {**(values or {}), "": ""}  # a word may mean: no planned visit
    return values


def _words(
    context: Context, element: Element | None, kind: str, source: Source
) -> FoldedWords[str] | None:
    values = _values(context, element, kind, source.field)
    words, own = column_words(source.words, context.mapping, kind, values)
    loses = kind == "code" and len(set((values or {}).values())) > 2
    if own and loses and not source.many_to_one and not source.keep:
        for meaning, several in many_to_one(written_words(context, source.words)):
            raise ImnmFhirError(
                f"{listed(map(repr, several))} all become '{meaning}'; say many_to_one = true, "
                'or keep = "value_text" to keep the word too'
            )
    if own and kind == "code" and not source.meant:
        _check_usage(context, element, source, words or {})
    return words


def _check_usage(
    context: Context, element: Element | None, source: Source, words: Mapping[str, str]
) -> None:
    """Raise where the words mean something else than is usual where they stand together."""
    value_set = value_set_of(context.dictionary, element, source.field)
    for usage in value_set.usages if value_set else ():
        usual = {fold(word): meaning for word, meaning in usage.items()}
        given = {word: words.get(word) for word in usual}
        if all(given.values()) and given != usual:
            said = ", ".join(f"{word} = {meaning}" for word, meaning in usage.items())
            raise ImnmFhirError(
                f"these words usually say {said}, and the mapping says otherwise; correct it, or say "
                "meant = true where the site's own key says so"
            )


def written_words(context: Context, words: Words) -> Mapping[str, str]:
    """The words that the mapping itself writes; none where the column uses a built-in set."""
    if isinstance(words, str):
        return context.mapping.words.get(words, {})
    return words or {}


def _missing(context: Context, source: Source) -> Mapping[str, str]:
    """Reason by folded word; a column's own words win over those of the whole file."""
    for word, reason in {**source.common_missing, **source.missing}.items():
        if reason not in MISSING_REASONS:
            hint = near(reason, MISSING_REASONS) or f"; there are {listed(MISSING_REASONS)}"
            raise ImnmFhirError(f"missing: '{word}': no reason is called '{reason}'{hint}")
    own = {fold(word) for word in written_words(context, source.words)}
    if not isinstance(source.words, str):
        for word in source.missing:
            if fold(word) in own:
                raise ImnmFhirError(f"'{word}' stands in missing and in words; keep one of them")
    common = {word: why for word, why in source.common_missing.items() if fold(word) not in own}
    return {**fold_words(common), **fold_words(source.missing)}


def _unit(element: Element | None, kind: str, source: Source) -> SourceUnit | None:
    if source.unit is None or source.unit == FILL_IN:
        return None
    if kind != "number" or element is None or source.field == "sessions":
        raise ImnmFhirError("unit belongs to a number that has one; leave it out")
    try:
        return source_unit(element, source.field, source.unit)
    except ImnmFhirError as error:
        raise ImnmFhirError(f"unit '{source.unit}': {error}") from None
