"""How likely a model finds given translations: forced decoding of sentence pairs."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from seq2scene.errors import UserError
from seq2scene.models.loading import find_device, load
from seq2scene.models.translator import Translator
from seq2scene.running.options.bounds import check_values
from seq2scene.sequences import corpus
from seq2scene.sequences.batching import EvaluationBatches, collate_pairs
from seq2scene.sequences.corpus import Corpus
from seq2scene.sequences.output import open_output, require_output, require_scores, with_progress


@torch.inference_mode()
def score(cfg: DictConfig) -> None:
    """``python src/score.py``: a line of log-probabilities for each pair of lines, in the files' order.

    Perplexities over all pairs go to stderr.
    """
    check_values(OmegaConf.to_container(cfg, resolve=True))
    require_output(cfg.out)
    device = find_device(cfg.device)
    model = load(cfg.ckpt, device, ensemble=cfg.ensemble)
    if not isinstance(model, Translator):
        task = model.config["task"]["name"]
        raise UserError(f"scoring needs models that translate; task={task} does not")
    require_sides(cfg.source, cfg.target, model.description)
    cache = cfg.paths.cache
    texts = [corpus.read_text(path, cache, "check the name") for path in (cfg.source, cfg.target)]
    corpus.check_parallel(*texts)
    languages = zip(texts, (model.source, model.target), strict=True)
    source, target = (corpus.encode(text, language, cache) for text, language in languages)
    log_probs = score_pairs(model, source, target, cfg.batch_size)
    require_scores((float(line.sum()) for line in log_probs), 0)
    with open_output(cfg.out) as out:
        for line, values in enumerate(log_probs):
            out.write(_line(model, target, line, values, cfg.words))
    _report(model, source, target, log_probs)


def require_sides(source: str, target: str, description: Mapping[str, Any]) -> None:
    """Raises UserError where both files are named after the other side's language, as test.de and test.en."""
    codes = [description.get(f"{side}_language") for side in ("source", "target")]
    named = [[code in Path(str(path)).name.split(".") for code in codes] for path in (source, target)]
    if named == [[False, True], [True, False]]:
        raise UserError(
            f"source={source} target={target}: the model reads {codes[0]} and writes {codes[1]}; turn them "
            "round"
        )


def score_pairs(
    model: Translator, source: Corpus, target: Corpus, batch_size: int = 128
) -> list[torch.Tensor]:
    """log p of each target word and of EOS after those before it, line by line, (words + 1,) each.

    These are minus the terms of the training loss without label smoothing. A pair without a source, which
    search answers without asking the model, is scored by the model like any other.
    """
    log_probs = [torch.empty(0)] * len(source)
    plan = EvaluationBatches(source.lengths, target.lengths, batch_size)
    for rows in with_progress(plan.batches(0), len(source), "pairs"):
        rows = rows.copy()  # torch takes no view that runs backwards
        batch = collate_pairs(source, target, rows, model.source_eos)
        scored = model.log_probs(batch.to(model.device)).cpu()
        for row, line in enumerate(rows):
            log_probs[line] = scored[row, : batch.target.lengths[row]]
    return log_probs


def _line(model: Translator, target: Corpus, line: int, log_probs: torch.Tensor, words: bool) -> str:
    fields = [f"{log_probs.sum():.4f}", f"{log_probs[:-1].sum():.4f}"]
    if words:
        tokens = model.target.vocabulary.tokens([*target[line].tolist(), model.target.vocabulary.eos])
        values = zip(tokens, log_probs.tolist(), strict=True)
        fields.append(" ".join(f"{token}:{value:.4f}" for token, value in values))
    return "\t".join(fields) + "\n"


def _report(model: Translator, source: Corpus, target: Corpus, log_probs: list[torch.Tensor]) -> None:
    flat = torch.cat(log_probs)
    ends = torch.cat([values[-1:] for values in log_probs])
    words = len(flat) - len(ends)
    sides = (("source", source, model.source), ("target", target, model.target))
    said = f"{len(log_probs)} pairs; "
    for side, text, language in sides:
        unknown = int((text.ids == language.vocabulary.unk).sum())
        said += f"{int(text.lengths.sum())} {side} words, {unknown} of them unknown to the model; "
    said += f"perplexity {(-flat.double().mean()).exp():.4f} with EOS"
    if words:
        said += f", {((ends.sum() - flat.sum()).double() / words).exp():.4f} of words"
    print(said, file=sys.stderr)
