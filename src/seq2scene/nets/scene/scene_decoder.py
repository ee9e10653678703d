"""The decoder of Text2Scene (Tan, Feng and Ordonez, CVPR 2019): objects one by one, each given the canvas and
the words.

B scenes, N rows (scenes or beams), T steps, W words, H features of the state, which is a map.

    h_t = ConvGRU(features of the canvas so far, h_{t-1})             h_0: the text's final state, everywhere
    p(o_t | h_t, o_{t-1}, words)                                     ``object_decoder``
    p(place, attributes | h_t, o_t, words)                           ``attribute_decoder``

It obeys the decoder contract (``seq2scene.search.decoder``), so that every search works on scenes as on
sentences: a step first places the previous object, then scores the next. Its weights are the object decoder's
attention over words, which coverage penalties sum; places, attributes, patches and the attribute decoder's
attention are its trace (``Placed``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.nets.scene.attribute_decoder import AttributeDecoder
from seq2scene.nets.scene.conv_gru import ConvGRU
from seq2scene.nets.scene.given_objects import as_given, given_at
from seq2scene.nets.scene.object_decoder import ObjectDecoder
from seq2scene.nets.scene.placing import Draw, choose, log_prob
from seq2scene.nets.scene.relational.laplace_mixture import LaplaceMixture
from seq2scene.nets.scene.relational.pairs import PairPredictions
from seq2scene.nets.scene.text_encoder import SceneTextEncoder
from seq2scene.scenes.objects import PAD, Objects
from seq2scene.scenes.photos import Patches, Photos
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.memory import Memory

# h (N, H, y, x), canvas (N, ...), context c (N, D) or None, standing (N, classes), patches used (N, steps)
State = tuple
# Objects (N, 1), predicted appearances (N, D), D = 0 for none, and the patches used (N, steps) -> the
# numbers (N,) of the retrieved patches, -1 for none, and the patches.
Retrieval = Callable[[Objects, Tensor, Tensor], tuple[Tensor, Patches]]

NO_CANVAS = "seq2scene.nets.scene.scene_decoder.no_canvas"


def no_canvas(schema: Schema, size: tuple[int, int], pictures: dict[str, Tensor] | None = None) -> None:
    """The canvas option of decoders that do not look at a drawing."""
    return None


class Placed(NamedTuple):
    """The trace of a step: the places and attributes of the N objects that it read, chosen in the previous
    step. Meaningless where a row read no object.

    places: (N, 2) float32 in canvas units, points of the grid except for objects that are given. attributes:
    by head, (N,) int64, 0 if the class does not have it. patches: (N,) int64, the number of the photo patch,
    -1 for none. weights: (N, W) float32, the attribute decoder's attention over words, or None. log_probs:
    (N,) float32, of the cell and the attributes, 0 where a row read no object.
    """

    places: Tensor
    attributes: dict[str, Tensor]
    patches: Tensor
    weights: Tensor | None
    log_probs: Tensor


@dataclass(frozen=True)
class SceneMemory:
    """The words of B scenes as memories of the two attentions, which share states and differ in keys. given:
    the first objects of the scenes, placed unchanged when a search is forced to begin with their classes;
    None if there are none.
    """

    object_words: Memory
    attribute_words: Memory
    given: Objects | None = None

    @property
    def lengths(self) -> Tensor:
        return self.object_words.lengths

    @property
    def mask(self) -> Tensor:
        return self.object_words.mask

    def __len__(self) -> int:
        return len(self.object_words)

    def __getitem__(self, index: Tensor) -> "SceneMemory":
        words = self.object_words[index]
        shared = self.attribute_words.keys is self.object_words.keys
        keys = words.keys if shared else self.attribute_words.keys[index]
        given = None if self.given is None else self.given[index]
        return SceneMemory(words, replace(words, keys=keys), given)


@dataclass(frozen=True)
class Taught:
    """The decoder's output under teacher forcing, for the F real steps (not PAD) and the P of these that
    place an object, scene by scene.

    objects: (F, classes) logits. places: (P, cells) logits, or P densities over the canvas. attributes: by
    head, (P, its classes) logits at the true cell. appearances: (P, D) at the true cell, of unit length, D =
    0 for none. object_attention, attribute_attention: the two decoders' attention over words (B, T, W), or
    None. pairs: what is predicted of pairs of an object and an anchor, by a model that relates them.
    """

    objects: Tensor
    places: Tensor | LaplaceMixture
    attributes: dict[str, Tensor]
    appearances: Tensor
    object_attention: Tensor | None
    attribute_attention: Tensor | None
    pairs: PairPredictions | None = None


class SceneDecoder(nn.Module):
    """canvas: has ``blank``, ``place`` and ``prefixes``; calling it encodes canvases at the size of h.

    stride: factor by which h has fewer columns and rows than the grid; 1 in the paper. text_size: features of
    the text's final state, projected if not equal to hidden_size. attention, attribute_attention: modules of
    ``seq2scene.attention``, or None. attention_size, classifier_size, widths: of the inner layers
    (``ObjectDecoder``, ``AttributeDecoder``). spatial: whether the attribute decoder reweights h_t; rescale:
    with a map of mean 1 instead of sum 1. class_weight_std: initial standard deviation of the weights on
    one-hot classes; None keeps PyTorch's initialisation. inventory: the object decoder reads the counts of
    the objects placed so far (``ObjectDecoder``).

    retrieval: finds patches if objects are patches of photos; must be set before a search.

    Raises UserError if the grid is not divisible by the stride.
    """

    def __init__(
        self,
        schema: Schema,
        canvas: nn.Module,
        text_size: int,
        memory_size: int,
        attention: nn.Module | None,
        attribute_attention: nn.Module | None,
        hidden_size: int = 512,
        stride: int = 1,
        attention_size: int = 256,
        classifier_size: int = 512,
        widths: tuple[int, ...] = (512, 256, 256),
        batch_norm: bool = True,
        spatial: bool = True,
        rescale: bool = False,
        dropout: float = 0.0,
        class_weight_std: float | None = None,
        inventory: bool = False,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.size = map_size(schema, stride)
        self.canvas = canvas
        for name in schema.heads:
            self.register_buffer(f"has_{name}", schema.has(name), persistent=False)
        same = text_size == hidden_size
        self.start_of_text = nn.Identity() if same else nn.Linear(text_size, hidden_size)
        self.recurrence = ConvGRU(canvas.output_size, hidden_size)
        self.object_decoder = ObjectDecoder(
            schema.classes,
            hidden_size,
            memory_size,
            attention,
            attention_size,
            classifier_size,
            batch_norm,
            dropout,
            inventory,
        )
        self.attribute_decoder = AttributeDecoder(
            schema.classes,
            sum(head.classes for head in schema.heads.values()),
            hidden_size,
            memory_size,
            0 if attention is None else memory_size,
            attribute_attention,
            attention_size,
            tuple(widths),
            0 if schema.appearance is None else schema.appearance.size,
            stride,
            batch_norm,
            spatial,
            rescale,
        )

        self.retrieval: Retrieval | None = None
        self.register_load_state_dict_pre_hook(_rename_parts)
        if class_weight_std is not None:
            self._start_classes(class_weight_std)

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        schema: Schema,
        encoder: SceneTextEncoder,
        pictures: dict[str, Tensor] | None,
    ) -> Self:
        """The decoder of a composed config, with its canvas and attentions, over the words of ``encoder``.
        pictures: clip art, for canvases that paint it. Raises UserError if there is no canvas.
        """
        settings, memory_size = config["model"]["decoder"], encoder.output_size
        canvas = build(
            config["canvas"],
            "canvas",
            schema=schema,
            size=map_size(schema, settings["stride"]),
            pictures=pictures,
        )
        if canvas is None:
            raise UserError("canvas=none: this model needs a canvas; choose one, e.g. canvas=semantic")
        attention = build(
            config["attention"],
            "attention",
            query_size=ObjectDecoder.query_size(
                schema.classes, settings["hidden_size"], settings["inventory"]
            ),
            memory_size=memory_size,
        )
        attribute_attention = build(
            config["attribute_attention"],
            "attribute_attention",
            query_size=AttributeDecoder.query_size(schema.classes, 0 if attention is None else memory_size),
            memory_size=memory_size,
        )
        return build(
            settings,
            "model.decoder",
            schema=schema,
            canvas=canvas,
            text_size=encoder.state_size,
            memory_size=memory_size,
            attention=attention,
            attribute_attention=attribute_attention,
        )

    def _start_classes(self, deviation: float) -> None:
        """Initialises the weights on one-hot classes, which are otherwise negligible among hundreds of
        inputs.
        """
        hidden, classes = self.recurrence.candidate_bias.numel(), self.schema.classes
        decoder = self.object_decoder
        columns = slice(hidden, decoder.query_size(classes, hidden, decoder.inventory))
        nn.init.normal_(decoder.classifier[0].weight.data[:, columns], std=deviation)
        columns = slice(hidden, hidden + classes)
        weight = self.attribute_decoder.first.weight.data
        nn.init.normal_(weight[:, columns], std=deviation / 3)  # for the sum of nine taps

    def memory(self, words: Tensor, mask: Tensor, last: Tensor) -> SceneMemory:
        """The memory of the encoder's words (B, W, D), their mask and the final state (B, text_size), with
        keys projected once.
        """
        made = [
            words if decoder.attention is None else decoder.attention.keys(words)
            for decoder in (self.object_decoder, self.attribute_decoder)
        ]
        of_objects, of_attributes = (Memory(words, keys, mask, mask.sum(1), (last,)) for keys in made)
        return SceneMemory(of_objects, of_attributes)

    def _first(self, memory: SceneMemory) -> Tensor:
        text = self.start_of_text(memory.object_words.final[0])
        return text[:, :, None, None].expand(-1, -1, self.size[1], self.size[0])

    # Teacher forcing

    def forward(self, memory: SceneMemory, objects: Objects, photos: Photos | None = None) -> Taught:
        """All steps of the true scenes at once; only the recurrence loops. objects: ending in EOS. photos:
        which they were cut out of, for canvases that show them.
        """
        real, present = objects.classes != PAD, objects.present
        canvases = self.canvas.prefixes(objects, photos)
        frames = self.canvas(canvases.flatten(0, 1)).unflatten(0, real.shape)
        h = self.recurrence(frames, self._first(memory))  # (B, T, H, y, x)
        looked = self.object_decoder.pool(h[real])
        pooled = looked.new_zeros(*real.shape, h.shape[2])
        pooled[real] = looked
        previous = objects.previous()
        standing = F.one_hot(previous, self.schema.classes).cumsum(dim=1)
        features, context, looked_for = self.object_decoder(
            pooled.flatten(0, 1), previous.flatten(), standing.flatten(0, 1), memory.object_words
        )
        read, looked_at = self.attribute_decoder.read(
            objects.classes.flatten(), context, memory.attribute_words
        )
        places, *at_cells = self.attribute_decoder(
            h[present], objects.classes[present], read.unflatten(0, real.shape)[present]
        )
        attributes, appearances = self._at(self.schema.cells(objects)[present], *at_cells)
        return Taught(
            objects=self.object_decoder.output(features.unflatten(0, real.shape)[real]),
            places=places,
            attributes=attributes,
            appearances=appearances,
            object_attention=None if looked_for is None else looked_for.unflatten(0, real.shape),
            attribute_attention=None if looked_at is None else looked_at.unflatten(0, real.shape),
        )

    def _at(self, cells: Tensor, attributes: Tensor, appearances: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The values of maps (N, K, y, x) and (N, D, y, x) at grid cells (N,): the logits of each head (N,
        its classes) and appearances (N, D) of unit length.
        """
        grid, (columns, _) = self.schema.grid, self.size
        stride = grid.columns // columns
        around = cells // grid.columns // stride * columns + cells % grid.columns // stride
        logits, vectors = (
            maps.flatten(2).gather(2, around.view(-1, 1, 1).expand(-1, maps.shape[1], 1)).squeeze(2)
            for maps in (attributes, appearances)
        )
        sizes = [head.classes for head in self.schema.heads.values()]
        by_head = dict(zip(self.schema.heads, logits.split(sizes, dim=1), strict=True))
        return by_head, F.normalize(vectors.float(), dim=1)

    # The decoder contract

    def start(self, memory: SceneMemory) -> State:
        """The state before the first step, one row per scene."""
        h, canvas = self._first(memory), self.canvas.blank(memory.object_words.states)
        used = torch.zeros(len(h), 0, dtype=torch.int64, device=h.device)
        return h, canvas, None, h.new_zeros(len(h), self.schema.classes), used

    def step(
        self, previous: Tensor, state: State, memory: SceneMemory, draw: Draw | None = None
    ) -> tuple[Tensor, State, Tensor | None, Placed]:
        """Places ``previous`` (N,), SOS in the first step, at the most probable place or sampled with
        ``draw``, then attends again. Returns features, the new state, the object decoder's attention over
        words (N, W) or None, and the trace of ``previous``.
        """
        h, canvas, context, standing, used = state
        standing = standing + F.one_hot(previous, self.schema.classes)
        if used.shape[1]:
            placed, canvas = self._place(previous, state, memory, draw)
        else:
            placed = self._nowhere(previous, memory.mask)
        used = torch.cat([used, placed.patches.unsqueeze(1)], dim=1)
        inputs = self.recurrence.inputs(self.canvas(canvas))
        h = self.recurrence.step(inputs, h)
        pooled = self.object_decoder.pool(h)
        features, context, weights = self.object_decoder(pooled, previous, standing, memory.object_words)
        return features, (h, canvas, context, standing, used), weights, placed

    def output(self, features: Tensor) -> Tensor:
        return self.object_decoder.output(features)

    def _place(
        self, chosen: Tensor, state: State, memory: SceneMemory, draw: Draw | None
    ) -> tuple[Placed, Any]:
        """The place, attributes and retrieved patch of each chosen object (N,), or the given ones, and the
        canvas with the objects added.
        """
        h, canvas, context, _, used = state
        given = given_at(memory.given, used.shape[1] - 1, len(chosen))
        read, looked = self.attribute_decoder.read(chosen, context, memory.attribute_words)
        weights = None if looked is None else looked.float()
        places, *at_cells = self.attribute_decoder(h, chosen, read)
        cells = choose(places, draw)
        if given is not None:
            cells = self.schema.cells(given).squeeze(1).where(given.present.squeeze(1), cells)
        logits, appearances = self._at(cells, *at_cells)
        attributes = {
            name: choose(one, draw) * getattr(self, f"has_{name}")[chosen] for name, one in logits.items()
        }
        patches, found = torch.full_like(chosen, -1), None
        alone = {name: one.unsqueeze(1) for name, one in attributes.items()}
        points = self.schema.grid.point(cells.unsqueeze(1))
        objects = as_given(Objects.of(chosen.unsqueeze(1), points, alone), given)
        if self.retrieval is not None:
            patches, found = self.retrieval(objects, appearances, used)
        log_probs = log_prob(places, cells)
        attributes = {name: one.squeeze(1) for name, one in objects.attributes.items()}
        for name, one in logits.items():
            has = getattr(self, f"has_{name}")[chosen]
            log_probs = log_probs + log_prob(one, attributes[name]) * has
        log_probs = log_probs.where(objects.present.squeeze(1), 0.0)
        placed = Placed(objects.places.squeeze(1), attributes, patches, weights, log_probs)
        return placed, self.canvas.place(canvas, objects, found)

    def _nowhere(self, chosen: Tensor, words: Tensor | None) -> Placed:
        """The trace if none of ``chosen`` (any shape) is an object. words: (any, W), whose width its
        attention has; None for no attention.
        """
        zeros = torch.zeros_like(chosen)
        weights = None
        if words is not None and self.attribute_decoder.attention is not None:
            weights = torch.zeros(*chosen.shape, words.shape[1], dtype=torch.float32, device=chosen.device)
        places = torch.zeros(*chosen.shape, 2, device=chosen.device)
        attributes = dict.fromkeys(self.schema.heads, zeros)
        return Placed(places, attributes, zeros - 1, weights, zeros.float())

    def read_trace(self, tokens: Tensor, trace: Placed | None) -> tuple[Objects, Tensor | None]:
        """A search's scenes: tokens (B, n, T), each ending in EOS, and the trace -> the objects (B * n, T),
        and the attribute decoder's attention over words for each, (B * n, T, W), or None.
        """
        if trace is None:  # no text has a known word
            trace = self._nowhere(tokens, None)
        trace = tree_map_only(Tensor, next_step, trace)  # an object is placed by the step that reads it
        classes = tokens.flatten(0, 1)
        objects = Objects.of(classes, trace.places, trace.attributes)
        if self.retrieval is not None:
            objects = replace(objects, patches=trace.patches.where(objects.present, -1))
        return objects, trace.weights


def next_step(values: Tensor) -> Tensor:
    """values (B, n, T, ...) shifted one step earlier, zeros at the end: (B * n, T, ...)."""
    return torch.cat([values[:, :, 1:], torch.zeros_like(values[:, :, :1])], dim=2).flatten(0, 1)


# Names of parts in older checkpoints
RENAMED = {"what.": "object_decoder.", "where.": "attribute_decoder."}


def _rename_parts(_: nn.Module, weights: dict[str, Any], prefix: str, *others: Any) -> None:
    for key in list(weights):
        for old, new in RENAMED.items():
            if key.startswith(prefix + old):
                weights[prefix + new + key.removeprefix(prefix + old)] = weights.pop(key)


def map_size(schema: Schema, stride: int) -> tuple[int, int]:
    """(columns, rows) of the state; raises UserError if the stride does not divide the grid."""
    grid = schema.grid
    if grid.columns % stride or grid.rows % stride:
        raise UserError(
            f"model.decoder.stride={stride} does not divide grid={grid.columns}x{grid.rows}; choose one that "
            "does"
        )
    return grid.columns // stride, grid.rows // stride
