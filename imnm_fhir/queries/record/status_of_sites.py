"""The loop of several sites side by side, and the counts of one as a file that may leave it.

A log identifies patients and stays at its site. What a consortium needs of it are counts: the file
holds a site's id, rules, states and numbers; no patient, no query, no word of the site.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.queries.model import STATES
from imnm_fhir.queries.record.status import AGES, RuleUse, Status, rule_lines
from imnm_fhir.written import replace_atomically

FORMAT = "imnm-fhir queries status 1"
COUNTS = ("held_back", "redacted", "to_waive")
MOST_LARGE = 5_000_000  # bytes of a file of counts
COLUMNS = (*STATES, "held back", "to waive")
WAITING = (*(said for _, said in AGES), "older")


def write_status(status: Status, path: Path) -> None:
    """Write the counts of one site as JSON."""
    content = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "site": status.site,
        "counts": dict(status.counts),
        "rules": [asdict(each) for each in status.rules],
        "ages": dict(status.ages),
        "deliveries": [[cut_off, dict(counts)] for cut_off, counts in status.deliveries],
        **{name: getattr(status, name) for name in COUNTS},
    }
    with replace_atomically(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def read_status(path: Path) -> Status:
    """The counts that `write_status` wrote; raises `ImnmFhirError` where the file holds anything else."""
    try:
        if path.stat().st_size > MOST_LARGE:
            raise ValueError
        raw = json.loads(path.read_text("utf-8"))
        if raw["format"] != FORMAT:
            raise ValueError
        return Status(
            site=_text(raw["site"]),
            counts=_numbers(raw["counts"]),
            rules=tuple(_rule(each) for each in raw["rules"]),
            ages=_numbers(raw["ages"]),
            deliveries=tuple((_text(cut), _numbers(counts)) for cut, counts in raw["deliveries"]),
            **{name: _number(raw[name]) for name in COUNTS},
        )
    except OSError as error:
        raise ImnmFhirError(f"{path}: cannot be read: {error.strerror}; check the name") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ImnmFhirError(
            f"{path}: is no file of counts; give the file of imnm-fhir queries status --json"
        ) from None


def _rule(raw: Mapping[str, Any]) -> RuleUse:
    return RuleUse(
        _text(raw["rule"]), *(_number(raw[name]) for name in ("asked", "settled", "changed"))
    )


def _numbers(raw: Mapping[str, Any]) -> dict[str, int]:
    return {_text(name): _number(count) for name, count in raw.items()}


def _number(raw: object) -> int:
    if type(raw) is not int or raw < 0:
        raise ValueError
    return raw


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.isprintable() or len(raw) > 100:
        raise ValueError
    return raw


def check_sites(statuses: Sequence[Status]) -> None:
    """Raise `ImnmFhirError` where a site comes twice: its queries would count twice."""
    times = Counter(each.site for each in statuses)
    twice = sorted(site for site, count in times.items() if count > 1)
    if twice:
        raise ImnmFhirError(f"site {', '.join(twice)}: is given twice; give its newest status only")


def together_lines(statuses: Sequence[Status]) -> list[str]:
    """The sites side by side: states, what waits since when, and what each rule led to over all of them."""
    names = [each.site for each in statuses]
    counts = [
        {**each.counts, "held back": each.held_back, "to waive": each.to_waive} for each in statuses
    ]
    lines = _table("site", names, [[sum(s.counts.values()), *(c.get(n, 0) for n in COLUMNS)]
                                   for s, c in zip(statuses, counts, strict=True)],
                   ("queries", *COLUMNS))  # fmt: skip
    if any(each.ages for each in statuses):
        waits = [[each.ages.get(age, 0) for age in WAITING] for each in statuses]
        lines += ["", *_table("still to answer", names, waits, WAITING)]
    return [*lines, "", *rule_lines(rules_together(statuses))]


def rules_together(statuses: Sequence[Status]) -> tuple[RuleUse, ...]:
    """What each rule led to at all sites."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for each in (rule for status in statuses for rule in status.rules):
        found[each.rule] += Counter(asked=each.asked, settled=each.settled, changed=each.changed)
    return tuple(
        RuleUse(rule, counts["asked"], counts["settled"], counts["changed"])
        for rule, counts in sorted(found.items())
    )


def _table(
    title: str, names: Sequence[str], rows: Sequence[Sequence[int]], columns: Sequence[str]
) -> list[str]:
    """A table with a line for all; columns of nothing but zeros are left out."""
    kept = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    listed = [
        *zip(names, rows, strict=True),
        ("all", [sum(each) for each in zip(*rows, strict=True)]),
    ]
    wide = max(len(title), *map(len, names), 3)
    head = "".join(f"  {columns[at]:>{len(columns[at])}}" for at in kept)
    return [
        f"{title:<{wide}}{head}",
        *(
            f"{name:<{wide}}" + "".join(f"  {row[at]:>{len(columns[at])}}" for at in kept)
            for name, row in listed
        ),
    ]
