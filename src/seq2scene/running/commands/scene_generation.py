"""Scenes from a text, a file of texts or stdin: as pictures, as strips, as JSON."""

from collections.abc import Callable, Iterator
from pathlib import Path

from omegaconf import DictConfig

from seq2scene.caching import draft
from seq2scene.compositing.pasting import Edges
from seq2scene.errors import UserError
from seq2scene.models.inpainter import Inpainter
from seq2scene.models.loading import load_inpainter
from seq2scene.models.scene import SCALE, Scene
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.scenes.scene_json import read_scene
from seq2scene.scenes.scene_texts import denials
from seq2scene.sequences.lines import typed_lines
from seq2scene.sequences.output import (
    Tell,
    goes_through,
    notices,
    open_output,
    require_scores,
    with_progress,
)

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm")
LINES = ("", ".json", ".jsonl", ".txt")


def generate_scenes(
    cfg: DictConfig, model: SceneWriter, chunks: Iterator[list[str]], count: int | None
) -> None:
    """One text in, one scene out, or its n best. ``out=scene.png`` (or another of ``PICTURES``; a .gif moves)
    draws it, with ``scene.strip.png`` (step by step, the words that were looked at) and ``scene.json`` beside
    it; a number goes into the names where there are several. ``scene.inpainted.png`` is what the inpainter,
    where the config names one, makes of a composite. Without ``out``, or with a name in ``LINES``, a line of
    JSON for each scene.

    chunks: the texts, so many at a time. count: of all texts, where it is known. ``scene=FILE`` is what every
    scene goes on from.
    """
    for key in ("prefix", "replace_unk"):
        if cfg.get(key) is not None:
            raise UserError(f"{key}: means nothing to a model of scenes")
    if cfg.pictures is not None:
        raise UserError("pictures: out=NAME.png draws a scene, and NAME.strip.png where the model looked")
    single = cfg.text is not None and len(typed_lines(str(cfg.text))) == 1
    out = Path(cfg.out or "-")
    drawn = not goes_through(cfg.out) and out.suffix.lower() in PICTURES
    if not drawn and not goes_through(cfg.out) and out.suffix.lower() not in LINES:
        raise UserError(
            f"out={out}: a picture is one of {', '.join(PICTURES)}; {', '.join(LINES[1:])} are lines of JSON"
        )
    inpainter = None
    if cfg.inpainter is not None:
        if not drawn:
            raise UserError(f"inpainter: makes pictures; say where as out=NAME with {', '.join(PICTURES)}")
        inpainter = load_inpainter(cfg.inpainter, model.schema.names).to(model.device)
    model.build_retrieval_index()
    given = None
    if cfg.scene is not None:
        given = read_scene(cfg.scene, "check scene=")
        model.read_given([given], name=f"scene={cfg.scene}")
    number = 0
    with open_output(None if drawn else cfg.out) as lines, notices(count) as tell:
        for chunk in with_progress(chunks, count, "texts", drawn or goes_through(cfg.out)):
            model.require_sentences(chunk, number)
            for place, text in enumerate(chunk, start=number + 1):
                outcome = "so an empty scene" if given is None else "so nothing is added"
                _tell_unknown(model, text, place, outcome, tell)
            begun = None if given is None else [given] * len(chunk)
            found = model.scenes(chunk, batch_size=len(chunk), given=begun)
            require_scores([row[0].log_prob for row in found], number)
            for row, scenes in enumerate(found, start=number + 1):
                for n, scene in enumerate(scenes, start=1):
                    if not drawn:
                        lines.write(scene.to_json() + "\n")
                        continue
                    marks = [f"_{row}"] * (not single) + [f"_{n}"] * (len(scenes) > 1)
                    path = out.with_name(out.stem + "".join(marks) + out.suffix)
                    _draw(path, model, scene, cfg.edges or "hard", inpainter)
                    lines.write(f"{path}\n")
            number += len(chunk)
            lines.flush()


def _draw(path: Path, model: SceneWriter, scene: Scene, edges: Edges, inpainter: Inpainter | None) -> None:
    """The picture of a scene, and beside it its strip, its JSON, and what the inpainter makes of it."""
    scene.save(path, SCALE, edges)
    _save(path.with_suffix(".strip.png"), model.strip(scene, edges).save)
    if inpainter is not None:
        _save(path.with_suffix(".inpainted.png"), model.inpainted(scene, inpainter, SCALE).save)
    scene.save(path.with_suffix(".json"))


def _save(path: Path, write: Callable[[Path], object]) -> None:
    with draft(path) as part:
        write(part)


def _tell_unknown(model: SceneWriter, text: str, number: int, outcome: str, tell: Tell) -> None:
    """Tells the words of a text that are out of vocabulary, and the outcome if these are all, and its
    denials.
    """
    if unknown := model.unknown(text):
        notice = f"text {number}: unknown to the model and left out: {' '.join(unknown)}"
        tell("texts with words unknown to the model and left out", notice)
    if denied := denials(text):
        drawn = "what is denied is mostly drawn all the same"
        tell(f"texts with denials: {drawn}", f"text {number}: {drawn}: {', '.join(denied)}")
    if model.is_empty(text):
        tell(
            f"texts with no word that the model knows, {outcome}",
            f"text {number}: no word that the model knows, {outcome}",
        )
