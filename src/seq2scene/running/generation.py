"""Writing text with a model: translations of a line, a file or a stream, or what a language model says."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import torch
from omegaconf import DictConfig, OmegaConf

from seq2scene.compositing.compositor import relocated
from seq2scene.errors import UserError
from seq2scene.plotting.attention_map import draw_attention
from seq2scene.plotting.figures import save_picture
from seq2scene.reports.alignment_recorder import soft_alignment_of
from seq2scene.running.bounds import check_values
from seq2scene.running.caption_generation import generate_captions
from seq2scene.running.checkpoints import (
    find_checkpoints,
    load_checkpoint,
    load_task,
    require_translation,
)
from seq2scene.running.output import open_output, require_folder, require_output, require_scores, tell_unknown
from seq2scene.running.scene_generation import generate_scenes, require_sentences
from seq2scene.running.task_compatibility import chosen_search
from seq2scene.search.beam import Beam
from seq2scene.search.constraints import Constraints
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.search.stepwise import Sample
from seq2scene.sequences.alignments import hard_alignment, require_shift
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.lines import each_line, standard_input, typed_lines
from seq2scene.sequences.unknown_words import chosen_dictionary, replace_unknown
from seq2scene.tasks.captioning import Captioning
from seq2scene.tasks.inpainting import InpaintingTask
from seq2scene.tasks.lm import LM
from seq2scene.tasks.nmt import NMT
from seq2scene.tasks.scenes import SceneTask


@torch.inference_mode()
def generate(cfg: DictConfig) -> None:
    """``python src/generate.py``: one line in, one line (or its n best, with scores) out, empty lines
    included. Several checkpoints translate together, as an ensemble. A language model goes on from each line,
    or begins from nothing where there is neither text nor file; a captioner tells what is on photos.
    """
    check_values(OmegaConf.to_container(cfg, resolve=True))
    require_shift(cfg.align_shift)
    dictionary = None if cfg.replace_unk is None else chosen_dictionary(cfg.replace_unk)
    _require_readable(cfg)
    require_output(cfg.out)
    require_folder(cfg.pictures, "pictures")
    device = find_device(cfg.device)
    ckpts = find_checkpoints(cfg.ckpt, "best.ckpt")
    task = load_task(ckpts, cfg.ensemble, cfg.paths, **_changes(cfg, ckpts)).to(device)
    if isinstance(task, InpaintingTask):
        raise UserError("ckpt: an inpainter writes nothing itself; give a checkpoint of a model that does")
    moved = cfg.patches, cfg.photos, cfg.edges
    task.description = relocated(task.description, *moved, inpainter=cfg.inpainter)
    if cfg.n_best > 1:
        task.searches["test"] = _several(task.searches["test"], cfg.n_best)
    if cfg.bfloat16:
        task.net.to(torch.bfloat16)
    if isinstance(task, Captioning):
        return generate_captions(cfg, task)
    if cfg.image is not None:
        raise UserError("image: this model reads text; give text=... or file=..., or a model that captions")
    if isinstance(task, SceneTask):
        require_sentences(task, _lines(cfg) if _can_be_read_twice(cfg) else ())
        return generate_scenes(cfg, task, _chunks(_lines(cfg), cfg.batch_size))
    if isinstance(task, LM):
        return _go_on(cfg, task)
    require_translation(task, "generate.py")
    pictures = None if cfg.pictures is None else Path(cfg.pictures)
    for key in ("pictures", "replace_unk"):
        if cfg[key] is not None and task.net.decoder.attention is None:
            raise UserError(f"{key}: this model has no attention, so nobody knows where it looked")
    looked = pictures is not None or dictionary is not None
    number = 0
    if cfg.prefix is not None:
        tell_unknown("prefix", task.target, cfg.prefix)
    with open_output(cfg.out) as out:
        for lines in _chunks(_lines(cfg), cfg.batch_size):
            for place, line in enumerate(lines, start=number + 1):
                tell_unknown(f"line {place}", task.source, line)
            source, prefix = _read(task, lines, cfg.prefix)
            found = task.translate(source.to(device), prefix=prefix, keep_weights=looked).to("cpu")
            require_scores(found.log_probs, number)
            if dictionary is None or found.weights is None:  # in a batch of empty lines nothing is looked at
                words = _words(task.target, found)
            else:
                words = _replaced(task, lines, source, found, dictionary, cfg.align_shift)
            for row, hypotheses in enumerate(words):
                number += 1
                texts = [task.target.tokenizer.join(one) for one in hypotheses]
                _write(out, number, texts, found, row, cfg.scores)
                if pictures is not None:
                    _draw(pictures / f"line_{number}.png", task, source, found, hypotheses[0], row)
            out.flush()


def _require_readable(cfg: DictConfig) -> None:
    """Raises UserError unless it is clear what to read, and all of a file's lines can be read."""
    given = [key for key in ("text", "file", "image") if cfg[key] is not None]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: give one of them")
    if _can_be_read_twice(cfg):
        for _ in _lines(cfg):
            pass


