"""The words of the report by language, from `expectations/report.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from imnm_fhir.errors import UsageError


@dataclass(frozen=True)
class Words:
    """The words of one language, over English."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, name: str, **fills: Any) -> str:
        """The words called `name`, with `{fills}` filled in."""
        return self.texts[name].format(**fills)


@cache
def load_words(language: str) -> Words:
    """The words of a language; raises `UsageError` where there are none."""
    text = (files("imnm_fhir.expectations") / "report.toml").read_text("utf-8")
    raw = tomllib.loads(text)
    if language not in raw:
        raise UsageError(f"the report knows no language '{language}'; it knows {', '.join(raw)}")
    return Words(language, {**raw["en"], **raw[language]})
