"""Captions of a photo, of those in a folder, or of those that a file lists."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from omegaconf import DictConfig
from PIL import Image

from seq2scene.errors import UserError
from seq2scene.plotting.figures import save_picture
from seq2scene.reports.caption_drawing import draw_caption, photo_batch
from seq2scene.running.output import open_output, require_scores, tell_unknown
from seq2scene.scenes.images import is_photo, readable
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.lines import read_lines
from seq2scene.tasks.captioning import Captioning

TOLD = 5  # files that a message names


def generate_captions(cfg: DictConfig, task: Captioning) -> None:
    """``image=``: one photo, one caption or its n best. Several photos, of a folder in the order of their
    names or of a list, have their files before their captions; ``scores`` and n best put log-probabilities
    between. ``pictures=FOLDER`` draws where each word of the best caption looked.
    """
    if task.schema is not None:
        raise UserError(
            "ckpt: this captioner reads layouts, not photos; evaluate.py ckpt=LAYOUTS captioner=CKPT has it "
            "tell what is in those that a model makes"
        )
    for key in ("text", "file"):
        if cfg[key] is not None:
            raise UserError(f"{key}: this model captions photos; give image=FILE.jpg, a folder or a list")
    if cfg.replace_unk is not None:
        raise UserError("replace_unk: photos have no words to put for unknown ones; leave it out")
    if cfg.pictures is not None and task.net.decoder.attention is None:
        raise UserError("pictures: this model has no attention, so nobody knows where it looked")
    photos = find_photos(cfg.image)
    require_pictures(photos)
    if cfg.prefix is not None:
        tell_unknown("prefix", task.language, cfg.prefix)
    with open_output(cfg.out) as out:
        for first in range(0, len(photos), cfg.batch_size):
            part = photos[first : first + cfg.batch_size]
            batch = photo_batch(task, part)
            prefix = None
            if cfg.prefix is not None:
                forced = batch.target.ids.new_tensor(task.language.encode(cfg.prefix))
                prefix = forced.expand(len(part), -1)
            found = task.caption(batch, prefix=prefix, keep_weights=cfg.pictures is not None).to("cpu")
            require_scores(found.log_probs, first)
            for row, photo in enumerate(part):
                _write(out, task, found, row, photo if len(photos) > 1 or cfg.scores else None, cfg.scores)
                if cfg.pictures is not None:
                    path = Path(cfg.pictures) / f"{first + row + 1}_{photo.stem}.png"
                    save_picture(path, draw_caption(task, batch, found, row))
            out.flush()


def require_pictures(photos: Sequence[Path]) -> None:
    """Raises UserError for the first file that is missing or no picture, as far as its beginning tells."""
    for photo in photos:
        with readable(photo), Image.open(photo):
            pass


def find_photos(photo: str | None) -> list[Path]:
    """The photo, those in the folder, or those that the file NAME.txt lists, a line each. What else is in the
    folder is left out, and told on stderr.

    Raises UserError where there is none; whether they are whole shows when they are opened.
    """
    if photo is None:
        raise UserError("image is required: this model captions photos; give a photo, a folder or a list")
    path = Path(str(photo)).expanduser()
    if path.is_dir():
        photos = _in_folder(path)
    elif path.suffix.lower() == ".txt":
        photos = list(_listed(path))
    else:
        return [path]
    if not photos:
        raise UserError(f"image={photo}: there is no photo in it")
    return photos


def _in_folder(folder: Path) -> list[Path]:
    try:
        files = sorted(file for file in folder.iterdir() if not file.is_dir())
    except OSError as error:
        raise UserError(f"image={folder} cannot be read: {error.strerror}") from None
    kinds = Image.registered_extensions()
    good = [file.suffix.lower() in kinds and is_photo(file) for file in files]
    others = [file.name for file, photo in zip(files, good, strict=True) if not photo]
    if others:
        names = ", ".join(others[:TOLD]) + (" ..." if len(others) > TOLD else "")
        told = f"image={folder}: {len(others)} of {len(files)} files are no photos and left out: {names}"
        print(told, file=sys.stderr)
    return [file for file, photo in zip(files, good, strict=True) if photo]


def _listed(path: Path) -> Iterator[Path]:
    for number, line in enumerate(
        read_lines(path, "image= is a photo, a folder or a list of photos"), start=1
    ):
        if line.strip():
            photo = Path(line.strip()).expanduser()
            if not photo.is_file():
                raise UserError(f"{path}, line {number}: there is no file {photo}")
            yield photo


def _write(
    out: TextIO, task: Captioning, found: Hypotheses, row: int, photo: Path | None, scores: bool
) -> None:
    """The captions of an image, a line each; the beam may have found fewer than were asked for."""
    several = found.tokens.shape[1] > 1
    for n in range(found.tokens.shape[1]):
        if found.lengths[row, n] > 0:
            columns = [] if photo is None else [str(photo)]
            if scores or several:
                columns.append(f"{found.log_probs[row, n]:.4f}")
            out.write("\t".join([*columns, task.language.decode(found.tokens[row, n])]) + "\n")
