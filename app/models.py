"""Which models are served: as asked for, else the latest finished run, else the embedded one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..mt.config import ModelConfig
from ..mt.errors import ConfigError, ModelError
from ..mt.languages import Language, known_languages
from ..mt.model_facts import parse_direction, read_model_facts
from ..mt.model_folders import find_model_folder
from ..mt.sources import resolve_model

EMBEDDED = ModelConfig().source
EMBEDDED_NOTE = (
    "SmolLM2-135M-Instruct as it comes: a small English model that was never trained to translate. Expect nonsense out of English, and "
    "the gist at best into it. `dragoman quickstart` trains it for one direction in minutes."
)
_UNTRAINED_NOTE = "This model does not say which directions it was trained for, so every language is offered."

Direction = tuple[Language, Language]


@dataclass(frozen=True)
class ModelInfo:
    """A model that is served, as people and clients see it.

    Attributes:
        name: short and unique among those served.
        source: as the user spelled it.
        directions: what it was trained for; empty when it does not say.
        note: what one should know before trusting it; empty when there is nothing.
        description: back end, device and number format; empty before it is loaded.
    """

    name: str
    source: str
    directions: tuple[Direction, ...] = ()
    note: str = ""
    description: str = ""

    def trained(self, source: Language, target: Language) -> Direction | None:
        """The trained direction that serves this pair: the same languages, or else the same but for regions; None when there is none."""
        for alike in (lambda one, two: one == two, Language.same_as):
            for first, second in self.directions:
                if alike(first, source) and alike(second, target):
                    return first, second
        return None

    @property
    def sources(self) -> tuple[Language, ...]:
        """Languages it reads; every known one when it does not say."""
        return tuple(dict.fromkeys(first for first, _ in self.directions)) or known_languages()

    def targets(self, source: Language) -> tuple[Language, ...]:
        """Languages it writes from `source`."""
        if not self.directions:
            return known_languages()
        return tuple(dict.fromkeys(second for first, second in self.directions if first == source))


def choose_models(given: Sequence[str], runs: Path = Path("runs")) -> list[ModelInfo]:
    """The models to serve, found but not loaded.

    Args:
        given: sources as in `dragoman translate --model`, `NAME=SOURCE` to name one; empty for the latest finished run in `runs`, else the
            embedded model.
        runs: a folder of run folders.

    Raises:
        ConfigError: two models under one name.
        SourceError, ModelError: one that cannot be found.
    """
    if not given:
        latest = latest_run(runs)
        return [_info(latest.name, str(latest))] if latest else [_info("embedded", EMBEDDED)]
    infos: list[ModelInfo] = []
    for spelled in given:
        name, source = _split(spelled)
        chosen = name or _free(_short(source), {info.name for info in infos})
        if any(info.name == chosen for info in infos):
            raise ConfigError(f"two models are named {chosen!r}", where="--model", allowed="--model NAME=SOURCE with a name for each")
        infos.append(_info(chosen, source))
    return infos


def latest_run(runs: Path) -> Path | None:
    """The run folder in `runs` whose finished model is the newest; None without any."""
    finished = []
    for model in runs.glob("*/model"):
        try:
            find_model_folder(model)
            finished.append((model.stat().st_mtime, model.parent))
        except (ModelError, OSError):
            continue  # an interrupted or damaged run is no candidate
    return max(finished)[1] if finished else None


def _split(spelled: str) -> tuple[str | None, str]:
    """`NAME=SOURCE` or `SOURCE`; a path with an equals sign in it, and `pypi:NAME==VERSION`, are sources."""
    name, equals, source = spelled.partition("=")
    if not equals or not source or source.startswith("=") or not name.replace("-", "").replace("_", "").isalnum() or Path(spelled).exists():
        return None, spelled
    return name, source


def _short(source: str) -> str:
    if source.startswith("pypi:"):
        return "embedded" if source in (EMBEDDED, EMBEDDED.partition("==")[0]) else source.removeprefix("pypi:").partition("==")[0]
    path = Path(source).expanduser()
    parts = [part for part in path.absolute().parts if part not in ("model", "/")]
    return parts[-1] if parts else source


def _free(name: str, taken: set[str]) -> str:
    number = 2
    chosen = name
    while chosen in taken:
        chosen, number = f"{name}-{number}", number + 1
    return chosen


def _info(name: str, source: str) -> ModelInfo:
    facts = read_model_facts(Path(resolve_model(source).location))
    directions = tuple(dict.fromkeys(map(parse_direction, facts.directions)))
    note = "" if directions else EMBEDDED_NOTE if _short(source) == "embedded" else _UNTRAINED_NOTE
    return ModelInfo(name, source, directions, note)
