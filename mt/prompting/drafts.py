"""Drafts of specialised systems in the prompt: SCALE (Cheng et al. 2023, arXiv 2309.17061).

A source text stands with its drafts, and so do the sources of the examples, which thereby become triplets of source, drafts and target. The
model sees what the system gets wrong, and how sure it was, before it writes its own translation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..corpora.records import Origin
from ..specialists import NO_DRAFT, Draft, Specialist
from ..specialists.files import FileDrafts, draft_of_json

DRAFT = "draft"  # the key or column of an example

_REMEMBERED = 50_000  # texts whose drafts are kept


@dataclass(frozen=True)
class DraftStyle:
    """How drafts are written.

    Attributes:
        language: name of the drafts' language: the target, or the pivot.
        label: before a draft, with `{language}` and `{number}` if wanted; a colon and a space follow.
        confidences: whether words have theirs, `word(0.58)`.
    """

    language: str
    label: str = "{language} draft"
    confidences: bool = True

    def lines(self, drafts: Sequence[Draft]) -> str:
        """A line a draft, numbered where there are several systems, the last without `\\n`; empty without drafts."""
        pattern = self.label if len(drafts) < 2 or "{number}" in self.label else f"{self.label} {{number}}"
        written = [
            f"{pattern.replace('{language}', self.language).replace('{number}', str(number))}: {text}"
            for number, draft in enumerate(drafts, 1)
            if (text := draft.written(confidences=self.confidences))
        ]
        return "\n".join(written)


class DraftSource:
    """Where drafts come from: systems, each asked once for a text.

    Args:
        specialists: the systems, in the order in which their drafts stand.
        style: how they are written.
    """

    def __init__(self, specialists: Sequence[Specialist], style: DraftStyle) -> None:
        self.specialists = tuple(specialists)
        self.style = style
        self._known: OrderedDict[str, tuple[Draft, ...]] = OrderedDict()

    @property
    def by_position(self) -> bool:
        """Whether a file among the systems has its drafts in the order of an input, so that `aligned` comes first."""
        return any(isinstance(each, FileDrafts) and each.by_position for each in self.specialists)

    def aligned(self, texts: Sequence[str]) -> DraftSource:
        """The same source for an input whose segments are the texts; errors as `FileDrafts.aligned`."""
        return DraftSource([each.aligned(texts) if isinstance(each, FileDrafts) else each for each in self.specialists], self.style)

    @property
    def notes(self) -> list[str]:
        """What a person should know about the files among the systems."""
        files = [each for each in self.specialists if isinstance(each, FileDrafts) and each.repeated]
        return [f"{each.path}: {each.repeated:,} drafts are not used, their texts have others before" for each in files]

    def prepare(self, texts: Iterable[str]) -> None:
        """Have the systems draft texts together, which is faster than one by one; errors as theirs."""
        wanted = [text for text in dict.fromkeys(text.strip() for text in texts) if text and text not in self._known]
        if not wanted:
            return
        columns = [specialist.drafts(wanted) for specialist in self.specialists]
        self._known.update(zip(wanted, zip(*columns, strict=True), strict=True))
        while len(self._known) > max(_REMEMBERED, len(wanted)):
            self._known.popitem(last=False)

    def of(self, text: str) -> tuple[Draft, ...]:
        """A draft of each system, `NO_DRAFT` where it has none; errors as theirs."""
        core = text.strip()
        if not core:
            return (NO_DRAFT,) * len(self.specialists)
        self.prepare([core])
        return self._known[core]


def example_drafts(facts: Mapping[str, object], origin: Origin) -> tuple[Draft, ...]:
    """The drafts that a row of an example file brings: none, one, or a list of several systems'.

    Raises:
        CorpusError: something else under `draft` or `words`, at its place.
    """
    given = facts.get(DRAFT)
    if given is None or given == "":
        return ()
    return tuple(draft_of_json(value, origin) for value in (given if isinstance(given, list) else [facts]))
