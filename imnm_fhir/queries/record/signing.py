"""The investigator's endorsement of a delivery: who, in which role, what is said, of which state."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from imnm_fhir.cohort import table_hashes
from imnm_fhir.errors import FindingsError
from imnm_fhir.languages import counted
from imnm_fhir.queries.record.log import Entry, Log, append

STATEMENT = "I have read the queries and answers of this delivery and endorse it for the study."


def sign(
    log: Log, manifest: Mapping[str, Any], by: str, role: str, statement: str
) -> tuple[Log, Entry]:
    """The log with the endorsement of a cohort, and the entry, bound to the state that was signed.

    It shows what was signed, not who signed. Raises `FindingsError` where the cohort was not
    validated as it is, or answers came in that it does not hold yet.
    """
    from imnm_fhir.queries.record.states import last_judged
    from imnm_fhir.queries.record.status import query_states

    hashes, judged = table_hashes(manifest), last_judged(log)
    validation = manifest.get("validation") or {}
    if validation.get("table_hashes") != hashes or not judged or judged["tables"] != hashes:
        raise FindingsError(
            "the cohort is not as it was when its queries were last settled; run imnm-fhir validate first"
        )
    states = query_states(log)
    waiting = sum(why == "not applied yet" for _, why in states.values())
    if waiting:
        raise FindingsError(
            f"{counted(waiting, 'answer is', 'answers are')} not in the cohort yet; run imnm-fhir validate first"
        )
    log = append(log, [{
        "event": "signed",
        "by": by,
        "role": role,
        "statement": statement,
        "delivery": judged["delivery"],
        "tables": hashes,
        "states": dict(Counter(state for state, _ in states.values())),
        "state": state_hash(log, hashes),
    }])  # fmt: skip
    return log, log.entries[-1]


def state_hash(log: Log, hashes: Mapping[str, str]) -> str:
    """The hash of all that is signed: the log up to here and the five tables."""
    said = "\n".join([log.head, *(f"{name} {hashes[name]}" for name in sorted(hashes))])
    return hashlib.sha256(said.encode()).hexdigest()


def signature(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of an endorsement; the tables it is bound to are in it."""
    kept = ("by", "role", "statement", "at", "state", "states", "tables")
    return {name: entry[name] for name in kept}


def is_signed(manifest: Mapping[str, Any]) -> bool:
    """Whether the cohort, exactly as it is, was endorsed."""
    signed = manifest.get("signed") or {}
    return bool(signed) and signed.get("tables") == table_hashes(manifest)
