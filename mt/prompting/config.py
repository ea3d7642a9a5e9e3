"""What a user sets about prompts, as frozen data: the options of `dragoman translate`, or a YAML file for any verb."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..errors import ConfigError
from .selection import Selection

_STRICT = ConfigDict(extra="forbid")

DictionaryStyle = Literal["inline", "chain", "before", "after"]
GlossaryMode = Literal["soft", "retry", "hard"]


@dataclass(frozen=True)
class FurtherConfig:
    """A lexicon into a further language, for chains."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    language: str
    path: str
    format: str = "auto"


@dataclass(frozen=True)
class DictionaryConfig:
    """A dictionary in the prompt."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    path: str
    format: str = "auto"
    style: DictionaryStyle = "inline"
    pattern: str | None = None  # of one hint: {source}, {targets}; null: the style's own
    separator: str | None = None  # between alternatives; null: the style's own
    alternatives: int = 3
    rare: int | None = None  # only words that occur at most so often, by `counts` or the lexicon's own frequencies
    counts: str | None = None  # a file of `word<TAB>count` lines
    also: list[FurtherConfig] = field(default_factory=list)


@dataclass(frozen=True)
class GlossaryConfig:
    """Required terms, and terms that stay as they are; at least one of the two files."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    path: str | None = None
    format: str = "auto"
    keep: str | None = None
    mode: GlossaryMode = "soft"


@dataclass(frozen=True)
class ExamplesConfig:
    """In-context examples."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    path: str
    shots: int = 5
    select: Selection = "fixed"
    seed: int = 1
    vectors: str | None = None  # for embedding and both: a model; null: the Universal Sentence Encoder
    variant: str | None = None  # only examples of this formality, region or variant


@dataclass(frozen=True)
class DraftsConfig:
    """Drafts of specialised systems, each spelled `KIND:WHERE`."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    systems: list[str]
    pivot: str | None = None  # the drafts' language; null: the target
    confidences: bool = True
    label: str = "{language} draft"
    beams: int = 4  # of neural systems
    device: str = "auto"  # of neural systems


@dataclass(frozen=True)
class PromptingConfig:
    """Everything beside the template: `instruction` stands before its own, `context` is text that precedes what is translated, and `budget`
    bounds the tokens of the rest in a prompt."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    dictionary: DictionaryConfig | None = None
    glossary: GlossaryConfig | None = None
    examples: ExamplesConfig | None = None
    drafts: DraftsConfig | None = None
    budget: int | None = None
    instruction: str | None = None
    context: str | None = None


def check_prompting(config: PromptingConfig, where: str | None = None) -> PromptingConfig:
    """The same settings, if they mean something.

    Raises:
        ConfigError: a number out of range, a glossary without a file, `counts` without `rare`.
    """
    dictionary, glossary, examples, drafts = config.dictionary, config.glossary, config.examples, config.drafts
    for key, wrong, allowed in (
        ("budget", config.budget is not None and config.budget < 0, "tokens, 0 or more"),
        ("dictionary.alternatives", dictionary is not None and dictionary.alternatives < 1, "1 or more"),
        ("dictionary.rare", dictionary is not None and dictionary.rare is not None and dictionary.rare < 0, "a count, 0 or more"),
        ("dictionary.counts", dictionary is not None and dictionary.counts is not None and dictionary.rare is None, "with dictionary.rare"),
        ("glossary", glossary is not None and glossary.path is None and glossary.keep is None, "a file under path, keep or both"),
        ("glossary.mode", glossary is not None and glossary.mode not in ("soft", "retry", "hard"), "soft, retry, hard"),
        (
            "examples.vectors",
            examples is not None and examples.vectors is not None and examples.select not in ("embedding", "both"),
            "with examples.select embedding or both",
        ),
        ("examples.shots", examples is not None and examples.shots < 1, "1 or more"),
        ("drafts.systems", drafts is not None and not drafts.systems, "one or more, for example apertium:eng-spa"),
        ("drafts.beams", drafts is not None and drafts.beams < 1, "1 or more"),
        ("drafts.label", drafts is not None and "\n" in drafts.label, "one line, with {language} and {number} if wanted"),
    ):
        if wrong:
            raise ConfigError("this setting cannot be used", where=f"{where}: {key}" if where else key, allowed=allowed)
    return config


def prompting_from_fields(fields: Any, where: str | None = None) -> PromptingConfig:
    """Settings from plain mappings.

    Raises:
        ConfigError: the first unknown key or wrong value, at its key.
    """
    try:
        config = TypeAdapter(PromptingConfig).validate_python(fields)
    except ValidationError as error:
        first = max(error.errors(), key=lambda item: len(item["loc"]))
        key = ".".join(str(part) for part in first["loc"]) or "prompting"
        raise ConfigError(first["msg"], where=f"{where}: {key}" if where else key) from None
    return check_prompting(config, where)


def read_prompting(path: Path) -> PromptingConfig:
    """Settings from a YAML file.

    Raises:
        ConfigError: unreadable, not YAML, or a setting that cannot be used.
    """
    import yaml

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", where=path) from None
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"not valid YAML: {error}", where=path) from None
    return prompting_from_fields(tree, str(path))
