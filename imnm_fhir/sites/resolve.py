"""A site mapping against the dictionary: every fault that needs no data, and the plan of each file."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.sites.faults import Faults, listed, near
from imnm_fhir.sites.fields import DOSE, MADE_HERE, default_field, fields_of, kind_of
from imnm_fhir.sites.mapping import FILL_IN, SiteFile, SiteMapping, Target
from imnm_fhir.sites.plan import FactPlan, FilePlan, Reading, SitePlan
from imnm_fhir.sites.readings import Context, Source, make_reading, source_beside, source_of
from imnm_fhir.sites.titres import has_titres
from imnm_fhir.sites.unit_of import (
    own_unit,
    source_unit_of_header,
    unit_in_header,
    wants_unit,
)
from imnm_fhir.sites.upper_limits import upper_limit_reading
from imnm_fhir.sites.words import code_values
from imnm_fhir.units import is_ucum
from imnm_fhir.values import Unreadable, canonical_number, read_date

CODED = ("code", "boolean", "text")
FactKey = tuple[str, str | None, str | None, bool]
NEEDS_LIMIT = (
    'needs the limit: with = { reference_high = { column = "…", unit = "…" } }, '
    'or upper_limit = { value = "…", unit = "…" }'
)


def resolve(mapping: SiteMapping, faults: Faults) -> SitePlan:
    """The plan of every file; what does not fit the dictionary goes into `faults`."""
    context = Context(mapping, load_dictionary(), faults)
    files = tuple(_plan_file(context, file) for file in mapping.files)
    if not any(plan.one_per_patient for plan in files):
        faults.add(("file",), "no column fills the patients: map birth_date, sex or deceased")
    for plan in files:
        for fact in plan.facts:
            if fact.element.name == "legal_basis" and mapping.legal_basis is not None:
                message = "legal_basis comes from a column and from [site]; keep one of them"
                faults.at(fact.line, message)
    return SitePlan(mapping, files)


def _plan_file(context: Context, file: SiteFile) -> FilePlan:
    by_field = {each.field: each for each in file.targets if each.element is None}
    which = by_field.get("element")
    when = _which_element(context, which) if which else None
    visit = by_field.get("time_point")
    time_point = (
        make_reading(context, None, "observations", source_of(visit, "time_point"))
        if visit
        else None
    )
    groups: dict[FactKey, list[Target]] = {}
    for target in file.targets:
        for name in _elements(context, target, when):
            key = (name, target.time_point, target.n, target.element is None)
            groups.setdefault(key, []).append(target)
    shared = [each for each in file.targets if _is_shared(each, when is not None)]
    facts = tuple(
        _plan_fact(context, key, targets, shared, when if key[3] else None)
        for key, targets in groups.items()
    )
    facts = _with_siblings(facts)
    for target in shared:
        used = any(each.line == target.line for fact in facts for each in fact.readings)
        if not used and target.field not in ("time_point", "element", "unit"):
            context.fault(target.line, target.column, f"no fact of the file has '{target.field}'")
    return FilePlan(file, facts, time_point)


def _with_siblings(facts: tuple[FactPlan, ...]) -> tuple[FactPlan, ...]:
    """The facts with readings that know what the other targets of their column take."""
    by_column: dict[str, list[Reading]] = {}
    for fact in facts:
        for each in fact.readings:
            if each.words is not None and each.kind in CODED:
                by_column.setdefault(each.column, []).append(each)

    def with_others(reading: Reading) -> Reading:
        others = [each for each in by_column.get(reading.column, []) if each is not reading]
        if reading.words is None or not others:
            return reading
        words = frozenset(word for each in others for word in each.words or {})
        free = any(each.unmapped == "text" for each in others)
        return replace(reading, elsewhere=words, free_text_elsewhere=free)

    return tuple(replace(fact, readings=tuple(map(with_others, fact.readings))) for fact in facts)


def _which_element(context: Context, target: Target) -> Reading | None:
    if target.words is None:
        context.fault(target.line, target.column, 'needs words = { "their name" = "element" }')
        return None
    return make_reading(context, None, "observations", source_of(target, "element"))


def _is_shared(target: Target, by_element: bool) -> bool:
    """Whether the target belongs to every fact of its row, as a visit's date does.

    In a file whose rows name their element, a value belongs to that element alone.
    """
    if target.element is not None or target.field is None:
        return False
    return not (by_element and (target.field == "value" or target.field.startswith("value_")))


def _elements(context: Context, target: Target, when: Reading | None) -> tuple[str, ...]:
    """The elements whose facts the target is a part of; none for what belongs to the whole row."""
    if target.element in context.dictionary.elements:
        return (str(target.element),)
    if target.element == FILL_IN:
        return ()
    if target.element is not None:
        hint = near(target.element, context.dictionary.elements)
        context.fault(target.line, target.column, f"no element is called '{target.element}'{hint}")
    elif not _is_shared(target, when is not None):
        if when is not None and when.words is not None:
            return tuple(dict.fromkeys(when.words.values()))
        context.fault(target.line, target.column, "says neither element nor field")
    return ()


def _plan_fact(
    context: Context,
    key: FactKey,
    targets: list[Target],
    shared: list[Target],
    when: Reading | None,
) -> FactPlan:
    name, time_point, n, _ = key
    element = context.dictionary.elements[name]
    table = context.dictionary.tables[element.table]
    sources = [each for target in targets for each in _sources(context, target, element)]
    taken = {source.field for source in sources}
    sources += [
        source_of(each, str(each.field))
        for each in shared
        if each.field in fields_of(table) and each.field not in taken
    ]
    constants = _constants(context, targets, element)
    _check_once(context, sources, constants, element)
    _check_key(context, targets[0], element)
    readings = _readings(context, sources, element, targets)
    _check_split(context, readings, targets)
    if len(sources) == len(readings) and not any(each.carries for each in readings):
        message = f"nothing makes a row of '{name}': no column holds a value of it"
        context.fault(targets[0].line, targets[0].column, message)
    return FactPlan(element, time_point, n, targets[0].line, constants, tuple(readings), when)


def _sources(context: Context, target: Target, element: Element) -> list[Source]:
    """The target's own column and those beside it, each with a field that the element has."""
    known = fields_of(context.dictionary.tables[element.table], element)
    field = target.field if target.field not in (None, "value") else default_field(element)
    if field is None:
        message = f"'{element.name}' needs a field: one of {listed(known, 20)}"
        context.fault(target.line, target.column, message)
        return []
    sources = [source_of(target, field)]
    sources += [source_beside(target, name, beside) for name, beside in target.beside.items()]
    for source in sources:
        if source.field not in known:
            hint = near(source.field, known) or f"; there are {listed(known, 20)}"
            message = f"{element.table} have no field '{source.field}'{hint}"
            context.fault(source.line, source.column, message)
    return [source for source in sources if source.field in known]


