"""One section of a mapping, taken key by key: wrong types and unknown keys become faults."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from imnm_fhir.sites.faults import Faults, Place, listed, near
from imnm_fhir.sites.mapping import FILL_IN


class Section:
    """A TOML table at a place. What is left when it is closed is a key that nobody knows."""

    def __init__(self, raw: object, place: Place, faults: Faults) -> None:
        """Look at `raw`, the value at `place`; anything but a table is a fault and read as empty."""
        self.place = place
        self.faults = faults
        if not isinstance(raw, dict):
            faults.add(place, f'expected a table, such as {{ key = "value" }} ({self.said})')
        self.raw: dict[str, Any] = dict(raw) if isinstance(raw, dict) else {}
        self.known: list[str] = []

    @property
    def said(self) -> str:
        """How a message calls this place."""
        names = [f"'{part}'" if " " in str(part) else str(part) for part in self.place]
        return ".".join(name for name in names if not name.isdigit())

    def fault(self, key: str, message: str) -> None:
        """Note a fault of one key."""
        self.faults.add((*self.place, key), f"{self.said}.{key}: {message}")

    def take(self, key: str) -> Any:
        """The raw value of a key, or None."""
        self.known.append(key)
        return self.raw.pop(key, None)

    def text(self, key: str, *, choices: Iterable[str] = (), required: bool = False) -> str | None:
        """A text, number or date as text; a fault where it is missing, of another type, no choice."""
        value = self.take(key)
        if value is None:
            if required:
                self.fault(
                    key, "is missing" + (f"; give one of {listed(choices)}" if choices else "")
                )
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | date):
            self.fault(key, "expected a text in quotes")
            return None
        if value == FILL_IN:
            message = f"{self.said}.{key}: fill it in"
            self.faults.to_fill_in.append((self.faults.line((*self.place, key)), message))
            return FILL_IN
        choices = tuple(choices)
        if choices and str(value) not in choices:
            self.fault(key, f"'{value}' is none of {listed(repr(each) for each in choices)}")
            return None
        return str(value)

    def required_text(self, key: str, choices: Iterable[str] = ()) -> str:
        """A text that must be there; empty where it is not."""
        return self.text(key, choices=choices, required=True) or ""

    def flag(self, key: str) -> bool | None:
        """True, false, or None where the key is not there."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            self.fault(key, "expected true or false, without quotes")
            return None
        return value

    def whole_number(self, key: str) -> int | None:
        """A whole number, or None."""
        value = self.take(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            self.fault(key, "expected a whole number, without quotes")
            return None
        return value

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of texts; one text alone is a list of one."""
        value = self.take(key)
        if value is None:
            if required:
                self.fault(key, "is missing")
            return ()
        every = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) and each for each in every):
            self.fault(key, 'expected texts in quotes, such as ["a", "b"]')
            return ()
        return tuple(every)

    def pairs(self, key: str) -> dict[str, str]:
        """A table of texts, such as `set = { method = "elisa" }`."""
        value = self.take(key)
        return {} if value is None else self._pairs(key, value)

    def words(self, key: str) -> str | Mapping[str, str] | None:
        """A table of words, the name of one, or None."""
        value = self.take(key)
        return value if value is None or isinstance(value, str) else self._pairs(key, value)

    def _pairs(self, key: str, value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            self.fault(key, 'expected a table, such as { "word" = "value" }')
            return {}
        wrong = [name for name, each in value.items() if not isinstance(each, str | bool | int)]
        for name in wrong:
            self.fault(key, f"expected a text for '{name}'")
        return {
            name: str(each).lower() if isinstance(each, bool) else str(each)
            for name, each in value.items()
            if name not in wrong
        }

    def close(self) -> None:
        """Note every key that nobody took."""
        for key in self.raw:
            self.faults.add(
                (*self.place, key),
                f"{self.said}: no key is called '{key}'{near(key, self.known)}"
                f" (known: {listed(self.known, 40)})",
            )
