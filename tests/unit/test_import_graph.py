"""Imports inside the package point one way, from the command line down to the errors, and stay cheap."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = "imnm_fhir"

# From the bottom to the top. A module (or sub-package) imports from layers below its own, and from its
# own layer where no circle comes of it. The package itself, imnm_fhir/__init__.py, stands below cli.
LAYERS = (
    ("errors", "issues", "later", "mappings", "expectations"),
    ("engine", "keys", "languages", "owner", "pseudonyms", "terminology", "toml_lines", "written"),
    ("values",),
    ("units",),
    ("dictionary", "study"),
    ("readers",),
    ("shapes",),
    ("aggregates", "elements", "sites"),
    ("cohort", "findings"),
    ("compare", "derive", "harmonise"),
    ("fhir",),
    ("server",),
    ("download",),
    ("transfer",),
    ("doctor", "proof"),
    ("queries",),
    ("withdrawal",),
    ("report", "validation"),
    ("pool", "table1"),
    ("flow",),
    ("api", "demo"),
    (PACKAGE,),
    ("cli",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
DATA = ("demo_data", "templates")  # examples and their scripts, which nobody imports
HEAVY = {
    "duckdb",
    "fhir",
    "great_expectations",
    "great_tables",
    "babel",
    "matplotlib",
    "numpy",
    "openpyxl",
    "pandas",
    "pyarrow",
    "pyspark",
    "requests",
    "rich",
}


def module_name(path: Path, root: Path) -> str:
    """The name under which a file of imnm_fhir/ or cli/ is imported."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[0] != PACKAGE:
        parts.insert(0, PACKAGE)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(root: Path) -> dict[str, ast.Module]:
    """Every module of the package by name, parsed; the links of imnm_fhir/ are not followed."""
    found = {}
    for path in [*(root / PACKAGE).rglob("*.py"), *(root / "cli").rglob("*.py")]:
        inner = path.relative_to(root).parts[1]
        through_link = (root / PACKAGE / inner).is_symlink() and path.is_relative_to(root / PACKAGE)
        if not through_link and inner not in DATA:
            found[module_name(path, root)] = ast.parse(path.read_text("utf-8"), str(path))
    return found


def part_of(module: str) -> str:
    """The part of the house that a module belongs to, as LAYERS names it."""
    return module.split(".")[1] if "." in module else module


def imported(node: ast.AST, module: str, known: set[str]) -> Iterator[str]:
    """The modules that one statement of `module` imports, by full name."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        source = node.module or ""
        if node.level:
            base = module.split(".")
            base = base[: len(base) - node.level + any(k.startswith(f"{module}.") for k in known)]
            source = ".".join([*base, *([source] if source else [])])
        for alias in node.names:
            inner = f"{source}.{alias.name}"
            yield inner if inner in known else source


def graph(parsed: dict[str, ast.Module]) -> dict[str, set[str]]:
    """What each module imports from the package, inside functions too."""
    known = set(parsed)
    return {
        module: {
            target
            for node in ast.walk(tree)
            for target in imported(node, module, known)
            if target.split(".")[0] == PACKAGE
        }
        for module, tree in parsed.items()
    }


def wrong_ways(imports: dict[str, set[str]]) -> list[str]:
    """Each import that points upwards."""
    return [
        f"{module} imports {target}, which stands above it"
        for module, targets in sorted(imports.items())
        for target in sorted(targets)
        if LEVEL.get(part_of(target), 0) > LEVEL.get(part_of(module), 0)
    ]


def first_circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle of imports, or nothing."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: not those of functions or for type checkers."""
    for node in body:
        yield node
        checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            if checked and field == "body":
                continue
            inner = getattr(node, field, [])
            if isinstance(inner, list):
                yield from run_at_import(inner)


def heavy_imports(parsed: dict[str, ast.Module]) -> list[str]:
    """Each import of a heavy package that runs when a module is imported."""
    return [
        f"{module}, line {node.lineno}: imports {target}"
        for module, tree in sorted(parsed.items())
        for node in run_at_import(tree.body)
        for target in imported(node, module, set(parsed))
        if target.split(".")[0] in HEAVY
    ]


@pytest.fixture(scope="module")
def parsed() -> dict[str, ast.Module]:
    return modules(REPOSITORY)


def test_every_part_has_its_layer(parsed: dict[str, ast.Module]) -> None:
    strange = sorted({part_of(module) for module in parsed} - set(LEVEL))
    assert strange == [], f"say in LAYERS of {Path(__file__).name} where these stand: {strange}"


def test_the_architecture_has_a_line_for_every_part() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
    rooms = page[page.index("| room of `imnm_fhir/`") : page.index("## The cohort")]
    parts = set(LEVEL) - {PACKAGE, "cli", "mappings", "expectations"}
    assert {
        part for part in parts if f"`{part}`" not in rooms and f"`{part}/`" not in rooms
    } == set()


def test_imports_point_down(parsed: dict[str, ast.Module]) -> None:
    assert wrong_ways(graph(parsed)) == []


def test_imports_make_no_circle(parsed: dict[str, ast.Module]) -> None:
    assert first_circle(graph(parsed)) == []


def test_heavy_packages_are_imported_in_functions_only(parsed: dict[str, ast.Module]) -> None:
    assert heavy_imports(parsed) == []


def test_planted_faults_are_seen() -> None:
    planted = {
        "imnm_fhir.errors": "from imnm_fhir import cohort",
        "imnm_fhir.cohort": "def f():\n    from . import errors",
        "imnm_fhir.values": "from imnm_fhir.values.dates import d",
        "imnm_fhir.values.dates": "from .numbers import n\nfrom ..errors import E",
        "imnm_fhir.values.numbers": "import imnm_fhir.values.dates",
        "imnm_fhir.units": "try:\n    import pandas as pd\nexcept ImportError:\n    pass",
        "imnm_fhir.keys": "def f():\n    import pandas",
        "imnm_fhir.engine": "if TYPE_CHECKING:\n    import duckdb\nelse:\n    import pyarrow.csv",
    }
    parsed = {module: ast.parse(text) for module, text in planted.items()}
    imports = graph(parsed)
    assert imports["imnm_fhir.cohort"] == {"imnm_fhir.errors"}
    assert imports["imnm_fhir.values.dates"] == {"imnm_fhir.values.numbers", "imnm_fhir.errors"}
    assert wrong_ways(imports) == [
        "imnm_fhir.errors imports imnm_fhir.cohort, which stands above it"
    ]
    assert heavy_imports(parsed) == [
        "imnm_fhir.engine, line 4: imports pyarrow.csv",
        "imnm_fhir.units, line 2: imports pandas",
    ]
    del imports["imnm_fhir.errors"]
    assert set(first_circle(imports)) == {"imnm_fhir.values.dates", "imnm_fhir.values.numbers"}
