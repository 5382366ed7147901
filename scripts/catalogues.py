"""Bring the catalogues of sentences up to date: `python -m scripts.catalogues [LANGUAGE ...]`.

A translation that stands beside its sentence, as in `sentence = { en = "...", es = "..." }` of
expectations/rules.toml, is moved into its catalogue. Every sentence of the program is put into each
catalogue of mappings/languages/ and into imnm-fhir.pot beside them, still without a translation where
it is new; what the program says no more is taken out. A LANGUAGE that has no catalogue yet gets one.
Prints how many sentences each one lacks.
"""

import io
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

REPOSITORY = Path(__file__).resolve().parent.parent
LANGUAGES = REPOSITORY / "mappings" / "languages"
SOURCES = ("expectations", "imnm_fhir", "cli")
KEYWORDS = {
    "translatable": None, "translate": None, "_": None, "sentence": None,
    "Unreadable": (2,), "issue_cell": (2,), "note": (5,), "refuse": (4,),  # messages of reading
}  # fmt: skip
METHODS = {".py": "python", ".html": "jinja2.ext:babel_extract"}
BESIDE = re.compile(r"^(sentence|advice|question|evidence) = \{ en = .*\}$", re.M)
HEADER = """# Sentences of imnm-fhir; {{names}} are filled in and stay as they are.
msgid ""
msgstr ""
"Project-Id-Version: imnm-fhir\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""


def sentences(repository: Path) -> Iterator[tuple[str, str]]:
    """File and English sentence of all that the program says, in a fixed order."""
    for name in ("rules", "report", "queries"):
        file = f"expectations/{name}.toml"
        declared = tomllib.loads((repository / file).read_text("utf-8"))
        yield from ((file, text) for text in declared_sentences(declared))
    yield from table1_sentences(repository)
    for folder in SOURCES:
        for path in sorted((repository / folder).rglob("*")):
            through_link = (
                folder == "imnm_fhir" and path.relative_to(repository).parts[1] in SOURCES
            )
            if path.suffix in METHODS and not through_link and "demo_data" not in path.parts:
                yield from _marked(path, path.relative_to(repository).as_posix())


def table1_sentences(repository: Path) -> Iterator[tuple[str, str]]:
    """The labels, words and footnotes of Table 1."""
    file = "mappings/table1.toml"
    declared = tomllib.loads((repository / file).read_text("utf-8"))
    yield from ((file, each.get("heading") or each["label"]) for each in declared["row"])
    yield from ((file, each) for each in declared["words"].values())
    for note in declared["notes"].values():
        texts = [note] if isinstance(note, str) else note.values()
        yield from ((file, each) for each in texts)


def declared_sentences(declared: dict[str, object]) -> Iterator[str]:
    """The sentences of a TOML file: `words` and every sentence, advice and question."""
    for key, value in declared.items():
        if isinstance(value, dict):
            yield from map(str, value.values()) if key == "words" else declared_sentences(value)
        elif key in ("sentence", "advice", "question", "evidence") and value:
            yield str(value)


def _marked(path: Path, name: str) -> Iterator[tuple[str, str]]:
    for _, text, _, _ in extract_from_file(METHODS[path.suffix], path, KEYWORDS):
        said = text if isinstance(text, str) else text[0]
        if said:
            yield name, said


def labels(repository: Path) -> Iterator[tuple[str, str]]:
    """The English labels of elements and values, which have those of our own languages beside them."""
    for path in sorted((repository / "mappings" / "dictionary").glob("*.toml")):
        declared = tomllib.loads(path.read_text("utf-8"))
        yield from ((path.relative_to(repository).as_posix(), text) for text in _labels(declared))


def _labels(declared: Mapping[str, object]) -> Iterator[str]:
    for key, value in declared.items():
        if isinstance(value, dict):
            yield from [value["en"]] if key == "labels" else _labels(value)


def template(repository: Path, language: str | None = None) -> Catalog:
    """A catalogue of all sentences without a translation, and of the labels that have none in `language`."""
    catalog = Catalog(project="imnm-fhir", charset="utf-8", fuzzy=False)
    own = tomllib.loads((repository / "mappings" / "project.toml").read_text("utf-8"))["languages"]
    for file, text in [*sentences(repository), *([] if language in own else labels(repository))]:
        catalog.add(text, locations=[(file, 1)])
    return catalog


def bring_up_to_date(path: Path, wanted: Catalog, moved: Mapping[str, str]) -> int:
    """Write the catalogue with the sentences that are wanted; how many have no translation."""
    known = read_po(path.open("rb")) if path.exists() else Catalog()
    catalog = Catalog(fuzzy=False)
    for message in wanted:
        if message.id:
            old = known.get(message.id)
            said = moved.get(str(message.id)) or (old.string if old and not old.fuzzy else "")
            catalog.add(message.id, said, locations=message.locations)
    write_catalogue(catalog, path)
    return sum(not message.string for message in catalog if message.id)


def write_catalogue(catalog: Catalog, path: Path) -> None:
    """Write a catalogue without dates or line numbers, so that a change shows what changed."""
    language = path.stem if path.suffix == ".po" else ""
    written = io.BytesIO()
    write_po(written, catalog, width=0, include_lineno=False, omit_header=True)
    said = written.getvalue().decode("utf-8").strip()
    path.write_text(f"{HEADER.format(language=language)}\n{said}\n", "utf-8")


def move_translations(file: Path) -> dict[str, dict[str, str]]:
    """Leave the English of each `{ en = "...", es = "..." }` in the file; the others by language."""
    moved: dict[str, dict[str, str]] = {}

    def english(found: re.Match[str]) -> str:
        said = tomllib.loads(found[0])[found[1]]
        text = said.pop("en")
        for language, translation in said.items():
            moved.setdefault(language, {})[text] = translation
        return f"{found[1]} = {json.dumps(text, ensure_ascii=False)}"

    file.write_text(BESIDE.sub(english, file.read_text("utf-8")), "utf-8")
    return moved


def main() -> None:
    """Bring every catalogue up to date, and make those that are named."""
    moved = move_translations(REPOSITORY / "expectations" / "rules.toml")
    write_catalogue(template(REPOSITORY), LANGUAGES / "imnm-fhir.pot")
    known = {path.stem for path in LANGUAGES.glob("*.po")}
    for language in sorted(known | set(sys.argv[1:]) | set(moved)):
        wanted = template(REPOSITORY, language)
        missing = bring_up_to_date(LANGUAGES / f"{language}.po", wanted, moved.get(language, {}))
        print(f"{language}: {missing} of {len(wanted)} sentences are not translated")


if __name__ == "__main__":
    main()
