"""TMX and XLIFF as corpora: pairs in the corpus's direction, read as a stream, every unit that is none counted."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dragoman.mt.config import CorpusConfig
from dragoman.mt.corpora import Pair, Tally, read_pairs
from dragoman.mt.corpora.xml_units import units
from dragoman.mt.errors import CorpusError

MEMORY = """<?xml version="1.0"?>
<tmx version="1.4"><header srclang="*all*"/><body>
<tu><tuv xml:lang="en-GB"><seg>Good <bpt i="1">&lt;b&gt;</bpt>day<ept i="1"/> &amp; <hi>night</hi></seg></tuv>
<tuv xml:lang="FR"><seg>Bon <bpt i="1"/>jour<ept i="1"/> 𐌰</seg></tuv><tuv xml:lang="de"><seg>Guten Tag</seg></tuv></tu>
<tu><tuv lang="fr"><seg>Chien</seg></tuv><tuv lang="en"><seg>Dog</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Cat</seg></tuv><tuv xml:lang="de"><seg>Katze</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg> </seg></tuv><tuv xml:lang="fr"><seg>x</seg></tuv></tu>
</body></tmx>"""
LOCALISED = """<xliff version="1.2"><file source-language="en-US" target-language="fr"><body>
<trans-unit id="1"><source>Open <g id="1">it</g><x id="2"/></source><target>Ouvre-<g id="1">le</g><x id="2"/></target>
<alt-trans><source>no</source><target>non</target></alt-trans></trans-unit>
<trans-unit id="2"><source>Shut</source><target state="needs-translation">Shut</target></trans-unit>
<trans-unit id="3"><source>Run</source></trans-unit></body></file></xliff>"""
SECOND = """<xliff version="2.0" srcLang="fr" trgLang="en" xmlns="urn:oasis:names:tc:xliff:document:2.0"><file id="f"><unit id="u">
<segment><source>Un <pc id="1">chat</pc></source><target>A <pc id="1">cat</pc></target></segment>
<segment state="initial"><source>a</source><target>b</target></segment></unit></file></xliff>"""


def read(path: Path, text: str, **options: str) -> tuple[list[Pair], Tally]:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    tally = Tally()
    corpus = CorpusConfig(path=str(path), **({"source": "eng", "target": "fra"} | options))  # type: ignore[arg-type]
    return list(read_pairs(corpus, tally)), tally


def test_a_memory_gives_the_pairs_of_its_two_languages(tmp_path: Path) -> None:
    pairs, tally = read(tmp_path / "a.tmx.gz", MEMORY)
    assert [(pair.source, pair.target, pair.origin.line) for pair in pairs] == [("Good day & night", "Bon jour 𐌰", 3), ("Dog", "Chien", 5)]
    assert dict(tally.skipped) == {"a unit without a text in French": 1, "empty side": 1}
    assert dict(tally.noted) == {"inline codes left out": 1}
    turned, _ = read(tmp_path / "a.tmx", MEMORY, source="deu", target="eng")
    assert [(pair.source, pair.target) for pair in turned] == [("Guten Tag", "Good day & night"), ("Katze", "Cat")]


def test_localisation_files_give_what_is_translated_whichever_way_they_run(tmp_path: Path) -> None:
    pairs, tally = read(tmp_path / "a.xlf", LOCALISED)
    assert [(pair.source, pair.target) for pair in pairs] == [("Open it", "Ouvre-le")]
    assert dict(tally.skipped) == {"unit marked as undone": 1, "untranslated unit": 1}
    assert [(pair.source, pair.target) for pair in read(tmp_path / "b.xliff", SECOND)[0]] == [("A cat", "Un chat")]
    with pytest.raises(CorpusError, match="from en-US to fr, which are not the languages of this corpus"):
        read(tmp_path / "a.xlf", LOCALISED, target="deu")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MEMORY.replace("<tmx", '<!DOCTYPE tmx [<!ENTITY a "b">]><tmx').replace("Cat", "&a;"), "declares XML entities"),
        (MEMORY.replace("</seg>", "", 1), "not well-formed"),
        ("<tmx/>", "not one tu in it"),
    ],
)
def test_entities_and_damage_are_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=said):
        read(tmp_path / "a.tmx", text)


def test_a_large_memory_is_read_unit_by_unit_and_forgotten(tmp_path: Path) -> None:
    unit = f'<tu><tuv xml:lang="en"><seg>{"dog " * 50}</seg></tuv><tuv xml:lang="fr"><seg>{"chien " * 50}</seg></tuv></tu>\n'
    (tmp_path / "a.tmx").write_text(f"<tmx><body>{unit * 1000}", encoding="utf-8")  # the end is missing: nobody has read so far yet
    held = []
    with pytest.raises(CorpusError, match="not well-formed"):
        for each in units(tmp_path / "a.tmx", ["tu"], "TMX"):
            held.append(len(each.getparent()))
    assert len(held) > 900
    assert max(held) < 200  # what the parser reads at once, not the file
