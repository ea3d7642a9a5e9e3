"""Options about prompts to settings, and what people are told about terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..prompting import Glossary, PromptingConfig
    from ..translator import Translation

DictionaryStyle = Literal["inline", "chain", "before", "after"]
GlossaryMode = Literal["soft", "retry", "hard"]
Selection = Literal["fixed", "random", "bm25", "embedding", "both"]

_SHOWN = 20  # segments whose missing terms are told one by one
_NEEDS = {
    "--shots": "--examples",
    "--examples-by": "--examples",
    "--examples-vectors": "--examples",
    "--examples-variant": "--examples",
    "--glossary-mode": "--glossary",
    "--draft-pivot": "--draft",
    "--draft-label": "--draft",
    "--draft-beams": "--draft",
    "--no-draft-confidences": "--draft",
    "--dictionary-style": "--dictionary",
    "--dictionary-format": "--dictionary",
    "--dictionary-separator": "--dictionary",
    "--dictionary-alternatives": "--dictionary",
    "--dictionary-rare": "--dictionary",
    "--dictionary-counts": "--dictionary",
    "--dictionary-also": "--dictionary",
}


def prompting_settings(file: Path | None, seed: int, given: dict[str, Any]) -> PromptingConfig:
    """The settings of a YAML file, with the parts that options name in place of its own.

    Args:
        file: the YAML file, if any.
        seed: of examples drawn at random.
        given: options by name; None where they were not given.

    Raises:
        ConfigError: an option without the one it belongs to, or a value that cannot be used.
    """
    from dataclasses import asdict

    from ..prompting import PromptingConfig, prompting_from_fields, read_prompting
    from ..prompting.loading import split_format

    options = {name: value for name, value in given.items() if value is not None and value != []}
    for name, needed in _NEEDS.items():
        if name in options and needed not in options and not (needed == "--glossary" and "--keep" in options):
            raise ConfigError(f"{name} without {needed}", allowed=f"{needed} ... {name} ...")
    fields: dict[str, Any] = asdict(read_prompting(file) if file else PromptingConfig())
    if "--examples" in options:
        fields["examples"] = _given(
            {
                "path": options["--examples"],
                "shots": options.get("--shots"),
                "select": options.get("--examples-by"),
                "seed": seed,
                "vectors": options.get("--examples-vectors"),
                "variant": options.get("--examples-variant"),
            }
        )
    if "--dictionary" in options:
        path, format_ = split_format(options["--dictionary"])
        names = ("style", "separator", "alternatives", "rare", "counts")
        chosen = {name: options.get(f"--dictionary-{name}") for name in names}
        also = [_further(spelled) for spelled in options.get("--dictionary-also", ())]
        fields["dictionary"] = _given(
            {"path": path, "format": format_, "pattern": options.get("--dictionary-format"), **chosen, "also": also}
        )
    if "--glossary" in options or "--keep" in options:
        terms = dict(zip(("path", "format"), split_format(options["--glossary"]), strict=True)) if "--glossary" in options else {}
        fields["glossary"] = {**terms, **_given({"keep": options.get("--keep"), "mode": options.get("--glossary-mode")})}
    if "--draft" in options:
        chosen = {name: options.get(f"--draft-{name}") for name in ("pivot", "label", "beams")}
        confidences = None if "--no-draft-confidences" not in options else False
        fields["drafts"] = _given({"systems": options["--draft"], **chosen, "confidences": confidences})
    for name, key in (("--prompt-budget", "budget"), ("--instruction", "instruction"), ("--context", "context")):
        if name in options:
            fields[key] = options[name]
    return prompting_from_fields(fields, str(file) if file else None)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _further(spelled: str) -> dict[str, str]:
    from ..prompting.loading import split_format

    language, equals, rest = spelled.partition("=")
    if not equals or not language or not rest:
        raise ConfigError(f"--dictionary-also {spelled}", allowed="LANGUAGE=FILE[:format], for example fra=en_fr.tsv")
    path, format_ = split_format(rest)
    return {"language": language, "path": path, "format": format_}


def material_fields(done: Translation) -> dict[str, Any]:
    """What JSON says of a translation's prompt and terms; nothing where neither was asked for."""
    from dataclasses import asdict

    fields: dict[str, Any] = {"material": asdict(done.material)} if done.material is not None else {}
    return fields | ({"terms": [asdict(term) for term in done.terms]} if done.terms else {})


class TermReport:
    """Term success, gathered segment by segment."""

    def __init__(self, glossary: Glossary | None) -> None:
        self._glossary = glossary
        self._required = self._met = self._segments = self._longest = 0
        self._missing: list[str] = []

    def add(self, translations: Iterable[tuple[int | None, Translation]]) -> None:
        """Count translations, each with its line where it has one."""
        for line, done in translations:
            self._longest = max(self._longest, len(done.source))
            self._required += done.terms_required
            self._met += done.terms_met
            lacking = [term for term in done.terms if term.met < term.required]
            if not lacking:
                continue
            self._segments += 1
            if len(self._missing) < _SHOWN:
                wanted = "; ".join(f"{term.source} = {' or '.join(term.targets)} ({term.met} of {term.required})" for term in lacking)
                self._missing.append(f"terms: line {line}: {wanted}" if line is not None else f"terms: {wanted}")

    def lines(self) -> Iterator[str]:
        """The account: what is missing, segment by segment, the totals, and entries no segment was long enough for."""
        if self._glossary is None:
            return
        yield from self._missing
        if self._segments > len(self._missing):
            yield f"terms: {self._segments - len(self._missing):,} more segments lack some"
        yield f"terms: {self._met:,} of {self._required:,} required occurrences are in the translations"
        places = self._glossary.too_long(self._longest)
        if places:
            shown = ", ".join(places[:5]) + (", ..." if len(places) > 5 else "")
            yield f"terms: {len(places):,} glossary entries are longer than any segment ({shown})"
