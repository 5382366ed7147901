"""A finding with the cells that its rule read."""

from dataclasses import dataclass

from imnm_fhir.issues import Issue
from imnm_fhir.queries.model import Target

Ident = tuple[object, ...]


@dataclass(frozen=True)
class Found:
    """A finding with the cells that its rule read, its own first."""

    finding: Issue
    rule: str
    targets: tuple[Target, ...]

    @property
    def own(self) -> Target:
        """The cell that the finding stands at."""
        return self.targets[0]

    @property
    def cells(self) -> frozenset[Ident]:
        """Every cell that the rule read."""
        return frozenset(map(ident, self.targets))


def ident(target: Target) -> Ident:
    """The cell as the site has it; the key where it has none, or where the row itself is in doubt."""
    if target.row is not None and target.column is not None and target.element is not None:
        return (target.file, target.sheet, target.row, target.column)
    return target.key
