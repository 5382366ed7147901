"""The rules as a study's `[rules]` section has them: some off, with other kinds and limits."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from math import isfinite
from typing import Any

from imnm_fhir.errors import Problems
from imnm_fhir.findings import Rule, RuleSetting
from imnm_fhir.issues import KINDS
from imnm_fhir.validation.catalogue import VALIDATE, unknown_rule

SECTIONS = {"off": list, "kind": dict, "limits": dict}
Fault = tuple[tuple[str, ...], str]  # path of the key, what is wrong
Place = Callable[..., str]


def for_study(
    catalogue: Mapping[str, Rule], chosen: Any, place: Place = lambda *path: ""
) -> tuple[dict[str, Rule], tuple[RuleSetting, ...]]:
    """The rules as a study's `[rules]` section has them, and what each ran with.

    `chosen` may hold `off` (list of ids), `kind` (kind by id, or by `id.part`) and `limits`
    (by id, by name); `place` says where the study's file says so. Raises `Problems` with everything
    that it names and that is not: a rule, part, kind or limit, or is of another type.
    """
    faults = [f"{place('rules', *path)}{said}" for path, said in _faults(catalogue, chosen)]
    if faults:
        raise Problems("the study's [rules] section has faults:", faults)
    rules = {rule: _chosen(each, chosen) for rule, each in catalogue.items()}
    settings = tuple(
        RuleSetting(each, _changes(rule, chosen), off=rule in chosen.get("off", []))
        for rule, each in rules.items()
    )
    on = {rule: each for rule, each in rules.items() if rule not in chosen.get("off", [])}
    return {rule: each for rule, each in on.items() if each.runs == VALIDATE}, settings


def _faults(catalogue: Mapping[str, Rule], chosen: Any) -> Iterator[Fault]:
    if not isinstance(chosen, Mapping):
        yield (), "rules is a section of its own, [rules]; it holds off, kind and limits"
        return
    for key, said in chosen.items():
        if key not in SECTIONS:
            yield (key,), f"unknown key '{key}'; it holds off, kind and limits"
        elif not isinstance(said, SECTIONS[key]):
            how = 'a list of ids, ["D02", "K03"]' if key == "off" else f"a section, [rules.{key}]"
            yield (key,), f"{key} must be {how}"
        else:
            yield from CHECKED[key](catalogue, said)


def _off_faults(catalogue: Mapping[str, Rule], off: list[Any]) -> Iterator[Fault]:
    for name in dict.fromkeys(map(str, off)):
        rule, dot, part = name.partition(".")
        if dot and rule in catalogue and part in catalogue[rule].parts:
            how = f'give the part another kind: "{name}" = "note" under [rules.kind]'
            yield ("off", name), f"off: {name} is a part of {rule}; {how}"
        elif name not in catalogue:
            yield ("off", name), unknown_rule(catalogue, name)
        elif off.count(name) > 1:
            yield ("off", name), f"off: {name} stands there twice"


def _kind_faults(catalogue: Mapping[str, Rule], kinds: Mapping[str, Any]) -> Iterator[Fault]:
    for name, kind in kinds.items():
        rule, _, part = name.partition(".")
        at = ("kind", name)
        if rule not in catalogue:
            yield at, unknown_rule(catalogue, rule)
        elif part and part not in catalogue[rule].parts:
            known = ", ".join(catalogue[rule].parts) or "none"
            yield at, f"kind.{name}: {rule} has no part '{part}'; its parts: {known}"
        if isinstance(kind, Mapping):
            yield at, f'kind.{name}: write a part in quotes, "{name}.PART" = "note"'
        elif kind not in KINDS:
            yield at, f"kind.{name}: '{kind}' is none of {', '.join(KINDS)}"


def _limits_faults(catalogue: Mapping[str, Rule], limits: Mapping[str, Any]) -> Iterator[Fault]:
    for rule, own in limits.items():
        if rule not in catalogue:
            yield ("limits", rule), unknown_rule(catalogue, rule)
        elif not isinstance(own, Mapping):
            known = ", ".join(catalogue[rule].limits) or "none"
            yield ("limits", rule), f"limits.{rule}: give its limits by name; it has {known}"
        else:
            for name, value in own.items():
                for said in _limit_faults(catalogue[rule], name, value):
                    yield ("limits", rule, name), said


CHECKED: dict[str, Callable[[Mapping[str, Rule], Any], Iterator[Fault]]] = {
    "off": _off_faults,
    "kind": _kind_faults,
    "limits": _limits_faults,
}


def _limit_faults(rule: Rule, name: str, value: Any) -> Iterator[str]:
    if name not in rule.limits:
        known = ", ".join(rule.limits) or "none"
        yield f"limits.{rule.id}: no limit is called '{name}'; it has {known}"
        return
    default = rule.limits[name]
    if not _like(value, default):
        yield f"limits.{rule.id}.{name}: give it as {_sort(default)}"


def _like(value: Any, default: Any) -> bool:
    """Whether a limit is of the default's sort: a finite number of 0 or more, a day, a list of these."""
    if isinstance(default, list):
        return isinstance(value, list) and bool(value) and all(_like(v, default[0]) for v in value)
    if isinstance(default, int | float):
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return plain and isfinite(value) and value >= 0
    try:
        return type(value) is date or bool(date.fromisoformat(value))
    except (TypeError, ValueError):
        return False


def _sort(value: Any) -> str:
    if isinstance(value, int | float):
        return "a number, 0 or more"
    return "a list of numbers" if isinstance(value, list) else "a day such as 2010-01-01"


def _chosen(rule: Rule, chosen: Mapping[str, Any]) -> Rule:
    kinds = chosen.get("kind", {})
    own = kinds.get(rule.id)
    parts = {
        name: replace(part, kind=kinds.get(f"{rule.id}.{name}", own or part.kind))
        for name, part in rule.parts.items()
    }
    said = chosen.get("limits", {}).get(rule.id, {})
    days = {name: each.isoformat() for name, each in said.items() if isinstance(each, date)}
    return replace(rule, kind=own or rule.kind, limits={**rule.limits, **said, **days}, parts=parts)


def _changes(rule: str, chosen: Mapping[str, Any]) -> tuple[str, ...]:
    changes = [f"{name}: {kind}" for name, kind in chosen.get("kind", {}).items()
               if name.partition(".")[0] == rule]  # fmt: skip
    limits = chosen.get("limits", {}).get(rule, {})
    return (*changes, *(f"{name} = {value}" for name, value in limits.items()))
