"""The documentation is held to the code: its commands parse, its links lead somewhere, its tables are the code's own."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import typer
import yaml
from typer.exceptions import TyperException

from dragoman.eval import METRICS
from dragoman.eval.testset_formats import check_format
from dragoman.mt.checks import EXPLANATIONS
from dragoman.mt.cli.main import app
from dragoman.mt.config import RunConfig
from dragoman.mt.corpora.formats import PAIR_FORMATS, SEGMENT_FORMATS
from dragoman.mt.prompts import template_from_fields, template_names
from dragoman.mt.recipes import check_recipe, load_recipe, shipped_recipes
from dragoman.mt.schedules import SHAPES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)


def name_of(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


def blocks(page: Path, language: str) -> Iterator[str]:
    yield from (body for found, body in _FENCE.findall(page.read_text(encoding="utf-8")) if found == language)


# ---- commands ----


def commands(page: Path) -> Iterator[list[str]]:
    """Every simple command of the page's bash blocks as words, without environment assignments and redirections."""
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").split("\n"):
            yield from simple_commands(line)


def simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for token in [*lexer, ";"]:
        if token in {"|", "||", "&&", ";", "&"}:
            while words and re.match(r"\w+=", words[0]):
                words.pop(0)
            if words:
                yield words
            words = []
        elif skip or token in {"<", ">", ">>"}:
            skip = not skip
        else:
            words.append(token)


def dragoman_arguments(words: list[str]) -> list[str] | None:
    """What follows `dragoman`, or `... -m dragoman.mt`, in a command."""
    if words[0] == "dragoman":
        return words[1:]
    return words[words.index("dragoman.mt") + 1 :] if "dragoman.mt" in words else None


def parse(arguments: list[str]) -> dict[str, Any]:
    """Parse as the command line would, without running anything; a wrong verb, option or value raises."""
    verb, *rest = arguments
    assert verb in COMMANDS, f"no verb {verb!r}; there are {', '.join(COMMANDS)}"
    command = COMMANDS[verb]
    if hasattr(command, "commands"):  # a verb of verbs
        verb, *rest = rest
        command = command.commands[verb]
    context = command.make_context(verb, rest)
    parameters: dict[str, Any] = context.params
    return parameters


DOCUMENTED_COMMANDS = [
    (page, arguments) for page in PAGES for words in commands(page) if (arguments := dragoman_arguments(words)) is not None
]


@pytest.mark.parametrize(
    ("page", "arguments"), DOCUMENTED_COMMANDS, ids=lambda value: value.name if isinstance(value, Path) else " ".join(value)
)
def test_a_documented_command_parses(page: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given = parse(arguments)
    if arguments[0] != "train" or not given["recipe"] or given["recipe"].endswith(".yaml"):
        return
    for variable in ("ALMA", "MONO", "CORPUS", "DRAGOMAN_DATA"):
        monkeypatch.setenv(variable, "data")
    monkeypatch.setenv("DRAGOMAN_LANGUAGE", "lij")
    assert load_recipe(given["recipe"], given["overrides"] or []).stages


def test_the_documented_commands_are_found() -> None:
    verbs = {arguments[0] for _, arguments in DOCUMENTED_COMMANDS}
    assert {"quickstart", "train", "translate", "doctor"} <= verbs
    assert list(simple_commands("A=1 dragoman train x k=v <in | head -2 && b >out  # c")) == [
        ["dragoman", "train", "x", "k=v"],
        ["head", "-2"],
        ["b"],
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["trian", "x.yaml"],
        ["train", "x.yaml", "--resmue"],
        ["translate", "--model", "x", "--beams", "many"],
        ["translate", "--model", "x", "--stop", "never"],
    ],
)
def test_a_command_that_does_not_parse_would_be_noticed(arguments: list[str]) -> None:
    with pytest.raises((AssertionError, TyperException), match=r"no verb|No such option|valid integer|not one of"):
        parse(arguments)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_documented_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in commands(page):
        for target in [word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)] if words[0] == "make" else []:
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


@pytest.mark.parametrize("verb", sorted(page.stem for page in DOCS.glob("*.md") if page.stem in COMMANDS))
def test_a_verbs_page_lists_its_options_and_no_others(verb: str) -> None:
    text = (DOCS / f"{verb}.md").read_text(encoding="utf-8")
    commands = [COMMANDS[verb], *getattr(COMMANDS[verb], "commands", {}).values()]
    options = {option for each in commands for parameter in each.params for option in parameter.opts if option.startswith("-")}
    listed = {option for row in re.findall(r"^\| (`-[^|]*) \|", text, re.MULTILINE) for option in re.findall(r"`(-[^`]+)`", row)}
    assert listed == options - {"--help"}


