"""How likely a model finds given translations: forced decoding of sentence pairs."""

import sys

import torch
from omegaconf import DictConfig

from seq2scene.running.checkpoints import find_checkpoints, load_task, require_translation
from seq2scene.running.generation import find_device
from seq2scene.running.output import open_output
from seq2scene.sequences import corpus
from seq2scene.sequences.batching import EvaluationBatches, collate_pairs
from seq2scene.sequences.corpus import Corpus
from seq2scene.tasks.nmt import NMT


@torch.inference_mode()
def score(cfg: DictConfig) -> None:
    """``python src/score.py``: a line of log-probabilities for each pair of lines, in the files' order.

    Perplexities over all pairs go to stderr.
    """
    device = find_device(cfg.device)
    task = load_task(find_checkpoints(cfg.ckpt, "best.ckpt"), cfg.ensemble).to(device)
    require_translation(task, "score.py")
    cache = cfg.paths.cache
    texts = [corpus.read_text(path, cache, "check the name") for path in (cfg.source, cfg.target)]
    corpus.check_parallel(*texts)
    languages = zip(texts, (task.source, task.target), strict=True)
    source, target = (corpus.encode(text, language, cache) for text, language in languages)
    log_probs = score_pairs(task, source, target, cfg.batch_size)
    with open_output(cfg.out) as out:
        for line, values in enumerate(log_probs):
            out.write(_line(task, target, line, values, cfg.words))
    _report(task, target, log_probs)


def score_pairs(task: NMT, source: Corpus, target: Corpus, batch_size: int = 128) -> list[torch.Tensor]:
    """log p of each target word and of EOS after those before it, line by line, (words + 1,) each.

    These are minus the terms of the training loss without label smoothing. A pair without a source, which
    search answers without asking the model, is scored by the model like any other.
    """
    log_probs = [torch.empty(0)] * len(source)
    eos = bool(task.description["source_eos"])
    plan = EvaluationBatches(source.lengths, target.lengths, batch_size)
    for rows in plan.batches(0):
        batch = collate_pairs(source, target, rows.copy(), eos)  # torch takes no view that runs backwards
        scored = task.log_probs(batch.to(task.device)).cpu()
        for row, line in enumerate(rows):
            log_probs[line] = scored[row, : batch.target.lengths[row]]
    return log_probs


def _line(task: NMT, target: Corpus, line: int, log_probs: torch.Tensor, words: bool) -> str:
    fields = [f"{log_probs.sum():.4f}", f"{log_probs[:-1].sum():.4f}"]
    if words:
        tokens = task.target.vocabulary.tokens([*target[line].tolist(), task.target.vocabulary.eos])
        values = zip(tokens, log_probs.tolist(), strict=True)
        fields.append(" ".join(f"{token}:{value:.4f}" for token, value in values))
    return "\t".join(fields) + "\n"


def _report(task: NMT, target: Corpus, log_probs: list[torch.Tensor]) -> None:
    flat = torch.cat(log_probs)
    ends = torch.cat([values[-1:] for values in log_probs])
    words = len(flat) - len(ends)
    unknown = int((target.ids == task.target.vocabulary.unk).sum())
    said = f"{len(log_probs)} pairs; {words} target words, {unknown} of them unknown to the model; "
    said += f"perplexity {(-flat.double().mean()).exp():.4f} with EOS"
    if words:
        said += f", {((ends.sum() - flat.sum()).double() / words).exp():.4f} of words"
    print(said, file=sys.stderr)
