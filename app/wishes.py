"""What a client may want of a translation beside the languages: text that precedes it, a formality, an instruction in words."""

from __future__ import annotations

from dataclasses import dataclass

from ..mt.errors import ConfigError, nearest
from ..mt.languages import Language
from ..mt.prompting import PromptPlan
from .engine import Material
from .limits import Limits, TooLargeError

# Asked for on the line before the prompt: models that never read instructions may ignore it.
FORMALITIES = {
    "formal": "Use the formal form of address in {target}.",
    "informal": "Use the informal form of address in {target}.",
}


@dataclass(frozen=True)
class Wishes:
    """What is asked for beside the languages.

    Attributes:
        context: the text that precedes, which the model reads and does not translate.
        formality: a key of `FORMALITIES`; empty for whatever the model does.
        instruction: words of the client's own; line breaks count as spaces.
    """

    context: str = ""
    formality: str = ""
    instruction: str = ""

    def check(self, limits: Limits) -> Wishes:
        """The same wishes, if they can be had.

        Raises:
            ConfigError: an unknown formality.
            TooLargeError: a context or an instruction beyond its limit.
        """
        if self.formality and self.formality not in FORMALITIES:
            raise ConfigError(f"no formality {self.formality!r}", where="formality", allowed=nearest(self.formality, FORMALITIES))
        for name, text, most in (
            ("context", self.context, limits.context),
            ("instruction", self.instruction, limits.instruction),
        ):
            if len(text) > most:
                raise TooLargeError(f"{len(text):,} characters", where=name, allowed=f"{most:,} at most")
        return self

    def material(self, target: Language) -> Material | None:
        """What prompts hold because of them; nothing without any."""
        asked = [FORMALITIES[self.formality].format(target=target.name)] if self.formality else []
        line = " ".join([*asked, *self.instruction.split()])
        if not line and not self.context.strip():
            return None
        return Material(PromptPlan(instruction=line, context=self.context))
