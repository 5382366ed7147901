"""What a spreadsheet did to a cell, told from its text."""

import re

from imnm_fhir.languages import translatable
from imnm_fhir.values.characters import plain
from imnm_fhir.values.months import month_number

SHORT_FORM = re.compile(r"[+-]?[0-9]([.,][0-9]+)?E\+[0-9]{2,3}")
DAY_AND_MONTH = re.compile(
    r"([0-9]{1,2})[-. ]+([^\W\d_]{3,})\.?|([^\W\d_]{3,})\.?[-. ]+([0-9]{1,2})"
)
ERROR = re.compile(r"#[^\W_][\w/]*[!?]?|#¡[\w/]+!|#¿[\w/]+\?")


def damaged_cell(text: str) -> str | None:
    """What a spreadsheet probably did to the cell and what it may have been; None if nothing.

    Only for a site's own findings: a cell such as `04. Mrz` is explained by what it may have been,
    `3-4` or `4-3`.
    """
    written = plain(text)
    if SHORT_FORM.fullmatch(written):
        return translatable(
            "a spreadsheet shows a long number in short form: its last digits are lost; format the "
            "column as text and enter it again"
        )
    if re.fullmatch("##+", written):
        return translatable(
            "a spreadsheet's column was too narrow to show the value; widen it and save again"
        )
    if ERROR.fullmatch(written):
        return translatable("a spreadsheet shows an error of a formula; correct it and save again")
    found = DAY_AND_MONTH.fullmatch(written)
    if found and (month := month_number(found[2] or found[3])):
        return made_a_date(month, int(found[1] or found[4]))
    return None


def made_a_date(month: int, day: int) -> str:
    """What to say of a date that a spreadsheet made of other text."""
    said = translatable(
        "a spreadsheet made a date of it: probably {one} or {other}; format the column as text and "
        "enter it again"
    )
    return said.format(one=f"{month}-{day}", other=f"{day}-{month}")
