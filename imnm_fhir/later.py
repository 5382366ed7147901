"""Names of a package that load their module only when they are asked for, so that commands start quickly."""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def later(package: str, homes: Mapping[str, Collection[str]]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562); `homes` are the names that each of its modules defines.

    No module may be called as one of the names is: the module would take its place.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def attribute(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    return attribute
