"""`dragoman examples mine`: examples out of monolingual text of two languages, by the model that will read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .examples_making import (
    BatchTokens,
    Beams,
    Device,
    JsonFile,
    MaxNewTokens,
    Output,
    Prompt,
    Source,
    Target,
    check_files,
    finish,
    sentences,
    working,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ..languages import Language
    from ..lexicons import Lexicon
    from ..mining import Similarity

Score = Literal["draft", "embedding"]


def mine(
    source_text: Annotated[str, typer.Argument(metavar="SOURCE_TEXT", help="Sentences of the source language, one a line.")],
    target_text: Annotated[str, typer.Argument(metavar="TARGET_TEXT", help="Sentences of the target language: the examples' targets.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A folder, run, Hub id or wheel: the model that will read the examples.")],
    source: Source,
    target: Target,
    output: Output,
    lines: Annotated[int | None, typer.Option("--lines", min=1, help="Only N sentences of each text, drawn at random.")] = 200,
    words: Annotated[int, typer.Option("--words", min=1, help="Most frequent words that the model translates.")] = 500,
    dictionary: Annotated[
        str | None, typer.Option("--dictionary", metavar="FILE[:format]", help="In place of those: a lexicon from the target language.")
    ] = None,
    shots: Annotated[int, typer.Option("--shots", min=1, help="Word-by-word drafts in a prompt.")] = 5,
    min_coverage: Annotated[float, typer.Option("--min-coverage", min=0, max=1, help="Share of a draft's words that are known.")] = 0.3,
    score: Annotated[Score, typer.Option("--score", help="draft: against word-by-word drafts; embedding: by sentence vectors.")] = "draft",
    vectors: Annotated[str | None, typer.Option("--vectors", metavar="MODEL", help="With --score embedding: what makes them.")] = None,
    min_score: Annotated[float, typer.Option("--min-score", help="Only examples with this score or a higher one.")] = 0.0,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="Only the best N examples.")] = None,
    longest: Annotated[int, typer.Option("--longest", min=1, help="Sentences of more words are left out.")] = 40,
    seed: Annotated[int, typer.Option("--seed", help="Of the sentences that are drawn.")] = 1,
    prompt: Prompt = None,
    beams: Beams = 1,
    max_new_tokens: MaxNewTokens = None,
    batch_tokens: BatchTokens = 4096,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Mine examples with a model (SM-UMT): word pairs, word-by-word drafts, back-translation, scores.

    Examples:

        dragoman examples mine news.en news.ha --model MODEL --from eng --to hau -o shots.jsonl

        dragoman examples mine news.en news.ha -m MODEL --from eng --to hau --dictionary hau_en.tsv --score embedding -o shots.jsonl
    """
    from ..errors import ConfigError
    from ..languages import find_language
    from ..mining import MiningSettings
    from ..mining import mine as mine_examples
    from .console import make_console

    console = make_console()
    first, second = find_language(source), find_language(target)
    check_files(output, json_file)
    if vectors is not None and score != "embedding":
        raise ConfigError("--vectors without --score embedding", allowed="--score embedding --vectors MODEL")
    texts = [sentences(text, language, lines, seed, longest) for text, language in ((source_text, first), (target_text, second))]
    lexicon = _lexicon(dictionary, second, first, console) if dictionary else None
    similarity = _similarity(score, vectors, (first, second), console)
    settings = MiningSettings(words, shots, min_coverage, min_score, keep)
    with working(console, model, prompt, beams, max_new_tokens, batch_tokens, device) as translate:
        mined = mine_examples(texts[0][0], texts[1][0], first, second, translate, settings, lexicon=lexicon, similarity=similarity)
    facts = {"method": "mine", "model": model, "source": first.bcp47, "target": second.bcp47, "seed": seed, "score": score}
    facts["word_pairs"] = len(mined.lexicon)
    console.print(f"{len(mined.lexicon):,} word pairs", highlight=False)
    finish(console, mined.examples, [texts[0][1], texts[1][1], *mined.tallies], output, json_file, facts)


def _lexicon(spelled: str, source: Language, target: Language, console: Console) -> Lexicon:
    from ..lexicons import read_lexicon
    from ..prompting.loading import split_format

    path, format_ = split_format(spelled)
    read = read_lexicon(path, source.bcp47, target.bcp47, format_)
    for note in read.warnings:
        console.print(f"note: {note}", style="dim", markup=False, soft_wrap=True)
    return read


def _similarity(score: Score, vectors: str | None, languages: tuple[Language, Language], console: Console) -> Similarity | None:
    """Loaded before the model, so that what is missing is told at once."""
    if score == "draft":
        return None
    from ..mining import cosine_similarity
    from ..sentence_vectors import load_sentence_vectors

    encoder = load_sentence_vectors(vectors)
    foreign = [one.name for one in languages if encoder.languages is not None and one.iso639_3 not in encoder.languages]
    if foreign:
        console.print(f"note: {encoder.name} was not made for {' and '.join(foreign)}: its scores may mean little", markup=False)
    return cosine_similarity(encoder)
