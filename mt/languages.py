"""One table of languages: ISO 639-3, BCP 47 and FLORES codes, names, scripts, directions and metric tokenizers.

`languages.tsv` holds the languages of FLORES-200 (one row a code, the usual script of a language first); every other language comes from
`langcodes` and its copy of the IANA and CLDR registries, which is loaded only for spellings the table does not have.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from .errors import LanguageError, nearest
from .writing_systems import Direction, script_of, share_in, writing_system

if TYPE_CHECKING:
    import langcodes

__all__ = ["Language", "find_language", "known_languages", "script_matches", "script_of"]

# CLDR's own English names of regional varieties; any other region is put in brackets after the language.
_VARIETIES = {
    "de-AT": "Austrian German",
    "de-CH": "Swiss High German",
    "en-AU": "Australian English",
    "en-CA": "Canadian English",
    "en-GB": "British English",
    "es-419": "Latin American Spanish",
    "es-MX": "Mexican Spanish",
    "fr-CA": "Canadian French",
    "fr-CH": "Swiss French",
    "nl-BE": "Flemish",
    "pt-BR": "Brazilian Portuguese",
    "pt-PT": "European Portuguese",
}
_GETTEXT_MODIFIERS = {"latin": "Latn", "cyrillic": "Cyrl", "arabic": "Arab", "devanagari": "Deva", "hebrew": "Hebr", "tifinagh": "Tfng"}
_CODE = re.compile(r"[a-z]{2,3}([-_][A-Za-z]{2,4})?")
_NOT_LANGUAGES = {"und", "mul", "zxx", "mis"}


@dataclass(frozen=True, slots=True)
class Language:
    """A language in a script.

    Attributes:
        flores: its FLORES-200 code, or None outside FLORES. A regional variety has the code of its language.
        iso639_3: three letters.
        script: ISO 15924; `Hang` for Korean, as FLORES writes it.
        bcp47: the shortest usual tag: `fr`, `pt-BR`, `zh-Hans`.
        name: in English, with script or region only where needed to tell apart.
    """

    flores: str | None
    iso639_3: str
    script: str
    bcp47: str
    name: str

    @property
    def code(self) -> str:
        """What it is called in results, messages and models: its FLORES code, else its BCP 47 code."""
        return self.flores or self.bcp47

    @property
    def direction(self) -> Direction:
        """Which way a line runs: `ltr` or `rtl`."""
        return writing_system(self.script).direction

    @property
    def spaced(self) -> bool:
        """Whether words are written apart."""
        return writing_system(self.script).spaced

    @property
    def bleu_tokenizer(self) -> str:
        """The sacrebleu tokenizer for it: `13a`, `zh`, `ja-mecab`, `ko-mecab`, or `char` for other scripts without spaces."""
        return writing_system(self.script).bleu_tokenizer

    @property
    def spellings(self) -> tuple[str, ...]:
        """The codes it goes by in file names and keys, the most exact first: `pt-BR pt_BR por_Latn por pt`."""
        codes = [self.bcp47, self.bcp47.replace("-", "_"), self.flores or f"{self.iso639_3}_{self.script}", self.iso639_3]
        legacy = [alias for language, aliases in _table() if language.flores == self.flores for alias in aliases if _CODE.fullmatch(alias)]
        return tuple(dict.fromkeys([*codes, self.bcp47.split("-")[0], *legacy]))

    def same_as(self, other: Language) -> bool:
        """Whether both are one language in one script, whatever the region."""
        return (self.iso639_3, self.script) == (other.iso639_3, other.script)


def _key(spelling: str) -> str:
    return spelling.strip().casefold().replace("_", "-")


@cache
def _table() -> tuple[tuple[Language, tuple[str, ...]], ...]:
    text = files(__package__).joinpath("languages.tsv").read_text(encoding="utf-8")
    rows = []
    for line in text.split("\n")[1:]:
        if line:
            flores, bcp47, name, *aliases = re.split(r"[\t|]", line)
            iso639_3, script = flores.split("_")
            rows.append((Language(flores, iso639_3, script, bcp47, name), tuple(alias for alias in aliases if alias)))
    return tuple(rows)


@cache
def _index() -> dict[str, Language]:
    """Every spelling of the table, folded. Codes go before names and aliases, and the first row of an ISO code is its default script."""
    index: dict[str, Language] = {}
    for language, _ in _table():
        for code in (language.flores or "", language.bcp47, language.iso639_3):
            index.setdefault(_key(code), language)
    for language, aliases in _table():
        for alias in (language.name, *aliases):
            index.setdefault(_key(alias), language)
    return index


def known_languages() -> tuple[Language, ...]:
    """The languages of FLORES-200, in the table's order."""
    return tuple(language for language, _ in _table())


@lru_cache(maxsize=1024)
def find_language(spelling: str) -> Language:
    """The language of an ISO 639-3, BCP 47, gettext or FLORES code or of an English name, whatever its case.

    Macrolanguage and legacy codes (`zh`, `no`, `ar`, `sw`, `iw`) give the individual language FLORES has for them. Languages outside
    FLORES come from langcodes, with `flores=None`.

    Raises:
        LanguageError: nobody knows it; the message names the nearest spellings.
    """
    found = _index().get(_key(spelling)) or _from_tag(_as_tag(spelling)) or _from_name(spelling)
    if found is None:
        raise LanguageError(
            f"unknown language {spelling!r}",
            allowed="an ISO 639-3 (fra), BCP 47 (fr, pt-BR, zh-Hans) or FLORES code (fra_Latn), or an English name",
            hint=_suggestion(spelling),
        )
    return found


