"""Captions of a photo, of those in a folder, or of those that a file lists; or of a scene."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from omegaconf import DictConfig
from PIL import Image

from seq2scene.errors import UserError
from seq2scene.models.captioner import Captioner
from seq2scene.models.model import in_chunks
from seq2scene.models.words import Hypothesis
from seq2scene.scenes.images import is_photo, readable
from seq2scene.scenes.scene_json import read_scene
from seq2scene.sequences.lines import read_lines
from seq2scene.sequences.output import goes_through, open_output, require_scores, tell_unknown, with_progress

TOLD = 5  # files that a message names


def generate_captions(cfg: DictConfig, model: Captioner) -> None:
    """``image=``: one photo, one caption or its n best. Several photos, of a folder in the order of their
    names or of a list, have their files before their captions; ``scores`` and n best put log-probabilities
    between. ``pictures=FOLDER`` draws where each word of the best caption looked. ``scene=`` is described in
    the same way by a captioner of scenes or layouts.
    """
    if cfg.scene is not None:
        _describe(cfg, model)
        return
    model.photo_encoder("ckpt")
    for key in ("text", "file"):
        if cfg[key] is not None:
            raise UserError(f"{key}: this model captions photos; give image=FILE.jpg, a folder or a list")
    if cfg.replace_unk is not None:
        raise UserError("replace_unk: photos have no words to put for unknown ones; leave it out")
    if cfg.pictures is not None:
        model.require_attention("pictures")
    photos = find_photos(cfg.image)
    require_pictures(photos)
    if cfg.prefix is not None:
        tell_unknown("prefix", model.unknown(cfg.prefix))
    scores = cfg.scores or model.n_best > 1
    with open_output(cfg.out) as out:
        parts, first = in_chunks(photos, cfg.batch_size), 0
        for part in with_progress(parts, len(photos), "photos", goes_through(cfg.out)):
            kept = cfg.pictures is not None
            found = model.hypotheses(part, cfg.prefix, keep_attention=kept, batch_size=len(part))
            require_scores([row[0].log_prob for row in found], first)
            for row, (photo, captions) in enumerate(zip(part, found, strict=True), start=first + 1):
                _write(out, captions, photo if len(photos) > 1 or cfg.scores else None, scores)
                if kept:
                    _draw(Path(cfg.pictures) / f"{row}_{photo.stem}.png", model, photo, captions[0])
            first += len(part)
            out.flush()


def _describe(cfg: DictConfig, model: Captioner) -> None:
    for key in ("text", "file", "image", "pictures", "replace_unk"):
        if cfg[key] is not None:
            raise UserError(f"{key}: a scene is described without it; leave it out")
    model.read_scenes([scene := read_scene(cfg.scene, "check scene=")], f"scene={cfg.scene}")
    if cfg.prefix is not None:
        tell_unknown("prefix", model.unknown(cfg.prefix))
    (captions,) = model.descriptions([scene], cfg.prefix)
    require_scores([captions[0].log_prob], 0)
    with open_output(cfg.out) as out:
        _write(out, captions, None, cfg.scores or model.n_best > 1)


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
            photo = Path(os.path.expanduser(line.strip()))
            if not os.path.isfile(photo):  # which is False for names that no system allows, too
                raise UserError(f"{path}, line {number}: there is no file {str(photo)[:200]}")
            yield photo


def _write(out: TextIO, captions: Sequence[Hypothesis], photo: Path | None, scores: bool) -> None:
    """The captions of an image, a line each."""
    for one in captions:
        columns = [] if photo is None else [str(photo)]
        if scores:
            columns.append(f"{one.log_prob:.4f}")
        out.write("\t".join([*columns, one.text]) + "\n")


def _draw(path: Path, model: Captioner, photo: Path, best: Hypothesis) -> None:
    """The square that the encoder saw, then where each word looked."""
    from seq2scene.plotting.figures import save_picture  # matplotlib takes half a second to import
    from seq2scene.plotting.image_attention import draw_image_attention

    assert best.attention is not None, "kept for the pictures"
    weights = best.attention[: len(best.words)].reshape(-1, *model.photo_encoder().map_size)
    picture = model.square(photo).permute(1, 2, 0).numpy()
    save_picture(path, draw_image_attention(picture, weights, list(best.words)))