# ---- links ----


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them; repeated ones get a number."""
    found: dict[str, int] = {}
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in ["".join(pair) for pair in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))]:
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(place), f"{page.name}: {target}; there are {sorted(anchors(place))}"


@pytest.mark.parametrize("page", [DOCS / "architecture.md", ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_a_file_on_the_map_exists(page: Path) -> None:
    named = re.findall(r"`((?:mt|adapters|vocab|eval|app|scripts|tests|docs)/[\w./-]*)`", page.read_text(encoding="utf-8"))
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_rooms_import_only_what_the_architecture_page_allows() -> None:
    rows = re.findall(r"^\| `([\w/]+)/` \| [^|]* \| ([^|]*) \|$", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE)
    rooms = {room: {room, *re.findall(r"`(\w+)/`", allowed)} for room, allowed in rows if (ROOT / room / "py.typed").exists()}
    assert set(rooms) == {"mt", "adapters", "vocab", "eval", "app"}
    for room, allowed in rooms.items():
        for file in (ROOT / room).rglob("*.py"):
            outside = imported_rooms(file) - allowed
            if file.parent != ROOT / "mt" / "cli":  # verbs may call anything
                assert not outside, f"{file.relative_to(ROOT)} imports {', '.join(sorted(outside))}"


def imported_rooms(file: Path) -> set[str]:
    """Top-level folders a file imports from, by relative imports or by `dragoman.ROOM`."""
    package = ["dragoman", *file.relative_to(ROOT).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            path = [*base, *(node.module or "").split(".")]
            if path[0] == "dragoman" and len(path) > 1:
                found.add(path[1])
    return found - {""}


# ---- examples in other languages ----


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=name_of)
def test_yaml_examples_are_recipes_corpora_or_templates_that_load(page: Path) -> None:
    for block in blocks(page, "yaml"):
        tree = yaml.safe_load(block)
        if isinstance(tree, dict) and "target" in tree:
            template_from_fields(tree, page.name)
        elif isinstance(tree, dict) and "layouts" in tree:
            check_format(tree, page.name)
        elif isinstance(tree, dict):
            check_recipe(tree)
        else:
            check_recipe({"stages": [{"name": "example", "corpora": tree}]})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_examples_import_names_that_exist(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dragoman"):
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


# ---- tables ----


def config_places(kind: type = RunConfig, path: str = "") -> Iterator[tuple[str, type]]:
    """Every mapping of a recipe: its dotted path ("" for the top, `[]` for items of a list) and its dataclass."""
    yield path, kind
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        below, hint = f"{path}.{field.name}".lstrip("."), without_none(hints[field.name])
        if get_origin(hint) is list and dataclasses.is_dataclass(get_args(hint)[0]):
            yield from config_places(get_args(hint)[0], f"{below}[]")
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from config_places(hint, below)


def without_none(hint: Any) -> Any:
    """`X` of `X | None`."""
    given = [one for one in get_args(hint) if one is not type(None)]
    return given[0] if get_origin(hint) is UnionType and len(given) == 1 else hint


def key_tables() -> dict[str, dict[str, str]]:
    """Dotted path -> key -> default, as docs/train.md has them."""
    found: dict[str, dict[str, str]] = {}
    rows: dict[str, str] = {}
    for line in (DOCS / "train.md").read_text(encoding="utf-8").split("\n"):
        if line.startswith("| key of "):
            rows = {}
            head = line.split("|")[1]
            for path in re.findall(r"`([^`]+)`", head) or [""]:
                assert path not in found, f"two tables of {path}"
                found[path] = rows
        elif match := re.match(r"\| `(\w+)` \|.*\| ([^|]+) \|$", line):
            rows[match[1]] = match[2]
        elif not line.startswith("|---"):
            rows = {}
    return found


def test_every_mapping_of_a_recipe_has_its_table() -> None:
    assert set(key_tables()) == {path for path, _ in config_places()}


@pytest.mark.parametrize(("path", "kind"), list(config_places()), ids=lambda value: value if isinstance(value, str) else "")
def test_the_table_of_a_mapping_has_its_keys_and_their_defaults(path: str, kind: type) -> None:
    table = key_tables()[path]
    assert set(table) == {field.name for field in dataclasses.fields(kind)}
    for field in dataclasses.fields(kind):
        assert_default(f"{path}.{field.name}", table[field.name], field)


def assert_default(key: str, written: str, field: dataclasses.Field[Any]) -> None:
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        assert written == "required", key
        return
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if written == "below":
        assert dataclasses.is_dataclass(default), key
        assert default == type(default)(), key
        return
    value = yaml.safe_load(written.strip("`"))
    if isinstance(default, float):
        value = float(value)  # YAML 1.1 takes 2e-5 for text
    elif isinstance(default, tuple):
        value = tuple(value)
    elif dataclasses.is_dataclass(default) and not isinstance(default, type):
        value = type(default)(**value)
    assert value == default, key


def test_every_metric_is_named_where_metrics_are_chosen() -> None:
    row = re.search(r"^\| `metrics` \|.*$", (DOCS / "train.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert row
    assert {f"`{name}`" for name in METRICS} <= set(re.findall(r"`[^`]+`", row[0]))


def test_every_warning_stands_in_its_table_with_its_explanation() -> None:
    text = (DOCS / "translate.md").read_text(encoding="utf-8")
    for name, explanation in EXPLANATIONS.items():
        assert f"| `{name}` | {explanation} |" in text


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("train.md", sorted(shipped_recipes())),
        ("train.md", sorted(template_names())),
        ("train.md", sorted(SHAPES)),
        ("corpora.md", sorted({each.name for each in (*PAIR_FORMATS, *SEGMENT_FORMATS)})),
    ],
    ids=["recipes", "templates", "schedules", "formats"],
)
def test_what_ships_has_a_row_of_its_own(page: str, names: list[str]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [name for name in names if f"\n| `{name}` |" not in text] == []
