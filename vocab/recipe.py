"""The `vocabulary` block of a recipe: pieces learnt, model expanded, written where the stages will start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from ..mt.config import CorpusConfig, ModelConfig, VocabularyConfig
from ..mt.corpora import fingerprint, read_segments
from ..mt.corpora.tally import Tally
from ..mt.languages import find_language
from .expand import ExpandedModel, ExpandSettings, expand_model, load_for_expansion, save_expanded
from .initialise import find_method
from .learn import LearnSettings, learn_pieces
from .learning_text import check_coverage, check_script

if TYPE_CHECKING:
    from rich.console import Console


def expand_for_recipe(wanted: VocabularyConfig, model: ModelConfig, seed: int, folder: Path, console: Console) -> None:
    """Learn the pieces a recipe asks for, expand its model by them and write the result to `folder`.

    Raises:
        CorpusError: no usable text, text in another script than its language, or a language that the tokenizer covers well already.
        ModelError, ConfigError: a tokenizer or model that cannot be expanded, or a method that does not exist.
    """
    find_method(wanted.initialise)
    console.rule("[bold]new vocabulary[/]")
    texts, protected = list(_texts(wanted.corpora, console)), list(_texts(wanted.protect, console))
    language = find_language(str(wanted.corpora[0].language))
    check_script(texts, language)
    loaded = load_for_expansion(model.source, revision=model.revision, method=wanted.initialise)
    check_coverage(texts, loaded.tokenizer, language, otherwise="leave the `vocabulary` block out: train the model as it is")
    addition = learn_pieces(texts, loaded.tokenizer, learn_settings(wanted, protected))
    facts = [entry for corpus in wanted.corpora for entry in fingerprint(corpus)]
    settings = ExpandSettings(method=wanted.initialise, texts=texts, seed=seed, helper=wanted.helper, text_facts=facts)
    expanded = expand_model(loaded, addition, settings)
    save_expanded(expanded, folder)
    _show(expanded, console)


def learn_settings(wanted: VocabularyConfig, protected: Sequence[str]) -> LearnSettings:
    """A recipe's block as settings of `learn_pieces`."""
    language = find_language(str(wanted.corpora[0].language))
    return LearnSettings(
        language=language.code,
        pieces=wanted.pieces,
        min_gain=wanted.min_gain,
        scheme=wanted.scheme,
        keep_pre_tokenizer=not wanted.widen,
        protect=tuple(protected),
    )


def _texts(corpora: Sequence[CorpusConfig], console: Console) -> Iterator[str]:
    for corpus in corpora:
        tally = Tally()
        yield from (segment.text for segment in read_segments(corpus, tally))
        for line in tally.lines():
            console.print(Text(f"  {corpus.name or corpus.path}, {line}"))


def _show(expanded: ExpandedModel, console: Console) -> None:
    expansion, facts = expanded.expansion, expanded.expansion.facts["addition"]
    origins = ", ".join(f"{count:,} {origin}" for origin, count in expansion.origins.items())
    console.print(
        f"{expansion.count:,} new pieces: {facts['tokens_before']:,} tokens of its text become {facts['tokens_after']:,}; rows by {origins}"
    )
