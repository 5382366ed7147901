"""The quick reader takes no line that `match` would read otherwise, whatever was changed in it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from imnm_fhir.compare import compare
from imnm_fhir.fhir import from_fhir, read_cohort_from_files, read_resources, write_ndjson
from tests.roundtrip.sample_rows import every_cohort

EDITS = st.tuples(
    st.floats(0, 1, exclude_max=True),  # which line
    st.floats(0, 1, exclude_max=True),  # where in it
    st.integers(0, 12),  # how many bytes go
    st.sampled_from(
        [b"", b"x", b'"', b"\\", b"1", b"}", b',"a":1', b'"meta":{},', b"\0", b"\xc3", b"e5", b" "]
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "fhir"
    write_ndjson(every_cohort(), folder)
    return folder


def edited(lines: list[bytes], edits: list[tuple[float, float, int, bytes]]) -> list[bytes]:
    out = list(lines)
    for which, where, count, text in edits:
        index = int(which * len(out))
        line = out[index]
        at = int(where * len(line))
        out[index] = line[:at] + text + line[at + count :]
    return out


@given(
    edits=st.lists(EDITS, min_size=10, max_size=60),
    kind=st.sampled_from(
        ["Observation", "MedicationStatement", "Condition", "Procedure", "Patient"]
    ),
)
@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_changed_lines(
    written: Path,
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[float, float, int, bytes]],
    kind: str,
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    for name in ("Organization", "Patient", kind):
        lines = (written / f"{name}.ndjson").read_bytes().split(b"\n")[:-1]
        lines = edited(lines, edits) if name == kind else lines
        (folder / f"{name}.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
    quick = read_cohort_from_files(folder, keep_going=True)
    by_match = from_fhir(read_resources(folder, keep_going=True))
    assert [each.line() for each in compare(quick, by_match)] == []
    assert quick.manifest["imported"] == by_match.manifest["imported"]
    assert sorted(map(repr, quick.issues)) == sorted(map(repr, by_match.issues))
