"""Facts as training targets: what a text states about each pair of an object and an anchor.

A statement is a relation of a subject to an object, or a size, mood or pose of a subject; the object is then
the canvas, whose class is SOS. Denied facts are not statements, as they do not say where anything is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.scenes.facts import MOODS, SIZES, STANCES, Facts, to_plain
from seq2scene.scenes.objects import SOS, Objects
from seq2scene.scenes.relations import RELATIONS
from seq2scene.scenes.schema import Schema

RECIPIENT = "recipient"  # of a gift or a kicked ball
RELATIVE = (*RELATIONS, RECIPIENT)  # statements about two objects: the first of STATEMENTS
VALUES: dict[str, Mapping[str, Any]] = {"size": SIZES, "mood": MOODS, "pose": STANCES}
STATEMENTS = (
    *((kind, None) for kind in RELATIVE),
    *((kind, value) for kind in VALUES for value in VALUES[kind]),
)
NUMBERS = {statement: number for number, statement in enumerate(STATEMENTS)}


def statements(facts: Facts, schema: Schema) -> Tensor:
    """(F, 3) int64: subject class, statement and object class of each statement among the facts. Raises
    UserError for a fact about a class that the schema does not have.
    """
    found = []
    for fact in facts:
        if fact.denied:
            continue
        for name in (fact.subject, fact.object, fact.recipient):
            if name is not None and name not in schema.names:
                raise UserError(f"{to_plain(fact)}: these scenes have no object class {name}")
        subject = schema.number(fact.subject)
        if fact.kind in VALUES:
            found.append((subject, NUMBERS[fact.kind, fact.value], SOS))
        elif fact.object is not None:
            found.append((subject, NUMBERS[fact.kind, None], schema.number(fact.object)))
            if fact.recipient is not None:
                found.append((subject, NUMBERS[RECIPIENT, None], schema.number(fact.recipient)))
    return torch.tensor(found, dtype=torch.int64).view(-1, 3)


class SentenceStatements:
    """The statements of all sentences of a data set, by sample and sentence, flat: no object per sentence.

    texts: the facts of each sentence of each sample.
    """

    def __init__(self, texts: Sequence[Sequence[Facts]], schema: Schema) -> None:
        each = [statements(sentence, schema) for text in texts for sentence in text]
        self.statements = torch.cat(each) if each else torch.zeros(0, 3, dtype=torch.int64)
        self.ends = torch.tensor([len(one) for one in each], dtype=torch.int64).cumsum(0)
        self.counts = torch.tensor([len(text) for text in texts], dtype=torch.int64)
        self.first = self.counts.cumsum(0) - self.counts  # the first sentence of each sample

    def of(self, samples: Tensor) -> Tensor:
        """(F, 4) the row and the statement of each fact of B texts. samples: (B, S), from which sample each
        of their sentences is taken; -1 for none.
        """
        number = torch.arange(samples.shape[1])
        taken = (samples >= 0) & (number < self.counts[samples])
        rows, columns = taken.nonzero(as_tuple=True)
        sentences = self.first[samples[rows, columns]] + columns
        ends = self.ends[sentences]
        starts = torch.where(sentences > 0, self.ends[sentences - 1], 0)
        counts = ends - starts
        within = torch.arange(int(counts.sum())) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        found = self.statements[starts.repeat_interleave(counts) + within]
        return torch.cat([rows.repeat_interleave(counts).unsqueeze(1), found], dim=1)


def of_pairs(stated: Tensor, objects: Objects) -> Tensor:
    """(B, T, T, 2, statements) float32: 1 where a text states this about an object and an anchor, with the
    object as the subject or, second, as the object of the statement.

    stated: (F, 4), of ``SentenceStatements.of``. objects: (B, T); the anchors are SOS and the objects before
    each step.
    """
    rows, subjects, kinds, others = stated.T
    chosen, anchors = objects.classes[rows], objects.previous()[rows]  # (F, T)
    steps = chosen.shape[1]
    found = torch.zeros(len(objects), steps, steps, 2, len(STATEMENTS), device=stated.device)
    where = torch.arange(steps, device=stated.device)
    before = where <= where.unsqueeze(1)
    for way, (one, other) in enumerate(((subjects, others), (others, subjects))):
        match = (
            (chosen == one.unsqueeze(1)).unsqueeze(2) & (anchors == other.unsqueeze(1)).unsqueeze(1) & before
        )
        index = (
            rows.view(-1, 1, 1),
            where.view(-1, 1),
            where,
            torch.full_like(where, way),
            kinds.view(-1, 1, 1),
        )
        found.index_put_(index, match.float(), accumulate=True)
    return found.clamp_(max=1)
