"""Dates: every form of a site that has one meaning, and a refusal for each that has two."""

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.values import DateStyle, Unreadable, ambiguous_date, date_bounds, read_date
from imnm_fhir.values.eras import load_eras

ISO = DateStyle()
DMY = DateStyle("dmy")
MDY = DateStyle("mdy")
SHORT = DateStyle("dmy", two_digit_pivot=2026)
ERAS = DateStyle(eras=True)

READ = [
    ("2019-03-04", ISO, "2019-03-04"),
    ("2019-03", ISO, "2019-03"),
    ("2019", ISO, "2019"),
    ("20190304", ISO, "2019-03-04"),
    ("2019/03/04", DMY, "2019-03-04"),
    ("2019.3.4", DMY, "2019-03-04"),
    ("2019-03-04", MDY, "2019-03-04"),
    ("03/04/2019", DMY, "2019-04-03"),
    ("03/04/2019", MDY, "2019-03-04"),
    ("03.04.2019", DMY, "2019-04-03"),
    ("3-4-2019", DMY, "2019-04-03"),
    ("3 4 2019", DMY, "2019-04-03"),
    ("3. 4. 2019", DMY, "2019-04-03"),
    ("25/12/2019", DMY, "2019-12-25"),
    ("12/25/2019", MDY, "2019-12-25"),
    ("29/02/2020", DMY, "2020-02-29"),
    ("03/2019", ISO, "2019-03"),
    ("3.2019", DMY, "2019-03"),
    ("2019/3", ISO, "2019-03"),
    ("marzo 2019", ISO, "2019-03"),
    ("Marzo de 2019", ISO, "2019-03"),
    ("2019 marzo", ISO, "2019-03"),
    ("März 2019", ISO, "2019-03"),
    ("Ma\u0308rz 2019", ISO, "2019-03"),
    ("Mrz. 2019", ISO, "2019-03"),
    ("févr. 2019", ISO, "2019-02"),
    ("FEVRIER 2019", ISO, "2019-02"),
    ("gennaio 2019", ISO, "2019-01"),
    ("mei 2019", ISO, "2019-05"),
    ("4. März 2019", ISO, "2019-03-04"),
    ("4-mar-2019", ISO, "2019-03-04"),
    ("04-MAR-2019", MDY, "2019-03-04"),
    ("4 de marzo de 2019", ISO, "2019-03-04"),
    ("4 mars 2019", ISO, "2019-03-04"),
    ("1er mars 2019", ISO, "2019-03-01"),
    ("1º de mayo de 2019", ISO, "2019-05-01"),
    ("March 4, 2019", ISO, "2019-03-04"),
    ("4th of March 2019", ISO, "2019-03-04"),
    ("2019-Mar-04", ISO, "2019-03-04"),
    ("04/03/19", SHORT, "2019-03-04"),
    ("11/02/36", SHORT, "1936-02-11"),
    ("11/02/26", SHORT, "2026-02-11"),
    ("11/02/27", SHORT, "1927-02-11"),
    ("04-mar-19", SHORT, "2019-03-04"),
    ("mar 4, 19", SHORT, "2019-03-04"),
    ("19-03-04", DateStyle("ymd", 2026), "2019-03-04"),
    ("04-mar-19", DateStyle("ymd", 2026), "2004-03-19"),
    ("43528", DateStyle(excel="1900"), "2019-03-04"),
    ("42066", DateStyle(excel="1904"), "2019-03-04"),
    ("43528.0", DateStyle(excel="1900"), "2019-03-04"),
    ("20000", DateStyle(excel="1900"), "1954-10-03"),
    ("60000", DateStyle(excel="1900"), "2064-04-08"),
    ("2019-03-04 00:00:00", ISO, "2019-03-04"),
    ("2019-03-04T00:00:00Z", ISO, "2019-03-04"),
    ("2019-03-04T00:00:00.000+01:00", ISO, "2019-03-04"),
    ("04/03/2019 0:00", DMY, "2019-03-04"),
    ("3/4/2019 12:00:00 AM", MDY, "2019-03-04"),
    ("2019年4月3日", ISO, "2019-04-03"),
    ("２０１９年４月３日", ISO, "2019-04-03"),
    ("2019年4月", ISO, "2019-04"),
    ("2019年", ISO, "2019"),
    ("平成31年4月3日", ERAS, "2019-04-03"),
    ("平成３１年４月３日", ERAS, "2019-04-03"),
    ("㍻31.4.3", ERAS, "2019-04-03"),
    ("H31.4.3", ERAS, "2019-04-03"),
    ("h31-04-03", ERAS, "2019-04-03"),
    ("R1.5.7", ERAS, "2019-05-07"),
    ("R1/5/7", ERAS, "2019-05-07"),
    ("令和元年5月1日", ERAS, "2019-05-01"),
    ("令和元年", ERAS, "2019"),
    ("平成31年", ERAS, "2019"),
    ("昭和64年", ERAS, "1989"),
    ("昭和64年1月7日", ERAS, "1989-01-07"),
    ("平成元年1月8日", ERAS, "1989-01-08"),
    ("昭和元年12月25日", ERAS, "1926-12-25"),
    ("大正15年12月24日", ERAS, "1926-12-24"),
    ("大正元年7月30日", ERAS, "1912-07-30"),
    ("明治45年7月29日", ERAS, "1912-07-29"),
    ("昭和11年2月", ERAS, "1936-02"),
    (" 2019-03-04\u00a0", ISO, "2019-03-04"),
]