def _check_once(
    context: Context, sources: Iterable[Source], constants: Mapping[str, object], element: Element
) -> None:
    """No field of a fact comes from two columns, or from a column and a constant."""
    first: dict[str, str] = {}
    for source in sources:
        fields = ("dose_number", "rate_number") if source.field == DOSE else (source.field,)
        for field in fields:
            by = f"column '{first[field]}'" if field in first else "set"
            if field in first or field in constants:
                message = f"{element.name}.{field} comes from {by} already; say time_point or n"
                context.fault(source.line, source.column, message)
            first.setdefault(field, source.column)


def _check_key(context: Context, target: Target, element: Element) -> None:
    points = context.dictionary.value_sets["time_point"].codes
    if target.time_point is not None and target.time_point not in points:
        hint = near(target.time_point, points) or f"; there are {listed(points, 12)}"
        message = f"no time point is called '{target.time_point}'{hint}"
        context.fault(target.line, target.column, message)
    if element.table == "patients" and (target.time_point or target.n):
        context.fault(target.line, target.column, "a patient has neither time_point nor n")


def _check_split(context: Context, readings: list[Reading], targets: list[Target]) -> None:
    split = next((each for each in readings if each.split or each.switch), None)
    if split is None:
        return
    for target in targets:
        if target.column != split.column:
            message = f"stands beside '{split.column}', which is split: name it there in with"
            context.fault(target.line, target.column, message)


def _constants(context: Context, targets: list[Target], element: Element) -> dict[str, object]:
    table = context.dictionary.tables[element.table]
    known = tuple(each for each in table.columns if each not in MADE_HERE and each != "unit")
    ready: dict[str, object] = {}
    for target in targets:
        for name, value in target.constants.items():
            try:
                if value == FILL_IN:
                    raise ImnmFhirError("fill it in")
                if name not in known:
                    raise ImnmFhirError(f"{table.name} have no such field{near(name, known)}")
                constant = _constant(context, name, value, element)
                if ready.setdefault(name, constant) != constant:
                    raise ImnmFhirError("another column of the same fact sets another value")
            except (ImnmFhirError, Unreadable) as error:
                context.fault(target.line, target.column, f"set {name} = '{value}': {error}")
    return ready


