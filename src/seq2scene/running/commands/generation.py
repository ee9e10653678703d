"""``python src/generate.py``: what a model writes for a text, a file of texts or a stream.

What only some models need is imported when one of them is at work, so that a line is translated soon.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import torch
from omegaconf import DictConfig, OmegaConf

from seq2scene.errors import UserError
from seq2scene.models.loading import find_device, load
from seq2scene.models.model import Model, with_n_best
from seq2scene.models.words import Hypothesis
from seq2scene.running.options.bounds import check_values
from seq2scene.sequences.alignments import require_shift
from seq2scene.sequences.lines import each_line, standard_input, typed_lines
from seq2scene.sequences.output import (
    goes_through,
    notices,
    open_output,
    require_folder,
    require_output,
    require_scores,
    tell_unknown,
    with_progress,
)
from seq2scene.sequences.unknown_words import chosen_dictionary

if TYPE_CHECKING:
    from seq2scene.models.language_model import LanguageModel
    from seq2scene.models.translator import Translator


def generate(cfg: DictConfig) -> None:
    """One line in, one line (or its n best, with scores) out, empty lines included. Several checkpoints
    translate together, as an ensemble. A language model continues each line, or begins from nothing where
    there is neither text nor file; a captioner describes photos; a writer of scenes draws them.
    """
    check_values(OmegaConf.to_container(cfg, resolve=True))
    require_shift(cfg.align_shift)
    dictionary = None if cfg.replace_unk is None else chosen_dictionary(cfg.replace_unk)
    count = _count_lines(cfg)
    require_output(cfg.out)
    require_folder(cfg.pictures, "pictures")
    model = load(cfg.ckpt, find_device(cfg.device), _search(cfg), cfg.ensemble, cfg.paths.cache)
    if model.kind == "inpainter":
        raise UserError("ckpt: an inpainter writes nothing itself; give a checkpoint of a model that does")
    _relocate(cfg, model)
    if cfg.n_best > 1:
        model.search = with_n_best(model.search, cfg.n_best)
    if cfg.bfloat16:
        model.to(torch.bfloat16)
    if cfg.scene is not None and model.kind not in ("scene writer", "captioner"):
        raise UserError(
            "scene: only models of scenes go on from one, and their captioners describe it; leave it out, or "
            "give one of these"
        )
    if cfg.rerank is not None:
        from seq2scene.models.reranking import rerank

        rerank(model, cfg.rerank)
    torch.manual_seed(cfg.seed)
    if cfg.image is not None and model.kind != "captioner":
        raise UserError("image: this model reads text; give text=... or file=..., or a model that captions")
    match model.kind:
        case "captioner":
            from seq2scene.running.commands.caption_generation import generate_captions

            generate_captions(cfg, model)
        case "scene writer":
            from seq2scene.running.commands.scene_generation import generate_scenes

            model.require_sentences(list(_lines(cfg)) if _can_be_read_twice(cfg) else [])
            generate_scenes(cfg, model, _chunks(cfg), count)
        case "language model":
            _continue(cfg, model, count)
        case "translator":
            _translate(cfg, model, count, dictionary)
        case other:
            raise UserError(f"nothing is generated with a {other}")


def _relocate(cfg: DictConfig, model: Model) -> None:
    """Tells a writer of composites where its patches and photos are; raises UserError for other models."""
    given = {key: cfg[key] for key in ("patches", "photos", "edges", "inpainter")}
    if "patches" in model.description or any(value is not None for value in given.values()):
        from seq2scene.compositing.compositor import relocated

        model.description = relocated(model.description, **given)


def _count_lines(cfg: DictConfig) -> int | None:
    """The number of lines to read, or None where it will show.

    Raises UserError unless it is clear what to read, and all of a file's lines can be read.
    """
    given = [key for key in ("text", "file", "image") if cfg[key] is not None]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: give one of them")
    return sum(1 for _ in _lines(cfg)) if _can_be_read_twice(cfg) else None


def _can_be_read_twice(cfg: DictConfig) -> bool:
    """Whether what is to be read is neither a pipe nor stdin, so that it can be checked first."""
    return cfg.text is not None or (cfg.file is not None and not Path(cfg.file).is_fifo())


def _search(cfg: DictConfig) -> dict[str, Any]:
    """What of the first checkpoint's search is to be otherwise."""
    given = OmegaConf.to_container(cfg.search, resolve=True)
    for key in ("n_best", "num_samples"):
        if cfg.n_best > 1 and given[key] not in (None, 1, cfg.n_best):
            raise UserError(f"n_best={cfg.n_best} and search.{key}={given[key]}: give one of them")
    return given


