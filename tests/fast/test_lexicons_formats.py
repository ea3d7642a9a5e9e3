"""Lexicons in: every format gives the same kind of entries, and what is wrong is counted where it stands while the rest is used."""

from __future__ import annotations

import gzip
import json
import os
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.mt.corpora.records import Origin
from dragoman.mt.corpora.tally import Tally
from dragoman.mt.errors import CorpusError, ModelError
from dragoman.mt.languages import find_language
from dragoman.mt.lexicons import FORMATS, Columns, Entry, Lexicon, Matcher, read_lexicon, translate_lexicon, write_tsv
from dragoman.mt.lexicons.building import composed, unusable

DICTIONARIES = Path("/usr/share/dictd")


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def sides(lexicon: Lexicon) -> dict[str, tuple[str, ...]]:
    return {entry.source: entry.targets for entry in lexicon.entries}


@pytest.fixture
def shared_data() -> Path:
    folder = os.environ.get("DRAGOMAN_DATA")
    if not folder:
        pytest.skip("DRAGOMAN_DATA is not set: the real lexicons are not here")
    return Path(folder).resolve()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("terms.tsv", "cat\tchat\ndog\tchien\ncat\tmatou\n"),
        ("terms.tsv", "cat\tchat\tmatou\ndog\tchien\n"),
        ("terms.tsv", "source\ttarget\ncat\tchat\ncat\tmatou\ndog\tchien\n"),
        ("terms.tsv", "fr\tnote\tEnglish\nchat\tx\tcat\nmatou\t\tcat\nchien\t\tdog\n"),
        ("en_fr.tsv", "cat\tchat\ncat\tmatou\ndog\tchien\n"),
        ("fr_en.tsv", "cat\tchat\ncat\tmatou\ndog\tchien\n"),
        ("terms.csv", 'cat,chat\n"cat","matou"\ndog,chien\n'),
        ("terms.csv", ",french,english\n0,chat,cat\n1,matou,cat\n2,chien,dog\n"),
        ("terms.tsv.gz", gzip.compress(b"cat\tchat\ncat\tmatou\r\ndog\tchien", mtime=0)),
        ("terms.jsonl", '{"source": "cat", "target": ["chat", "matou"]}\n{"en": "dog", "fr": "chien"}\n'),
        ("terms.jsonl", '{"eng_Latn": "cat", "fra_Latn": {"matou": 0.2, "chat": 0.9}}\n{"source": "dog", "target": "chien"}\n'),
    ],
)
def test_every_format_gives_the_same_entries(tmp_path: Path, name: str, content: str | bytes) -> None:
    lexicon = read_lexicon(written(tmp_path, name, content), "eng", "fra", "tsv" if name == "fr_en.tsv" else "auto")
    assert sides(lexicon) == {"cat": ("chat", "matou"), "dog": ("chien",)}
    assert (lexicon.source.name, lexicon.target.name) == ("English", "French")
    assert lexicon.tally.kept == 3


def test_weights_order_alternatives_and_frequencies_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "bank\trive\t0.2\t40\nbank\tbanque\t0.8\t40\ncat\tchat\t\t\n")
    bank, cat = read_lexicon(path, "eng", "fra").entries
    assert (bank.targets, bank.weights, bank.frequency, bank.best) == (("banque", "rive"), (0.8, 0.2), 40, "banque")
    assert (cat.weights, cat.frequency) == ((1.0,), None)
    assert [entry.targets for entry in read_lexicon(path, "eng", "fra").limited(1).entries] == [("banque",), ("chat",)]


