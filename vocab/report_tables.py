"""The report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from .new_pieces import NewPiece, PieceUsage
from .report_data import LanguageReport, VocabularyReport

_SHOWN = 12  # pieces of a list


def tables(report: VocabularyReport) -> Iterator[Table]:
    """Tokens, then what the models' weights told, then the new pieces, each as far as it was measured."""
    yield _tokens(report)
    if any(each.bits for each in report.languages):
        yield _bits(report.languages)
    if any(each.generation for each in report.languages):
        yield _generation(report.languages)
    if report.usage:
        yield _usage(report.usage)


def _table(title: str, *numbers: str) -> Table:
    made = Table(title=title, title_justify="left")
    made.add_column("language")
    for name in numbers:
        made.add_column(name, justify="right")
    return made


def _tokens(report: VocabularyReport) -> Table:
    title = f"{escape(report.before.source)} ({report.before.vocabulary:,}) → {escape(report.after.source)} ({report.after.vocabulary:,})"
    made = _table(title, "lines", "tokens a sentence", "times fewer", "a word", "a character", "lines changed", "new pieces used")
    for each in report.languages:
        before, after = each.before, each.after
        words = f"{before.per_word:.2f} → {after.per_word:.2f}" if before.per_word is not None and after.per_word is not None else "-"
        made.add_row(
            escape(each.text.language.name),
            f"{before.segments:,}",
            f"{before.per_segment:,.1f} → [bold]{after.per_segment:,.1f}[/bold]",
            f"{each.speed_up:.2f}",
            words,
            f"{before.per_character:.3f} → {after.per_character:.3f}",
            f"{each.changed_share:.1%}",
            "-" if each.new_pieces is None else f"{each.new_pieces:,}",
        )
    return made


def _bits(languages: Sequence[LanguageReport]) -> Table:
    made = _table("bits per byte (lower is better)", "before", "after", "difference")
    for each in languages:
        if each.bits:
            before, after = (one.value for one in each.bits)
            made.add_row(escape(each.text.language.name), f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}")
    return made


def _generation(languages: Sequence[LanguageReport]) -> Table:
    made = _table("generation of the same sentences, one at a time", "sentences", "tokens a sentence", "seconds a sentence", "times faster")
    for each in languages:
        if each.generation:
            tokens, seconds = each.generation.tokens, each.generation.seconds
            made.add_row(
                escape(each.text.language.name),
                str(each.generation.sentences),
                f"{tokens[0]:,.1f} → {tokens[1]:,.1f}",
                f"{seconds[0]:.3f} → {seconds[1]:.3f}",
                f"{each.generation.speed_up:.2f}",
            )
    return made


def _usage(usage: PieceUsage) -> Table:
    made = Table(title=f"{len(usage.pieces):,} new pieces", title_justify="left", show_header=False)
    made.add_row("used on these texts", f"{len(usage.pieces) - len(usage.unused_on_dev):,}")
    if usage.has_learning_text:
        made.add_row("used in the text they were learnt from", f"{len(usage.pieces) - len(usage.unused_in_learning):,}")
    made.add_row("most used", _list([(piece, f" {piece.dev:,}") for piece in usage.most_used(_SHOWN)]))
    made.add_row("longest", _list([(piece, "") for piece in usage.longest(_SHOWN)]))
    if usage.unused_on_dev:
        made.add_row("not used on these texts", _list([(piece, "") for piece in usage.unused_on_dev[:_SHOWN]]))
    return made


def _list(pieces: Sequence[tuple[NewPiece, str]]) -> str:
    return "   ".join(escape(f"{piece.label}{count}") for piece, count in pieces)
