import gzip
import re
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.server import Connection, Credentials, connect
from tests.unit.server.conftest import Clock
from tests.unit.server.stand_in import Answer, Asked, StandIn, outcome, stand_in

LINES = b"".join(b'{"resourceType":"Patient","id":"%d"}\n' % number for number in range(9999))
TAG = {"ETag": '"1"'}


def ranged(content: bytes, asked: Asked, **headers: str) -> Answer:
    """What a server answers that knows ranges: the rest, or all when the file is another."""
    about = {**TAG, **headers}
    found = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("Range", ""))
    if not found or asked.headers.get("If-Range") != about["ETag"]:
        return Answer(200, content, about)
    start = int(found[1])
    span = f"bytes {start}-{len(content) - 1}/{len(content)}"
    return Answer(206, content[start:], {**about, "Content-Range": span})


def broken(answer: Answer, after: int) -> Answer:
    return Answer(answer.status, answer.body[:after], answer.headers, short=True)


def test_a_file_is_written_and_its_bytes_counted(
    server: StandIn, connection: Connection, tmp_path: Path
) -> None:
    server.answer = lambda asked: Answer(200, LINES)
    pieces: list[int] = []
    url = f"{server.base_url}/files/1?key=2"
    got = connection.download(url, tmp_path / "one", progress=pieces.append)
    assert (tmp_path / "one").read_bytes() == LINES
    assert got.written == got.transferred == sum(pieces) == len(LINES)
    assert (got.response.status, got.response.body) == (200, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_download_that_breaks_off_is_resumed(
    server: StandIn, connection: Connection, tmp_path: Path, clock: Clock
) -> None:
    def answer(asked: Asked) -> Answer:
        whole = ranged(LINES, asked)
        return broken(whole, 70_000) if len(server.asked) < 4 else whole

    server.answer = answer
    got = connection.download("file", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == LINES
    starts = [asked.headers.get("Range") for asked in server.asked]
    assert starts == [None, "bytes=70000-", "bytes=140000-", "bytes=210000-"]
    assert got.transferred == len(LINES)
    assert max(clock.waits) <= 0.5, "there was headway: patience starts anew"


def test_it_is_resumed_by_the_next_command(server: StandIn, clock: Clock, tmp_path: Path) -> None:
    server.answer = lambda asked: broken(ranged(LINES, asked), 1000)
    with connect(server.base_url) as one, pytest.raises(ServerError, match="broke off"):
        one.download("file?key=canary", tmp_path / "one")
    assert not (tmp_path / "one").exists()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"canary" not in kept
    server.asked.clear()
    server.answer = lambda asked: ranged(LINES, asked)
    with connect(server.base_url) as two:
        two.download("file?key=canary", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == LINES
    assert server.asked[0].headers["Range"].startswith("bytes=")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', ""])
def test_another_file_under_the_address_is_read_from_its_start(
    server: StandIn, connection: Connection, tmp_path: Path, tag: str
) -> None:
    other = LINES[::-1]
    server.script = [broken(Answer(200, LINES, {"ETag": 'W/"1"' if tag != '"2"' else '"1"'}), 500)]
    server.answer = lambda asked: ranged(other, asked, ETag=tag)
    connection.download("file", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == other


def test_a_wrong_part_is_not_taken(server: StandIn, connection: Connection, tmp_path: Path) -> None:
    wrong = Answer(206, LINES[7:], {**TAG, "Content-Range": f"bytes 7-{len(LINES) - 1}/*"})
    gone = Answer(416, b"", TAG)
    half = broken(Answer(200, LINES, TAG), 500)
    server.script = [half, wrong, half, gone, Answer(200, LINES, TAG)]
    connection.download("file", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == LINES


def test_gzip_is_resumed_as_sent_and_unpacked_at_the_end(
    server: StandIn, connection: Connection, tmp_path: Path
) -> None:
    packed = gzip.compress(LINES[:5000], 1) + gzip.compress(LINES[5000:], 1)

    def answer(asked: Asked) -> Answer:
        whole = ranged(packed, asked, **{"Content-Encoding": "gzip"})
        return broken(whole, 900) if len(server.asked) == 1 else whole

    server.answer = answer
    got = connection.download("file", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == LINES
    assert (got.written, got.transferred) == (len(LINES), len(packed))
    assert server.asked[1].headers["Range"] == "bytes=900-"


def test_damaged_gzip_is_fetched_again(
    server: StandIn, connection: Connection, tmp_path: Path
) -> None:
    packed, headers = gzip.compress(LINES, 1), {**TAG, "Content-Encoding": "gzip"}
    damaged = packed[:800] + b"\xff" * 8 + packed[808:]
    server.script = [
        Answer(200, packed[:-9], headers),
        Answer(200, damaged, headers),
        Answer(200, b"{}", headers),
        Answer(200, packed, headers),
    ]
    connection.download("file", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == LINES


def test_a_file_may_not_be_larger_than_allowed(
    server: StandIn, connection: Connection, tmp_path: Path
) -> None:
    bomb = Answer(200, gzip.compress(bytes(50_000_000), 1), {"Content-Encoding": "gzip"})
    for answer in (bomb, Answer(200, LINES)):
        server.script = [answer]
        with pytest.raises(ServerError, match=r"larger than 0\.3 MB"):
            connection.download("file", tmp_path / "one", limit=300_000)
        assert not (tmp_path / "one").exists()
    server.script = [Answer(200, LINES)]
    assert connection.download("file", tmp_path / "one", limit=len(LINES)).written == len(LINES)


def test_an_answer_that_is_no_file_leaves_none(
    server: StandIn, connection: Connection, tmp_path: Path
) -> None:
    server.script = [outcome("expired", 410)]
    got = connection.download("file", tmp_path / "one")
    assert (got.response.status, got.written) == (410, 0)
    assert "expired" in str(connection.refusal(got.response, "fetching a file"))
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_said_in_one_line(
    server: StandIn, connection: Connection, tmp_path: Path
) -> None:
    server.answer = lambda asked: Answer(200, LINES)
    with pytest.raises(ImnmFhirError, match="cannot be written") as refused:
        connection.download("file", tmp_path / "missing" / "one")
    assert refused.value.exit_code == 3


def test_a_file_elsewhere_is_fetched_by_nobody(
    server: StandIn, clock: Clock, tmp_path: Path
) -> None:
    with (
        stand_in() as other,
        connect(server.base_url, Credentials("bearer", secret="t")) as connection,
    ):
        other.answer = lambda asked: Answer(200, LINES)
        url = f"{other.base_url}/1"
        server.answer = lambda asked: Answer(302, headers={"Location": url, "Set-Cookie": "a=b"})
        for place in (url, "file"):
            with pytest.raises(ServerError, match="another origin"):
                connection.download(place, tmp_path / "one")
        assert not other.asked
        for place in (url, "file"):
            connection.download(place, tmp_path / "one", elsewhere=True)
            assert (tmp_path / "one").read_bytes() == LINES
        assert server.asked[-1].headers["Authorization"] == "Bearer t"
        assert len(other.asked) == 2
        assert all(not {"Authorization", "Cookie"} & set(asked.headers) for asked in other.asked)