def _lines(cfg: DictConfig) -> Iterator[str]:
    """The text, the lines of the file, or those of stdin, without their line ends."""
    if cfg.text is not None:
        yield from typed_lines(str(cfg.text))
    elif cfg.file is not None:
        yield from each_line(str(cfg.file), "check file=")
    else:
        if sys.stdin.isatty():
            print("type lines to translate; end with Ctrl-D", file=sys.stderr)
        yield from standard_input()


def _chunks(cfg: DictConfig) -> Iterator[list[str]]:
    """The lines, ``batch_size`` at a time; one at a time where somebody is typing them."""
    typed = cfg.text is None and cfg.file is None and sys.stdin.isatty()
    lines = _lines(cfg)
    while chunk := list(islice(lines, 1 if typed else cfg.batch_size)):
        yield chunk


def _translate(
    cfg: DictConfig, model: "Translator", count: int | None, dictionary: dict[str, str] | None
) -> None:
    for key in ("pictures", "replace_unk"):
        if cfg[key] is not None:
            model.require_attention(key)
    if cfg.prefix is not None:
        tell_unknown("prefix", model.target.unknown(cfg.prefix))

    def translate(lines: list[str]) -> list[list[Hypothesis]]:
        return model.hypotheses(
            lines,
            cfg.prefix,
            keep_attention=cfg.pictures is not None,
            replace_unk=dictionary,
            align_shift=cfg.align_shift,
            batch_size=len(lines),
        )

    def draw(number: int, line: str, best: Hypothesis) -> None:
        _draw(Path(cfg.pictures) / f"line_{number}.png", model, line, best)

    _write_all(cfg, model, _chunks(cfg), count, translate, None if cfg.pictures is None else draw)


def _continue(cfg: DictConfig, model: "LanguageModel", count: int | None) -> None:
    """Writes what a language model says after each line."""
    for key, instead in (
        ("pictures", "leave it out"),
        ("replace_unk", "leave it out"),
        ("prefix", "give the beginning as text=..."),
    ):
        if cfg[key] is not None:
            raise UserError(f"{key}: a language model has no source; {instead}")
    from_nothing = cfg.text is None and cfg.file is None
    chunks = iter([[""]]) if from_nothing else _chunks(cfg)
    _write_all(cfg, model, chunks, count, lambda lines: model.hypotheses(lines, batch_size=len(lines)))


def _write_all(
    cfg: DictConfig,
    model: "Translator | LanguageModel",
    chunks: Iterator[list[str]],
    count: int | None,
    find: Callable[[list[str]], list[list[Hypothesis]]],
    draw: Callable[[int, str, Hypothesis], None] | None = None,
) -> None:
    """Writes the hypotheses that ``find`` gives for all lines, of which there are ``count`` if that is known.

    draw: given the number of each line, the line and its best hypothesis.
    """
    number, scores = 0, cfg.scores or model.n_best > 1
    with open_output(cfg.out) as out, notices(count) as tell:
        for lines in with_progress(chunks, count, "lines", goes_through(cfg.out)):
            for place, line in enumerate(lines, start=number + 1):
                tell_unknown(f"line {place}", model.unknown(line), tell)
            found = find(lines)
            require_scores([row[0].log_prob for row in found], number)
            for line, hypotheses in zip(lines, found, strict=True):
                number += 1
                _write(out, number, hypotheses, scores)
                if draw is not None:
                    draw(number, line, hypotheses[0])
            out.flush()


def _write(out: TextIO, number: int, hypotheses: Sequence[Hypothesis], scores: bool) -> None:
    for one in hypotheses:
        out.write(f"{number}\t{one.log_prob:.4f}\t{one.text}\n" if scores else f"{one.text}\n")


def _draw(path: Path, model: "Translator", line: str, best: Hypothesis) -> None:
    from seq2scene.plotting.attention_map import draw_attention  # matplotlib takes half a second to import
    from seq2scene.plotting.figures import save_picture

    columns = model.source_tokens(line)
    rows = [*best.words, *model.target.vocabulary.tokens([model.target.vocabulary.eos])]
    if columns:
        assert best.attention is not None, "kept for the pictures"
        weights = best.attention[: len(rows), : len(columns)]
        save_picture(path, draw_attention(weights, columns, rows))
