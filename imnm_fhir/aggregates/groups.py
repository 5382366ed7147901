"""What the groups of a table say together: the parts of all patients, and columns without N."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from imnm_fhir.aggregates.cells import clean
from imnm_fhir.aggregates.contradiction import PARTS, UNREAD, Contradiction, said
from imnm_fhir.aggregates.rows import Row
from imnm_fhir.aggregates.sentence import sentence
from imnm_fhir.aggregates.words import meaning

Groups = tuple[tuple[str, int | None], ...]  # each with its N
Line = Mapping[str, Row]  # the rows of one line of the table, by group


def across_groups(rows: Sequence[Row]) -> Iterator[Contradiction]:
    """Counts of groups that do not make up that of all patients; opposites; columns without N."""
    tables: dict[tuple[str | None, Groups], list[Line]] = defaultdict(list)
    for line in _lines(rows):
        groups = tuple((each.group, each.group_total) for each in line.values())
        tables[next(iter(line.values())).sheet, groups].append(line)
    for (_, groups), lines in tables.items():
        partitions = list(_partitions(groups))
        for everyone, parts in partitions:
            yield from _sums(lines, everyone, parts)
        if not partitions:
            yield from _sizes(lines, groups)
    yield from _opposites(rows)
    yield from _without_total(rows)


def _lines(rows: Sequence[Row]) -> Iterator[Line]:
    lines: dict[tuple[object, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row.wide:
            lines[row.sheet, row.row][row.group] = row
    return iter(lines.values())


def _partitions(groups: Groups) -> Iterator[tuple[str, tuple[str, ...]]]:
    """All patients, and neighbouring groups whose N add up to theirs: the parts of everyone."""
    whole = _everyone(groups)
    if whole is None or whole[1] is None:
        return
    others = [each for each in groups if each is not whole]
    start = 0
    while start < len(others):
        end, found = start, 0
        while end < len(others) and found < whole[1]:
            found, end = found + (others[end][1] or whole[1]), end + 1
        if found == whole[1] and end - start > 1:
            yield whole[0], tuple(name for name, _ in others[start:end])
            start = end
        else:
            start += 1


def _everyone(groups: Groups) -> tuple[str, int | None] | None:
    """The column of all patients, with its N."""
    return next((each for each in groups if meaning("everyone", clean(each[0]))), None)


def _sums(lines: Sequence[Line], everyone: str, parts: Sequence[str]) -> Iterator[Contradiction]:
    """Lines where the parts do not add up; certain where they do in most lines of the table."""
    wrong, right = [], 0
    for line in lines:
        counts = [line[name].n for name in parts]
        total = line[everyone]
        if total.n is None or None in counts or not all(row.declared for row in line.values()):
            continue
        yield from _wholes(total, [line[name] for name in parts], parts)
        if sum(each or 0 for each in counts) == total.n:
            right += 1
        else:
            wrong.append(line)
    for line in wrong:
        total, terms = line[everyone], " + ".join(str(line[name].n) for name in parts)
        found = sum(line[name].n or 0 for name in parts)
        why = sentence(
            "{terms} = {sum} in the groups {groups}, not {n}",
            terms=terms, sum=found, groups=parts, n=total.n,
        )  # fmt: skip
        if right < len(wrong):
            why = sentence("{why}; it holds only if they overlap", why=why)
        yield said(PARTS, total, why, certain=right >= len(wrong))


def _wholes(everyone: Row, rows: Sequence[Row], parts: Sequence[str]) -> Iterator[Contradiction]:
    """Cells that say of how many they speak, `4/14`, whose wholes do not make up that of everyone."""
    totals = [each.total for each in rows]
    if (
        everyone.total is None
        or None in totals
        or sum(each or 0 for each in totals) == everyone.total
    ):
        return
    why = sentence(
        "of {terms} = {sum} patients in the groups {groups}, not {n}",
        terms=" + ".join(map(str, totals)), sum=sum(each or 0 for each in totals),
        groups=parts, n=everyone.total,
    )  # fmt: skip
    yield said(PARTS, everyone, why, certain=False)


def _sizes(lines: Sequence[Line], groups: Groups) -> Iterator[Contradiction]:
    """Groups whose N do not make up that of everyone, though every count of theirs does."""
    everyone = _everyone(groups)
    parts = [each for each in groups if each is not everyone]
    if everyone is None or len(parts) < 2 or any(size is None for _, size in groups):
        return
    counted = [
        (line[everyone[0]], [line[name].n for name, _ in parts])
        for line in lines
        if all(row.n is not None and row.declared for row in line.values())
    ]
    same = [row.n == sum(each or 0 for each in counts) for row, counts in counted]
    if len(same) < 2 or not all(same) or not any(row.n for row, _ in counted):
        return
    first = counted[0][0]
    why = sentence(
        "the groups {groups} have {terms} = {sum} patients, not {n}, yet all counts add up",
        groups=[name for name, _ in parts], terms=" + ".join(str(size) for _, size in parts),
        sum=sum(size or 0 for _, size in parts), n=first.group_total,
    )  # fmt: skip
    yield said(PARTS, first, why, certain=False)


def _opposites(rows: Sequence[Row]) -> Iterator[Contradiction]:
    """Women and men who do not make up the whole of their column."""
    found: dict[tuple[object, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        words = row.label.replace(",", " ").replace(":", " ").split()
        kinds = {kind for word in words if (kind := meaning("opposites", clean(word)))}
        if row.wide and row.n is not None and row.total and len(kinds) == 1:
            found[row.sheet, row.group, row.total, row.section].setdefault(kinds.pop(), row)
    for pair in found.values():
        if len(pair) == 2:
            first, second = pair.values()
            total = (first.n or 0) + (second.n or 0)
            if total != first.total and abs(first.row - second.row) == 1:
                why = sentence(
                    "{terms} = {sum}, not {n}: somebody is neither, or unknown",
                    terms=f"{first.n} + {second.n}", sum=total, n=first.total,
                )  # fmt: skip
                yield said(PARTS, first, why, [second], certain=False)


def _without_total(rows: Sequence[Row]) -> Iterator[Contradiction]:
    known: set[tuple[object, ...]] = set()
    for row in rows:
        column = row.sheet, row.group
        counted = row.wide and row.n is not None and row.percent is not None
        if counted and row.total is None is row.group_total and column not in known:
            known.add(column)
            why = sentence("its column says no N (n = ...), so its percentages are not checked")
            yield said(UNREAD, row, why, certain=False)