def test_columns_are_taken_by_name_or_position(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,gloss,term,n,p\n1,chat,cat,7,0.5\n2,chien,dog,3\n")
    by_name = read_lexicon(path, "eng", "fra", columns=Columns("term", "gloss", "p", "n"))
    assert [(entry.source, entry.best, entry.weights, entry.frequency) for entry in by_name.entries] == [
        ("cat", "chat", (0.5,), 7),
        ("dog", "chien", (1.0,), 3),
    ]
    by_position = read_lexicon(path, "eng", "fra", columns=Columns(2, 1))
    assert sides(by_position) == {"term": ("gloss",), "cat": ("chat",), "dog": ("chien",)}
    with pytest.raises(CorpusError, match=r"a\.csv:1: no column named word\n  allowed: id, gloss, term, n, p"):
        read_lexicon(path, "eng", "fra", columns=Columns("word", "gloss"))


def test_bad_lines_are_counted_by_place_and_the_rest_is_used(tmp_path: Path) -> None:
    lines = [
        b"cat\tchat",
        b"cat\tchat",
        b"cat\tmatou",
        b"\tvide",
        b"empty\t  ",
        b"",
        b"lonely",
        b"<b>dog</b>\tchien",
        b"fish & chips\tpoisson &amp; frites",
        b"R&D\tR<&D",
        b"caf\xe9\tcaf\xc3\xa9",
        b"nul\ta\0b",
        b"long\t" + b"x" * 501,
        "cafe\u0301\tcaf\u00e9".encode(),
    ]
    path = written(tmp_path, "a.tsv", b"\n".join(lines))
    lexicon = read_lexicon(path, "eng", "fra")
    assert sides(lexicon) == {"cat": ("chat", "matou"), "R&D": ("R<&D",), "café": ("café",)}
    places = {reason: [int(place.rsplit(":", 1)[1]) for place in lexicon.tally.places[reason]] for reason in lexicon.tally.skipped}
    assert places == {
        "a pair given before": [2],
        "an empty side": [4, 5],
        "blank line": [6],
        "fewer than 2 columns": [7],
        "markup in the text": [8, 9],
        "not valid UTF-8": [11],
        "NUL character": [12],
        "over 500 characters": [13],
    }
    assert lexicon.tally.noted == {"another translation of a source given before, kept as an alternative": 1}
    assert lexicon.tally.read == len(lines)
    assert f"1 a pair given before ({path}:2)" in lexicon.warnings


def test_weights_that_are_no_numbers_are_refused_with_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "source\ttarget\tweight\nb\tc\t-1\nd\te\tmuch\nf\tg\tinf\nh\ti\t2\n")
    lexicon = read_lexicon(path, "eng", "fra")
    assert sides(lexicon) == {"h": ("i",)}
    assert lexicon.tally.skipped == {"a weight that is not a number from 0 up": 3}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[]", "not a JSON object"),
        ("{", "not a JSON object"),
        ('{"source": "a"}', "no text under source and target, nor under the languages' codes"),
        ('{"source": "a", "target": [1]}', "no text under source and target, nor under the languages' codes"),
        ('{"source": "a", "target": "b", "weight": "x"}', "a weight that is not a number from 0 up"),
        ('{"source": "\\ud800", "target": "b"}', "lone surrogate"),
    ],
)
def test_broken_json_lines_are_counted(tmp_path: Path, line: str, reason: str) -> None:
    lexicon = read_lexicon(written(tmp_path, "a.jsonl", line + '\n{"source": "a", "target": "b"}\n'), "eng", "fra")
    assert (sides(lexicon), dict(lexicon.tally.skipped)) == ({"a": ("b",)}, {reason: 1})


