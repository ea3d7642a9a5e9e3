"""Entries by the atoms of their sources: a word is looked up, a phrase is followed atom by atom.

A phrase can only begin and end at the borders of atoms, so there is no need to look at every character as Aho-Corasick does, nor to build
its automaton: nearly always the second atom already says that no phrase begins here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from operator import contains
from typing import TypeAlias

from .records import Entry

Found: TypeAlias = tuple[int, int, Entry]  # the number of the first atom, that of the one after the last, the entry
Node: TypeAlias = "dict[str, Node | Entry]"  # the next atom -> where it leads, or the entry it ends; under "" the entry that ends here

AFTER = "\0"  # marks an atom that stands right after another, without a space
_END = ""
NOTHING: Node = {}


class PhraseIndex:
    """Entries of one atom and of several; what an entry's first atom stands after does not matter, so its mark is dropped.

    Of entries with the same atoms the first added is found, or the last that is `preferred`.
    """

    def __init__(self) -> None:
        self._words: dict[str, Entry] = {}
        self._roots: dict[str, Node] = {}

    def add(self, atoms: Sequence[str], entry: Entry, *, preferred: bool = False) -> bool:
        """Make an entry findable; returns whether there was another with these atoms."""
        head = atoms[0].removeprefix(AFTER)
        if len(atoms) == 1:
            known = head in self._words
            if preferred or not known:
                self._words[head] = entry
            return known
        node = self._roots.setdefault(head, {})
        for atom in atoms[1:-1]:
            following = node.get(atom, None)
            if not isinstance(following, dict):
                following = {} if following is None else {_END: following}
                node[atom] = following
            node = following
        last = node.get(atoms[-1])
        holder, key = (last, _END) if isinstance(last, dict) else (node, atoms[-1])
        known = key in holder
        if preferred or not known:
            holder[key] = entry
        return known

    def word(self, atom: str) -> Entry | None:
        """The entry of one atom."""
        return self._words.get(atom)

    def following(self, atom: str) -> Node:
        """What may follow a first atom; empty where no phrase begins with it."""
        return self._roots.get(atom, NOTHING)


def phrases(nodes: Sequence[Node], atoms: Sequence[str]) -> list[Found]:
    """Every place where a phrase of two or more atoms stands, overlaps included.

    Args:
        nodes: for each atom of a text, what may follow it as a first one (`PhraseIndex.following`).
        atoms: the atoms, as the index knows them; what the first is called does not matter.
    """
    found: list[Found] = []
    begun = list(map(contains, nodes, atoms[1:]))
    if True not in begun:
        return found
    for first in compress(range(len(begun)), begun):
        node = nodes[first]
        for number in range(first + 1, len(atoms)):
            step = node.get(atoms[number])
            if step is None:
                break
            if not isinstance(step, dict):
                found.append((first, number + 1, step))
                break
            ended = step.get(_END)
            if ended is not None:
                assert isinstance(ended, Entry)
                found.append((first, number + 1, ended))
            node = step
    return found
