"""The page of resources in FHIR."""

import json
from collections.abc import Mapping


def fhir_page() -> str:
    """One resource of each type, as the demo's cohort is exported."""
    parts = [
        "# Resources in FHIR",
        "What one row of each table becomes in FHIR R4. Reading takes the same facts back from these"
        " resources, and from those of others where the dictionary knows that a code, a unit or a"
        " second coding means the same; what it does not understand is listed. The declaration of"
        " both directions is `mappings/shapes.toml`.",
    ]
    for kind, resource in _examples().items():
        text = json.dumps(resource, indent=2, ensure_ascii=False, default=int)  # whole Decimals
        parts += [f"## {kind}", f"```json\n{text}\n```"]
    return "\n\n".join(parts)


def _examples() -> Mapping[str, dict[str, object]]:
    from importlib.resources import as_file, files

    from imnm_fhir.fhir import to_fhir
    from imnm_fhir.harmonise import harmonise
    from imnm_fhir.sites import load_site_mapping

    with as_file(files("imnm_fhir") / "demo_data" / "madrid" / "madrid16.csv") as path:
        cohort = harmonise([path], load_site_mapping("madrid_en"))
    wanted = {
        "Organization": "", "Patient": "", "Observation": "/ck/baseline", "Condition": "/imnm/",
        "MedicationStatement": "/statin/", "Procedure": "/biopsy/",
    }  # fmt: skip
    found: dict[str, dict[str, object]] = {}
    for resource in to_fhir(cohort):
        kind = str(resource["resourceType"])
        key = str(resource["identifier"][0]["value"])
        if kind not in found and wanted[kind] in key:
            found[kind] = dict(resource)
    return {kind: found[kind] for kind in wanted}
