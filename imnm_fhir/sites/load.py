"""A mapping file to a `SiteMapping`: its own form is checked here, the dictionary's side is not."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.keys import check_site_id
from imnm_fhir.sites.faults import Faults, Place, key_lines, listed, near
from imnm_fhir.sites.mapping import FILL_IN, UNMAPPED, Beside, SiteFile, SiteMapping, Style, Target
from imnm_fhir.sites.section import Section
from imnm_fhir.sites.upper_limits import read_upper_limit
from imnm_fhir.terminology import mappings
from imnm_fhir.values import Unreadable, load_words, read_date

STYLES = {
    "decimal": (".", ","),
    "thousands": ("", ".", ",", " ", "'"),
    "date_order": ("ymd", "dmy", "mdy"),
    "excel_dates": ("1900", "1904"),
}


def built_in_sites() -> tuple[str, ...]:
    """The names of the mappings that are installed with the package."""
    folder = mappings() / "sites"
    return tuple(sorted(each.name[:-5] for each in folder.iterdir() if each.name.endswith(".toml")))


def load_site_mapping(name_or_path: str | Path) -> SiteMapping:
    """The mapping of a built-in name such as `madrid_es`, or of a TOML file.

    Raises `Problems` with every fault of its form, each with its line, and `ImnmFhirError` where
    there is no such file or it is no TOML. `check_site_mapping` checks the rest.
    """
    name = str(name_or_path)
    if name in built_in_sites():
        return parse_site_mapping(
            (mappings() / "sites" / f"{name}.toml").read_text("utf-8"), f"{name}.toml"
        )
    path = Path(name_or_path)
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        hint = near(name, built_in_sites()) or f"; built in: {listed(built_in_sites())}"
        raise ImnmFhirError(f"{name}: no such mapping file{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ImnmFhirError(f"{name}: cannot be read: {reason}; give a mapping in TOML") from None
    return parse_site_mapping(text, path.name)


def parse_site_mapping(text: str, source: str) -> SiteMapping:
    """The mapping that a TOML text says; `source` is how messages call it."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ImnmFhirError(f"{source}: is no TOML: {error}; put it right there") from None
    lines = key_lines(text)
    faults = Faults(source, lines)
    mapping = _mapping(Section(raw, (), faults), source, text)
    faults.stop(f"{source}: the mapping has faults:")
    return mapping


def _mapping(top: Section, source: str, text: str) -> SiteMapping:
    faults = top.faults
    site = Section(top.take("site") or {}, ("site",), faults)
    patients = Section(top.take("patients") or {}, ("patients",), faults)
    delivery = Section(top.take("delivery") or {}, ("delivery",), faults)
    common, file_keys = _format(Section(top.take("format") or {}, ("format",), faults))
    words = Section(top.take("words") or {}, ("words",), faults)
    identifier, pseudonymise = _pseudonyms(patients)
    mapping = SiteMapping(
        source=source,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        id=_site_id(site),
        name=site.required_text("name"),
        country=_capitals(site, "country"),
        language=site.required_text("language"),
        legal_basis=site.text("legal_basis"),
        legal_basis_line=faults.line(("site", "legal_basis")),
        relapse_definition=site.text("relapse_definition"),
        identifier=identifier,
        pseudonymise=pseudonymise,
        cut_off=_cut_off(delivery),
        kind=delivery.required_text("kind", ("full", "incremental")),
        words={name: words.pairs(name) for name in list(words.raw)},
        files=_files(top, common, file_keys),
        lines=faults.lines,
    )
    mapping = replace(mapping, to_fill_in=tuple(faults.to_fill_in))
    for section in (top, site, patients, delivery):
        section.close()
    return mapping


def _pseudonyms(patients: Section) -> tuple[str, str]:
    """What the patient's column holds, and what becomes of it."""
    identifier = patients.required_text("identifier", ("pseudonym", "record-number"))
    pseudonymise = patients.required_text("pseudonymise", ("keep", "hmac"))
    if identifier == "record-number" and pseudonymise == "keep":
        patients.fault("pseudonymise", 'a record number must not leave the site: say "hmac"')
    return identifier, pseudonymise


def _site_id(site: Section) -> str:
    name = site.required_text("id")
    if name == FILL_IN:
        return name
    try:
        return check_site_id(name)
    except ImnmFhirError as error:
        site.fault("id", str(error))
        return name


def _capitals(site: Section, key: str) -> str:
    value = site.required_text(key)
    if value != FILL_IN and not (len(value) == 2 and value.isascii() and value.isupper()):
        site.fault(key, "expected two capitals of ISO 3166, such as ES")
    return value


def _cut_off(delivery: Section) -> str:
    """The day up to which the delivery is complete."""
    value = delivery.required_text("cut_off")
    if value == FILL_IN:
        return value
    try:
        read = read_date(value) if value else ""
    except Unreadable:
        read = ""
    if value and len(read) != 10:
        delivery.fault("cut_off", "expected a day, such as 2022-06-30")
    return read


