"""Samples of scenes reranked by a captioner: how likely is the text, given the scene?"""

from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.models.captioner import Captioner
from seq2scene.models.loading import load_beside, model_of, require_same_classes
from seq2scene.models.scene_writer import Merit, SceneWriter
from seq2scene.scenes.objects import Objects
from seq2scene.search.minimum_bayes_risk import MinimumBayesRisk
from seq2scene.sequences.batch import Sentences


def rerank(writer: SceneWriter, path: str, where: str = "rerank") -> None:
    """Makes ``search=mbr`` of ``writer`` keep the samples given which a captioner finds the text likeliest,
    in place of those most like the others.

    path: a checkpoint or run of task=scene_captioning. where: begins messages.

    Raises UserError for another search, and for a captioner of other scenes.
    """
    if not isinstance(writer.search, MinimumBayesRisk):
        raise UserError(f"{where}={path}: it chooses among the samples of search=mbr; choose that search")
    captioner = model_of(load_beside(where, path, "scene_captioning"))
    require_same_classes(captioner.schema.names, writer.schema.names, f"{where}={path}")
    writer.merit = text_given_scene(writer, captioner)


def text_given_scene(writer: SceneWriter, captioner: Captioner) -> Merit:
    """log p of the text of each sample given the sample, by the words that the writer knows."""

    def merit(texts: Sentences, objects: Objects, copies: int) -> Tensor:
        told = [text for text in _told(writer, texts) for _ in range(copies)]
        found = captioner.to(objects.classes.device).text_log_probs(told, objects, writer.schema)
        return found.view(-1, copies)

    return merit


def _told(writer: SceneWriter, texts: Sentences) -> list[str]:
    """The texts of B scenes, from their B * S sentences of ids."""
    language, per_scene = writer.texts.language, len(texts) // writer.schema.sentences
    rows = zip(texts.ids.cpu(), texts.lengths.tolist(), strict=True)
    told = iter([language.decode(row[:length]) for row, length in rows])
    scenes = [[next(told) for _ in range(writer.schema.sentences)] for _ in range(per_scene)]
    return [" ".join(f"{sentence}." for sentence in scene if sentence) for scene in scenes]