@pytest.mark.parametrize(("text", "style", "partial"), READ)
def test_read_date(text: str, style: DateStyle, partial: str) -> None:
    assert read_date(text, style) == partial


REFUSED = [
    ("03/04/2019", ISO, "date-order"),
    ("25/12/2019", ISO, "date-order"),
    ("25/12/2019", MDY, "no-such-date"),
    ("12/25/2019", DMY, "no-such-date"),
    ("31/04/2019", DMY, "no-such-date"),
    ("29/02/2019", DMY, "no-such-date"),
    ("2019-02-29", ISO, "no-such-date"),
    ("2019-13", ISO, "no-such-date"),
    ("2019-00-01", ISO, "no-such-date"),
    ("0000", ISO, "no-such-date"),
    ("20191301", ISO, "no-such-date"),
    ("04/03/19", DMY, "two-digit-year"),
    ("04-mar-19", DMY, "two-digit-year"),
    ("4/3/9", SHORT, "unreadable-date"),
    ("4/3/219", SHORT, "unreadable-date"),
    ("19 marzo 4", SHORT, "unreadable-date"),
    ("2019.5", DMY, "unreadable-date"),  # the middle of a year as likely as May
    ("123/3/2019", DMY, "unreadable-date"),
    ("4/3-2019", DMY, "unreadable-date"),
    ("03/19", SHORT, "unreadable-date"),
    ("4-mar", SHORT, "no-year"),
    ("mar-19", SHORT, "no-year"),
    ("marzo", SHORT, "no-year"),
    ("mar abr 2019", SHORT, "unreadable-date"),
    ("mar 123 2019", SHORT, "unreadable-date"),
    ("4 3 mar", SHORT, "unreadable-date"),
    ("4 marzo 2019 2020", SHORT, "unreadable-date"),
    ("fin de marzo 2019", SHORT, "unreadable-date"),
    ("4?mar 2019", SHORT, "unreadable-date"),
    ("٤ mar 2019", SHORT, "unreadable-date"),
    ("4² mar 2019", SHORT, "unreadable-date"),
    ("4ª mar 2019", SHORT, "unreadable-date"),
    ("2019-03-04 10:30", ISO, "time-of-day"),
    ("2019-03-04T23:00:00Z", ISO, "time-of-day"),
    ("3/4/2019 12:00 PM", MDY, "time-of-day"),
    ("43528.5", DateStyle(excel="1900"), "time-of-day"),
    ("43528", ISO, "excel-date"),
    ("19999", DateStyle(excel="1900"), "excel-date"),
    ("60001", DateStyle(excel="1900"), "excel-date"),
    ("平成31年4月3日", ISO, "era-undeclared"),
    ("平成31年5月1日", ERAS, "outside-era"),
    ("平成32年", ERAS, "outside-era"),
    ("平成0年", ERAS, "outside-era"),
    ("令和1年4月", ERAS, "outside-era"),
    ("令和元年4月30日", ERAS, "outside-era"),
    ("昭和64年1月8日", ERAS, "outside-era"),
    ("昭和元年12月24日", ERAS, "outside-era"),
    ("大正元年7月29日", ERAS, "outside-era"),
    ("明治45年7月30日", ERAS, "outside-era"),
    ("R1.2.30", ERAS, "no-such-date"),
    ("", ISO, "unreadable-date"),
    ("unknown", ISO, "unreadable-date"),
    ("12345678", ISO, "unreadable-date"),
    ("~2019", ISO, "unreadable-date"),
    ("2019-03-04-05", ISO, "unreadable-date"),
]


