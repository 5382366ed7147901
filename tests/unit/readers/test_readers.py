"""CSV and TSV of sites: everything detected is said, everything unsound stops with its row."""

import csv
import errno
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.readers import TextTable, read_tables
from imnm_fhir.readers.tables import column_letter


def read(
    folder: Path, content: bytes | str, name: str = "site.csv", **options: object
) -> TextTable:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (table,) = read_tables(path, **options)  # type: ignore[arg-type]
    return table


def refused(folder: Path, content: bytes | str, name: str = "site.csv", **options: object) -> str:
    with pytest.raises(ImnmFhirError) as caught:
        read(folder, content, name, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(name)
    assert str(folder) not in message
    return message


def test_a_plain_table(tmp_path: Path) -> None:
    table = read(tmp_path, " id ,CK \nMAD-01, 4512 \nMAD-02,NA\n")
    assert table.header == ("id", "CK")
    assert table.columns == {"id": ["MAD-01", "MAD-02"], "CK": ["4512", "NA"]}
    assert table.row_numbers == [2, 3]
    assert (table.file, table.sheet, table.typed) == ("site.csv", None, {})
    assert table.said == ("encoding utf-8 (plain ASCII)", "delimiter ',' (by its columns)")
    assert len(table.sha256) == 64


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "encoding utf-8 (every byte fits)"),
        ("utf-8-sig", "encoding utf-8-sig (by its byte order mark)"),
        ("utf-16", "encoding utf-16 (by its byte order mark)"),
        ("utf-32", "encoding utf-32 (by its byte order mark)"),
        ("utf-16-le", "encoding utf-16-le (by its zero bytes)"),
        ("utf-16-be", "encoding utf-16-be (by its zero bytes)"),
        (
            "cp1252",
            "encoding cp1252 (not UTF-8, reads like western European; few characters tell; look at the accents)",
        ),
    ],
)
def test_encodings_are_detected_and_said(tmp_path: Path, encoding: str, said: str) -> None:
    text = "NHC;Éxitus;Fecha inicio síntomas\nMAD-01;Sí;«año»\n"
    table = read(tmp_path, text.encode(encoding))
    assert table.header == ("NHC", "Éxitus", "Fecha inicio síntomas")
    assert table.columns["Éxitus"] == ["Sí"]
    assert table.said[0] == said


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("患者", "shift-jis"), ("患者は", "euc-jp"), ("café", "mac-roman"), ("durée", "cp850")],
)
def test_too_few_characters_are_no_ground_for_a_guess(
    tmp_path: Path, text: str, encoding: str
) -> None:
    path = tmp_path / "site.csv"
    path.write_bytes(f"id;note\n1;{text}\n".encode(encoding))
    with pytest.raises(ImnmFhirError, match=r"too few characters beyond ASCII.*name its encoding"):
        read_tables(path)
    assert read_tables(path, encoding=encoding)[0].columns["note"] == [text]


def test_an_encoding_that_is_none_of_these_is_a_guess_that_says_so(tmp_path: Path) -> None:
    text = (
        "患者ID,性別,発症日,診断日,抗SRP抗体\n"
        + "A-01,女性,平成31年4月3日,令和元年5月1日,陽性\n" * 30
    )
    table = read(tmp_path, text.encode("cp932"))
    assert table.header[0] == "患者ID"
    assert "a guess" in table.said[0]
    assert read(tmp_path, text.encode("cp932"), encoding="cp932").header == table.header


def test_a_given_encoding_is_taken_and_must_fit(tmp_path: Path) -> None:
    assert read(tmp_path, b"a,b\n\xe9,1\n", encoding="cp1250").columns["a"] == ["é"]
    message = refused(tmp_path, b"a,b\n1,2\n\xe9,1\n", encoding="utf-8")
    assert "row 3: it is not utf-8" in message
    assert "'utf9' is no encoding" in refused(tmp_path, "a,b\n1,2\n", encoding="utf9")


@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_a_header_that_was_decoded_twice(tmp_path: Path, wrong: str) -> None:
    header = "id,síntomas".encode().decode(wrong)
    message = refused(tmp_path, f"{header}\n1,2\n")
    assert "row 1: the header of column B has broken characters" in message
    assert "Ã" in refused(tmp_path, "id,síntomas\n1,2\n", encoding=wrong)


