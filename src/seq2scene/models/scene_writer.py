"""A writer of scenes as its user holds it: text in, objects out (Text2Scene, Tan, Feng and Ordonez 2019)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from PIL import Image
from torch import Tensor, nn

from seq2scene.building import build, find
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.models.model import Model, verb, with_n_best
from seq2scene.models.scene_records import scene_records
from seq2scene.nets.scene.scene_decoder import Taught
from seq2scene.scenes.objects import EOS, PAD, SOS, Objects
from seq2scene.scenes.photos import Photos
from seq2scene.scenes.scene_json import PlainObject
from seq2scene.scenes.scene_texts import SceneTexts, split_sentences
from seq2scene.scenes.schema import Schema
from seq2scene.search.constraints import Constraints
from seq2scene.sequences.batch import Sentences

if TYPE_CHECKING:
    from seq2scene.compositing.compositor import Compositor
    from seq2scene.compositing.pasting import Edges
    from seq2scene.compositing.patch_store import PatchStore

CHUNK = 128  # texts at a time
HEIGHT = 400  # pixels of a picture at scale 1


@dataclass(frozen=True)
class Written:
    """Scenes that a search wrote for B texts, N of each, best first.

    objects: those of all B * N scenes, the N of a text adjacent. object_attention, attribute_attention: (B *
    N, T, W), the attention over words while each object was chosen and while it was placed; None without one.
    log_probs: (B, N) of the objects, END included.
    """

    objects: Objects
    object_attention: Tensor | None
    attribute_attention: Tensor | None
    log_probs: Tensor

    def alone(self, number: int) -> Self:
        """One of the B * N scenes, as the only one of one text."""
        only = slice(number, number + 1)
        both = self.object_attention, self.attribute_attention
        attentions = (None if weights is None else weights[only] for weights in both)
        return Written(self.objects[only], *attentions, self.log_probs.view(-1, 1)[only])


@dataclass(frozen=True)
class Scene:
    """One scene that a model wrote.

    sentences: the text as the model read it. objects: as ``models.scene_records`` documents them, in the
    order in which they were placed. log_prob: of the objects, END included. written: the scene as tensors,
    with the attention to the words.
    """

    sentences: tuple[str, ...]
    objects: tuple[PlainObject, ...]
    log_prob: float
    written: Written = field(repr=False, compare=False)

    def plain(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return {
            "sentences": list(self.sentences),
            "objects": list(self.objects),
            "log_prob": round(self.log_prob, 4),
        }

    def to_json(self, indent: int | None = None) -> str:
        return to_json(self.plain(), ensure_ascii=False, indent=indent)


class SceneWriter(Model):
    """A text encoder and a decoder of scenes.

    texts: how it reads sentences. patch_encoder: of composites, what embeds patches of photos.
    """

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
        self.patch_encoder = patch_encoder  # first: optimizer states go by the order of parameters
        self.encoder = encoder
        self.decoder = decoder
        self.texts = texts
        self.schema: Schema = decoder.schema

    @classmethod
    def _build(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        texts = SceneTexts.from_state(description["texts"])
        schema = Schema.from_state(description["schema"])
        return cls(*build_net(config, description, texts, schema), texts)

    def build_search(self, settings: Mapping[str, Any], where: str = "search") -> Constraints:
        """No scene gets more objects than scenes had that were learnt from."""
        found = super().build_search(settings, where)
        return replace(found, max_length=min(found.max_length, self.schema.max_objects))

    # Tensors

    def encode(self, texts: Sentences) -> Any:
        """All the decoder will ever ask of the texts (B * S sentences), made once."""
        return self.decoder.memory(*self.encoder(texts))

    def forward(self, texts: Sentences, objects: Objects, photos: Photos | None = None) -> Taught:
        """Teacher forcing: all steps of the true scenes at once, see ``SceneDecoder``."""
        return self.decoder(self.encode(texts), objects, photos)

    def decode(self, texts: Sentences, search: Constraints | None = None, **options: Any) -> Written:
        """Searches for scenes of the ``texts`` (B * S sentences), by default with the model's own search;
        options go to the search (prefix, generator).
        """
        memory, most = self.encode(texts), self.schema.limits()
        found = (search or self.search)(
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

    def build_retrieval_index(self, folder: str | None = None) -> None:
        """Prepares what writing needs beyond the net, which here is nothing; see ``CompositeWriter``."""

    def compositor(self, edges: "Edges" = "hard") -> "Compositor | None":
        """What renders the scenes that the model writes, if these are composites; after
        ``build_retrieval_index``.
        """
        return None

    @property
    def store(self) -> "PatchStore | None":
        """The patches of photos that scenes are made of; None where they are not."""
        return None

    # Texts

    def sentences(self, text: str) -> list[str]:
        """A text as the model reads it: whole, if it was trained on captions, or cut into sentences."""
        if self.schema.sentences == 1:
            return [text.strip()] if text.strip() else []
        return split_sentences(text)

    def require_sentences(self, texts: Sequence[str], before: int = 0) -> None:
        """Raises UserError, which names the text by its number, for one of more sentences than the model
        reads. texts: those after ``before`` others.
        """
        for number, text in enumerate(texts, start=before + 1):
            count = len(self.sentences(text))
            if count > self.schema.sentences:
                raise UserError(
                    f"text {number}: this model reads at most {self.schema.sentences} sentences of a scene, "
                    f"here are {count}: leave some out"
                )

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are out of vocabulary, which the model leaves out."""
        return [word for sentence in self.sentences(text) for word in self.texts.unknown(sentence)]

    def is_empty(self, text: str) -> bool:
        """Whether no word of a text is in the vocabulary, so that its scene is empty."""
        return not any(self.texts.ids(sentence) for sentence in self.sentences(text))

    def words(self, sentences: Sequence[str]) -> list[str]:
        """The words of a scene's sentences at the positions that attention refers to: those in the
        vocabulary, and EOS.
        """
        vocabulary = self.texts.language.vocabulary
        ids = [number for row in self.texts.rows(sentences) for number in row]
        return ["(end)" if number == vocabulary.eos else vocabulary.tokens([number])[0] for number in ids]

    def read(self, texts: Sequence[str]) -> Sentences:
        """Texts as the encoder reads them, on the model's device. Raises UserError for too many sentences."""
        self.require_sentences(texts)
        return self.texts.batch([self.sentences(text) for text in texts]).to(self.device)

    def write(
        self, text: str | Sequence[str], n_best: int = 1, search: Constraints | None = None
    ) -> Scene | list[Scene] | list[list[Scene]]:
        """The scene of a text, or those of a list of texts: each one ``Scene``, or with ``n_best`` above 1
        the list of the best. A text without a known word has an empty scene.

        search: instead of the model's own. Raises UserError for a text of too many sentences, and where the
        search cannot find several scenes.
        """
        texts = [text] if isinstance(text, str) else list(text)
        found = self.scenes(texts, with_n_best(search or self.search, n_best))
        chosen = [row[0] for row in found] if n_best == 1 else found
        return chosen[0] if isinstance(text, str) else chosen

    @verb
    def scenes(
        self, texts: Sequence[str], search: Constraints | None = None, batch_size: int = CHUNK
    ) -> list[list[Scene]]:
        """All that the search finds of each text, best first; ``batch_size`` texts are read together."""
        self.require_sentences(texts)
        rows: list[list[Scene]] = []
        for first in range(0, len(texts), batch_size):
            some = texts[first : first + batch_size]
            rows += self.read_written(some, self.decode(self.read(some), search))
        return rows

    def read_written(self, texts: Sequence[str], written: Written) -> list[list[Scene]]:
        """What ``decode`` found of each of B texts as plain values, best first."""
        plain = scene_records(written.objects.to("cpu"), self.schema, self.store)
        copies = written.log_probs.shape[1]
        scenes = [
            Scene(
                tuple(self.sentences(texts[number // copies])),
                tuple(objects),
                log_prob,
                written.alone(number),
            )
            for number, (objects, log_prob) in enumerate(
                zip(plain, written.log_probs.flatten().tolist(), strict=True)
            )
        ]
        return [scenes[first : first + copies] for first in range(0, len(scenes), copies)]

    # Pictures

    def steps(self, scene: Scene, scale: float = 1.0, edges: "Edges" = "hard") -> list[Image.Image]:
        """How a scene comes about: the empty canvas, then a picture after each object, 400 pixels high at
        scale 1. edges: of the patches of composites.
        """
        from seq2scene.models.scene_pictures import scene_steps  # with matplotlib, for its fonts

        objects = scene.written.objects.to("cpu")
        return [Image.fromarray(one) for one in scene_steps(self, objects, scale, self.compositor(edges))]

    def picture(self, scene: Scene, scale: float = 1.0, edges: "Edges" = "hard") -> Image.Image:
        """A scene, 400 pixels high at scale 1."""
        return self.steps(scene, scale, edges)[-1]

    def strip(self, scene: Scene, edges: "Edges" = "hard") -> Image.Image:
        """A scene step by step, with the words that the model looked at."""
        from seq2scene.models.scene_pictures import strip_of  # with matplotlib, for its fonts

        heading, words = " ".join(scene.sentences), self.words(scene.sentences)
        compositor = self.compositor(edges)
        strip = strip_of(self, scene.written, 0, words, heading=heading, compositor=compositor)
        return Image.fromarray(strip)


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