@pytest.mark.parametrize(("text", "style", "rule"), REFUSED)
def test_what_is_refused_and_why(text: str, style: DateStyle, rule: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_date(text, style)
    assert caught.value.rule == rule
    assert str(caught.value).startswith("expected ")


def test_a_style_that_is_none() -> None:
    with pytest.raises(ImnmFhirError, match="date order 'dym'"):
        DateStyle("dym")
    with pytest.raises(ImnmFhirError, match="excel '1905'"):
        DateStyle(excel="1905")


DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))


@given(DAYS, st.sampled_from("/.- "))
def test_a_day_written_in_an_order_is_read_in_it(day: date, gap: str) -> None:
    parts = {"d": f"{day.day:02}", "m": f"{day.month:02}", "y": f"{day.year}"}
    for order in ("ymd", "dmy", "mdy"):
        written = gap.join(parts[part] for part in order)
        assert read_date(written, DateStyle(order)) == day.isoformat()


@given(DAYS)
def test_ambiguous_is_exactly_where_both_orders_fit(day: date) -> None:
    written = day.strftime("%d/%m/%Y")
    assert ambiguous_date(written) == (day.day <= 12 and day.day != day.month)
    assert ambiguous_date(f"{written} 00:00:00") == ambiguous_date(written)


@pytest.mark.parametrize(
    ("text", "ambiguous"),
    [
        ("03/04/05", True),
        ("31/12/99", False),
        ("04-mar-19", True),
        ("2019-03-04", False),
        ("2019", False),
        ("x", False),
        ("", False),
    ],
)
def test_ambiguous_date(text: str, ambiguous: bool) -> None:
    assert ambiguous_date(text) is ambiguous


@given(st.integers(20_000, 60_000))
def test_the_two_excel_systems_differ_by_1462_days(serial: int) -> None:
    old = date.fromisoformat(read_date(str(serial), DateStyle(excel="1900")))
    mac = date.fromisoformat(read_date(str(serial), DateStyle(excel="1904")))
    assert mac - old == timedelta(days=1462)


@given(st.dates(date(1873, 1, 1), date(2099, 12, 31)))
def test_each_day_lies_in_exactly_one_era(day: date) -> None:
    read = []
    for era in load_eras():
        written = f"{era.words[0]}{day.year - era.year_one + 1}年{day.month}月{day.day}日"
        try:
            read.append(read_date(written, ERAS))
        except Unreadable:
            continue
    assert read == [day.isoformat()]


@given(st.integers(1, 9999), st.integers(1, 12))
def test_date_bounds_hold_every_day_and_no_other(year: int, month: int) -> None:
    assert date_bounds(f"{year:04}") == (date(year, 1, 1), date(year, 12, 31))
    first, last = date_bounds(f"{year:04}-{month:02}")
    assert (first, last) == (date(year, month, 1), date(year, month, monthrange(year, month)[1]))
    assert date_bounds(first.isoformat()) == (first, first)


@pytest.mark.parametrize("text", ["", "2019-13", "2019-02-30", "2019-01-01-01", "x"])
def test_date_bounds_of_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        date_bounds(text)


@given(st.text(), st.sampled_from([ISO, DMY, MDY, SHORT, ERAS, DateStyle(excel="1900")]))
def test_any_text_is_a_date_or_unreadable(text: str, style: DateStyle) -> None:
    try:
        partial = read_date(text, style)
    except Unreadable as error:
        assert error.rule
    else:
        assert read_date(partial) == partial
        assert date_bounds(partial)[0] <= date_bounds(partial)[1]


@given(st.from_regex(r"[0-9]{1,4}[-/. ][0-9a-z月]{1,4}[-/. ]?[0-9]{0,4}", fullmatch=True))
def test_texts_like_dates_are_dates_or_unreadable(text: str) -> None:
    for style in (ISO, DMY, MDY, SHORT, ERAS):
        try:
            partial = read_date(text, style)
        except Unreadable as error:
            assert not text.strip() or text not in str(error)
        else:
            assert date_bounds(partial)