def test_a_header_that_lost_characters(tmp_path: Path) -> None:
    assert "broken characters" in refused(tmp_path, "id,s\ufffdntomas\n1,2\n")


def test_lost_characters_in_cells_are_counted(tmp_path: Path) -> None:
    assert "2 characters were lost" in read(tmp_path, "id,a\n1,S\ufffd\n2,\ufffd\n").said[0]


def test_two_encodings_in_one_file(tmp_path: Path) -> None:
    content = b"a,b\n" + "í,ó\n".encode() * 5 + "í,ó\n".encode("cp1252")
    assert "row 7: most of it is UTF-8" in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("delimiter", "name"), [(";", "';'"), (",", "','"), ("\t", "tab"), ("|", "'|'")]
)
def test_delimiters_are_detected_and_said(tmp_path: Path, delimiter: str, name: str) -> None:
    text = f"id{delimiter}CK{delimiter}note\n1{delimiter}4{delimiter}x\n"
    table = read(tmp_path, text)
    assert table.header == ("id", "CK", "note")
    assert table.said[1] == f"delimiter {name} (by its columns)"


def test_decimal_commas_do_not_look_like_delimiters(tmp_path: Path) -> None:
    table = read(tmp_path, "id;dosis\n1;1,0\n2;0,5\n")
    assert table.columns == {"id": ["1", "2"], "dosis": ["1,0", "0,5"]}


def test_quoted_delimiters_do_not_count(tmp_path: Path) -> None:
    table = read(tmp_path, 'id,note,x\n1,"a;b;c;d",2\n2,"e;f",3\n')
    assert table.columns["note"] == ["a;b;c;d", "e;f"]


def test_a_delimiter_that_cannot_be_told(tmp_path: Path) -> None:
    message = refused(tmp_path, "a;b,c\n1;2,3\n")
    assert "';' and ',' fit equally well" in message
    assert read(tmp_path, "a;b,c\n1;2,3\n", delimiter=";").header == ("a", "b,c")
    assert "is no delimiter" in refused(tmp_path, "a,b\n1,2\n", delimiter=";;")


def test_excels_own_separator_line_is_no_row(tmp_path: Path) -> None:
    table = read(tmp_path, "sep=;\r\na;b\r\n1;2,5\r\n")
    assert table.columns == {"a": ["1"], "b": ["2,5"]}
    assert table.row_numbers == [2]
    assert table.said[1] == "delimiter ';' (as its first line says)"


def test_one_column_is_a_table(tmp_path: Path) -> None:
    assert read(tmp_path, "id\n1\n2\n").columns == {"id": ["1", "2"]}


def test_quotes_line_breaks_and_row_numbers(tmp_path: Path) -> None:
    text = 'id,note\r\n1,"two\r\nlines, and ""quotes"""\r\n\r\n , \r\n2,5" tube\r\n'
    table = read(tmp_path, text)
    assert table.columns["note"] == ['two\r\nlines, and "quotes"', '5" tube']
    assert table.row_numbers == [2, 5]
    assert table.said[-1] == "blank rows left out: 2"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    table = read(tmp_path, end.join(["a,b", "1,2", "3,4"]))
    assert table.columns == {"a": ["1", "3"], "b": ["2", "4"]}


def test_text_is_kept_as_it_is(tmp_path: Path) -> None:
    cells = ["NA", "ND", "1-2", "00123", "null", "=1+1", "1e5", "\u3000x", "'-", "TRUE"]
    table = read(tmp_path, "a;b\n" + "".join(f"{cell};1\n" for cell in cells))
    assert table.columns["a"] == [cell.strip() for cell in cells]


def test_a_header_further_down(tmp_path: Path) -> None:
    text = "Registry of Madrid\n\nid,CK\n1,4512\n"
    table = read(tmp_path, text, header_row=3)
    assert table.columns == {"id": ["1"], "CK": ["4512"]}
    assert table.row_numbers == [4]
    assert "row 9: there is no header here" in refused(tmp_path, text, header_row=9)
    assert "row 2: there is no header here" in refused(tmp_path, text, header_row=2)


