"""Names that load their module when they are asked for: all of them are there, and no module hides one."""

from importlib import import_module
from pathlib import Path

import pytest

import imnm_fhir
from imnm_fhir.later import later

ROOT = Path(imnm_fhir.__file__).parent
LAZY = sorted(
    path.parent.relative_to(ROOT).as_posix().replace("/", ".")
    for path in ROOT.rglob("__init__.py")
    if "__getattr__ = later(" in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", LAZY)
def test_every_public_name_is_what_its_module_defines(name: str) -> None:
    package = import_module(f"imnm_fhir.{name}")
    modules = {path.stem for path in Path(str(package.__file__)).parent.glob("*.py")}
    for each in package.__all__:
        found = getattr(package, each)
        assert getattr(found, "__name__", each) == each
        assert each not in modules or each in vars(package), f"the module {each} hides its name"


def test_an_unknown_name_is_told_as_python_does() -> None:
    named = later("imnm_fhir.derive", {"cases": ("derive_case",)})
    assert named("derive_case").__module__ == "imnm_fhir.derive.cases"
    with pytest.raises(
        AttributeError, match=r"module 'imnm_fhir\.derive' has no attribute 'cases_'"
    ):
        named("cases_")
