"""Scenes from a text, a file of texts or stdin: as pictures, as strips, as JSON."""

import sys
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from seq2scene.errors import UserError
from seq2scene.running.output import goes_through, open_output, require_scores
from seq2scene.scenes.scene_texts import SceneTexts
from seq2scene.sequences.lines import typed_lines
from seq2scene.tasks.scenes import SceneTask

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm")
LINES = ("", ".json", ".jsonl", ".txt")
SCALE = 2.0  # pixels of a picture for each unit of the canvas


def generate_scenes(cfg: DictConfig, task: SceneTask, chunks: Iterator[list[str]]) -> None:
    """One text in, one scene out, or its n best. ``out=scene.png`` (or another of ``PICTURES``; a .gif moves)
    draws it, with ``scene.strip.png`` (step by step, the words that were looked at) and ``scene.json`` beside
    it; a number goes into the names where there are several. ``scene.inpainted.png`` is what the inpainter,
    where the config names one, makes of a composite. Without ``out``, or with a name in ``LINES``, a line of
    JSON for each scene.

    chunks: the texts, so many at a time.
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
    if cfg.inpainter is not None and not drawn:
        raise UserError(f"inpainter: makes pictures; say where as out=NAME with {', '.join(PICTURES)}")
    draw = _artist(cfg, model) if drawn else None
    model.build_retrieval_index()
    number = 0
    with open_output(None if drawn else cfg.out) as lines:
        for chunk in chunks:
            model.require_sentences(chunk, number)
            for place, text in enumerate(chunk, start=number + 1):
                _tell_unknown(model, text, place)
            written = model.write_tensors(chunk)
            require_scores(written.log_probs[:, 0].tolist(), number)
            for row, scenes in enumerate(model.read_written(chunk, written)):
                for n, scene in enumerate(scenes):
                    if draw is None:
                        lines.write(scene.to_json() + "\n")
                        continue
                    marks = [f"_{number + row + 1}"] * (not single) + [f"_{n + 1}"] * (len(scenes) > 1)
                    path = out.with_name(out.stem + "".join(marks) + out.suffix)
                    draw(path, written, row * len(scenes) + n, scene)
                    lines.write(f"{path}\n")
            number += len(chunk)
            lines.flush()


def _tell_unknown(texts: SceneTexts, sentences: list[str], number: int) -> None:
    """Names on stderr the words of a text that the model does not know."""
    unknown = [word for sentence in sentences for word in texts.unknown(sentence)]
    if unknown:
        print(f"text {number}: unknown to the model and left out: {' '.join(unknown)}", file=sys.stderr)
    if not any(texts.ids(sentence) for sentence in sentences):
        print(f"text {number}: no word that the model knows, so an empty scene", file=sys.stderr)