@pytest.mark.parametrize(
    ("name", "content", "format_name", "message"),
    [
        ("a.tsv", "", "auto", "empty: there is nothing to read"),
        ("a.tsv", "one\ntwo\n", "auto", "not one usable entry (2 fewer than 2 columns"),
        ("a.doc", "a\tb", "auto", "the name a.doc does not say what format this lexicon has"),
        ("a.tsv", "a\tb", "excel", "unknown lexicon format 'excel'"),
        ("en_de.tsv", "a\tb", "auto", "a lexicon of English and German, by its name"),
        ("a.tbx", "<martif><text>", "auto", "a.tbx:1: not well-formed XML"),
        ("a.tbx", "<html/>", "auto", "no concept in it"),
        ("a.index", "a\tA\tB\n", "auto", "a.dict.dz: no such file"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, name: str, content: str, format_name: str, message: str) -> None:
    with pytest.raises(CorpusError) as error:
        read_lexicon(written(tmp_path, name, content), "eng", "fra", format_name)
    assert message in str(error.value)


def test_a_lexicon_in_another_script_is_noted(tmp_path: Path) -> None:
    path = written(tmp_path, "en_crh.tsv", "cat\tмышыкъ\ndog\tкопек\n")
    assert any(
        "most translations are in Cyrl, and Crimean Tatar is written in Latn" in line for line in read_lexicon(path, "eng", "crh").warnings
    )
    assert read_lexicon(path, "eng", "crh_Cyrl").warnings == []


def test_collections_find_the_file_of_a_direction_and_turn_it_round(tmp_path: Path) -> None:
    written(tmp_path, "gatitos/en_fr.tsv", "cat\tchat\nhe-cat\tchat\n")
    written(tmp_path, "nusax/toba_batak.csv", ",indonesian,toba_batak\n0,abu,sirabun\n")
    assert sides(read_lexicon(tmp_path / "gatitos", "eng", "fra")) == {"cat": ("chat",), "he-cat": ("chat",)}
    assert sides(read_lexicon(tmp_path / "gatitos", "fra", "eng")) == {"chat": ("cat", "he-cat")}
    assert sides(read_lexicon(tmp_path / "nusax", "ind", "bbc")) == {"abu": ("sirabun",)}
    assert sides(read_lexicon(tmp_path / "nusax", "bbc", "ind")) == {"sirabun": ("abu",)}
    with pytest.raises(CorpusError, match="no lexicon of Balinese and Batak Toba"):
        read_lexicon(tmp_path / "nusax", "ban", "bbc")
    with pytest.raises(CorpusError, match="no lexicon of English and German in this folder"):
        read_lexicon(tmp_path / "gatitos", "eng", "deu")


TBX2 = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE martif SYSTEM "TBXcoreStructV02.dtd">
<martif type="TBX" xml:lang="en"><text><body>
<termEntry id="1">
  <langSet xml:lang="en"><tig><term>hard <hi>disk</hi></term></tig><tig><term>hard drive</term></tig></langSet>
  <langSet xml:lang="fr-FR">
    <tig><term>unité</term><termNote type="administrativeStatus">deprecatedTerm-admn-sts</termNote></tig>
    <ntig><termGrp><term>disque</term></termGrp></ntig>
    <tig><term>disque dur</term><termNote type="administrativeStatus">preferredTerm-admn-sts</termNote></tig>
  </langSet>
</termEntry>
<termEntry><langSet xml:lang="en"><tig><term>orphan</term></tig></langSet></termEntry>
</body></text></martif>
"""
TBX3 = """<?xml version="1.0"?>
<tbx type="TBX-Basic" style="dct" xml:lang="en" xmlns="urn:iso:std:iso:30042:ed-2" xmlns:min="http://www.tbxinfo.net/ns/min"><text><body>
<conceptEntry id="c1">
  <min:subjectField>computing</min:subjectField>
  <langSec xml:lang="en"><termSec><term>file</term></termSec></langSec>
  <langSec xml:lang="fr">
    <termSec><term>dossier</term><min:administrativeStatus>supersededTerm-admn-sts</min:administrativeStatus></termSec>
    <termSec><term>fichier</term><min:administrativeStatus>preferredTerm-admn-sts</min:administrativeStatus></termSec>
  </langSec>
  <langSec xml:lang="de"><termSec><term>Datei</term></termSec></langSec>
</conceptEntry>
</body></text></tbx>
"""


def test_both_versions_of_tbx_are_read_with_the_status_of_terms(tmp_path: Path) -> None:
    old = read_lexicon(written(tmp_path, "old.tbx", TBX2), "eng", "fra")
    assert sides(old) == {"hard disk": ("disque dur", "disque"), "hard drive": ("disque dur", "disque")}
    assert old.entries[0].weights == (2.0, 1.0)
    assert str(old.entries[0].origin).endswith("old.tbx:5")
    assert old.tally.skipped == {"a deprecated term": 1, "a concept without a term in French": 1}
    new = read_lexicon(written(tmp_path, "new.tbx", TBX3), "eng", "fra")
    assert sides(new) == {"file": ("fichier",)}
    assert sides(read_lexicon(tmp_path / "new.tbx", "deu", "fra")) == {"Datei": ("fichier",)}


def test_no_entity_of_a_tbx_is_expanded_and_no_file_read(tmp_path: Path) -> None:
    secret = written(tmp_path, "secret.txt", "s3cret")
    for declaration in (
        f'<!ENTITY x SYSTEM "{secret.as_uri()}">',
        '<!ENTITY x "expanded">',
        f'<!ENTITY % p SYSTEM "{secret.as_uri()}"> %p;',
        "".join(f'<!ENTITY x{level} "{f"&x{level - 1};" * 10 if level else "ha"}">' for level in range(12)) + '<!ENTITY x "&x11;">',
    ):
        for use in ("<term>&x;<", '<term id="&x;">disque<'):
            text = TBX2.replace('SYSTEM "TBXcoreStructV02.dtd"', f"[{declaration}]").replace("<term>disque<", use)
            with pytest.raises(CorpusError) as error:
                read_lexicon(written(tmp_path, "evil.tbx", text), "eng", "fra")
            assert "s3cret" not in str(error.value)


def dictd(folder: Path, articles: dict[str, str], *, packed: bool = True) -> Path:
    """A dictd dictionary: the articles one after another, and an index of their headwords."""
    text = b""
    index = []
    for headword, article in articles.items():
        content = article.encode()
        index.append(f"{headword}\t{base64(len(text))}\t{base64(len(content))}\n")
        text += content
    written(folder, "freedict-deu-eng.dict.dz" if packed else "freedict-deu-eng.dict", gzip.compress(text) if packed else text)
    return written(folder, "freedict-deu-eng.index", "".join(index))


def base64(number: int) -> str:
    encoded = b64encode(number.to_bytes(6)).decode().lstrip("A")
    return encoded or "A"


ARTICLES = {
    "00-database-info": "A dictionary /about/ itself\nnothing\n",
    "haus": 'Haus /hˈaʊs/ <neut, n, sg>\n [adm.] house <n>, home (of sb.) <n>Hs,  /hs/\n      "ein Haus"  - a house\n'
    "         Note: of stone\n"
    "   Synonym: {Gebäude}\n\n see: {Häuser}, {Hof}\n",
    "gehen": "gehen /ɡˈeːən/ <v>\n1. go, walk\n2. (of machines (old)) run\n",
    "gar": "Gar… /ɡɑːr/\ncooking\n",
    "farbe": "Farbe /a/, Kolorit /b/\ncolour\n",
    "leer": "Leer /leːr/\n\n",
}


@pytest.mark.parametrize("packed", [True, False])
def test_a_dictd_dictionary_gives_its_headwords_and_translations(tmp_path: Path, packed: bool) -> None:
    index = dictd(tmp_path, ARTICLES, packed=packed)
    expected = {"Haus": ("house", "home", "Hs"), "gehen": ("go", "walk", "run"), "Farbe": ("colour",), "Kolorit": ("colour",)}
    for name in (index, index.with_suffix(".dict.dz" if packed else ".dict")):
        lexicon = read_lexicon(name, "deu", "eng")
        assert sides(lexicon) == expected
        assert lexicon.tally.skipped == {"a part of words, not a word": 1, "an article without a translation": 1}
    assert str(lexicon.entries[0].origin) == f"{index}:2"
    assert sides(read_lexicon(index, "eng", "deu"))["colour"] == ("Farbe", "Kolorit")


def test_damage_in_a_dictd_dictionary_is_counted_or_refused(tmp_path: Path) -> None:
    index = dictd(tmp_path, ARTICLES)
    index.write_text(index.read_text(encoding="utf-8") + "x\tA\nfar\tzzzz\tzz\nbad\t!\tB\nempty\tB\tA\n", encoding="utf-8")
    assert read_lexicon(index, "deu", "eng").tally.skipped["not an index line: headword, offset and length inside the articles"] == 4
    articles = index.with_suffix(".dict.dz")
    articles.write_bytes(articles.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="a damaged dictzip file"):
        read_lexicon(index, "deu", "eng")


def test_freedict_as_debian_ships_it_is_read(tmp_path: Path) -> None:
    index = DICTIONARIES / "freedict-eng-fra.index"
    if not index.is_file():
        index = DICTIONARIES / "freedict-fra-eng.index"
    if not index.is_file():
        pytest.skip("install Debian's dict-freedict-eng-fra for this test")
    lexicon = read_lexicon(index, "eng", "fra")
    assert len(lexicon) > 5_000
    assert "maison" in sides(lexicon)["house"]


def test_gatitos_and_nusax_are_read_whole(shared_data: Path) -> None:
    french = read_lexicon(shared_data / "gatitos", "eng", "fra")
    assert len(french) == 3_999 and french.tally.skipped.total() == 0
    bambara = Matcher.of(read_lexicon(shared_data / "gatitos", "eng", "bam")).find("She abandoned the base.")
    assert [(match.entry.source, match.entry.best, match.tier) for match in bambara] == [
        ("she", "bi", "folded"),
        ("abandoned", "fililen", "surface"),
        ("the", "e", "surface"),
        ("base", "bazi", "surface"),
    ]
    batak = read_lexicon(shared_data / "nusax" / "lexicon", "ind", "bbc")
    assert sides(batak)["musuh"][0] == "alo"
    assert batak.tally.read == batak.tally.kept + batak.tally.skipped.total() == 1_662


def test_every_format_has_a_name_of_its_own() -> None:
    assert len({each.name for each in FORMATS}) == len(FORMATS)


SIDES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(composed).filter(lambda text: unusable(text) is None)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        SIDES,
        st.tuples(st.lists(SIDES, min_size=1, max_size=3, unique=True), st.none() | st.integers(0, 10**9), st.integers(0, 5)),
        min_size=1,
        max_size=8,
    )
)
def test_a_written_lexicon_is_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, tuple[list[str], int | None, int]]
) -> None:
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.tsv"
    made = tuple(
        Entry(source, tuple(targets), tuple(weight + 1.0 for _ in targets), Origin("x", 1), count)
        for source, (targets, count, weight) in entries.items()
    )
    write_tsv(Lexicon("x", find_language("eng"), find_language("fra"), made, Tally()), path)
    read = read_lexicon(path, "eng", "fra").entries
    assert [(one.source, one.targets, one.weights, one.frequency) for one in read] == [
        (one.source, one.targets, one.weights, one.frequency) for one in made
    ]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["tsv", "csv", "jsonl", "tbx"]))
def test_no_bytes_bring_a_reader_down(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    path = tmp_path_factory.mktemp("noise") / f"noise.{name}"
    path.write_bytes(content)
    try:
        lexicon = read_lexicon(path, "eng", "fra")
    except CorpusError:
        return
    assert all(entry.source and all(entry.targets) for entry in lexicon.entries)


def test_a_models_dictionary_counts_what_is_no_entry() -> None:
    outputs = {
        "cat": "chat",
        "dog": " dog ",
        "fish": "",
        "bird": "an animal that can fly and sing well",
        "tree": "arbre\nbois",
        "Paris": "Paris",
    }
    lexicon = translate_lexicon(outputs, lambda texts: [outputs[text] for text in texts], "eng", "fra", name="model")
    assert sides(lexicon) == {"cat": ("chat",)}
    assert dict(lexicon.tally.skipped) == {
        "a copy of the source": 2,
        "an empty side": 1,
        "an output much longer than the source": 1,
        "an output of several lines": 1,
    }
    kept = translate_lexicon(outputs, lambda texts: [outputs[text] for text in texts], "eng", "fra", copies=True)
    assert sides(kept)["Paris"] == ("Paris",)
    with pytest.raises(ModelError, match="0 translations of 1 words"):
        translate_lexicon(["cat"], lambda _: [], "eng", "fra")


def test_json_weights_survive(tmp_path: Path) -> None:
    row = {"source": "bank", "target": {"rive": 1, "banque": 3}, "frequency": 12}
    (entry,) = read_lexicon(written(tmp_path, "a.jsonl", json.dumps(row)), "eng", "fra").entries
    assert (entry.targets, entry.weights, entry.frequency) == (("banque", "rive"), (3.0, 1.0), 12)
