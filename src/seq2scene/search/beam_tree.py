"""A recorded beam search as a tree: every candidate it considered, kept or dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from seq2scene.search.backpointers import Step

Fate = Literal["kept", "ended", "dropped"]


@dataclass(frozen=True)
class Node:
    """One candidate of a step.

    step: the position of its last word, from 0. token: that word's id. parent: the index of the node that it
    extends; None in the first step. log_prob: of its last word. total: of all its words. fate: whether it was
    extended further (kept), is a hypothesis (ended), or was among the best of its step but not good enough to
    be kept (dropped). score: that of a hypothesis, by which they are ranked; None unless ended.
    """

    step: int
    token: int
    parent: int | None
    log_prob: float
    total: float
    fate: Fate
    score: float | None


def beam_tree(steps: Sequence[Step], eos: int, row: int = 0) -> list[Node]:
    """The candidates of sentence ``row`` of the batch, those of each step best first, parents before their
    children. Of a search without pruning.
    """
    nodes: list[Node] = []
    beams: list[int | None] = [None]  # the node of each beam before the step
    for number, step in enumerate(steps):
        here = (step.sentences == row).nonzero().flatten().tolist()
        if not here:
            break
        tokens, log_probs, parents, kept, ended = (
            values[here[0]].tolist()
            for values in (step.tokens, step.log_probs, step.parents, step.kept, step.ended)
        )
        places: dict[int, int] = {}  # the node of each candidate
        for candidate, (token, log_prob, beam) in enumerate(zip(tokens, log_probs, parents, strict=True)):
            parent = beams[beam] if beam < len(beams) else None
            if not isfinite(log_prob) or (number > 0 and parent is None):
                continue  # fills the beam where there are fewer candidates
            score = ended[candidate] if candidate < len(ended) and isfinite(ended[candidate]) else None
            going = candidate in kept and token != eos
            fate: Fate = "ended" if score is not None else "kept" if going else "dropped"
            total = log_prob + (0.0 if parent is None else nodes[parent].total)
            places[candidate] = len(nodes)
            nodes.append(Node(number, token, parent, log_prob, total, fate, score))
        beams = [places.get(candidate) for candidate in kept]
        # candidates that ended fill the beam only where others are lacking, and are dead there
        beams = [None if one is not None and nodes[one].token == eos else one for one in beams]
    return nodes


def path(nodes: Sequence[Node], last: int) -> list[int]:
    """The nodes from the first step to node ``last``."""
    found = [last]
    while (parent := nodes[found[-1]].parent) is not None:
        found.append(parent)
    return found[::-1]
