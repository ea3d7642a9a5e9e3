"""The report as one HTML page that needs nothing from outside and runs no script: plot, tables, new pieces, lines piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from xml.etree.ElementTree import Element

from ..mt.files import write_atomically
from ..mt.languages import Language
from ..mt.markup import element, nested, number, page, table, text
from .new_pieces import NewPiece, PieceUsage
from .report_data import LanguageReport, Side, VocabularyReport
from .report_plot import Pair, bars
from .segmentation import Unit

_MOST_PIECES = 200  # of a list in the page; the JSON has all


def write_page(report: VocabularyReport, path: Path) -> Path:
    """Write the page to `path` and give that back."""
    sections = [
        _section("Models", _models(report)),
        _section("Notes", element("ul", *(element("li", note) for note in report.notes)) if report.notes else None),
        _section("Tokens a sentence", _plot("Tokens a sentence", report, 1), _fertility_table(report.languages)),
        _section("Bits per byte", *_bits(report)),
        _section("Generation", *_generation(report.languages)),
        _section("New pieces", *(_usage(report.usage) if report.usage else [None])),
        _section("Lines, piece by piece", *_samples(report.languages)),
        _section("Settings", _settings(report)),
    ]
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    write_atomically(path, page("Vocabulary before and after", *(part for part in sections if part is not None), style=style))
    return path


def _section(title: str, *content: Element | None) -> Element | None:
    present = [part for part in content if part is not None]
    return element("section", element("h2", title), *present) if present else None


def _models(report: VocabularyReport) -> Element:
    rows = [_side("before", report.before), _side("after", report.after)]
    return _grid("Models", ("", "model", "vocabulary", "ran on"), rows)


def _side(name: str, side: Side) -> list[Element]:
    return [text(name), text(side.source), number(f"{side.vocabulary:,}"), text(side.device or "tokenizer only")]


def _plot(title: str, report: VocabularyReport, digits: int) -> Element:
    pairs = [Pair(each.text.language.name, each.before.per_segment, each.after.per_segment) for each in report.languages]
    return bars(title, pairs, digits)


def _fertility_table(languages: Sequence[LanguageReport]) -> Element:
    headers = ("language", "text", "lines", "tokens a sentence", "a word", "a character", "times fewer", "lines changed", "new pieces used")
    return _grid("Tokens before and after", headers, [_fertility_row(each) for each in languages])


def _fertility_row(each: LanguageReport) -> list[Element]:
    words = each.before.per_word, each.after.per_word
    left_out = sum(each.text.skipped.values())
    return [
        text(f"{each.text.language.name} ({each.code})"),
        text(each.text.origin),
        number(f"{each.before.segments:,}" + (f" ({left_out:,} left out)" if left_out else "")),
        number(f"{each.before.per_segment:,.1f} → {each.after.per_segment:,.1f}"),
        number(f"{words[0]:.2f} → {words[1]:.2f}" if words[0] is not None and words[1] is not None else "no spaces"),
        number(f"{each.before.per_character:.3f} → {each.after.per_character:.3f}"),
        number(f"{each.speed_up:.2f}"),
        number(f"{each.changed:,} ({each.changed_share:.1%})"),
        number("-" if each.new_pieces is None else f"{each.new_pieces:,} ({each.new_share or 0:.0%} of the tokens)"),
    ]


def _bits(report: VocabularyReport) -> list[Element]:
    found = [(each, each.bits) for each in report.languages if each.bits]
    if not found:
        return []
    rows = [
        [
            text(each.text.language.name),
            number(f"{bits[0].value:.4f}"),
            number(f"{bits[1].value:.4f}"),
            number(f"{bits[1].value - bits[0].value:+.4f}"),
            number(f"{bits[0].bytes:,}"),
        ]
        for each, bits in found
    ]
    note = "-log2 p of all tokens over the bytes of the text: lower is better, and vocabularies may differ. Storing the bytes costs 8."
    pairs = [Pair(each.text.language.name, bits[0].value, bits[1].value) for each, bits in found]
    return [
        element("p", note, class_="note"),
        bars("Bits per byte", pairs, 3),
        _grid("Bits per byte", ("language", "before", "after", "difference", "bytes"), rows),
    ]


def _generation(languages: Sequence[LanguageReport]) -> list[Element]:
    rows = [
        [
            text(each.text.language.name),
            number(f"{time.sentences}"),
            number(f"{time.tokens[0]:,.1f} → {time.tokens[1]:,.1f}"),
            number(f"{time.seconds[0]:.3f} → {time.seconds[1]:.3f}"),
            number(f"{time.speed_up:.2f}"),
        ]
        for each in languages
        if (time := each.generation)
    ]
    if not rows:
        return []
    note = (
        "Both models generate the same sentences: each sentence's own tokens are fed one by one, one sentence at a time, with the "
        "key/value cache; the models take turns, and a sentence's time is the median of three runs."
    )
    headers = ("language", "sentences", "tokens a sentence", "seconds a sentence", "times faster")
    return [element("p", note, class_="note"), _grid("Generation", headers, rows)]


def _usage(usage: PieceUsage) -> list[Element]:
    total = len(usage.pieces)
    said = f"{total:,} new pieces; {total - len(usage.unused_on_dev):,} occur in the texts above, {len(usage.unused_on_dev):,} do not."
    if usage.has_learning_text:
        said += f" In the text they were learnt from, {total - len(usage.unused_in_learning):,} occur."
    lists = [
        ("Most used", usage.most_used(50), False),
        ("Longest", usage.longest(20), False),
        ("Not in the texts above", usage.unused_on_dev, True),
        ("Not even in the text they were learnt from", usage.unused_in_learning, True),
    ]
    return [element("p", said), *(_pieces(title, pieces, folded) for title, pieces, folded in lists if pieces)]


def _pieces(title: str, pieces: Sequence[NewPiece], folded: bool) -> Element:
    shown = element("ul", *map(_piece, pieces[:_MOST_PIECES]), class_="pieces")
    more = [element("p", f"and {len(pieces) - _MOST_PIECES:,} more, in the JSON", class_="note")] if len(pieces) > _MOST_PIECES else []
    if folded:
        return element("details", element("summary", f"{title} ({len(pieces):,})"), shown, *more)
    return element("div", element("h3", title), shown, *more)


def _piece(piece: NewPiece) -> Element:
    return element("li", element("bdi", piece.label), element("small", f"{piece.dev:,}"), title=f"id {piece.id}: {piece.piece}")


def _samples(languages: Sequence[LanguageReport]) -> list[Element]:
    found = [_language_samples(each) for each in languages if each.samples]
    note = (
        "Each colour change is a border between pieces. Underlined: a character spelled in several pieces, bytes of it; the number of "
        "pieces shows when pointed at."
    )
    return [element("p", note, class_="note"), *found] if found else []


def _language_samples(each: LanguageReport) -> Element:
    lists = [
        element("dl", *_line("before", sample.before, each.text.language), *_line("after", sample.after, each.text.language))
        for sample in each.samples
    ]
    return element("div", element("h3", each.text.language.name), *lists, class_="samples")


def _line(name: str, found: Sequence[Unit], language: Language) -> list[Element]:
    count = sum(unit.pieces for unit in found)
    spans = (_unit(unit) for unit in found)
    return [element("dt", f"{name}: {count:,}"), element("dd", *spans, dir=language.direction, lang=language.bcp47)]


def _unit(unit: Unit) -> Element:
    if unit.pieces == 1:
        return element("span", unit.text, class_="piece")
    return element("span", unit.text, class_="piece spelled", title=f"{unit.pieces} pieces")


def _settings(report: VocabularyReport) -> Element:
    tree = nested({"learning text": report.learning, **report.facts} if report.learning else report.facts)
    for box in tree.iter("div"):
        box.attrib["tabindex"] = "0"
    return tree


def _grid(label: str, headers: Sequence[str], rows: Sequence[Sequence[Element]]) -> Element:
    """A table in a box that scrolls by itself, by keyboard too."""
    box = table(headers, rows)
    box.attrib |= {"tabindex": "0", "role": "region", "aria-label": label}
    return box
