"""The chart of the loop: queries by state after each delivery, a panel for each site."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imnm_fhir.errors import UsageError
from imnm_fhir.queries.model import STATES
from imnm_fhir.queries.record.status import Status
from imnm_fhir.written import replace_atomically

# Okabe and Ito: told apart by the colour-blind; hatches tell them apart on paper.
COLOURS = {
    "closed": ("#009E73", ""),
    "answered": ("#56B4E9", "//"),
    "open": ("#E69F00", ".."),
    "re-opened": ("#D55E00", "xx"),
    "miscorrected": ("#CC79A7", "\\\\"),
    "conflict": ("#000000", ""),
}


ACROSS = 3  # panels beside each other


def write_chart(statuses: Sequence[Status], path: Path) -> None:
    """Write the chart as .svg or .png; raises `UsageError` for another ending."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"{path}: give a name that ends in .svg or .png")
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wide = min(len(statuses), ACROSS)
    high = -(-len(statuses) // ACROSS)
    figure = Figure(figsize=(3 + 4 * wide, 4 * high), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(high, wide, squeeze=False, sharey=True).flat)
    for axes, status in zip(panels, statuses, strict=False):
        _draw(axes, status)
    for axes in panels[len(statuses) :]:
        axes.set_axis_off()
    with replace_atomically(path) as unfinished, rc_context({"svg.hashsalt": "queries"}):
        figure.savefig(unfinished, format=path.suffix[1:].lower(), metadata=_metadata(path))


def _metadata(path: Path) -> dict[str, Any]:
    """No clock in the file: the same log gives the same chart."""
    return {"Date": None} if path.suffix.lower() == ".svg" else {}


def _draw(axes: Any, status: Status) -> None:
    places = range(1, len(status.deliveries) + 1)
    below = [0] * len(status.deliveries)
    for state in sorted(STATES, key=list(COLOURS).index):
        heights = [counts.get(state, 0) for _, counts in status.deliveries]
        if any(heights):
            colour, hatch = COLOURS[state]
            axes.bar(
                places, heights, bottom=below, color=colour, hatch=hatch, label=state, width=0.6
            )
        below = [sum(each) for each in zip(below, heights, strict=True)]
    axes.set_xticks(
        list(places), [f"{n}\n{cut}" for n, (cut, _) in enumerate(status.deliveries, 1)]
    )
    axes.set_xlabel("Delivery and its cut-off")
    axes.set_ylabel("Queries")
    axes.set_title(f"Queries of {status.site}")
    if status.deliveries:
        axes.legend()
