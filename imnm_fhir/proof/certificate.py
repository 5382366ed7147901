"""The transfer certificate: what was compared, where, when, and what came of it, as JSON and a page.

The page is made from the JSON alone, so that whoever has the JSON can make it again; a hash in the
JSON shows whether somebody changed it. It holds no patient's value and no pseudonym.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.likeness import CHANGED, EQUIVALENT, FOREIGN, IDENTICAL, MISSING, STATES
from imnm_fhir.languages import SOURCE, Translator, load_sentences, translatable
from imnm_fhir.proof.verification import Verification
from imnm_fhir.written import replace_atomically

FORMAT = "imnm-fhir transfer certificate 1"
LISTED = 1000  # exceptions that stand in the certificate; all stand in the report beside it
WORDS = {  # of each state: its name on the page, and what it means
    IDENTICAL: (
        translatable("identical"),
        translatable("the same content, but for what the server itself manages"),
    ),
    EQUIVALENT: (translatable("equivalent"), translatable("written otherwise, read as the same")),
    CHANGED: (translatable("changed"), translatable("somebody changed or added something")),
    MISSING: (translatable("missing"), translatable("not there")),
    FOREIGN: (
        translatable("foreign"),
        translatable("there under these sites, but not in the cohort"),
    ),
}
Certificate = dict[str, Any]


def make_certificate(
    verification: Verification,
    *,
    cohort: Mapping[str, Any],
    server: Mapping[str, Any],
    at: str,
    report: Mapping[str, Any] | None = None,
) -> Certificate:
    """The certificate of a verification; `at` is its time (ISO 8601, UTC).

    `cohort` and `server` describe both ends; `report` names the file with a line per resource and
    its hash.
    """
    rows = [
        {"type": kind, "element": element, "state": state, "resources": count}
        for (kind, element, state), count in sorted(verification.counts.items())
    ]
    listed = [one.record() for one in verification.exceptions[:LISTED]]
    content: Certificate = {
        "format": FORMAT,
        "at": at,
        "holds": verification.holds,
        "states": {state: verification.states.get(state, 0) for state in STATES},
        "cohort": dict(cohort),
        "server": dict(server),
        "counts": rows,
        "digests": verification.digests,
        "exceptions": listed,
        "exceptions_not_listed": len(verification.exceptions) - len(listed),
        "report": dict(report) if report else None,
    }
    return {**content, "sha256": certificate_hash(content)}


def certificate_hash(certificate: Mapping[str, Any]) -> str:
    """SHA-256 of a certificate without its own hash, keys sorted."""
    content = {key: value for key, value in certificate.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_certificate(
    certificate: Certificate, path: Path, language: str = SOURCE
) -> tuple[Path, Path]:
    """Write `path` as JSON and the page beside it (`.html`); returns both places.

    `language` is that of the page; raises `UsageError` where it has no catalogue.
    """
    shown = certificate_page(certificate, language)
    page = path.with_suffix(".html")
    with replace_atomically(path) as unfinished:
        text = json.dumps(certificate, ensure_ascii=False, indent=1) + "\n"
        unfinished.write_text(text, "utf-8")
    with replace_atomically(page) as unfinished:
        unfinished.write_text(shown, "utf-8")
    return path, page


def read_certificate(path: Path) -> Certificate:
    """The certificate in a JSON file.

    Raises `ImnmFhirError` where it is none, or was changed after it was made.
    """
    try:
        certificate = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON in UTF-8"
        raise ImnmFhirError(f"{path}: cannot be read: {reason}") from None
    if not isinstance(certificate, dict) or certificate.get("format") != FORMAT:
        raise ImnmFhirError(f"{path}: is no transfer certificate; give the .json that verify wrote")
    if certificate.get("sha256") != certificate_hash(certificate):
        raise ImnmFhirError(f"{path}: was changed after it was made; verify again")
    return certificate


def certificate_page(certificate: Mapping[str, Any], language: str = SOURCE) -> str:
    """The certificate as one self-contained HTML page; raises as `load_sentences`."""
    load_sentences(language)
    say = Translator(language)
    page: str = _template().render(
        certificate=certificate,
        at=certificate["at"].replace("T", " ").replace("+00:00", " UTC"),
        states={state: WORDS[state] for state in STATES},
        rows=_rows(certificate, say),
        _=say,
    )
    return page


def _template() -> Any:
    from importlib.resources import files

    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(
            lambda name: (files("imnm_fhir") / "templates" / name).read_text("utf-8")
        ),
    )
    return environment.get_template("certificate.html")


def _rows(certificate: Mapping[str, Any], say: Translator) -> list[dict[str, Any]]:
    """One row per type and element, a count per state."""
    table: dict[tuple[str, str], Counter[str]] = {}
    for each in certificate["counts"]:
        place = each["type"], each["element"]
        table.setdefault(place, Counter())[each["state"]] += each["resources"]
    return [
        {
            "type": kind,
            "element": _label(element, say),
            **{state: counts[state] for state in STATES},
        }
        for (kind, element), counts in table.items()
    ]


def _label(element: str, say: Translator) -> str:
    known = load_dictionary().elements.get(element)
    return say.label(known.labels) if known else element
