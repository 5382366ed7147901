import json
import os
import stat
from pathlib import Path

import pytest

from tests.acceptance.command_line import done, run


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("password", ["", "canary"])
def test_a_key_is_made_for_its_owner_alone(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("IMNM_FHIR_SMART_KEY_PASSWORD", password)
    made = done("smart-key", "smart.pem", "--make", "ES384")
    [key] = json.loads(made.out)["keys"]
    assert (key["kty"], key["crv"], key["alg"]) == ("EC", "P-384", "ES384")
    assert "d" not in key and "PRIVATE" not in made.out + made.err
    assert stat.S_IMODE(os.stat("smart.pem").st_mode) == 0o600
    assert ("ENCRYPTED" in Path("smart.pem").read_text()) is bool(password)
    assert done("smart-key", "smart.pem").out == made.out


def test_a_key_that_is_there_is_not_written_over() -> None:
    Path("smart.pem").write_text("canary")
    ran = run("smart-key", "smart.pem", "--make", "RS384")
    assert ran.code == 2 and "is there already" in ran.err and len(ran.messages) == 1
    assert Path("smart.pem").read_text() == "canary"


def test_a_key_that_cannot_be_read_is_not_shown() -> None:
    Path("smart.pem").write_text("canary")
    for mode, words in [(0o644, "chmod 600"), (0o600, "cannot be read")]:
        os.chmod("smart.pem", mode)
        ran = run("smart-key", "smart.pem")
        assert ran.code == 2 and words in ran.err and "canary" not in ran.err
    assert run("smart-key", "missing/smart.pem", "--make", "ES384").code == 2