def _can_be_read_twice(cfg: DictConfig) -> bool:
    """Whether what is to be read is neither a pipe nor stdin, so that it can be checked first."""
    return cfg.text is not None or (cfg.file is not None and not Path(cfg.file).is_fifo())


def _changes(cfg: DictConfig, paths: Sequence[Path]) -> dict[str, Any]:
    """What of the first checkpoint's config is to be otherwise."""
    given = OmegaConf.to_container(cfg.search, resolve=True)
    if all(value is None for value in given.values()):
        return {}
    for key in ("n_best", "num_samples"):
        if cfg.n_best > 1 and given[key] not in (None, 1, cfg.n_best):
            raise UserError(f"n_best={cfg.n_best} and search.{key}={given[key]}: give one of them")
    return {"search": chosen_search(given, load_checkpoint(paths[0])["hyper_parameters"]["config"])}


def _several(search: Constraints, n_best: int) -> Constraints:
    """The search as it returns ``n_best`` hypotheses."""
    match search:
        case Beam():
            return replace(search, n_best=n_best, size=max(search.size, n_best))
        case Sample():
            return replace(search, num_samples=n_best)
    raise UserError(f"n_best={n_best}: greedy search finds one translation; use search=beam or search=sample")


def find_device(name: str) -> str:
    """cpu or cuda; ``auto`` is a GPU if there is one. Raises UserError for what is not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={name} is not a choice; choose one of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: no GPU is visible; use device=cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


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


def _chunks(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    """Lists of up to ``size`` lines; of one line each where somebody is typing them."""
    while chunk := list(islice(lines, 1 if sys.stdin.isatty() else size)):
        yield chunk


def _read(task: NMT, lines: list[str], prefix: str | None) -> tuple[Sentences, torch.Tensor | None]:
    source = task.source.batch(lines, bool(task.description["source_eos"]))
    if prefix is None:
        return source, None
    forced = torch.tensor(task.target.encode(prefix), device=task.device)
    return source, forced.expand(len(lines), -1)


def _go_on(cfg: DictConfig, task: LM) -> None:
    """Writes what a language model says after each line."""
    for key, instead in (
        ("pictures", "leave it out"),
        ("replace_unk", "leave it out"),
        ("prefix", "give the beginning as text=..."),
    ):
        if cfg[key] is not None:
            raise UserError(f"{key}: a language model has no source; {instead}")
    from_nothing = cfg.text is None and cfg.file is None
    with open_output(cfg.out) as out:
        for number, line in enumerate([""] if from_nothing else _lines(cfg), start=1):
            tell_unknown(f"line {number}", task.language, line)
            found = task.generate(1, prefix=line or None).to("cpu")
            require_scores(found.log_probs, number - 1)
            texts = [task.language.decode(ids) for ids in found.tokens[0]]
            _write(out, number, texts, found, 0, cfg.scores)


def _words(language: Language, found: Hypotheses) -> list[list[list[str]]]:
    """The words of each hypothesis of each line."""
    return [[language.tokens(ids) for ids in row] for row in found.tokens]


def _replaced(
    task: NMT,
    lines: Sequence[str],
    source: Sentences,
    found: Hypotheses,
    dictionary: Mapping[str, str],
    shift: int,
) -> list[list[list[str]]]:
    """The same with unknown words replaced, each hypothesis as it is aligned with its line."""
    words = _words(task.target, found)
    for n in range(found.tokens.shape[1]):
        ids = found.tokens[:, n]
        sources = hard_alignment(soft_alignment_of(task, source, ids, found.weights[:, n], shift)).tolist()
        unknown = (ids == task.target.vocabulary.unk).tolist()
        for row, line in enumerate(lines):
            own, split = words[row][n], task.source.tokenizer.split(line)
            gaps, places = unknown[row][: len(own)], sources[row][: len(own)]
            words[row][n] = replace_unknown(own, gaps, places, split, dictionary)
    return words


def _write(out: TextIO, number: int, texts: list[str], found: Hypotheses, row: int, scores: bool) -> None:
    scores = scores or len(texts) > 1
    for n, text in enumerate(texts):
        if found.lengths[row, n] > 0:  # else the beam found fewer
            out.write(f"{number}\t{found.log_probs[row, n]:.4f}\t{text}\n" if scores else f"{text}\n")


def _draw(path: Path, task: NMT, source: Sentences, found: Hypotheses, words: list[str], row: int) -> None:
    columns = task.source.vocabulary.tokens(source.ids[row, : source.lengths[row]].tolist())
    ending = found.tokens[row, 0, len(words) : found.lengths[row, 0]]
    rows = words + task.target.vocabulary.tokens(ending.tolist())  # EOS
    if columns:
        weights = found.weights[row, 0, : len(rows), : len(columns)].float().numpy()
        save_picture(path, draw_attention(weights, columns, rows))
