"""Sentences in the language of whoever reads them, from gettext catalogues.

The English sentence is the id of its translations. A catalogue is one file, `fr.po`, in
`mappings/languages/` or in the folder that IMNM_FHIR_LANGUAGES names: there it adds a language, or
sentences to one of ours. A sentence that a catalogue lacks, or has marked as fuzzy, stays English.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

from imnm_fhir.errors import ImnmFhirError, Problems, UsageError

if TYPE_CHECKING:
    from babel import Locale
    from babel.messages.catalog import Catalog

FOLDER = "IMNM_FHIR_LANGUAGES"
LITERAL = 12  # characters of a template besides its names; shorter ones fit too much
PLACE = re.compile(r"row (?P<row>\d+)(?: of (?P<file>.+))?")  # as messages of reading name them
SHEET = re.compile(r"(?P<file>.+\.\w+), sheet (?P<sheet>.+)")
BETWEEN_PLACES = re.compile(r", (?=row \d+(?:,| of |$))")
LARGE = 1000  # from here on numbers are said without decimals
PLAIN_NUMBER = re.compile(r"[-−]?[\d\u202f]+\.\d+")
SOURCE = "en"  # the language in which the sentences are written


def translate(text: str, language: str, **fills: Any) -> str:
    """The sentence `text` in `language`, English where it has none, with `{fills}` filled in.

    A sentence that was filled in already, as the issues of a cohort are, is found by its template.
    Raises as `load_sentences` does.
    """
    said = load_sentences(language).get(text)
    if said is None and not fills:
        return filled(text, language) or text
    return (said or text).format(**fills) if fills else str(said)


def filled(text: str, language: str) -> str | None:
    """A sentence that was filled in already, in `language`; None where no template fits it."""
    for pattern, template in _templates(language, os.environ.get(FOLDER)):
        if found := pattern.fullmatch(text):
            fills = {name: _fill(fill, language) for name, fill in found.groupdict().items()}
            return template.format(**fills)
    return None


def _fill(text: str, language: str) -> str:
    """What a sentence was filled in with: places in files, a sentence, a word."""
    if " " in text and (places := BETWEEN_PLACES.split(text)) and PLACE.fullmatch(places[0]):
        return ", ".join(_place(each, language) for each in places)
    return _place(text, language)


def _place(text: str, language: str) -> str:
    if (row := PLACE.fullmatch(text)) and row["file"]:
        file = _place(row["file"], language)
        return translate("row {row} of {file}", language, row=row["row"], file=file)
    if row:
        return translate("row {row}", language, row=row["row"])
    if sheet := SHEET.fullmatch(text):
        return translate("{file}, sheet {sheet}", language, **sheet.groupdict())
    return translate(text, language)


@cache
def _templates(language: str, folder: str | None) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Of each translated sentence with plain `{names}`: what fits it when filled in, its translation."""
    return tuple(
        (re.compile(_pattern(text)), said)
        for text, said in load_sentences(language).items()
        if (names := placeholders(text))
        and all(name.isidentifier() for name in names)
        and len(re.sub(r"\{\w+\}", "", text)) >= LITERAL
    )


def _pattern(text: str) -> str:
    """A regular expression for the sentence when filled in; a name that comes twice says the same."""
    parts, seen = [], set()
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
            seen.add(name)
    return "".join(parts)


def label(labels: Mapping[str, str], language: str) -> str:
    """The label in `language`: the dictionary's, else the catalogue's, else the English one."""
    english = labels[SOURCE]
    return labels.get(language) or load_sentences(language).get(english, english)


def untranslated_lines(count: int, language: str) -> list[str]:
    """What to tell of sentences that had to stay English, a line, or none where there are none."""
    said = f"labels and sentences without a translation in '{language}', said in English: {count}"
    return [said] if count else []


def lacking_lines(language: str) -> list[str]:
    """What to tell where a language of the user's own does not translate every sentence, a line or none."""
    if language == SOURCE or language in catalogues(None):
        return []
    known = load_sentences(language)
    wanted = (str(each.id) for each in read_catalogue(template()) if each.id)
    return untranslated_lines(sum(text not in known for text in wanted), language)


def counted(count: int, one: str, many: str | None = None) -> str:
    """English for `count` things, such as `1 query` or `2 queries`; `many` where it is not `one` with s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def number_text(value: Any, language: str = SOURCE) -> str:
    """A value as people read it in `language`: `10 200`, `0,5`, a text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    whole = float(value).is_integer() or abs(value) >= LARGE
    text = f"{value:,.0f}".replace(",", "\u202f") if whole else f"{value:.4g}"
    return with_sign(text, language)


def with_sign(text: str, language: str) -> str:
    """A number that is written with a point, with the decimal sign of `language`; other texts as they are."""
    return text.replace(".", decimal_sign(language)) if PLAIN_NUMBER.fullmatch(text) else text


@cache
def decimal_sign(language: str) -> str:
    """What stands between whole and tenths in `language`, of the Unicode CLDR; a point where it has none."""
    return "." if language == SOURCE else str(_locale(language).number_symbols["latn"]["decimal"])


