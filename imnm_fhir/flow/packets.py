"""Packets of queries: from a pool to a site, opened there, and what was answered back."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import Cohort, read_cohort, read_manifest, read_people
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.findings import Rule
from imnm_fhir.flow.asking import log_of
from imnm_fhir.languages import counted
from imnm_fhir.queries.asking import asked_entry, delivery_id, open_log, site_language
from imnm_fhir.queries.lists.columns import WORDS
from imnm_fhir.queries.model import Query, Target, fingerprint
from imnm_fhir.queries.packets import (
    TO_CONSORTIUM,
    TO_SITE,
    Packet,
    answers_of,
    new_said,
    own_words,
    questions_of,
    read_packet,
    rule_names,
    typed_question,
    typed_questions,
    write_packet,
)
from imnm_fhir.queries.questions.causes import queries_of
from imnm_fhir.queries.questions.configuration import load_asking
from imnm_fhir.queries.questions.locate import locate
from imnm_fhir.queries.record.answers import asked_entries
from imnm_fhir.queries.record.log import Entry, Log, append
from imnm_fhir.study import load_study

SITE_FILE = "site file"


def type_question(
    pool: Path, site: str, *, text: str, by: str, role: str, patient: str | None = None,
    element: str | None = None, time_point: str | None = None, due: str | None = None,
    query: str | None = None, log: Path | None = None,
) -> str:  # fmt: skip
    """Note a question to a site in the log of a pool, or one more word to `query`; its id."""
    manifest = read_manifest(pool)
    if site not in manifest["sites"]:
        raise UsageError(f"{pool}: holds no site '{site}'; it holds {', '.join(manifest['sites'])}")
    if patient is not None:
        _check_patient(pool, site, patient)
    kept = open_log(log_of(pool, log), "consortium")
    if query is not None:
        _check_query(pool, site, query, kept)
        append(kept, [{"event": "said", "site": site, "query": query, "text": text, "by": by,
                       "role": role, "from": "consortium"}])  # fmt: skip
        return query
    entry = typed_question(
        site, patient, element, *_place(element), time_point, text, due, by, role
    )
    append(kept, [entry])
    return str(entry["query"])


def _check_query(pool: Path, site: str, query: str, log: Log) -> None:
    """Raise `UsageError` for a query that neither a person nor a rule has asked the site."""
    if query in {each["query"] for each in (*log.of("typed"), *log.of("said"))}:
        return
    asked = _of_rules(pool, site, None)
    if query not in {each["query"] for each in asked}:
        raise UsageError(
            f"{pool}: no query of '{site}' is called '{query}'; see its packet, or the audit"
        )


def _of_rules(pool: Path, site: str, study: Path | None) -> list[Entry]:
    """The questions that the rules ask a site of the pool."""
    from imnm_fhir.validation import validate

    cohort = read_cohort(pool)
    return questions_of(queries_of(validate(cohort, load_study(study)), cohort), site)


def _check_patient(pool: Path, site: str, patient: str) -> None:
    import pyarrow.compute as pc

    table = read_people(pool, ()).tables["patients"]
    mine = pc.and_(pc.equal(table["site"], site), pc.equal(table["patient"], patient))
    if not pc.any(mine).as_py():
        raise UsageError(f"{pool}: holds no such patient of '{site}'; check --patient and --site")


def _place(element: str | None) -> tuple[str | None, str | None]:
    """Table and field of the value of an element."""
    if element is None:
        return None, None
    known = load_dictionary().elements.get(element)
    if known is None:
        raise UsageError(f"no element is called '{element}'; see imnm-fhir elements")
    return known.table, known.column


def make_packet(
    folder: Path, out: Path, *, site: str | None = None, study: Path | None = None,
    log: Path | None = None,
) -> str:  # fmt: skip
    """Write a packet: of a pool's findings and typed questions to a site, or a site's answers back."""
    manifest = read_manifest(folder)
    if manifest["origin"] == SITE_FILE:
        packet = _to_consortium(folder, manifest, log)
    else:
        packet = _to_site(folder, manifest, site, study, log)
    write_packet(packet, out)
    said = counted(len(packet.said), "answer or remark", "answers and remarks")
    return f"{out}: {counted(len(packet.questions), 'question')}, {said}"


def _to_consortium(folder: Path, manifest: Mapping[str, Any], log: Path | None) -> Packet:
    own = next(iter(manifest["sites"]))
    return Packet(own, TO_CONSORTIUM, (), tuple(answers_of(log_of(folder, log), WORDS)))


def _to_site(
    folder: Path,
    manifest: Mapping[str, Any],
    site: str | None,
    study: Path | None,
    log: Path | None,
) -> Packet:
    if site is None or site not in manifest["sites"]:
        raise UsageError(f"say which site with --site: {', '.join(sorted(manifest['sites']))}")
    found, kept = _of_rules(folder, site, study), log_of(folder, log)
    return Packet(
        site, TO_SITE, (*found, *typed_questions(kept, site)), tuple(own_words(kept, site))
    )


def open_packet(
    path: Path, cohort: Path, *, language: str | None = None, log: Path | None = None
) -> list[str]:
    """Take a packet into the log of a site's cohort, or of the pool; what came in, a line each.

    At the site every question is put to its own cells. What the site was asked already is not asked
    again.
    """
    packet, manifest = read_packet(path), read_manifest(cohort)
    if packet.site not in manifest["sites"]:
        raise ImnmFhirError(
            f"{path}: is of site '{packet.site}', and the cohort holds {', '.join(manifest['sites'])}; "
            "give it to that site"
        )
    at_site = manifest["origin"] == SITE_FILE
    if at_site != (packet.to == TO_SITE):
        where = "a site's cohort" if packet.to == TO_SITE else "the pool"
        raise ImnmFhirError(f"{path}: is for {where}; open it there")
    kept = log_of(cohort, log)
    if at_site:
        own = read_cohort(cohort)
        spoken = language or site_language(own)
        return _open_at_site(packet, own, open_log(kept, packet.site), spoken)
    said = new_said(packet, kept)
    append(open_log(kept, "consortium"), said)
    return [f"{counted(len(said), 'answer')} taken into the threads"]


def _open_at_site(packet: Packet, cohort: Cohort, log: Log, language: str) -> list[str]:
    from imnm_fhir.validation import load_catalogue

    asked, rules = asked_entries(log), load_catalogue()
    patients = set(cohort.tables["patients"]["patient"].to_pylist())
    delivery = delivery_id(cohort.manifest)
    entries: list[Entry] = []
    known = unknown = 0
    for each in packet.questions:
        if each["query"] in asked or _is_covered(each, asked.values()):
            known += 1
        elif each.get("patient") is not None and each["patient"] not in patients:
            unknown += 1
        else:
            query = _query(each, packet.site, cohort, rules, language)
            entries.append(asked_entry(query, delivery, neutral=True))
    said = new_said(packet, log)
    append(log, [*entries, *said])
    lines = [
        f"{counted(len(entries), 'question')} of the consortium taken in; imnm-fhir queries list shows what is asked"
    ]
    lines += [f"{known} were asked already and are not asked again"] if known else []
    lines += [f"{unknown} are about patients who are not in this cohort"] if unknown else []
    lines += [f"said on questions, taken in: {len(said)}"] if said else []
    return lines


def _is_covered(each: Mapping[str, Any], asked: Iterable[Entry]) -> bool:
    """Whether one question about a column, or about the whole site, asks the same already."""
    return any(
        one.get("patient") is None
        and set(each["rules"]) <= set(one["rules"])
        and (each.get("patient") or each["targets"][0]["element"] == one["targets"][0]["element"])
        for one in asked
        if each["rules"] != ["typed"]
    )


def _query(
    each: Mapping[str, Any], site: str, cohort: Cohort, rules: Mapping[str, Rule], language: str
) -> Query:
    targets = tuple(Target(**one) for one in each["targets"])
    names = tuple(each["rules"])
    query = Query(
        id=each["query"],
        site=site,
        patient=each.get("patient"),
        kind=str(each.get("kind") or "note"),
        topic=load_asking().topic(names, targets[0].element),
        rules=names,
        targets=locate(cohort, site, each.get("patient"), targets),
        question=each.get("text") or _question(names, rules, language),
        origin="consortium",
        due=each.get("due"),
    )
    return replace(query, fingerprint=fingerprint(names, query.targets))


def _question(names: tuple[str, ...], rules: Mapping[str, Rule], language: str) -> str:
    """The question of the first rule that this version knows."""
    for rule, part in rule_names(names):
        if rule in rules:
            return rules[rule].asked(language, part if part in rules[rule].parts else None)
    return ", ".join(names)