def test_blank_columns_are_dropped_and_others_need_a_header(tmp_path: Path) -> None:
    table = read(tmp_path, "id,,CK,,\n1,,2,,\n")
    assert table.columns == {"id": ["1"], "CK": ["2"]}
    assert read(tmp_path, "id,CK\n1,2,\n3,4,,\n").columns == {"id": ["1", "3"], "CK": ["2", "4"]}
    assert "column B has cells and no header" in refused(tmp_path, "id,,CK\n1,x,2\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b" \n\n", "it is empty"),
        (b"id,CK\n", "a header and no row below it"),
        (b"id,CK\n\n,\n", "a header and no row below it"),
        (b"id,CK\n1,2\n3\n", "row 3: 1 cells, the header has 2"),
        (b"id,CK\n1,2\n3,4,5\n", "row 3: 3 cells, the header has 2"),
        (b"id,CK, id \n1,2,3\n", "columns A and C have the same header"),
        (b"id,CK\n1,\x002\n", "row 2: a NUL byte"),
        (b"id,CK\n1,2\n3,\"4\n5,6\n", "row 3: a quote (\") opens here and is not closed"),
        (b'id,CK\n1,"2"3\n', "row 2: text follows a closing quote"),
        (b"\x1f\x8b\x08", "it is compressed"),
        (b"<html><table>", "a web page or XML"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 99, "old .xls kind"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "protected by a password",
        ),
    ],
)  # fmt: skip
def test_bad_input(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(tmp_path, content)


def test_a_long_unclosed_quote_is_found_where_it_opens(tmp_path: Path) -> None:
    message = refused(tmp_path, 'id,CK\n1,"2\n' + "3,4\n" * 100_000)
    assert "row 2: a quote" in message


def test_a_cell_that_is_too_long_is_no_quote(tmp_path: Path) -> None:
    message = refused(tmp_path, "id,CK\n1," + "3" * 200_000 + "\n")
    assert "row 2: a cell has more than 131,072 characters" in message


def test_rows_inside_a_quoted_cell_are_not_lost_in_silence(tmp_path: Path) -> None:
    message = refused(tmp_path, 'id;CK;note;x\n1;5;"not well;a\n2;6;ok;b\n3;7;well";c\n')
    assert "row 2: a quoted cell holds what looks like 2 more row(s)" in message
    kept = read(tmp_path, 'id;CK;note;x\n1;5;"not well;\nsince; 2019";c\n')
    assert kept.columns["note"] == ["not well;\nsince; 2019"]


def test_a_row_with_a_cell_value_is_never_shown(tmp_path: Path) -> None:
    message = refused(tmp_path, "id,CK\nCANARY,1,2\n")
    assert "CANARY" not in message


def test_no_file_a_folder_and_no_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImnmFhirError, match=r"^none.csv: there is no such file"):
        read_tables(tmp_path / "none.csv")
    with pytest.raises(ImnmFhirError, match="it is a folder"):
        read_tables(tmp_path)
    for number, said in [(errno.EACCES, "no permission"), (errno.EIO, "cannot be read")]:

        def fail(path: Path, number: int = number) -> bytes:
            raise OSError(number, "said by the system", str(path))

        monkeypatch.setattr(Path, "read_bytes", fail)
        with pytest.raises(ImnmFhirError, match=said):
            read_tables(tmp_path / "a.csv")


def test_sheets_of_a_csv(tmp_path: Path) -> None:
    assert "it has no sheets" in refused(tmp_path, "a,b\n1,2\n", sheets=["CK"])


@pytest.mark.parametrize(
    ("place", "letter"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (702, "AAA")]
)
def test_column_letter(place: int, letter: str) -> None:
    assert column_letter(place) == letter


CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufffd"), max_size=8
)


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    st.sampled_from([";", ",", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_cells_come_back_as_they_were(
    rows: list[tuple[str, str]], delimiter: str, encoding: str
) -> None:
    import tempfile

    lines = io.StringIO(newline="")
    csv.writer(lines, delimiter=delimiter).writerows([["id", "first", "second"]])
    csv.writer(lines, delimiter=delimiter).writerows([("x", *row) for row in rows])
    with tempfile.TemporaryDirectory() as folder:
        table = read(Path(folder), lines.getvalue().encode(encoding), delimiter=delimiter)
    assert table.columns["first"] == [first.strip() for first, _ in rows]
    assert table.columns["second"] == [second.strip() for _, second in rows]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_table_or_one_line(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.csv"
        path.write_bytes(b"id,CK\n1,2\n" + content)
        try:
            read_tables(path)
        except ImnmFhirError as error:
            assert "\n" not in str(error)
