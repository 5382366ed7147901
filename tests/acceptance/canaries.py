"""A small site whose patients' values are canaries: none may come back on stderr or stdout."""

from pathlib import Path

from tests.acceptance.command_line import Ran, run

MAPPING = """
[site]
id = "teststadt"
name = "Teststadt (synthetic)"
country = "DE"
language = "de"
legal_basis = "synthetic"
[patients]
identifier = "pseudonym"
pseudonymise = "keep"
[delivery]
cut_off = "2023-06-30"
kind = "full"
[[file]]
name = "patients*"
patient = "Patient"
[file.columns]
"Sex" = { element = "sex", words = { w = "female", m = "male" } }
"Birth" = { element = "birth_date" }
"CK" = { element = "ck", time_point = "baseline", unit = "U/L" }
"Onset" = { element = "imnm", field = "onset_date", set = { value_code = "imnm" } }
"Comorbidity" = { element = "comorbidity", field = "value_text" }
"""
HEADER = "Patient,Sex,Birth,CK,Onset,Comorbidity\n"
ROWS = "T-1,w,1951-07-13,4513,2019-03-09,KANARIE\nT-2,m,1950-02-17,2519,2018-11-23,=KANARIE+1\n"
CANARIES = ("KANARIE", "4513", "2519", "1951-07", "1950-02", "2019-03-09", "2018-11-23", "13.07.")


def write_site() -> None:
    """Write the mapping and two patients into the current folder."""
    Path("site.toml").write_text(MAPPING, "utf-8")
    Path("patients.csv").write_text(HEADER + ROWS, "utf-8")


def harmonise(name: str = "patients.csv", out: str = "cohort") -> Ran:
    """Harmonise a file of the current folder."""
    return run("harmonise", name, "--site", "site.toml", "--out", out)


def check_silence(ran: Ran) -> None:
    """No patient's value, and no traceback, on either stream."""
    assert [canary for canary in CANARIES if canary in ran.err + ran.out] == []
    assert "Traceback" not in ran.err


def check_refusal(ran: Ran, code: int, *said: str) -> None:
    """One line of ours with these words, and nothing on stdout."""
    check_silence(ran)
    assert (ran.code, ran.out, len(ran.messages)) == (code, "", 1), ran
    assert ran.err.startswith("imnm-fhir: ")
    assert [words for words in said if words not in ran.err] == [], ran.err
