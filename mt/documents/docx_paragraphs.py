"""Paragraphs of a Word document: runs of equal formatting joined, the rest of their formatting carried as tags, and written again.

The formatting that most of a paragraph's text has is that of its text without tags; text formatted otherwise and links are pairs (`<g1>`),
tabs, breaks, notes, pictures and fields single codes (`<x2/>`). A paragraph of any other make, with tracked changes or content controls
say, or whose tags a translation lost, is written in place: its text goes into its first run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .inline import Inline
from .spans import Splice
from .xml_syntax import Element, Tree
from .xml_texts import escaped, forbidden, with_attributes

SPACES = re.compile(r"[\t\n\r]+")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph with text in it.

    Attributes:
        content: its text; without tags if the paragraph is written in place.
        region: what is replaced when it is not; None if it must be written in place.
        base: opening and properties of the run that text without tags goes into.
        links: the same for text in each link.
        marks: bookmarks and the like inside the region, which come to stand around it.
        texts: the elements that hold its text.
    """

    content: Inline
    region: tuple[int, int] | None
    base: str
    links: dict[str, str]
    marks: tuple[str, str]
    texts: tuple[Element, ...]

    def fitted(self, target: str) -> str:
        """A target with tags as they are here, or, where it does not keep them, without any; line breaks and tabs are spaces."""
        made = SPACES.sub(" ", self.content.fitted(target))
        return self.content.pattern.sub("", made) if self.content.tag_problem(made) else made

    def refusal(self, target: str) -> str | None:
        """Why a (fitted) target cannot be written, or None."""
        if not target.strip():
            return "an empty text"
        if self.links and self.flattens(target):
            return "the tags of a link in it were not kept"
        return forbidden(target)

    def flattens(self, target: str) -> bool:
        """Whether a (fitted) target leaves its inner formatting behind."""
        return (self.region is None and len(self.texts) > 1) or (bool(self.content.tags) and self.content.pattern.search(target) is None)

    def splices(self, tree: Tree, target: str) -> Iterator[Splice]:
        """The edits that write a (fitted) target."""
        if self.region is not None and not self.flattens(target):
            yield Splice(*self.region, self.marks[0] + self._markup(tree, target) + self.marks[1])
            return
        first, *others = self.texts
        opening = with_attributes(tree.opening(first), {"xml:space": "preserve"})
        yield Splice(first.start, first.inner_end, opening + escaped(target))
        for each in others:
            yield Splice(each.inner, each.inner_end, "")

    def _markup(self, tree: Tree, target: str) -> str:
        content, position = self.content, 0
        runs = [self.base, *(self.links.get(pair, pair) for pair in content.enclosing)]
        made = [content.lead]
        for match in content.pattern.finditer(target):
            made.append(run_of(runs[-1], target[position : match.start()], tree.prefix))
            position = match.end()
            made.append(content.tags[match[0]])
            if match[0].startswith("</"):
                runs.pop()
            elif not match[0].endswith("/>"):
                pair = content.pairs[match[0]]
                runs.append(self.links.get(pair, pair))
        return "".join([*made, run_of(runs[-1], target[position:], tree.prefix), content.tail])


def run_of(opening: str, text: str, prefix: str) -> str:
    """A run of text, given its opening tag and properties; nothing for no text."""
    return f'{opening}<{prefix}t xml:space="preserve">{escaped(text)}</{prefix}t></{prefix}r>' if text else ""
