"""Scenes from a text, a file of texts or stdin: as pictures, as strips, as JSON."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from omegaconf import DictConfig

from seq2scene.caching import draft
from seq2scene.compositing.compositor import Compositor, as_pixels, empty_canvas
from seq2scene.compositing.inpainting import photos_of
from seq2scene.data.scene_texts import SceneTexts, split_sentences
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.plotting.figures import save_picture
from seq2scene.plotting.scene_strip import save_animation
from seq2scene.reports.scene_drawing import HEIGHT, scene_steps, strip_of, words_of
from seq2scene.running.inpainters import load_inpainter
from seq2scene.running.output import goes_through, open_output, require_scores
from seq2scene.running.scene_records import scene_records
from seq2scene.sequences.lines import typed_lines
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.scenes import SceneTask, Written

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
    inpainter = None
    if cfg.inpainter is not None:
        if not drawn:
            raise UserError(f"inpainter: makes pictures; say where as out=NAME with {', '.join(PICTURES)}")
        inpainter = load_inpainter(cfg.inpainter, task.schema.names).to(task.device)
    texts = SceneTexts.from_state(task.description["texts"])
    task.build_retrieval_index()
    store = task.store if isinstance(task, CompositeTask) else None
    compositor = task.compositor(cfg.edges or "hard") if drawn else None
    number = 0
    with open_output(None if drawn else cfg.out) as lines:
        for chunk in chunks:
            require_sentences(task, chunk, number)
            scenes = [sentences_of(task, text) for text in chunk]
            for place, sentences in enumerate(scenes, start=number + 1):
                _tell_unknown(texts, sentences, place)
            written = task.write(texts.batch(scenes).to(task.device))
            require_scores(written.log_probs, number)
            plain = scene_records(written.objects.to("cpu"), task.schema, store)
            copies = written.log_probs.shape[1]
            photos = None
            if inpainter is not None:
                side = round(HEIGHT * SCALE)
                photos = photos_of(inpainter, written.objects, compositor, side, empty_canvas(side))
            for at, objects in enumerate(plain):
                row, n = divmod(at, copies)
                log_prob = round(float(written.log_probs[row, n]), 4)
                result = {"sentences": scenes[row], "objects": objects, "log_prob": log_prob}
                if not drawn:
                    lines.write(to_json(result, ensure_ascii=False) + "\n")
                    continue
                marks = [f"_{number + row + 1}"] * (not single) + [f"_{n + 1}"] * (copies > 1)
                path = out.with_name(out.stem + "".join(marks) + out.suffix)
                draw(path, task, written, at, scenes[row], words_of(texts, scenes[row]), compositor)
                if photos is not None:
                    save_picture(path.with_suffix(".inpainted.png"), as_pixels(next(photos)))
                text = to_json(result, ensure_ascii=False, indent=1)
                with draft(path.with_suffix(".json")) as part:
                    part.write_text(text + "\n", encoding="utf-8")
                lines.write(f"{path}\n")
            number += len(chunk)
            lines.flush()


def sentences_of(task: SceneTask, text: str) -> list[str]:
    """A text as the model reads it: whole, as it has learnt captions, or cut into sentences."""
    if task.schema.sentences == 1:
        return [text.strip()] if text.strip() else []
    return split_sentences(text)


def require_sentences(task: SceneTask, texts: Iterable[str], before: int = 0) -> None:
    """Raises UserError, which names the text by its number, for one of more sentences than a scene can have.

    texts: those after ``before`` others.
    """
    for number, text in enumerate(texts, start=before + 1):
        count = len(sentences_of(task, text))
        if count > task.schema.sentences:
            raise UserError(
                f"text {number}: this model reads at most {task.schema.sentences} sentences of a scene, here "
                f"are {count}: leave some out"
            )


def draw(
    path: Path,
    task: SceneTask,
    written: Written,
    at: int,
    sentences: list[str],
    words: list[str],
    compositor: Compositor | None,
) -> None:
    """The picture of a written scene, and its strip beside it. compositor: of a composite."""
    steps = scene_steps(task, written.objects[at : at + 1].to("cpu"), SCALE, compositor)
    if path.suffix.lower() == ".gif":
        save_animation(path, steps)
    else:
        save_picture(path, steps[-1])
    strip = strip_of(task, written, at, words, heading=" ".join(sentences), compositor=compositor)
    save_picture(path.with_suffix(".strip.png"), strip)


def _tell_unknown(texts: SceneTexts, sentences: list[str], number: int) -> None:
    """Names on stderr the words of a text that the model does not know."""
    unknown = [word for sentence in sentences for word in texts.unknown(sentence)]
    if unknown:
        print(f"text {number}: unknown to the model and left out: {' '.join(unknown)}", file=sys.stderr)
    if not any(texts.ids(sentence) for sentence in sentences):
        print(f"text {number}: no word that the model knows, so an empty scene", file=sys.stderr)
