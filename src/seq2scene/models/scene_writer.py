"""The scene model that users work with: text in, objects out (Text2Scene, Tan, Feng and Ordonez 2019)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from PIL import Image
from torch import nn

from seq2scene.building import build, find
from seq2scene.errors import UserError
from seq2scene.models.changed_attention import Change, changed_readings
from seq2scene.models.given_scenes import interleaved, require_room
from seq2scene.models.model import Model, as_asked, seeded, verb, with_n_best, with_parts
from seq2scene.models.scene import Scene, Written
from seq2scene.models.scene_records import read_records, scene_records
from seq2scene.nets.scene.relational.decoder import RelationalDecoder
from seq2scene.nets.scene.scene_decoder import Taught
from seq2scene.scenes.canonical_order import in_canonical_order
from seq2scene.scenes.objects import EOS, FIRST_CLASS, PAD, SOS, Objects
from seq2scene.scenes.photos import Photos
from seq2scene.scenes.scene_json import PlainObject
from seq2scene.scenes.scene_texts import SceneTexts, split_sentences
from seq2scene.scenes.schema import Schema
from seq2scene.search.constraints import Constraints
from seq2scene.search.minimum_bayes_risk import MinimumBayesRisk
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.vocabulary import Vocabulary

if TYPE_CHECKING:
    from seq2scene.compositing.compositor import Compositor
    from seq2scene.compositing.pasting import Edges
    from seq2scene.compositing.patch_store import PatchStore

CHUNK = 128  # texts at a time
HEIGHT = 400  # of a picture in pixels at scale 1


Given = Scene | Sequence[PlainObject]  # the objects that a scene begins with

# The sentences of B texts, scenes (B * copies), those of a text adjacent, and the number of copies -> (B,
# copies), the merit of each scene
Merit = Callable[[Sentences, Objects, int], torch.Tensor]


class SceneWriter(Model):
    """A text encoder and a decoder of scenes.

    texts: how sentences are read. patch_encoder: embeds patches of photos, for composites.
    """

    kind: ClassVar[str] = "scene writer"
    earlier_names: ClassVar[dict[str, str]] = {"net.": "", "patch_encoder.": "patch_encoder."}

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        texts: SceneTexts,
        search: Constraints | None = None,
        patch_encoder: nn.Module | None = None,
    ) -> None:
        super().__init__(search)
        self.patch_encoder = patch_encoder  # first: optimizer states depend on the order of parameters
        self.encoder = encoder
        self.decoder = decoder
        self.texts = texts
        self.schema: Schema = decoder.schema
        self.changes: Mapping[int, Change] = {}  # of the attention, see ``with_attention``
        self.merit: Merit | None = None  # of the samples of search=mbr; None: their expected scores

    @classmethod
    def ensemble(cls, members: Sequence[Self], average: str = "logits") -> Self:
        from seq2scene.models.scene_ensemble import SceneEnsemble  # a scene writer itself

        if average != "logits":
            raise UserError(
                f"ensemble={average}: scene models are not averaged, their scenes compete; leave it out"
            )
        return SceneEnsemble(members)

    @classmethod
    def _build(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        texts = SceneTexts.from_state(description["texts"])
        schema = Schema.from_state(description["schema"])
        return cls(*build_net(config, description, texts, schema), texts)

    def build_search(self, settings: Mapping[str, Any], where: str = "search") -> Constraints:
        """As ``Model.build_search``, with no more objects in a scene than training scenes had."""
        found = super().build_search(settings, where)
        return replace(found, max_length=min(found.max_length, self.schema.max_objects))

    def word_parts(self) -> dict[str, tuple[str, Vocabulary]]:
        return {"encoder.words.embedding": ("texts", self.texts.language.vocabulary)}

    @property
    def members(self) -> Sequence["SceneWriter"]:
        """The models that write: this one, or those of an ensemble."""
        return (self,)

    # Tensors

    def encode(self, texts: Sentences) -> Any:
        """The decoder's memory of the texts (B * S sentences), computed once."""
        words = self.encoder(texts)
        memory = self.decoder.memory(*words)
        if self.changes:
            changed = changed_readings(self.decoder.readings, self.changes, *words)
            memory = replace(memory, changed=changed)
        return memory

    def forward(self, texts: Sentences, objects: Objects, photos: Photos | None = None) -> Taught:
        """Teacher forcing: all steps of the true scenes at once, see ``SceneDecoder``."""
        return self.decoder(self.encode(texts), objects, photos)

    def decode(
        self,
        texts: Sentences,
        search: Constraints | None = None,
        given: Objects | None = None,
        **options: Any,
    ) -> Written:
        """Searches for scenes of the ``texts`` (B * S sentences), by default with the model's own search;
        options are passed to the search (prefix, generator). A text without a known word gives an empty
        scene.

        given: the objects that each scene begins with, in the order they are placed; their boxes follow from
        their attributes. A given scene that ends in EOS is not continued.
        """
        search = search or self.search
        found = self.candidates(texts, search, given, **options)
        if isinstance(search, MinimumBayesRisk):
            merits = (self.merit or self._expected_scores)(texts, found.objects, found.log_probs.shape[1])
            found = found.chosen(merits.topk(search.n_best).indices)
        return found

    def candidates(
        self, texts: Sentences, search: Constraints, given: Objects | None = None, **options: Any
    ) -> Written:
        """All scenes that the search finds, see ``decode``; with ``search=mbr``, those it chooses among."""
        memory, most = self.encode(texts), self.schema.limits()
        if given is not None:
            memory = replace(memory, given=given)
            options["prefix"] = given.classes
        found = search(
            self.decoder,
            memory,
            bos=SOS,
            eos=EOS,
            pad=PAD,
            unk=PAD,
            most=None if most is None else most.to(texts.ids.device),
            keep_weights=True,
            **options,
        )
        objects, placing = self.decoder.read_trace(found.tokens, found.trace)
        choosing = None if found.weights is None else found.weights.flatten(0, 1).float()
        return Written(objects, choosing, placing, found.log_probs)

    def _expected_scores(self, texts: Sentences, objects: Objects, copies: int) -> torch.Tensor:
        from seq2scene.models.expected_scores import expected_scores  # imports torchmetrics

        return expected_scores(objects, copies, self.schema)

    def build_retrieval_index(self, folder: str | None = None) -> None:
        """Prepares for generation; does nothing here, see ``CompositeWriter``."""

    def compositor(self, edges: "Edges" = "hard") -> "Compositor | None":
        """The renderer of the model's scenes if they are composites; available after
        ``build_retrieval_index``.
        """
        return None

    @property
    def store(self) -> "PatchStore | None":
        """The photo patches that scenes are made of; None for other scenes."""
        return None

    # Texts

    def sentences(self, text: str) -> list[str]:
        """A text as the model reads it: whole if it was trained on captions, else split into sentences."""
        text = self.texts.language.readable(text)
        if self.schema.sentences == 1:
            return [text.strip()] if text.strip() else []
        return split_sentences(text)

    def require_sentences(self, texts: Sequence[str], before: int = 0) -> None:
        """Raises UserError, naming the text by its number, if one has more sentences than the model reads.
        before: the number of texts preceding ``texts``.
        """
        for number, text in enumerate(texts, start=before + 1):
            count = len(self.sentences(text))
            if count > self.schema.sentences:
                raise UserError(
                    f"text {number}: this model reads at most {self.schema.sentences} sentences per scene, "
                    f"but there are {count}: remove some"
                )

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """Readable names of the object classes."""
        schema = self.schema
        return {schema.name(number): schema.title(number) for number in range(FIRST_CLASS, schema.classes)}

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are out of vocabulary, which the model leaves out."""
        return [word for sentence in self.sentences(text) for word in self.texts.unknown(sentence)]

    def is_empty(self, text: str) -> bool:
        """Whether no word of a text is in the vocabulary, so that its scene is empty."""
        return not any(self.texts.ids(sentence) for sentence in self.sentences(text))

    def words(self, sentences: Sequence[str]) -> list[str]:
        """The words at the positions that attention refers to: in-vocabulary words, and EOS."""
        vocabulary = self.texts.language.vocabulary
        ids = [number for row in self.texts.rows(sentences) for number in row]
        return ["(end)" if number == vocabulary.eos else vocabulary.tokens([number])[0] for number in ids]

    def read(self, texts: Sequence[str]) -> Sentences:
        """Texts as the encoder reads them, on the model's device. Raises UserError if one has too many
        sentences.
        """
        self.require_sentences(texts)
        return self.texts.batch([self.sentences(text) for text in texts]).to(self.device)

    def write(
        self,
        text: str | Sequence[str],
        n_best: int = 1,
        search: Constraints | None = None,
        given: Given | Sequence[Given | None] | None = None,
    ) -> Scene | list[Scene] | list[list[Scene]]:
        """The scene of a text, or the scenes of a list of texts. Each is one ``Scene``, or with ``n_best``
        above 1 a list, best first. A text without a known word adds nothing to the given objects.

        search: replaces the model's own. given: a scene to continue, or its objects; for a list of texts one
        for each, None for an empty scene. Given objects keep their places, attributes and patches. The scene
        is in the order that the model learnt (``scenes.canonical_order``): given objects are sorted, and the
        model's own come before, between and after them (``models.given_scenes``). The n best scenes of a text
        differ only after the last given object.

        Raises UserError if a text has too many sentences, if the search cannot return several scenes, and for
        a given scene that the model could not have written, see ``read_given``.
        """
        texts, begun = _listed(text, given)
        found = self.scenes(texts, with_n_best(search or self.search, n_best), given=begun)
        return as_asked(found, isinstance(text, str), n_best)

    def sample(
        self,
        text: str | Sequence[str],
        count: int = 1,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        place_temperature: float = 1.0,
        given: Given | Sequence[Given | None] | None = None,
    ) -> list[Scene] | list[list[Scene]]:
        """``count`` scenes of a text, or of each text of a list, drawn at random; see
        ``search.stepwise.Sample``. given: as in ``write``. The same seed gives the same ones.
        """
        texts, begun = _listed(text, given)
        search = replace(self.sampling(count, temperature, top_k, top_p), place_temperature=place_temperature)
        with seeded(seed):
            found = self.scenes(texts, search, given=begun)
        return found[0] if isinstance(text, str) else found

    @verb
    def scenes(
        self,
        texts: Sequence[str],
        search: Constraints | None = None,
        batch_size: int = CHUNK,
        given: Sequence[Given | None] | None = None,
    ) -> list[list[Scene]]:
        """All scenes that the search finds for each text, best first; ``batch_size`` texts are processed at a
        time. given: the scene to continue for each text, see ``write``.
        """
        self.require_sentences(texts)
        standing = None
        if given is not None:
            if len(given) != len(texts):
                raise UserError(
                    f"given: {len(given)} scenes for {len(texts)} texts; give one for each, which may be None"
                )
            standing = self.read_given(given, search)
        rows: list[list[Scene]] = []
        for first in range(0, len(texts), batch_size):
            some = slice(first, first + batch_size)
            batch, begun = self.read(texts[some]), None
            if standing is not None:
                begun = self._with_own(batch, standing[some], search or self.search)
            rows += self.read_written(texts[some], self.decode(batch, search, begun))
        if standing is not None:
            for number in [number for number, text in enumerate(texts) if self.is_empty(text)]:
                unchanged = self._unchanged(standing[number : number + 1], len(rows[number]))
                rows[number] = self.read_written([texts[number]], unchanged)[0]
        return rows

    def read_given(
        self, given: Sequence[Given | None], search: Constraints | None = None, name: str = "given"
    ) -> Objects:
        """Scenes to continue as tensors, in canonical order.

        Raises UserError, its message starting with ``name`` (and the number of the scene if there are
        several), for anything that is not a list of complete objects of this model's schema, for more objects
        than the model places, and for more of a class than any training scene has, unless the search has
        ``repeat_objects``.
        """
        names = [f"{name} {number}" if len(given) > 1 else name for number in range(1, len(given) + 1)]
        plain = [one.objects if isinstance(one, Scene) else () if one is None else one for one in given]
        objects = read_records(plain, names, self.schema, self.store)
        for row, one in enumerate(given):
            if isinstance(one, Scene) and (exact := one.exact_places(self.schema)) is not None:
                objects.places[row, : len(exact)] = exact.to(objects.places)
        require_room(objects, names, self.schema, (search or self.search).repeat_objects)
        return in_canonical_order(objects, self.schema).to(self.device)

    def _with_own(self, texts: Sentences, given: Objects, search: Constraints) -> Objects:
        """Scenes up to their last given object, with the model's own objects before that one."""
        alone, words = with_n_best(search, 1), texts.lengths.view(len(given), -1).sum(1)
        room = search.limits(words).clamp(max=self.schema.max_objects)
        limits = None if search.repeat_objects else self.schema.limits()
        return interleaved(
            lambda begun: self.decode(texts, alone, begun).objects, given, self.schema, room, limits
        )

    def _unchanged(self, given: Objects, copies: int) -> Written:
        """A given scene as the result of a search that added nothing."""
        objects = self.schema.with_end(replace(given, extents=None))[
            torch.zeros(copies, dtype=torch.int64, device=self.device)
        ]
        return Written(objects, None, None, torch.zeros(1, copies, device=self.device))

    def read_written(self, texts: Sequence[str], written: Written) -> list[list[Scene]]:
        """The scenes that ``decode`` found for each of B texts as plain values, best first."""
        plain = scene_records(written.objects.to("cpu"), self.schema, self.store)
        copies = written.log_probs.shape[1]
        scenes = [
            Scene(
                tuple(self.sentences(texts[number // copies])),
                tuple(objects),
                log_prob,
                written.alone(number),
                self,
            )
            for number, (objects, log_prob) in enumerate(
                zip(plain, written.log_probs.flatten().tolist(), strict=True)
            )
        ]
        return [scenes[first : first + copies] for first in range(0, len(scenes), copies)]

    def with_attention(self, changes: Mapping[int, Change]) -> Self:
        """A writer that looks elsewhere: it shares the weights of this one, and the attention of the object
        classes to the words, by which an object is chosen and its attributes are, is changed for some
        objects, by their numbers from 0; all classes look as the change says. The attention by which objects
        are placed stays as it is.

            model.with_attention({2: Change(masked=[3])}).write(text)

        The changes are of one text. Raises UserError for a model whose classes do not read words with
        attention; and, when used, for changes that do not fit the text.
        """
        if not isinstance(self.decoder, RelationalDecoder) or self.decoder.readings.reader is None:
            raise UserError("with_attention: the object classes of this model do not attend to words")
        other = with_parts(self)
        other.changes = dict(changes)
        return other

    # Pictures

    def pictures(self, scene: Scene, scale: float = 1.0, edges: "Edges" = "hard") -> list[Image.Image]:
        """A scene object by object: the empty canvas, then a picture after each object, 400 pixels high at
        scale 1. edges: hard or soft, of the patches in composites.
        """
        from seq2scene.models.scene_pictures import scene_steps

        objects = scene.written.objects.to("cpu")
        return [Image.fromarray(one) for one in scene_steps(self, objects, scale, self.compositor(edges))]

    def picture(self, scene: Scene, scale: float = 1.0, edges: "Edges" = "hard") -> Image.Image:
        """A picture of a scene, 400 pixels high at scale 1."""
        return self.pictures(scene, scale, edges)[-1]

    def strip(self, scene: Scene, edges: "Edges" = "hard") -> Image.Image:
        """A scene step by step, with the model's attention over the words."""
        from seq2scene.models.scene_strips import strip_of  # imports matplotlib, for its fonts

        heading, words = " ".join(scene.sentences), self.words(scene.sentences)
        compositor = self.compositor(edges)
        strip = strip_of(self, scene.written, 0, words, heading=heading, compositor=compositor)
        return Image.fromarray(strip)


def _listed(text: str | Sequence[str], given: Any) -> tuple[list[str], Sequence[Given | None] | None]:
    """The texts, and what each scene begins with; ``given`` is that of one text, or a list for several."""
    if isinstance(text, str):
        return [text], None if given is None else [given]
    return list(text), given


def build_net(
    config: Mapping[str, Any], description: Mapping[str, Any], texts: SceneTexts, schema: Schema
) -> tuple[nn.Module, nn.Module]:
    """The encoder and the decoder that a config describes."""
    model, v = config["model"], texts.language.vocabulary
    encoder = build(
        model["encoder"],
        "model.encoder",
        vocabulary_size=len(v),
        padding=v.pad,
        sentences=schema.sentences,
        word_vectors=description.get("word_vectors"),
    )
    kind = find(model["decoder"].get("_target_"), "model.decoder")
    return encoder, kind.from_config(config, schema, encoder, description.get("pictures"))
