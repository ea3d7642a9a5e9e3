"""Reading a recipe: YAML + `key=value` overrides -> `RunConfig`, with errors that name the key and the nearest known one."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from .bounds import check_bounds
from .config import CorpusConfig, RunConfig, StageConfig, VocabularyConfig
from .errors import ConfigError, LanguageError, nearest

Settings = TypeVar("Settings")

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MOST_VALUES = 100_000
_YOUNGER_STAGE_KEYS: Mapping[str, Any] = {"preference": None}  # left out of a resolved recipe at these values
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of the recipes installed with Dragoman."""
    folder = Path(str(files("dragoman.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(recipe: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The recipe at a path (or a shipped one's name) with overrides applied, checked in full.

    Raises:
        ConfigError: no such recipe, bad YAML, unknown key, wrong type, undefined `${VARIABLE}`, or settings that contradict each other.
    """
    path = find_recipe(recipe)
    return check_recipe(_settled_tree(path, overrides, RunConfig), where=str(path))


def load_settings(path: Path, kind: type[Settings], overrides: Sequence[str] = ()) -> Settings:
    """A YAML file of settings other than a recipe's, read in the same way: overrides, `${VARIABLE}` and RUN, types and unknown keys.

    Args:
        path: the file; its field `run`, unless set, becomes `runs/` and the file's name.
        kind: a frozen dataclass with such a field, whose parts are dataclasses of `mt.config` or of its own module.

    Raises:
        ConfigError: the first problem, at its key.
    """
    if not path.is_file():
        raise ConfigError(f"no such file: {path}", allowed="a YAML file")
    return _checked(kind, _settled_tree(path, overrides, kind), str(path))


def _settled_tree(path: Path, overrides: Sequence[str], kind: type) -> Any:
    tree = _parse_yaml(path, kind)
    for override in overrides:
        apply_override(tree, override)
    run = tree.get("run") or "runs/{recipe}"
    tree["run"] = run.replace("{recipe}", path.stem) if isinstance(run, str) else run
    return _expand(tree, {**os.environ, "RUN": str(tree["run"])}, where=str(path))


def find_recipe(recipe: str | Path) -> Path:
    """The file a recipe's name or path stands for."""
    path = Path(recipe)
    if path.is_file():
        return path
    known = shipped_recipes()
    if str(recipe) in known:
        return known[str(recipe)]
    raise ConfigError(f"no such recipe: {recipe}", allowed=f"a YAML file, or a shipped recipe: {nearest(str(recipe), known)}")


def _parse_yaml(path: Path, kind: type) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _RecipeLoader)
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", where=path) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"not valid YAML: {getattr(error, 'problem', error)}", where=where) from error
    except (ValueError, RecursionError) as error:  # a date such as 2024-13-45; thousands of brackets
        raise ConfigError(f"not valid YAML: {error}", where=path) from error
    _check_size(tree, path)
    if not isinstance(tree, dict):
        raise ConfigError("a recipe is a mapping of keys", where=path, allowed=", ".join(f.name for f in dataclasses.fields(kind)))
    return tree


class _RecipeLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error: the first value would be dropped without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def _check_size(tree: Any, path: Path) -> None:
    """A few aliases (`*a`) can stand for billions of values, or for themselves."""
    waiting, seen = [tree], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > _MOST_VALUES:
            raise ConfigError(f"it holds more than {_MOST_VALUES:,} values, aliases written out", where=path)
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set one `a.b.c=value` in the tree. List items are addressed by position or, for stages and corpora, by their `name`."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"not an override: {override}", allowed="key=value, for example stages.parallel.schedule.peak=1e-3")
    try:
        value = yaml.safe_load(text) if text else None
    except yaml.YAMLError as error:
        raise ConfigError(f"the value is not YAML: {text}", where=key) from error
    *parents, last = key.split(".")
    node: Any = tree
    for part in parents:
        node = _child(node, part, key)
    if isinstance(node, list):
        node[_position(node, last, key)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"{'.'.join(parents)} holds a value, not keys", where=key)


def _child(node: Any, part: str, key: str) -> Any:
    if isinstance(node, list):
        return node[_position(node, part, key)]
    if isinstance(node, dict):
        if node.get(part) is None:
            node[part] = {}
        return node[part]
    raise ConfigError(f"nothing below {part!r} can be set", where=key)


def _position(items: list[Any], part: str, key: str) -> int:
    names = [str(item["name"]) if isinstance(item, dict) and "name" in item else str(i) for i, item in enumerate(items)]
    if part in names:
        return names.index(part)
    if part.isdecimal() and int(part) < len(items):
        return int(part)
    raise ConfigError(f"no item {part!r}", where=key, allowed=nearest(part, names))


def _expand(node: Any, variables: Mapping[str, str], where: str, key: str = "") -> Any:
    """Replace `${NAME}` in every string: environment variables, and RUN for the run folder."""
    if isinstance(node, dict):
        return {name: _expand(value, variables, where, f"{key}.{name}") for name, value in node.items()}
    if isinstance(node, list):
        return [_expand(item, variables, where, f"{key}.{position}") for position, item in enumerate(node)]
    if not isinstance(node, str):
        return node
    for name in _VARIABLE.findall(node):
        if name not in variables:
            raise ConfigError(f"the variable ${{{name}}} is not set", where=f"{where}: {key.lstrip('.')}", hint=f"export {name}=...")
    return _VARIABLE.sub(lambda match: variables[match[1]], node)


def check_recipe(tree: Mapping[str, Any], *, where: str | None = None) -> RunConfig:
    """A checked `RunConfig` from plain mappings.

    Raises:
        ConfigError: the first problem, at its key.
    """
    config = _checked(RunConfig, tree, where)
    _check_meaning(config, where)
    return config


def _checked(kind: type[Settings], tree: Any, where: str | None) -> Settings:
    try:
        return TypeAdapter(kind).validate_python(tree)
    except ValidationError as error:
        raise _readable(error, where, kind) from None


def _readable(error: ValidationError, where: str | None, root: type) -> ConfigError:
    # A union reports one error for each member; the one that goes deepest is the one the user meant.
    first = max(error.errors(), key=lambda item: len(item["loc"]))
    path = [str(part) for part in first["loc"] if not _is_union_tag(str(part))]
    at = f"{where}: {'.'.join(path)}" if where else ".".join(path)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return ConfigError(f"unknown key {path[-1]!r}", where=at, allowed=nearest(path[-1], _keys_at(path[:-1], root)))
    if first["type"] in ("missing", "missing_argument"):
        return ConfigError(f"the key {path[-1]!r} is missing", where=at)
    message = first["msg"][0].lower() + first["msg"][1:]
    # The code of Norwegian is `no`, which YAML 1.1 reads as false.
    quotes = "YAML reads a bare no, yes, on or off as false or true: put it in quotes" if isinstance(first["input"], bool) else None
    return ConfigError(f"{message}; given: {first['input']!r}", where=at, hint=quotes)


def _is_union_tag(part: str) -> bool:
    return part in ("str", "int", "float", "none") or part.startswith(("list[", "constrained-"))


def _keys_at(path: Sequence[str], root: type) -> list[str]:
    """The field names a dataclass offers at a dotted path of the tree."""
    kind: Any = root
    for part in path:
        if part.isdigit():
            continue
        hints = {f.name: f.type for f in dataclasses.fields(kind)}
        name = re.findall(r"[A-Z]\w*Config", str(hints.get(part, "")))
        if not name:
            return []
        modules = (import_module(one.__module__) for one in (kind, RunConfig))
        kind = next(getattr(module, name[0]) for module in modules if hasattr(module, name[0]))
    return [f.name for f in dataclasses.fields(kind)]


def _check_meaning(config: RunConfig, where: str | None) -> None:
    """What types cannot say: languages that exist, one budget, numbers in range, stage names that can be folder names."""
    at = f"{where}: " if where else ""
    if not config.stages:
        raise ConfigError("a recipe needs at least one stage", where=f"{at}stages")
    check_bounds(config, where)
    names = [stage.name for stage in config.stages]
    for stage in config.stages:
        if not _SAFE_NAME.match(stage.name):
            raise ConfigError(f"{stage.name!r} cannot be a folder name", where=f"{at}stages", allowed="letters, digits, '.', '_' and '-'")
        if names.count(stage.name) > 1:
            raise ConfigError(f"two stages are called {stage.name!r}", where=f"{at}stages")
        _check_stage(stage, f"{at}stages.{stage.name}")
    _check_succession(config, at)
    if config.vocabulary:
        _check_vocabulary(config.vocabulary, f"{at}vocabulary")
    for part in ("corpora", "test"):
        for corpus in getattr(config.evaluation, part):
            check_corpus(corpus, f"{at}evaluation.{part}", parallel=True)
    if config.evaluation.metric not in config.evaluation.metrics:
        chosen = ", ".join(config.evaluation.metrics)
        raise ConfigError(f"{config.evaluation.metric!r} decides but is not measured", where=f"{at}evaluation.metric", allowed=chosen)


def _check_succession(config: RunConfig, at: str) -> None:
    """Which adapter can follow which, and what can be saved at the end: known before hours are spent on it."""
    blocks = [stage.train for stage in config.stages]
    for before, after, stage in zip(blocks, blocks[1:], config.stages[1:], strict=False):
        if before.method == "qlora" and after != before:
            raise ConfigError(
                "it follows a qlora stage, whose 4-bit weights cannot take the adapter in",
                where=f"{at}stages.{stage.name}.train",
                allowed="the same `train` block as in the stage before, or qlora in the last stage only",
            )
    if config.save == "adapter" and (not blocks[0].is_adapter or any(block != blocks[0] for block in blocks)):
        raise ConfigError("an adapter alone would not do: the weights under it change", where=f"{at}save", allowed="auto, merged")


def _check_vocabulary(vocabulary: VocabularyConfig, at: str) -> None:
    if not vocabulary.corpora:
        raise ConfigError("new vocabulary is learnt from at least one corpus", where=f"{at}.corpora")
    for corpus in vocabulary.corpora:
        check_corpus(corpus, f"{at}.corpora", parallel=False)
    for corpus in vocabulary.protect:
        check_corpus(corpus, f"{at}.protect", parallel=False)
    if len({corpus.language for corpus in vocabulary.corpora}) > 1:
        raise ConfigError("its corpora are in several languages", where=f"{at}.corpora", allowed="one language")


def _check_stage(stage: StageConfig, at: str) -> None:
    if not stage.corpora:
        raise ConfigError("a stage needs at least one corpus", where=f"{at}.corpora")
    if stage.train.embeddings != "frozen" and not stage.train.is_adapter:
        problem = f"{stage.train.method} always moves the embeddings"
        raise ConfigError(problem, where=f"{at}.train.embeddings", allowed="leave it out, or method lora or qlora")
    if stage.train.predict_ahead and stage.train.is_adapter:
        raise ConfigError("a second head cannot be kept in an adapter", where=f"{at}.train.predict_ahead", allowed="method full or 2x2ls")
    for corpus in stage.corpora:
        check_corpus(corpus, f"{at}.corpora")
    if stage.preference is not None:
        _check_preference_stage(stage, at)
    given = [f.name for f in dataclasses.fields(stage.budget) if getattr(stage.budget, f.name) is not None]
    if len(given) != 1:
        raise ConfigError(f"given: {', '.join(given) or 'none'}", where=f"{at}.budget", allowed="exactly one of tokens, steps, epochs")
    replayed = [corpus.replay for corpus in stage.corpora]
    if stage.mixture.replay is not None and (not any(replayed) or all(replayed)):
        raise ConfigError("a replay share needs corpora marked `replay: true` and others", where=f"{at}.mixture.replay")


def _check_preference_stage(stage: StageConfig, at: str) -> None:
    """What a stage that learns from preferences cannot do: they are JSONL with one direction and three texts, and the loss is their own."""
    if stage.train.predict_ahead:
        problem = "a preference stage has no second head"
        raise ConfigError(problem, where=f"{at}.train.predict_ahead", allowed="a preference stage without it")
    for number, corpus in enumerate(stage.corpora):
        where = f"{at}.corpora.{corpus.name or number}"
        if corpus.language:
            raise ConfigError("a preference stage reads no monolingual corpus", where=where, allowed="`source` and `target`")
        if corpus.interlinear or corpus.lexicon:
            problem = f"preferences cannot be {'interlinear' if corpus.interlinear else 'trained with a lexicon'}"
            raise ConfigError(problem, where=where, allowed="a corpus without it, or a stage without `preference`")
        if corpus.directions != "forward":
            raise ConfigError("a preference has one direction, from `source` to `target`", where=f"{where}.directions", allowed="forward")
        if corpus.format not in ("auto", "jsonl"):
            raise ConfigError(f"preferences are not read from {corpus.format}", where=f"{where}.format", allowed="auto, jsonl")
        if corpus.columns is not None and len(corpus.columns) != 3:
            given = f"{len(corpus.columns)} keys are given"
            raise ConfigError(given, where=f"{where}.columns", allowed="three: the source's, the chosen and the rejected translation's")


def check_corpus(corpus: CorpusConfig, at: str, *, parallel: bool | None = None) -> None:
    """A corpus is monolingual (`language`) or parallel (`source` and `target`), in languages that exist."""
    from .languages import find_language

    sides = [side for side in (corpus.source, corpus.target) if side]
    at = f"{at}.{corpus.name}" if corpus.name else at
    if (corpus.language is None) == (len(sides) != 2) or (corpus.language and sides):
        raise ConfigError("a corpus names either `language` (monolingual) or both `source` and `target` (parallel)", where=at)
    if parallel and corpus.language:
        raise ConfigError("a dev or test corpus is parallel: it names `source` and `target`", where=at)
    if parallel is False and not corpus.language:
        raise ConfigError("this corpus is monolingual: it names `language`", where=at)
    if corpus.lexicon and (corpus.language or corpus.interlinear or parallel):
        raise ConfigError("a lexicon is for prompts that are trained on", where=f"{at}.lexicon", allowed="a parallel corpus of a stage")
    for spelling in [corpus.language, *sides]:
        if spelling:
            try:
                find_language(spelling)
            except LanguageError as error:
                raise LanguageError(error.problem, where=at, allowed=error.allowed, hint=error.hint) from None


def dump_recipe(config: RunConfig) -> str:
    """The resolved recipe as YAML: what is saved beside a run, and loads again to an equal `RunConfig`."""
    tree = plain_tree(dataclasses.asdict(config))
    tree["stages"] = [_without_younger(stage) for stage in tree["stages"]]
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _without_younger(stage: Mapping[str, Any]) -> dict[str, Any]:
    # A run that was started before a key existed must find the digest of its recipe unchanged.
    return {key: value for key, value in stage.items() if key not in _YOUNGER_STAGE_KEYS or value != _YOUNGER_STAGE_KEYS[key]}


def plain_tree(node: Any) -> Any:
    """Settings as YAML and JSON can hold them: tuples become lists."""
    if isinstance(node, dict):
        return {key: plain_tree(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain_tree(item) for item in node]
    return node
