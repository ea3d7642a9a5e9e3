"""`dragoman examples diverse`: examples out of other languages' parallel text, or of one's own text translated back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
    from ..corpora import Pair, Tally
    from ..languages import Language


def diverse(
    pairs: Annotated[
        list[str],
        typer.Argument(metavar="LANG=FILE...", help="Parallel text of other languages with the hub; {lang} stands for each side."),
    ],
    source: Source,
    target: Target,
    output: Output,
    hub: Annotated[str, typer.Option("--hub", help="The other side of all the pairs; one of the two languages.")] = "eng",
    each: Annotated[int, typer.Option("--each", min=1, help="Examples of a language.")] = 2,
    longest: Annotated[int, typer.Option("--longest", min=1, help="Texts of more words are left out.")] = 40,
    seed: Annotated[int, typer.Option("--seed", help="Of what is drawn at random.")] = 1,
    text: Annotated[
        str | None, typer.Option("--text", metavar="FILE", help="Out of the hub: sentences of the target language, to be translated back.")
    ] = None,
    lines: Annotated[int | None, typer.Option("--lines", min=1, help="Only N of these, drawn at random.")] = 50,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Out of the hub: what translates them back.")] = None,
    prompt: Prompt = None,
    beams: Beams = 1,
    max_new_tokens: MaxNewTokens = None,
    batch_tokens: BatchTokens = 4096,
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Make examples of several other languages (LDP); out of the hub, examples of your own text translated back with those.

    Examples:

        dragoman examples diverse deu=dev/{lang}.dev fra=dev/{lang}.dev zho_Hans=dev/{lang}.dev --from hau --to eng -o shots.ha-en.jsonl

        dragoman examples diverse deu=de-en.tsv fra=fr-en.tsv --from eng --to hau --text news.ha --model MODEL -o shots.en-ha.jsonl
    """
    from ..corpora import Tally
    from ..errors import ConfigError
    from ..languages import find_language
    from ..mining import back_translate, diverse_examples, shots_of
    from ..prompting import ExampleSource, PromptPlan
    from .console import make_console

    console = make_console()
    first, second, middle = find_language(source), find_language(target), find_language(hub)
    check_files(output, json_file)
    if middle not in (first, second) or first == second:
        raise ConfigError(f"{middle.name} is not one of the two languages", allowed=f"--from LANG --to {hub}, or --from {hub} --to LANG")
    back = first == middle
    if back != (text is not None) or back != (model is not None):
        allowed = "--text FILE --model MODEL" if back else "neither --text nor --model: these examples need none"
        raise ConfigError(f"examples from {first.name} to {second.name}", allowed=allowed)
    pools, tallies = _pools(pairs, middle, second if back else first)
    found, chosen = diverse_examples(pools, middle, each, longest=longest, seed=seed)
    tallies.append(chosen)
    if text is not None and model is not None:
        segments, read = sentences(text, second, lines, seed, longest)
        translated = Tally("translating back")
        plan = PromptPlan(ExampleSource.of(shots_of(found), len(pools) * each))
        with working(console, model, prompt, beams, max_new_tokens, batch_tokens, device) as translate:
            found = back_translate(segments, second, first, plan, translate, translated)
        tallies += [read, translated]
    facts = {"method": "diverse", "source": first.bcp47, "target": second.bcp47, "seed": seed, "model": model}
    finish(console, found, tallies, output, json_file, facts | {"languages": [language.bcp47 for language in pools]})


def _pools(spelled: list[str], hub: Language, own: Language) -> tuple[dict[Language, list[Pair]], list[Tally]]:
    """The pairs of each language, into the hub.

    Raises:
        ConfigError: not `LANG=FILE`; the hub, or the language that the examples are for.
        CorpusError: a file that is missing or without one usable pair.
    """
    from ..config import CorpusConfig
    from ..corpora import Tally, read_pairs
    from ..errors import ConfigError
    from ..languages import find_language

    pools: dict[Language, list[Pair]] = {}
    tallies = []
    for each in spelled:
        name, equals, path = each.partition("=")
        if not equals or not name or not path:
            raise ConfigError(f"{each!r} names no language and file", allowed="LANG=FILE, for example deu=de-en.tsv or deu=dev/{lang}.dev")
        language = find_language(name)
        if language in (hub, own):
            raise ConfigError(
                f"{each}: the examples are to be of other languages than {language.name}", allowed="a language of neither side"
            )
        tally = Tally(f"reading {language.name}")
        files = path.split(",") if "," in path else path
        pools.setdefault(language, []).extend(read_pairs(CorpusConfig(files, source=language.code, target=hub.code), tally))
        tallies.append(tally)
    return pools, tallies