def _constant(context: Context, name: str, value: str, element: Element) -> object:
    kind = kind_of(context.dictionary, element.table, name)
    keys = set((code_values(element, name, context.mapping.language) or {}).values())
    if kind == "code" and value not in keys:
        raise ImnmFhirError(
            f"no such value{near(value, keys) or f'; there are {listed(sorted(keys))}'}"
        )
    if kind == "boolean" and value not in ("true", "false"):
        raise ImnmFhirError("expected true or false")
    if kind == "unit" and not is_ucum(value):
        raise ImnmFhirError("is no UCUM unit")
    if kind == "number":
        return canonical_number(value)
    if kind == "date":
        return read_date(value)
    return value == "true" if kind == "boolean" else value


def _readings(
    context: Context, sources: list[Source], element: Element, targets: list[Target]
) -> list[Reading]:
    """The readings of a fact; the unit's column and the upper limit go into the numbers' own."""
    made = [make_reading(context, element, element.table, source) for source in sources]
    by_field = {each.field: each for each in made if each}
    unit, limit = by_field.pop("unit", None), by_field.get("reference_high")
    if limit is not None:
        of_row = unit if limit.unit is None else None  # a limit is no multiple, as a value may be
        limit = by_field["reference_high"] = _with_unit(context, limit, of_row, None, element)
    filled = {*by_field, *(name for each in targets for name in each.constants)}
    for target in targets:
        if given := upper_limit_reading(context, target, element, filled):
            limit = given
            filled.add(given.field)
    if limit is not None and limit.limits is not None and limit.limits.mark is None:
        by_field["reference_high"] = limit  # the site's own: for every value, a multiple or not
    for field, each in by_field.items():
        if each.kind == "number" and each is not limit:
            by_field[field] = _with_unit(context, each, unit, limit, element)
    if unit is not None and not any(each.unit_column is unit for each in by_field.values()):
        context.fault(unit.line, unit.column, f"{element.name} has no number that takes this unit")
    return [_with_titre(each, element, by_field) for each in by_field.values()]


def _with_titre(reading: Reading, element: Element, by_field: Mapping[str, Reading]) -> Reading:
    """The reading that may find a titre in its cells: the number's, the result's where there is none."""
    takes = "value_number" if "value_number" in by_field else "value_code"
    found = reading.field == takes and has_titres(element)
    return replace(reading, takes_titre=True) if found else reading


def _with_unit(
    context: Context,
    reading: Reading,
    unit: Reading | None,
    limit: Reading | None,
    element: Element,
) -> Reading:
    """The number with its unit: its own, that of a column beside it, that of its header, or none.

    Beside a column of units its own counts where that column is blank. The limit is for cells and rows
    that name a multiple themselves.
    """
    if reading.unit is not None:
        _check_header_unit(context, reading, element)
    if reading.unit is not None and reading.unit.factor is not None:
        multiples = unit is not None or (limit is not None and limit.limits is not None)
        return replace(reading, unit_column=unit, reference=limit if multiples else None)
    if reading.unit is not None:
        if limit is None or limit.unit is None or limit.unit.factor is None:
            context.fault(
                reading.line, reading.column, f"a multiple of the upper limit {NEEDS_LIMIT}"
            )
        return replace(reading, reference=limit)
    if unit is not None and wants_unit(element, reading.field):
        return replace(reading, unit_column=unit, reference=limit)
    if not wants_unit(element, reading.field):
        return replace(reading, unit=own_unit(element) if reading.field != "sessions" else None)
    named = unit_in_header(reading.column)
    try:
        found = source_unit_of_header(element, reading.field, named) if named else None
    except ImnmFhirError:  # what stands in the brackets is no unit of this element
        found = None
    return replace(reading, unit=found, unit_missing=found is None)


def _check_header_unit(context: Context, reading: Reading, element: Element) -> None:
    """Fault a header that ends in another unit of the element than the mapping's."""
    for named in {unit_in_header(reading.column) or "", reading.column.split()[-1].strip("()[]")}:
        try:
            found = source_unit_of_header(element, reading.field, named) if named else reading.unit
        except ImnmFhirError:  # a word such as basal, or a unit of something else
            continue
        if found and reading.unit and found.stored == reading.unit.stored:
            if found.factor != reading.unit.factor:
                message = f"its header says '{named}', unit says otherwise; correct one of them"
                context.fault(reading.line, reading.column, message)
                return