def _format(section: Section) -> tuple[dict[str, Any], dict[str, Any]]:
    """What holds for every column, and for every file, unless it says otherwise."""
    columns = _common(section, {"style": Style(), "common_missing": {}, "unmapped": "stop"})
    files = {"encoding": section.text("encoding"), "delimiter": section.text("delimiter")}
    section.close()
    return columns, files


def _style(section: Section, common: Style) -> Style:
    """The style that the section declares, the common one where it is silent."""
    own: dict[str, Any] = {key: section.text(key, choices=STYLES[key]) for key in STYLES}
    own["two_digit_pivot"] = section.whole_number("two_digit_pivot")
    own["eras"] = section.flag("eras")
    style = replace(common, **{key: value for key, value in own.items() if value is not None})
    if style.decimal is not None and style.decimal == style.thousands:
        section.fault("thousands", "decimal and thousands sign are the same; one must be another")
        return replace(style, thousands=None)
    return style


def _missing(section: Section) -> Mapping[str, str]:
    """Reason by word: a table, or the name of a built-in set."""
    own = section.words("missing")
    if not isinstance(own, str):
        return own or {}
    try:
        return load_words(own)
    except ImnmFhirError as error:
        section.fault("missing", str(error))
        return {}


def _common(section: Section, above: Mapping[str, Any]) -> dict[str, Any]:
    """What a format or a file says for all its columns, over what holds above it."""
    unmapped = section.text("unmapped", choices=UNMAPPED)
    return {
        "style": _style(section, above["style"]),
        "common_missing": {**above["common_missing"], **_missing(section)},
        "unmapped": unmapped or above["unmapped"],
    }


def _own(section: Section, common: Mapping[str, Any]) -> dict[str, Any]:
    """What a column says for itself, and what holds above it."""
    unmapped = section.text("unmapped", choices=UNMAPPED)
    return {
        "style": _style(section, common["style"]),
        "missing": _missing(section),
        "common_missing": common["common_missing"],
        "unmapped": unmapped or common["unmapped"],
        "words": section.words("words"),
        "unit": section.text("unit"),
        "many_to_one": section.flag("many_to_one") or False,
        "meant": section.flag("meant") or False,
    }


def _files(top: Section, common: dict[str, Any], file_keys: dict[str, Any]) -> tuple[SiteFile, ...]:
    raw = top.take("file")
    if not isinstance(raw, list) or not raw:
        top.faults.add(("file",), "no [[file]] says which file holds what; add one")
        return ()
    return tuple(
        _file(Section(each, ("file", place), top.faults), place, common, file_keys)
        for place, each in enumerate(raw)
    )


def _file(
    section: Section, place: int, common: dict[str, Any], file_keys: dict[str, Any]
) -> SiteFile:
    skip = section.flag("skip") or False
    own = _common(section, common)
    columns = section.take("columns")
    header_row = section.whole_number("header_row")
    file = SiteFile(
        place=place,
        line=section.faults.line(section.place),
        names=section.texts("name", required=True),
        patient=section.text("patient", required=not skip),
        sheet=section.text("sheet"),
        record=section.text("record"),
        ignore=section.texts("ignore"),
        skip=skip,
        optional=section.flag("optional") or False,
        encoding=section.text("encoding") or file_keys["encoding"],
        delimiter=section.text("delimiter") or file_keys["delimiter"],
        header_row=1 if header_row is None else header_row,
        targets=() if skip else _targets(columns, (*section.place, "columns"), own, section.faults),
    )
    section.close()
    return file


def _targets(
    raw: object, place: Place, common: Mapping[str, Any], faults: Faults
) -> tuple[Target, ...]:
    columns = Section(raw or {}, place, faults)
    if not columns.raw:
        faults.add(place[:-1], "the file has no [file.columns]; say what its columns hold")
    return tuple(
        _target(Section(each, (*place, column), faults), column, common)
        for column, given in columns.raw.items()
        for each in (given if isinstance(given, list) else [given])
    )


def _target(section: Section, column: str, common: Mapping[str, Any]) -> Target:
    own = _own(section, common)
    beside = Section(section.take("with") or {}, (*section.place, "with"), section.faults)
    target = Target(
        column=column,
        line=section.faults.line(section.place),
        element=section.text("element"),
        field=section.text("field"),
        time_point=section.text("time_point"),
        n=section.text("n"),
        constants=section.pairs("set"),
        beside={
            name: _beside(
                given, (*beside.place, name), {**common, "style": own["style"]}, section.faults
            )
            for name, given in beside.raw.items()
        },
        split=section.texts("split"),
        switch=section.texts("switch"),
        ongoing=section.texts("ongoing"),
        keep=section.text("keep"),
        optional=section.flag("optional") or False,
        upper_limit=read_upper_limit(section),
        **own,
    )
    section.close()
    return target


def _beside(given: object, place: Place, common: Mapping[str, Any], faults: Faults) -> Beside:
    """A column's name, or a table with its name and its own words, unit and style."""
    section = Section({"column": given} if isinstance(given, str) else given, place, faults)
    beside = Beside(column=section.required_text("column"), **_own(section, common))
    section.close()
    return beside
