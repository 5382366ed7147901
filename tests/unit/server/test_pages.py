import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imnm_fhir.server.reading.pages import read_page

NUMBERS = '[1.50,0.5,9856,1.000001,123456789012345,1E+2,-0.0,"1.50",123456789.1234567890123456789]'


def page(entry: str, more: str = "") -> bytes:
    return f'{{"resourceType":"Bundle","type":"searchset"{more},"entry":[{entry}]}}'.encode()


def test_a_resource_is_cut_out_as_it_was_written() -> None:
    resource = f'{{ "id" : "a",\n\t"v": {NUMBERS}, "t": "{{\\"}} \\n é 💊 \\ud83d" }}'
    entry = f'{{"fullUrl":"x","resource":{resource},"search":{{"mode":"match"}}}}'
    found = read_page(page(f"{entry} , {entry}"))
    assert [one.line for one in found.entries] == [resource.replace("\n", " ")] * 2
    assert (found.type, found.entries[0].mode) == ("searchset", "match")
    assert found.entries[0].resource["id"] == "a"


def test_links_and_totals() -> None:
    links = ',"total":12,"link":[{"relation":"self","url":"a"},{"relation":"next","url":"b"}]'
    found = read_page(page("", links))
    assert (found.entries, found.next, found.total) == ([], "b", 12)
    assert (read_page(page("")).next, read_page(page("")).total) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"resourceType":"Patient"}',
        b'{"resourceType":"Bundle"} more',
        b'{"resourceType":"Bundle",}',
        b'{"resourceType":"Bundle" "entry":[]}',
        b'{"resourceType":"Bundle","entry":{}}',
        b'{"resourceType":"Bundle","entry":[{"resource":{"a":1}',
        b'{"resourceType":"Bundle","entry":[{"resource":{"a":1}} {"resource":{}}]}',
        b'{"resourceType":"Bundle","entry":[{"resource":[]}]}',
        b'{"resourceType":"Bundle","entry":[{}]}',
        b'{"resourceType":"Bundle","total":"many"}',
        b'{"resourceType":"Bundle","total":NaN}',
        b'{"resourceType":"Bundle","x":"\xff"}',
        b'{"resourceType":"Bundle","x":' + b"[" * 100_000,
    ],
)
def test_what_is_no_page(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_page(body)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.text(), json_values)), st.sampled_from([None, 1]), st.booleans())
def test_any_resources_come_out_whole(
    resources: list[dict[str, Any]], indent: int | None, ascii_only: bool
) -> None:
    entries = [{"search": {"mode": "match"}, "resource": resource} for resource in resources]
    bundle = {"entry": entries, "resourceType": "Bundle"}
    text = json.dumps(bundle, indent=indent, ensure_ascii=ascii_only)
    lines = [entry.line for entry in read_page(text.encode("utf-8", "surrogatepass")).entries]
    assert [json.loads(line) for line in lines] == resources
    assert not any("\n" in line for line in lines)