@cache
def percent_sign(language: str) -> str:
    """The percent sign with the space that `language` wants before it, of the Unicode CLDR."""
    return "%" if language == SOURCE else str(_locale(language).percent_formats[None].suffix[0])


def _locale(language: str) -> "Locale":
    from babel import Locale
    from babel.core import UnknownLocaleError

    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale(SOURCE)


def translatable(text: str) -> str:
    """The text as it is: marks a sentence that is translated later, so that the catalogues hold it."""
    return text


@dataclass
class Translator:
    """Says sentences in one language and remembers those that it had to leave in English."""

    language: str
    untranslated: set[str] = field(default_factory=set)

    def __call__(self, text: str, **fills: Any) -> str:
        """The sentence in this language with `{fills}` filled in."""
        known = load_sentences(self.language)
        if self.language != SOURCE and text not in known and filled(text, self.language) is None:
            self.untranslated.add(text)
        return translate(text, self.language, **fills)

    def label(self, labels: Mapping[str, str]) -> str:
        """The label in this language, as `label` gives it."""
        english = labels[SOURCE]
        if not labels.get(self.language) and english not in load_sentences(self.language):
            self.untranslated.add(english)
        return label(labels, self.language)


def known_languages() -> tuple[str, ...]:
    """The languages that have a catalogue, ours and those of the user's folder, English first."""
    return (SOURCE, *sorted(catalogues(os.environ.get(FOLDER))))


def load_sentences(language: str) -> Mapping[str, str]:
    """The sentences of a language by their English ones; none for English itself.

    Raises `UsageError` for a language without a catalogue, `ImnmFhirError` for a catalogue that
    cannot be read, and `Problems` where a sentence has other `{names}` than the English one.
    """
    if language == SOURCE:
        return {}
    return _sentences(language, os.environ.get(FOLDER))


def template() -> Path:
    """The file of all English sentences and labels, to be translated: a catalogue without translations."""
    return Path(str(files("imnm_fhir.mappings") / "languages" / "imnm-fhir.pot"))


def catalogues(folder: str | None) -> dict[str, list[Traversable]]:
    """The catalogues by language: ours, then one of the same name in `folder`, which goes before.

    Raises `ImnmFhirError` where the folder is none.
    """
    found: dict[str, list[Traversable]] = {}
    folders: list[Traversable] = [files("imnm_fhir.mappings") / "languages"]
    if folder:
        if not Path(folder).is_dir():
            raise ImnmFhirError(f"{FOLDER}: {folder} is no folder; name one that holds .po files")
        folders.append(Path(folder))
    for each in folders:
        for file in sorted(each.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".po"):
                found.setdefault(file.name.removesuffix(".po"), []).append(file)
    return found


@cache
def _sentences(language: str, folder: str | None) -> dict[str, str]:
    known = catalogues(folder)
    if language not in known:
        raise UsageError(
            f"there are no sentences in '{language}'; there are in {', '.join((SOURCE, *known))}"
        )
    sentences: dict[str, str] = {}
    faults: list[str] = []
    for file in known[language]:
        catalog = read_catalogue(file)
        faults += [f"{file}, {each}" for each in catalogue_faults(catalog)]
        sentences |= {
            str(each.id): str(each.string)
            for each in catalog
            if each.id and each.string and not each.fuzzy
        }
    if faults:
        raise Problems(f"the catalogue of '{language}' has faults:", faults)
    return sentences


def read_catalogue(file: Traversable) -> "Catalog":
    """A catalogue as Babel reads it; raises `ImnmFhirError` where it is none."""
    from babel.messages.pofile import PoFileError, read_po

    try:
        with file.open("rb") as lines:
            return read_po(lines, abort_invalid=True)
    except (OSError, PoFileError, UnicodeDecodeError, LookupError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImnmFhirError(
            f"{file}: is no catalogue of sentences ({reason}); write a .po file in UTF-8"
        ) from error


def catalogue_faults(catalog: "Catalog") -> Iterator[str]:
    """What is wrong with each sentence whose `{names}` are not those of the English one."""
    for message in catalog:
        if not message.id or not message.string or message.fuzzy:
            continue
        line = f"line {message.lineno}"
        if not isinstance(message.id, str) or not isinstance(message.string, str):
            yield f"{line}: has plural forms; give one sentence"
            continue
        try:
            given, wanted = placeholders(message.string), placeholders(message.id)
        except ValueError as error:
            yield f"{line}: {error}; write a brace that is meant as {{{{ or }}}}"
            continue
        if given != wanted:
            yield f"{line}: has {_names(given)}, the English sentence {_names(wanted)}"


def placeholders(text: str) -> list[str]:
    """The `{names}` of a sentence with their formats, sorted; `ValueError` for a brace too many."""
    return sorted(
        name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
        for _, name, form, conversion in Formatter().parse(text)
        if name is not None
    )


def _names(names: list[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names) or "no {name}"
