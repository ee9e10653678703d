"""Faithfulness to language: which facts stated by a text hold in the scene generated for it."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from seq2scene.errors import UserError
from seq2scene.scenes.facts import FAIR, KINDS, STRICT, Facts, holds, things_of
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.relations import RELATIONS
from seq2scene.scenes.schema import Schema

NAME = "faithfulness"
PLACE = {kind: place for place, kind in enumerate(KINDS)}
GROUPS = {  # the kinds of facts that are counted together
    "thing": ("thing",),
    "colour": ("colour",),
    "size": ("size",),
    "mood": ("mood",),
    "pose": ("pose",),
    "relation": tuple(RELATIONS),
    "denial": ("denial",),
    "all": KINDS,
}
MEASURED = ("relation", "all", "text")  # what depends on the tolerance


class Faithfulness(Metric):
    """Shares of facts that hold, from counts that add up over batches and ranks.

    schema: of the scenes. tolerance: in pixels, see ``scenes.facts.holds``.

    ``compute`` gives, by name:

    faithfulness_KIND, for each kind of fact and each relation, and for GROUPS of them: the share that holds.
    faithfulness_text: the share of texts of which everything holds. With the suffix ``_strict``, where the
    tolerance matters: the same at 8 pixels. faithfulness_duplicates: the share of scenes with more objects of
    a class than any training scene. faithfulness_held_out_relation, faithfulness_held_out_text, both also
    ``_strict``: of relations that no training text states, and of texts with such a relation;
    faithfulness_seen_...: of the others. NaN where nothing was counted.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    stated: Tensor  # (2, kinds): seen in training, held out
    held: Tensor  # (2, tolerances, kinds)
    texts: Tensor  # (2,)
    whole: Tensor  # (2, tolerances) texts of which everything holds
    scenes: Tensor  # ()
    duplicates: Tensor  # () scenes with a class too often

    def __init__(self, schema: Schema, tolerance: float = FAIR) -> None:
        super().__init__()
        if not STRICT <= tolerance < float("inf"):
            raise UserError(f"tolerance={tolerance}: a number of pixels, at least the strict {STRICT:g}")
        self.schema, self.most = schema, schema.limits()
        self.tolerances = {"_strict": STRICT, "": float(tolerance)}
        kinds, count = len(KINDS), len(self.tolerances)
        shapes = {"stated": (2, kinds), "held": (2, count, kinds), "texts": (2,), "whole": (2, count)}
        for name, shape in {**shapes, "scenes": (), "duplicates": ()}.items():
            self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, prediction: Objects, facts: Sequence[Facts] | None = None) -> None:
        """Adds scenes (B, T) and the facts that the text of each states; None if unknown."""
        self.scenes += len(prediction)
        self.duplicates += self._duplicates(prediction).sum().to(self.device)
        if facts is None:
            return
        counts: dict[str, Counter] = {name: Counter() for name in ("stated", "held", "texts", "whole")}
        for text, found in zip(facts, self._held(prediction, facts), strict=True):
            if not text:
                continue
            part = int(any(fact.held_out for fact in text))
            counts["texts"][part] += 1
            counts["stated"].update((int(fact.held_out), PLACE[fact.group]) for fact in text)
            for place, each in enumerate(found):
                counts["whole"][part, place] += all(each)
                holding = (fact for fact, ok in zip(text, each, strict=True) if ok)
                counts["held"].update((int(fact.held_out), place, PLACE[fact.group]) for fact in holding)
        for name, counter in counts.items():
            added = torch.zeros_like(getattr(self, name), device="cpu")
            for index, count in counter.items():
                added[index] = count
            setattr(self, name, getattr(self, name) + added.to(self.device))

    def each(self, prediction: Objects, facts: Sequence[Facts]) -> dict[str, Tensor]:
        """Of each scene (B,) on the CPU: the shares of all its facts and of its relations that hold, NaN
        where its text states none, and whether it has a class more often than any training scene.
        """
        found = self._held(prediction, facts)
        scores = {}
        for place, suffix in enumerate(self.tolerances):
            both = [
                list(zip(text, scene[place], strict=True)) for text, scene in zip(facts, found, strict=True)
            ]
            scores[NAME + suffix] = _means([[ok for _, ok in scene] for scene in both])
            related = [[ok for fact, ok in scene if fact.group in RELATIONS] for scene in both]
            scores[f"{NAME}_relation{suffix}"] = _means(related)
        return {**scores, f"{NAME}_duplicates": self._duplicates(prediction)}

    def _held(self, prediction: Objects, facts: Sequence[Facts]) -> list[list[list[bool]]]:
        """Which facts hold, by scene, tolerance and fact."""
        scenes = things_of(prediction.to("cpu"), self.schema)
        return [
            [[holds(fact, things, tolerance) for fact in text] for tolerance in self.tolerances.values()]
            for things, text in zip(scenes, facts, strict=True)
        ]

    def _duplicates(self, prediction: Objects) -> Tensor:
        """(B,) 1.0 where a scene has several objects of a class and more than any training scene, else 0.0;
        NaN if the schema does not say how many training scenes have.
        """
        if self.most is None:
            return torch.full((len(prediction),), torch.nan)
        classes = (prediction.classes * prediction.present).cpu()
        counts = torch.zeros(len(classes), self.schema.classes, dtype=torch.int64)
        counts.scatter_add_(1, classes, torch.ones_like(classes))
        return (counts > self.most.clamp(min=1))[:, 1:].any(1).float()

    def compute(self) -> dict[str, Tensor]:
        stated, held = self.stated.sum(0), self.held.sum(0)
        values = {f"{NAME}_{kind}": held[-1, place] / stated[place] for kind, place in PLACE.items()}
        values |= {f"{NAME}_{name}": self._share(name, -1, slice(None)) for name in (*GROUPS, "text")}
        values |= {f"{NAME}_{name}_strict": self._share(name, 0, slice(None)) for name in MEASURED}
        values |= {f"{NAME}_{kind}_strict": held[0, PLACE[kind]] / stated[PLACE[kind]] for kind in RELATIONS}
        for part, apart in (("seen", slice(0, 1)), ("held_out", slice(1, 2))):
            for place, suffix in enumerate(self.tolerances):
                for name in ("relation", "text"):
                    values[f"{NAME}_{part}_{name}{suffix}"] = self._share(name, place, apart)
        return {**values, f"{NAME}_duplicates": self.duplicates / self.scenes}

    def found(self, brief: bool = False) -> dict[str, Tensor]:
        """The values of ``compute`` that are defined, without ``seen`` if nothing was held out.

        brief: for relations only their total.
        """
        values = {name: value for name, value in self.compute().items() if not value.isnan()}
        left_out = {f"{NAME}_{kind}{suffix}" for kind in RELATIONS if brief for suffix in self.tolerances}
        if f"{NAME}_held_out_text" not in values:
            left_out |= {name for name in values if name.startswith(f"{NAME}_seen")}
        return {name: value for name, value in values.items() if name not in left_out}

    def _share(self, name: str, tolerance: int, apart: slice) -> Tensor:
        """The share that holds of a group of facts, or of texts. tolerance: an index. apart: of those seen in
        training (0), held out (1), or both.
        """
        if name == "text":
            return self.whole[apart, tolerance].sum() / self.texts[apart].sum()
        places = [PLACE[kind] for kind in GROUPS[name]]
        return self.held[apart, tolerance][:, places].sum() / self.stated[apart][:, places].sum()


def _means(rows: list[list[bool]]) -> Tensor:
    return torch.tensor([sum(row) / len(row) if row else torch.nan for row in rows])
