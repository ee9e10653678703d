"""The captioner that users work with: photos, layouts or scenes in, captions out (Xu et al. 2015)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, Union

import torch
from PIL import Image
from torch import Tensor, nn

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.model import Model, as_asked, in_chunks, seeded, verb, with_n_best
from seq2scene.models.scene_records import read_records
from seq2scene.models.words import Hypothesis, forced_prefix, gold_log_probs, read_hypotheses, special_ids
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.nets.text.recurrent_decoder import RecurrentDecoder
from seq2scene.scenes.images import as_photo, open_photo, square
from seq2scene.scenes.layouts import layouts_of
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.scene_json import PlainObject
from seq2scene.scenes.schema import Schema
from seq2scene.search.constraints import Constraints
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.sequences.language import Language
from seq2scene.sequences.memory import Memory
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.vocabulary import Vocabulary

if TYPE_CHECKING:
    from seq2scene.models.scene import Scene

CHUNK = 128  # images at a time

Photo: TypeAlias = Image.Image | Path | str
Given = Union["Scene", Sequence[PlainObject]]  # a scene or its objects


class Captioner(Model):
    """Writes captions with any recurrent decoder, attending to locations of photos, or to objects of layouts
    or of clip-art scenes.

    encoder: images (B, 3, H, W) -> maps (B, D, y, x); None if batches hold features only, or layouts.
    annotations: turns maps, or layouts if there is a ``schema``, into annotations (B, S, D). The memory's
    final state, from which the decoder's bridge starts, is the mean annotation, for h, c and every layer.
    """

    kind: ClassVar[str] = "captioner"

    def __init__(
        self,
        encoder: nn.Module | None,
        annotations: nn.Module,
        decoder: RecurrentDecoder,
        language: Language,
        schema: Schema | None = None,
        search: Constraints | None = None,
    ) -> None:
        super().__init__(search)
        self.encoder = encoder
        self.annotations = annotations
        self.decoder = decoder
        self.language = language
        self.schema = schema

    @classmethod
    def _build(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        model, language = config["model"], Language.from_state(description["language"])
        state = description.get("schema")
        schema = None if state is None else Schema.from_state(state)
        encoder = None
        if schema is None:
            encoder = build(config["image_encoder"], "image_encoder")
            facts = {"map_size": encoder.output_size}
        else:
            heads = {name: head.classes for name, head in schema.heads.items()}
            facts = {"classes": schema.classes, "heads": heads}
        annotations = build(model["annotations"], "model.annotations", **facts)
        sizes = {"query_size": model["decoder"]["hidden_size"], "memory_size": annotations.output_size}
        decoder = build(
            model["decoder"],
            "model.decoder",
            vocabulary_size=len(language.vocabulary),
            padding=language.vocabulary.pad,
            memory_size=annotations.output_size,
            memory_layers=model["decoder"].get("layers", 1),  # the mean annotation for every layer
            attention=build(config["attention"], "attention", **sizes),
        )
        if model["initial_range"] is not None:
            initialise_uniform(annotations, model["initial_range"])
            initialise_uniform(decoder, model["initial_range"])
        return cls(encoder, annotations, decoder, language, schema)

    def word_parts(self) -> dict[str, tuple[str, Vocabulary]]:
        return dict.fromkeys(("decoder.embedding", "decoder.output"), ("language", self.language.vocabulary))

    # Tensors

    def maps(self, batch: CaptionBatch) -> Tensor:
        """Feature maps (B, D, y, x) of the images; precomputed ones if the batch has them.

        Raises UserError if the batch has no features and there is no encoder.
        """
        if batch.features is not None:
            return batch.features.to(self.decoder.embedding.weight.dtype)  # stored in half precision
        if self.encoder is None:
            raise UserError("these images have no stored features, and the model has no image encoder")
        return self.encoder(batch.images)

    def look(self, batch: CaptionBatch) -> tuple[Tensor, Tensor]:
        """Annotations (B, S, D) and their mask (B, S) bool: S locations of photos, row by row, or S objects
        of layouts, zero on padding.

        Raises UserError if a captioner of layouts gets photos.
        """
        if self.schema is not None:
            if batch.layouts is None:
                raise UserError("this captioner reads layouts, not photos")
            return self.annotations(batch.layouts), batch.layouts.mask
        states = self.annotations(self.maps(batch))
        return states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)

    def encode(self, batch: CaptionBatch) -> Memory:
        """The decoder's memory of the images, computed once."""
        states, mask = self.look(batch)
        lengths = mask.sum(dim=1)
        mean = states.sum(dim=1, keepdim=True) / lengths.clamp(min=1).view(-1, 1, 1)
        mean = mean.expand(-1, self.decoder.rnn.num_layers, -1)
        final = (mean, mean) if isinstance(self.decoder.rnn, nn.LSTM) else (mean,)
        return Memory(states, self.decoder.keys(states), mask, lengths, final)

    def forward(self, batch: CaptionBatch, previous: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: previous (B, T) ids -> decoder features (B, T, any), weights (B, T, S) or None."""
        return self.decoder(self.encode(batch), previous)

    def log_probs(self, batch: CaptionBatch, memory: Memory | None = None) -> Tensor:
        """log p (B, T) of each target word and EOS after those before it, 0 on padding; never smoothed.
        memory: the batch's, if already computed.
        """
        previous = shift_right(batch.target.ids, self.language.vocabulary.bos)
        features, _ = self.decoder(self.encode(batch) if memory is None else memory, previous)
        return gold_log_probs(features, batch.target, self.decoder.output)

    def decode(
        self, batch: CaptionBatch | Memory, search: Constraints | None = None, **options: Any
    ) -> Hypotheses:
        """Searches for captions of a batch, or of the memory that ``encode`` made of it, by default with the
        model's own search; options are passed to the search (prefix, keep_weights).
        """
        memory = batch if isinstance(batch, Memory) else self.encode(batch)
        ids = special_ids(self.language.vocabulary)
        return (search or self.search)(self.decoder, memory, **ids, **options)

    # Photos

    def read(self, photos: Sequence[Photo]) -> CaptionBatch:
        """Photos as a batch on the model's device, with empty targets (EOS only).

        Raises UserError for a captioner of layouts, and for files that are not images.
        """
        images = torch.stack([self.square(photo) for photo in photos])
        target = self.language.batch([""] * len(photos), eos=True)
        return CaptionBatch(images, target, torch.arange(len(photos))).to(self.device)

    def square(self, photo: Photo) -> Tensor:
        """A photo as the encoder sees it: (3, size, size) uint8."""
        encoder = self.photo_encoder()
        opened = as_photo(photo) if isinstance(photo, Image.Image) else open_photo(photo)
        return square(opened, encoder.size, encoder.resize)

    def photo_encoder(self, what: str = "photos") -> nn.Module:
        """The encoder of photos. Raises UserError, its message starting with ``what``, for a captioner of
        layouts, and for one without an encoder.
        """
        if self.schema is not None:
            raise UserError(
                f"{what}: this captioner reads layouts, not photos; python src/evaluate.py ckpt=LAYOUTS "
                "captioner=CKPT captions the layouts that a model generates, and python src/generate.py "
                "ckpt=CKPT scene=FILE.json one"
            )
        if self.encoder is None:
            raise UserError(f"{what}: this captioner has no image encoder, and reads stored features alone")
        return self.encoder

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are out of vocabulary."""
        return self.language.unknown(text)

    def caption(
        self,
        image: Photo | Sequence[Photo],
        n_best: int = 1,
        prefix: str | None = None,
        search: Constraints | None = None,
        keep_attention: bool = False,
    ) -> Hypothesis | list[Hypothesis] | list[list[Hypothesis]]:
        """The caption of a photo (a PIL image or a file), or the captions of a list of photos. Each is one
        hypothesis, or with ``n_best`` above 1 a list of up to that many, best first.

        prefix: how every caption begins. search: replaces the model's own.

        Raises UserError if the search cannot return several hypotheses, for files that are not images, if
        attention is requested from a model without it, and for a captioner of layouts.
        """
        images = [image] if isinstance(image, Photo) else list(image)
        search = with_n_best(search or self.search, n_best)
        found = self.hypotheses(images, prefix, search, keep_attention)
        return as_asked(found, isinstance(image, Photo), n_best)

    def sample(
        self,
        image: Photo | Sequence[Photo],
        count: int = 1,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> list[Hypothesis] | list[list[Hypothesis]]:
        """``count`` captions of a photo, or of each photo of a list, drawn at random; see
        ``search.stepwise.Sample``. The same seed gives the same ones.
        """
        images = [image] if isinstance(image, Photo) else list(image)
        with seeded(seed):
            found = self.hypotheses(images, search=self.sampling(count, temperature, top_k, top_p))
        return found[0] if isinstance(image, Photo) else found

    @verb
    def hypotheses(
        self,
        images: Sequence[Photo],
        prefix: str | None = None,
        search: Constraints | None = None,
        keep_attention: bool = False,
        batch_size: int = CHUNK,
    ) -> list[list[Hypothesis]]:
        """All hypotheses for each photo, best first; ``batch_size`` photos are processed at a time."""
        if keep_attention:
            self.require_attention("keep_attention")
        batches = map(self.read, in_chunks(images, batch_size))
        return [row for batch in batches for row in self._captions(batch, prefix, search, keep_attention)]

    def _captions(
        self, batch: CaptionBatch, prefix: str | None, search: Constraints | None, keep_attention: bool
    ) -> list[list[Hypothesis]]:
        forced = forced_prefix(self.language, prefix, len(batch), self.device)
        memory = self.encode(batch)
        found = self.decode(memory, search, prefix=forced, keep_weights=keep_attention)
        return read_hypotheses(found, self.language, memory.lengths.tolist())

    # Scenes and layouts

    def read_scenes(self, scenes: Sequence[Given], name: str = "scene") -> CaptionBatch:
        """Scenes, or their objects, as a batch on the model's device, with empty targets (EOS only).

        Raises UserError, its message starting with ``name`` (and the number of the scene if there are
        several), for a captioner of photos, and for anything that is not a list of complete objects of the
        captioner's schema.
        """
        if self.schema is None:
            raise UserError(f"{name}: this captioner reads photos, not scenes")
        names = [f"{name} {number}" if len(scenes) > 1 else name for number in range(1, len(scenes) + 1)]
        plain: list[Any] = [getattr(one, "objects", one) for one in scenes]
        objects = read_records(plain, names, self.schema)
        return self._of_objects(objects, self.schema, [""] * len(scenes))

    def _of_objects(self, objects: Objects, schema: Schema, texts: Sequence[str]) -> CaptionBatch:
        assert self.schema is not None, "a captioner of layouts"
        layouts = layouts_of(objects, schema, self.schema.max_objects)
        target = self.language.batch(texts, eos=True)
        return CaptionBatch(None, target, torch.arange(len(texts)), layouts=layouts).to(self.device)

    def describe(
        self,
        scene: Given | Sequence[Given],
        n_best: int = 1,
        prefix: str | None = None,
        search: Constraints | None = None,
    ) -> Hypothesis | list[Hypothesis] | list[list[Hypothesis]]:
        """The text of a scene (a ``Scene`` that a model has written, or its objects), or the texts of a list
        of scenes; as ``caption``. Raises UserError as ``read_scenes`` does.
        """
        given: Any = scene  # the objects of one scene are a list, too
        single = hasattr(given, "objects") or all(isinstance(one, Mapping) for one in given)
        search = with_n_best(search or self.search, n_best)
        return as_asked(self.descriptions([given] if single else list(given), prefix, search), single, n_best)

    @verb
    def descriptions(
        self,
        scenes: Sequence[Given],
        prefix: str | None = None,
        search: Constraints | None = None,
        batch_size: int = CHUNK,
    ) -> list[list[Hypothesis]]:
        """All hypotheses for each scene, best first; ``batch_size`` scenes are processed at a time."""
        batches = map(self.read_scenes, in_chunks(scenes, batch_size))
        return [row for batch in batches for row in self._captions(batch, prefix, search, False)]

    @verb
    def text_log_probs(self, texts: Sequence[str], objects: Objects, schema: Schema) -> Tensor:
        """log p (B,) of each text given its scene, the end included. schema: of the ``objects`` (B, T), with
        the classes of the captioner's.
        """
        found = []
        for rows in torch.arange(len(texts)).split(CHUNK):
            some = [texts[row] for row in rows]
            found.append(self.log_probs(self._of_objects(objects[rows], schema, some)).sum(1))
        return torch.cat(found)
