"""Bundles to data frames with fhir-pyrate; runs in an environment of its own (see data.py).

Its `flatten_data`, the quickest of its ways: one column per path. Nothing is checked, codes stay
codes. FHIRPath, its other way, costs many times as much per column. Prints the measurement as JSON.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.meter import measured


def main(paths: list[str]) -> None:
    """Read the Bundles of these files."""
    import pandas as pd
    from fhir_pyrate import Pirate
    from fhir_pyrate.util import FHIRObj

    # As long as there is no server: what Pirate makes of each answer.
    pirate = Pirate(base_url="http://127.0.0.1/fhir", auth=None, num_processes=1)

    def work() -> dict[str, pd.DataFrame]:
        frames: dict[str, list[pd.DataFrame]] = {}
        for path in paths:
            with Path(path).open("rb") as content:
                bundle = FHIRObj(**json.load(content))
            kind = Path(path).name.split(".")[0]
            frames.setdefault(kind, []).append(pirate.bundles_to_dataframe([bundle]))
        return {kind: pd.concat(each, ignore_index=True) for kind, each in frames.items()}

    counted: list[dict[str, pd.DataFrame]] = []
    found = measured(lambda: counted.append(work()))
    found["count"] = sum(len(frame) for frame in counted[0].values())
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
