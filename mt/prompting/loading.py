"""Settings to a plan for one direction: every file read, and what was skipped in them told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..corpora.tally import Tally
from ..errors import ConfigError, CorpusError
from ..files import sha256_of
from ..languages import Language, find_language
from ..lexicons import Lexicon, Matcher, read_counts, read_lexicon
from ..lexicons.formats import FORMATS, lexicon_format
from ..sentence_vectors import SentenceVectors, load_sentence_vectors
from ..specialists import Opening, open_specialist, split_specification
from .config import DictionaryConfig, DraftsConfig, ExamplesConfig, GlossaryConfig, PromptingConfig
from .dictionary import Dictionary, further
from .drafts import DraftSource, DraftStyle
from .example_files import direction_file, read_examples
from .glossary import Glossary, merged, read_kept
from .plan import PromptPlan
from .segment_terms import KINDS, read_segment_terms, segment_kind
from .selection import ExampleSource
from .styles import style_named


@dataclass(frozen=True)
class LoadedPlan:
    """A plan and what a person should know about the files behind it.

    Attributes:
        plan: for prompts of one direction.
        notes: a line for each file, and one for each reason why rows of it were left out, with the first places.
    """

    plan: PromptPlan
    notes: tuple[str, ...] = ()


def load_plan(config: PromptingConfig, source: Language, target: Language) -> LoadedPlan:
    """Read what the settings name.

    Raises:
        CorpusError: a file that is missing, unreadable or without one usable row.
        ConfigError: settings that mean nothing, or a specialised system that is not installed.
        ModelError, SourceError: a specialised system that cannot be loaded.
    """
    notes: list[str] = []
    dictionary = _dictionary(config.dictionary, source, target, notes) if config.dictionary else None
    glossary = _glossary(config.glossary, source, target, notes) if config.glossary else None
    examples = None
    if config.examples:
        tally = Tally("reading examples")
        shots = read_examples(config.examples.path, source, target, tally, variant=config.examples.variant)
        notes += _told(config.examples.path, tally, len(shots), "examples")
        vectors = _vectors(config.examples, source, notes)
        examples = ExampleSource.of(shots, config.examples.shots, config.examples.select, config.examples.seed, vectors=vectors)
    drafts = _drafts(config.drafts, source, target) if config.drafts else None
    plan = PromptPlan(examples, dictionary, glossary, config.budget, config.instruction or "", drafts, config.context or "")
    return LoadedPlan(plan, tuple(notes))


def _drafts(config: DraftsConfig, source: Language, target: Language) -> DraftSource:
    language = find_language(config.pivot) if config.pivot else target
    openings = [Opening(spelled, "", source, language, config.beams, config.device) for spelled in config.systems]
    return DraftSource([open_specialist(opening) for opening in openings], DraftStyle(language.name, config.label, config.confidences))


def _vectors(config: ExamplesConfig, source: Language, notes: list[str]) -> SentenceVectors | None:
    if config.select not in ("embedding", "both"):
        return None
    vectors = load_sentence_vectors(config.vectors)
    if vectors.languages is not None and source.iso639_3 not in vectors.languages:
        notes.append(f"{vectors.name} was not made for {source.name}: how alike it finds texts may mean little")
    return vectors


def plan_fingerprint(config: PromptingConfig, source: Language, target: Language) -> str:
    """SHA-256 over the settings and the contents of the files they name.

    Raises:
        CorpusError: a file that is missing or unreadable.
    """
    digests: dict[str, str] = {}
    for path in _files(config, source, target):
        try:
            digests[str(path)] = sha256_of(path)
        except OSError as error:
            raise CorpusError(f"cannot be read: {error.strerror or error}", where=path) from None
    return hashlib.sha256(json.dumps([asdict(config), digests], sort_keys=True).encode()).hexdigest()


def split_format(spelled: str) -> tuple[str, str]:
    """`FILE` or `FILE:format` as path and format, which for a glossary a segment is the key of its terms."""
    path, colon, name = spelled.rpartition(":")
    return (path, name) if colon and name in ("auto", *(each.name for each in FORMATS), *KINDS) else (spelled, "auto")


def lexicon_file(spelled: str, source: Language, target: Language) -> Path:
    """The file that `FILE`, `FILE:format` or a folder stands for in a direction; errors as `lexicon_format`."""
    path, format_ = split_format(spelled)
    return lexicon_format(format_, Path(path).expanduser(), source, target)[1]


def _dictionary(config: DictionaryConfig, source: Language, target: Language, notes: list[str]) -> Dictionary:
    lexicon = _lexicon(config.path, source, target, config.format, notes, "dictionary entries")
    counts = read_counts(Path(config.counts).expanduser()) if config.counts else None
    if config.rare is not None and counts is None and all(entry.frequency is None for entry in lexicon.entries):
        raise ConfigError(
            "how frequent words are is not known: this lexicon does not say",
            where=lexicon.name,
            allowed="a lexicon with a column `frequency`, or a file of `word<TAB>count` lines",
            hint="--dictionary-counts FILE",
        )
    matcher = Matcher.of(lexicon, counts=counts, max_frequency=config.rare)
    if matcher.excluded:
        notes.append(f"{lexicon.name}: {matcher.excluded:,} entries left out, their words occur more than {config.rare:,} times")
    also = tuple(further(_lexicon(one.path, source, find_language(one.language), one.format, notes, "entries")) for one in config.also)
    style = style_named(config.style, pattern=config.pattern, separator=config.separator)
    return Dictionary(matcher, style, config.alternatives, also)


def _glossary(config: GlossaryConfig, source: Language, target: Language, notes: list[str]) -> Glossary:
    kind = segment_kind(Path(config.path).expanduser(), config.format) if config.path else None
    if config.path and kind:
        return _segment_glossary(config, kind, source, target, notes)
    terms = _lexicon(config.path, source, target, config.format, notes, "glossary entries") if config.path else None
    kept = []
    if config.keep:
        tally = Tally("reading terms to keep")
        kept = read_kept(Path(config.keep).expanduser(), tally)
        notes += _told(config.keep, tally, len(kept), "terms to keep")
        if not kept and terms is None:
            raise CorpusError("there is no term in it", where=config.keep, allowed="a term a line")
    together = Tally("merging terms")
    lexicon = merged(terms, kept, config.path or str(config.keep), source, target, together)
    notes += [f"{lexicon.name}: {line.strip()}" for line in together.lines()[1:]]
    return Glossary(Matcher.of(lexicon), insists=config.mode == "retry", forces=config.mode == "hard")


def _segment_glossary(config: GlossaryConfig, kind: str, source: Language, target: Language, notes: list[str]) -> Glossary:
    assert config.path
    if config.keep:
        raise ConfigError(
            "a glossary a segment holds its terms to keep itself", where=config.path, allowed="equal sides; no list beside it"
        )
    tally = Tally("reading terms")
    own = read_segment_terms(Path(config.path).expanduser(), kind, source, target, tally)
    notes += _told(config.path, tally, len(own), f"segments with terms, under {kind}")
    return Glossary(None, insists=config.mode == "retry", own=own, forces=config.mode == "hard")


def _lexicon(path: str, source: Language, target: Language, format_: str, notes: list[str], what: str) -> Lexicon:
    lexicon = read_lexicon(path, source.bcp47, target.bcp47, format_)
    notes += _told(lexicon.name, lexicon.tally, len(lexicon), what)
    return lexicon


def _told(name: str, tally: Tally, count: int, what: str) -> list[str]:
    return [f"{name}: {count:,} {what}", *(f"{name}: {line.strip()}" for line in tally.lines()[1:])]


def _files(config: PromptingConfig, source: Language, target: Language) -> Iterator[Path]:
    """The files a plan of this direction is read from."""
    if config.dictionary:
        yield lexicon_format(config.dictionary.format, Path(config.dictionary.path).expanduser(), source, target)[1]
        for one in config.dictionary.also:
            yield lexicon_format(one.format, Path(one.path).expanduser(), source, find_language(one.language))[1]
    if config.glossary and config.glossary.path:
        path = Path(config.glossary.path).expanduser()
        yield path if segment_kind(path, config.glossary.format) else lexicon_format(config.glossary.format, path, source, target)[1]
    plain = [config.dictionary and config.dictionary.counts, config.glossary and config.glossary.keep]
    yield from (Path(name).expanduser() for name in plain if name)
    for kind, where in map(split_specification, config.drafts.systems if config.drafts else ()):
        yield from kind.files(where)
    if config.examples:
        yield direction_file(config.examples.path, source, target)
