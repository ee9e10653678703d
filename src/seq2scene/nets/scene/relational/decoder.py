"""A scene decoder that places each object relative to those already placed: a Transformer over objects.

B scenes, N rows (scenes or beams), T steps, S anchors (the canvas first, then the objects placed so far), W
words, C object classes, H features.

    r_c    = reading(c, words)                          once for all steps: what the text says of each class
    x_t    = Transformer(canvas, o_1 ... o_{t-1})       over classes, attributes and places
    p(o_t) = softmax_c(out(x_t)_c + <W x_t, r_c> / sqrt(H) + <v_c, r_c>)
    u_tj   = reading(o_t, o_j, words)                   what it says of o_t and each o_j, and of o_j and o_t
    s_tj   = sigmoid(S u_tj)                            which statements it makes about them
    a_t    = f(x_t, o_t, r_{o_t}, all u_tj, s_tj)       then the attributes, each given the previous ones
    p(place | a_t, attributes) = a mixture of Laplace components around every o_j and the canvas

If the data say what the texts state, s_tj is trained on that (``scenes.statements``), and each anchor that
the text relates to o_t is trained to predict the place by itself.

Places are exact: there is no grid. It obeys the decoder contract as ``scene_decoder`` does: a step first
places the previous object, then scores the next. The weights of a step are the classes' attention over words
averaged by the probability of each class; the trace has the pairs' attention, averaged by the share of the
place's density that each contributes.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from seq2scene.attention import at_least_float32
from seq2scene.building import build
from seq2scene.compositing.pasting import as_pasted
from seq2scene.errors import UserError
from seq2scene.nets.scene.given_objects import as_given, given_at
from seq2scene.nets.scene.placing import Draw, choose, log_prob
from seq2scene.nets.scene.relational.laplace_mixture import LaplaceMixture
from seq2scene.nets.scene.relational.object_block import ObjectBlock
from seq2scene.nets.scene.relational.pairs import PairPredictions, Pairs
from seq2scene.nets.scene.relational.relative_places import RelativePlaces
from seq2scene.nets.scene.relational.state import Positioned, Readings, Standing
from seq2scene.nets.scene.relational.text_reader import (
    ClassReadings,
    PairReadings,
    probability_related,
    require_heads,
)
from seq2scene.nets.scene.scene_decoder import NO_CANVAS, Retrieval, Taught, next_step
from seq2scene.nets.scene.text_encoder import SceneTextEncoder
from seq2scene.scenes.objects import PAD, SOS, Objects
from seq2scene.scenes.photos import Photos
from seq2scene.scenes.schema import Schema
from seq2scene.scenes.statements import STATEMENTS

WAVES = 8  # sinusoids of a coordinate; periods halve, from two canvases down
PIXELS = 400  # along the shorter side of the canvas; see ``_log_density``


class RelationalDecoder(nn.Module):
    """attention: for the readings of classes; attribute_attention: for the readings of pairs; modules of
    ``seq2scene.attention`` for hidden_size / heads features, or None. layers: of the Transformer. pair_size:
    features of an object-anchor pair. components: of the place density, per anchor. agreement: how strongly a
    place must suit every anchor that the text relates to the object (``RelativePlaces``), and, as a share of
    that, company: every other; 0: one suffices.

    retrieval: finds patches if objects are patches of photos; must be set before a search. The box of an
    object is then that of its patch, which keeps its aspect: later objects are placed relative to what is
    shown.

    Raises UserError if hidden_size is not divisible by heads.
    """

    canvas = None

    def __init__(
        self,
        schema: Schema,
        text_size: int,
        memory_size: int,
        attention: nn.Module | None,
        attribute_attention: nn.Module | None,
        hidden_size: int = 128,
        heads: int = 4,
        layers: int = 2,
        pair_size: int = 128,
        components: int = 6,
        agreement: float = 0.0,
        company: float = 0.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        require_heads(hidden_size, heads)
        self.schema = schema
        classes, appearance = schema.classes, schema.appearance
        for name in schema.heads:
            self.register_buffer(f"has_{name}", schema.has(name), persistent=False)
        whole = torch.tensor(schema.canvas)
        self.register_buffer("whole", torch.cat([whole / 2, whole]), persistent=False)
        self.register_buffer("waves", torch.pi * 2.0 ** torch.arange(WAVES), persistent=False)

        self.readings = ClassReadings(classes, memory_size, text_size, hidden_size, heads, attention, dropout)
        self.pairs = None
        if attribute_attention is not None:
            self.pairs = PairReadings(
                classes, memory_size, hidden_size, heads, attribute_attention, len(STATEMENTS)
            )

        self.text = nn.Linear(text_size, hidden_size)
        self.classes = nn.Embedding(classes, hidden_size)
        self.attributes = nn.ModuleDict(
            {name: nn.Embedding(head.classes, hidden_size) for name, head in schema.heads.items()}
        )
        self.box = nn.Linear(4 * WAVES + 2, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.inventory = nn.Linear(classes, hidden_size, bias=False)
        self.blocks = nn.ModuleList([ObjectBlock(hidden_size, heads, dropout) for _ in range(layers)])
        self.features = nn.LayerNorm(hidden_size)

        self.prior = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.GELU(), nn.Linear(hidden_size, classes)
        )
        self.wanted = nn.Linear(hidden_size, hidden_size, bias=False)
        self.mentions = nn.Embedding(classes, hidden_size)

        self.chosen = nn.Linear(3 * hidden_size, hidden_size)
        self.of_chosen = nn.Linear(hidden_size, pair_size)
        self.of_standing = nn.Linear(hidden_size, pair_size, bias=False)
        if self.pairs is not None:
            self.of_related = nn.Linear(pair_size, hidden_size, bias=False)
            self.of_reading = nn.Linear(2 * hidden_size, pair_size, bias=False)
            self.of_statements = nn.Linear(2 * len(STATEMENTS), pair_size, bias=False)
            nn.init.normal_(self.of_statements.weight)
        self.relevance = nn.Linear(pair_size, 1)
        self.relations = nn.Linear(pair_size, hidden_size)
        self.heads = nn.ModuleDict(
            {name: _head(hidden_size, head.classes) for name, head in schema.heads.items()}
        )
        self.places = RelativePlaces(
            pair_size, hidden_size, components, min(schema.canvas) / 4, agreement, company
        )
        self.appearance = None if appearance is None else _head(hidden_size, appearance.size)
        for embedding in (self.classes, *self.attributes.values()):
            nn.init.normal_(embedding.weight, std=0.5)
        nn.init.normal_(self.mentions.weight, std=hidden_size**-0.5)

        self.retrieval: Retrieval | None = None

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        schema: Schema,
        encoder: SceneTextEncoder,
        pictures: Mapping[str, Tensor] | None,
    ) -> Self:
        """The decoder of a composed config, over the words of ``encoder``. pictures: clip art, unused. Raises
        UserError if the config has a canvas.
        """
        if config["canvas"].get("_target_") != NO_CANVAS:
            raise UserError("canvas: this model reads the objects themselves; choose canvas=none")
        settings = dict(config["model"]["decoder"])
        settings.pop("temperature", None)  # in early checkpoints; it is an option of the search
        size, heads = settings["hidden_size"], settings["heads"]
        require_heads(size, heads)
        attention, attribute_attention = (
            build(config[group], group, query_size=size // heads, memory_size=size // heads)
            for group in ("attention", "attribute_attention")
        )
        return build(
            settings,
            "model.decoder",
            schema=schema,
            text_size=encoder.state_size,
            memory_size=encoder.output_size,
            attention=attention,
            attribute_attention=attribute_attention,
        )

    def memory(self, words: Tensor, mask: Tensor, last: Tensor) -> Readings:
        """The memory of the encoder's words (B, W, memory_size), their mask and final state (B, text_size):
        all readings except those of pairs, which depend on the objects.
        """
        classes, weights = self.readings(words, mask, last)
        pairs = None if self.pairs is None else self.pairs.reader.memory(words, mask)
        return Readings(mask, mask.sum(1), self.text(last), classes, weights, pairs)

    # Teacher forcing

    def forward(self, memory: Readings, objects: Objects, photos: Photos | None = None) -> Taught:
        """All steps of the true scenes at once. objects: ending in EOS. photos: unused."""
        real, present = objects.classes != PAD, objects.present
        boxes, previous = self.schema.boxes(objects), objects.previous()
        canvas = self.whole.float().expand(len(boxes), 1, 4)
        standing = torch.cat([canvas, boxes[:, :-1]], dim=1)  # before each step
        tokens = torch.cat([self._canvas_token(memory), self._tokens(objects, boxes)[:, :-1]], dim=1)
        counts = F.one_hot(previous, self.schema.classes).cumsum(dim=1)
        x = tokens + self.inventory(counts.to(tokens.dtype))
        for block in self.blocks:
            x, _ = block(x)
        x = self.features(x)
        before = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        pairs = Pairs.of(before & present.unsqueeze(2))
        related, features, stated, looked = self._relate(x, objects.classes, previous, tokens, memory, pairs)
        given = objects.attributes
        attributes, _, features = self._describe(features, objects.classes, lambda name, _: given[name])
        alone, places = self.places(
            related, features, standing, boxes[..., 2:], pairs, probability_related(stated)
        )
        logits = self._logits(x, memory)
        return Taught(
            objects=logits[real],
            places=places[present],
            attributes={name: one[present] for name, one in attributes.items()},
            appearances=self._appearances(features[present]),
            object_attention=self._expected(logits, memory.weights),
            attribute_attention=None if looked is None else places.averaged(looked),
            pairs=PairPredictions(pairs, stated, alone),
        )

    # The decoder contract

    def start(self, memory: Readings) -> Standing:
        """The state before the first step, one row per scene, without any anchor, not even the canvas."""
        rows, like = len(memory), memory.text
        none = torch.zeros(rows, 0, dtype=torch.int64, device=like.device)
        return Standing(
            features=torch.zeros_like(like),
            counts=none.new_zeros(rows, self.schema.classes),
            classes=none,
            tokens=like.new_zeros(rows, 0, like.shape[1]),
            boxes=torch.zeros(rows, 0, 4, device=like.device),
            patches=none,
            caches=tuple(block.empty(rows, like) for block in self.blocks),
        )

    def step(
        self, previous: Tensor, state: Standing, memory: Readings, draw: Draw | None = None
    ) -> tuple[Tensor, Standing, Tensor | None, Positioned]:
        """Places ``previous`` (N,), SOS in the first step, with its most probable attributes and at the mean
        of the component of greatest weight, or sampled with ``draw``; then scores the next object. Returns
        its logits (N, C), the new state, the classes' attention over words (N, W) or None, and the trace of
        ``previous``.
        """
        if number := state.tokens.shape[1]:  # of the object that is chosen
            placed, box, token = self._place(previous, state, memory.at(number - 1), draw)
        else:
            placed = self._nowhere(previous, memory.mask)
            box = self.whole.float().expand(len(previous), 1, 4)
            token = _rows(self._canvas_token(memory), len(previous))
        counts = state.counts + F.one_hot(previous, self.schema.classes)
        x, caches = token + self.inventory(counts.to(token.dtype)).unsqueeze(1), []
        for block, cache in zip(self.blocks, state.caches, strict=True):
            x, cache = block(x, cache)
            caches.append(cache)
        x = self.features(x)
        logits = self._logits(x, memory.at(number))
        weights = self._expected(logits, memory.at(number).weights)
        state = Standing(
            features=x.squeeze(1),
            counts=counts,
            classes=torch.cat([state.classes, previous.unsqueeze(1)], dim=1),
            tokens=torch.cat([state.tokens, token], dim=1),
            boxes=torch.cat([state.boxes, box], dim=1),
            patches=torch.cat([state.patches, placed.patches.unsqueeze(1)], dim=1),
            caches=tuple(caches),
        )
        return logits.squeeze(1), state, None if weights is None else weights.squeeze(1), placed

    def output(self, features: Tensor) -> Tensor:
        """The identity: the features of a step are already logits, as they depend on each scene's text."""
        return features

    def read_trace(self, tokens: Tensor, trace: Positioned | None) -> tuple[Objects, Tensor | None]:
        """A search's scenes: tokens (B, n, T), each ending in EOS, and the trace -> the objects (B * n, T),
        and the attention over words when each was placed, (B * n, T, W), or None.
        """
        if trace is None:  # no text has a known word
            trace = self._nowhere(tokens, None)
        trace = tree_map_only(Tensor, next_step, trace)  # an object is placed by the step that reads it
        objects = Objects.of(tokens.flatten(0, 1), trace.places, trace.attributes)
        if self.retrieval is not None:
            objects = replace(
                objects,
                extents=trace.extents * objects.present.unsqueeze(2),
                patches=trace.patches.where(objects.present, -1),
            )
        return objects, trace.weights

    def _place(
        self, chosen: Tensor, state: Standing, memory: Readings, draw: Draw | None
    ) -> tuple[Positioned, Tensor, Tensor]:
        """The attributes, place and retrieved patch of each chosen object (N,), or the given ones; its box
        (N, 1, 4) and its token (N, 1, H).
        """
        classes = chosen.unsqueeze(1)
        given = given_at(memory.given, state.classes.shape[1] - 1, len(chosen))  # without the canvas

        def pick(name: str, logits: Tensor) -> Tensor:
            has = getattr(self, f"has_{name}")[classes]
            picked = choose(logits.squeeze(1), draw).unsqueeze(1) * has
            return picked if given is None else given.attributes[name].where(given.present, picked)

        pairs = Pairs.of(torch.ones_like(state.classes, dtype=torch.bool).unsqueeze(1))
        x = state.features.unsqueeze(1)
        related, features, stated, looked = self._relate(
            x, classes, state.classes, state.tokens, memory, pairs
        )
        logits, attributes, features = self._describe(features, classes, pick)
        nowhere = torch.zeros(len(chosen), 1, 2, device=chosen.device)
        objects = Objects.of(classes, nowhere, attributes)
        extents = self.schema.boxes(objects)[..., 2:]
        _, mixtures = self.places(related, features, state.boxes, extents, pairs, probability_related(stated))
        places = mixtures.centre() if draw is None else mixtures.sample(draw)
        places = places.float().clamp(min=0).minimum(self.whole[2:].float())
        objects = as_given(Objects.of(classes, places, attributes), given)
        log_probs = self._log_density(mixtures, objects.places)
        for name, values in attributes.items():
            has = getattr(self, f"has_{name}")[chosen]
            log_probs = log_probs + log_prob(logits[name].squeeze(1), values.squeeze(1)) * has
        log_probs = log_probs.where(objects.present.squeeze(1), 0.0)
        boxes, patches = self.schema.boxes(objects), torch.full_like(chosen, -1)
        if self.retrieval is not None:
            wished = self._appearances(features.squeeze(1))
            patches, found = self.retrieval(objects, wished, state.patches)
            assert found.ratios is not None, "patches of a store know their ratios"
            shown = as_pasted(boxes, found.ratios.unsqueeze(1))
            boxes = shown.where((patches >= 0).view(-1, 1, 1), boxes)
        weights = None if looked is None else mixtures.averaged(looked).squeeze(1).float()
        alone = {name: values.squeeze(1) for name, values in objects.attributes.items()}
        extents = boxes[..., 2:].squeeze(1)
        placed = Positioned(objects.places.squeeze(1), extents, alone, patches, weights, log_probs)
        return placed, boxes, self._tokens(objects, boxes)

    def _log_density(self, mixtures: LaplaceMixture, places: Tensor) -> Tensor:
        """The log-density (N,) float32 of places (N, 1, 2) per square pixel of a picture with ``PIXELS``
        along its shorter side. No component is narrow enough for a density above 1 there, so adding an object
        never makes a scene more probable, whatever the canvas units; in canvas units it could, for layouts on
        a 1 x 1 canvas.
        """
        per_pixel = 2 * math.log(min(self.schema.canvas) / PIXELS)
        return mixtures.log_prob(places).squeeze(1).float() + per_pixel

    def _nowhere(self, chosen: Tensor, words: Tensor | None) -> Positioned:
        """The trace if none of ``chosen`` (any shape) is an object. words: (any, W), whose width the
        attention has; None for no attention.
        """
        zeros = torch.zeros_like(chosen)
        weights = None
        if words is not None and self.pairs is not None:
            weights = torch.zeros(*chosen.shape, words.shape[1], dtype=torch.float32, device=chosen.device)
        places = torch.zeros(*chosen.shape, 2, device=chosen.device)
        attributes = dict.fromkeys(self.schema.heads, zeros)
        return Positioned(places, places, attributes, zeros - 1, weights, zeros.float())

    # Shared by teacher forcing and stepping

    def _canvas_token(self, memory: Readings) -> Tensor:
        """(B, 1, H) the token of the empty scene: the canvas and the text as a whole."""
        return self.norm(self.classes.weight[SOS] + memory.text).unsqueeze(1)

    def _tokens(self, objects: Objects, boxes: Tensor) -> Tensor:
        """(N, T, H) the tokens of objects, from class, attributes and box (N, T, 4)."""
        tokens = self.classes(objects.classes)
        for name, embedding in self.attributes.items():
            has = getattr(self, f"has_{name}")[objects.classes].unsqueeze(2)
            tokens = tokens + embedding(objects.attributes[name]) * has
        shares = (boxes / self.whole[2:].repeat(2)).to(tokens.dtype)
        angles = (shares[..., :2].unsqueeze(3) * self.waves).flatten(2)
        return self.norm(tokens + self.box(torch.cat([angles.sin(), angles.cos(), shares[..., 2:]], dim=2)))

    def _logits(self, x: Tensor, memory: Readings) -> Tensor:
        """Features x (N, T, H), N = len(memory) * beams -> logits of the classes (N, T, C)."""
        wanted = self.wanted(x).reshape(len(memory), -1, x.shape[2])
        wanted = wanted @ memory.classes.transpose(1, 2) * x.shape[2] ** -0.5
        mentioned = (memory.classes * self.mentions.weight).sum(2).unsqueeze(1)  # (B, 1, C)
        return self.prior(x) + (wanted + mentioned).view(*x.shape[:2], -1)

    def _expected(self, logits: Tensor, weights: Tensor | None) -> Tensor | None:
        """The classes' attention (B, C, W) averaged by their probabilities: (N, T, W); None for None."""
        if weights is None:
            return None
        shares = at_least_float32(logits).softmax(2).reshape(len(weights), -1, logits.shape[2])
        return (shares @ weights.to(shares.dtype)).view(*logits.shape[:2], -1)

    def _relate(
        self,
        x: Tensor,
        chosen: Tensor,
        standing: Tensor,
        tokens: Tensor,
        memory: Readings,
        pairs: Pairs,
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Features x (N, T, H), the chosen classes (N, T), and the anchors' classes (N, S) and tokens (N, S,
        H) -> features of the pairs (P, pair_size) and of the chosen objects (N, T, H); the logits of what the
        text states of each pair (P, 2, statements), and its attention over words (N, T, S, W), or None.
        """
        readings = _rows(memory.classes, len(x)).gather(1, chosen.unsqueeze(2).expand(-1, -1, x.shape[2]))
        features = self.chosen(torch.cat([x, self.classes(chosen), readings], dim=2))
        related = pairs.objects(self.of_chosen(features)) + pairs.things(self.of_standing(tokens))
        stated = looked = None
        if self.pairs is not None:
            read, stated, looked = self.pairs(chosen, standing, memory.pairs, pairs)
            known = stated.detach().sigmoid().flatten(1)  # places must not change what is stated
            related = related + self.of_reading(read.flatten(1)) + self.of_statements(known)
        related = F.gelu(related)
        features = features + self.relations(pairs.mean(related, self.relevance(related).squeeze(1)))
        if stated is not None:
            told = stated.detach().flatten(1).amax(1, keepdim=True).sigmoid()
            features = features + self.of_related(pairs.sum(told * related))
        return related, features, stated, looked

    def _describe(
        self, features: Tensor, classes: Tensor, pick: Callable[[str, Tensor], Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """The logits of each attribute of objects of ``classes`` (N, T), given the previous attributes; the
        attributes (N, T) that ``pick`` chooses from name and logits; and the features (N, T, H) conditioned
        on them.
        """
        logits, chosen = {}, {}
        for name, head in self.heads.items():
            has = getattr(self, f"has_{name}")[classes]
            logits[name] = head(features)
            chosen[name] = pick(name, logits[name])
            features = features + self.attributes[name](chosen[name]) * has.unsqueeze(2)
        return logits, chosen, features

    def _appearances(self, features: Tensor) -> Tensor:
        """Features (any, H) -> appearances (any, D) of unit length, D = 0 for none."""
        if self.appearance is None:
            return features[:, :0].float()
        return F.normalize(self.appearance(features).float(), dim=1)


def _head(hidden_size: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(hidden_size),
        nn.Linear(hidden_size, hidden_size),
        nn.GELU(),
        nn.Linear(hidden_size, classes),
    )


def _rows(values: Tensor, rows: int) -> Tensor:
    """Repeats the values of each scene (B, ...) for its beams (rows, ...)."""
    beams = rows // len(values)
    return values if beams == 1 else values.repeat_interleave(beams, dim=0)