def _suggestion(spelling: str) -> str:
    length = len(_key(spelling))
    near = nearest(_key(spelling), (name for name in _index() if (len(name) <= 3) == (length <= 3)), count=4)
    return near if near.startswith("did you mean") else "`fra`, `fr`, `fra_Latn` and `French` are all French"


def _as_tag(spelling: str) -> str:
    """BCP 47 for a gettext locale: `sr_RS.UTF-8@latin` is `sr-Latn-RS`."""
    locale, _, modifier = spelling.strip().partition("@")
    language, *rest = locale.partition(".")[0].replace("_", "-").split("-")
    script = _GETTEXT_MODIFIERS.get(modifier.casefold())
    return "-".join([language, script, *rest] if script else [language, *rest])


def _from_tag(tag: str) -> Language | None:
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    try:
        parsed = langcodes.Language.get(tag)
        if not parsed.language or parsed.language in _NOT_LANGUAGES or not parsed.is_valid():
            return None
        base = _without_region(tag.split("-")[0].casefold(), parsed.language, parsed)
    except (LanguageTagError, LookupError):
        return None
    return _with_region(base, parsed)


def _without_region(given: str, subtag: str, parsed: langcodes.Language) -> Language:
    """The language and script of a tag.

    `subtag` is what langcodes made of the `given` one: it folds some individual languages (`prs`) into others, so both are looked up.
    """
    import langcodes

    plain = langcodes.Language.make(language=subtag)
    default = _index().get(given) or _index().get(subtag)
    likely = plain.maximize().script or "Latn"
    usual = default.script if default else likely
    by_region = parsed.maximize().script or likely  # zh-TW is Traditional, pa-PK in Arabic letters
    script = parsed.script or (by_region if by_region != likely else usual)
    if default is not None and (script == usual or {script, usual} == {"Hang", "Kore"}):
        return default
    iso639_3 = default.iso639_3 if default else parsed.to_alpha3()
    in_table = _index().get(_key(f"{iso639_3}_{script}"))
    if in_table is not None:
        return in_table
    name = plain.display_name()
    if name.startswith("Unknown language"):
        raise LookupError(subtag)  # a private-use code
    if script == usual:
        return Language(None, iso639_3, script, subtag, name)
    script_name = langcodes.Language.make(script=script).script_name()
    return Language(None, iso639_3, script, f"{subtag}-{script}", f"{name} ({script_name} script)")


def _with_region(base: Language, parsed: langcodes.Language) -> Language:
    """A regional variety; the region a language is at home in says nothing and is left out, save where varieties are known by name."""
    import langcodes

    region = parsed.territory
    if region is None:
        return base
    variety = _VARIETIES.get(f"{base.bcp47}-{region}")
    home = langcodes.Language.make(language=base.bcp47.split("-")[0], script=base.script).maximize().territory
    if variety is None and region == home:
        return base
    return replace(base, bcp47=f"{base.bcp47}-{region}", name=variety or f"{base.name} ({parsed.territory_name()})")


def _from_name(spelling: str) -> Language | None:
    if not spelling.isprintable():  # a NUL or a lone surrogate is no part of a name
        return None
    exact = spelling.strip().casefold()
    for tag, variety in _VARIETIES.items():
        if variety.casefold() == exact:
            return _from_tag(tag)
    found = _table_names().get(_letters(spelling))
    tag_found = None if found else _registry_names().get(exact) or _registry_names().get(_letters(spelling))
    return _from_tag(tag_found) if tag_found else found


def _letters(name: str) -> str:
    """A name without case, spaces, punctuation and accents."""
    return "".join(character for character in unicodedata.normalize("NFKD", name.casefold()) if character.isalnum())


@cache
def _table_names() -> dict[str, Language]:
    """The names of the table by their letters."""
    names: dict[str, Language] = {}
    for language, _ in _table():
        names.setdefault(_letters(language.name), language)
    return names


@cache
def _registry_names() -> dict[str, str]:
    """The registry's English names -> tags, as they are and by their letters where these stand for one tag only.

    Not `langcodes.find`: it takes any word that begins like a language's name (`klingonish`, `frenchy`) for that language.
    """
    from language_data.names import load_trie
    from language_data.util import data_filename

    names: dict[str, str] = {name: tag.decode() for name, tag in load_trie(data_filename("trie/en/name_to_language.marisa")).items()}
    by_letters: dict[str, set[str]] = {}
    for name, tag in names.items():
        by_letters.setdefault(_letters(name), set()).add(tag)
    return {**{letters: tag for letters, (tag, *others) in by_letters.items() if not others}, **names}


def script_matches(text: str, language: Language) -> float:
    """Share of the letters of `text` in the language's script, 0 to 1; 1 for text without letters.

    Composite scripts count whole: Han, Hiragana and Katakana all are Japanese.
    """
    return share_in(text, writing_system(language.script))
