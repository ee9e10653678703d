"""Translation: the LightningModule of sentence pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import ModuleDict

from seq2scene.metrics.bleu import SPACED, CorpusBleu, bleu_tokenizer
from seq2scene.metrics.chrf import CorpusChrf
from seq2scene.metrics.length_ratio import LengthRatio
from seq2scene.metrics.perplexity import Perplexity
from seq2scene.metrics.rewards import Reward, bleu_reward, chrf_reward
from seq2scene.models.translator import Translator
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.batch import ParallelBatch, Sentences
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.tokenizers import SentencePiece, whole_words
from seq2scene.tasks.self_critical import reward_metric, self_critical_loss
from seq2scene.tasks.task import Column, Loss, Task
from seq2scene.tasks.words import LENGTH, loss_of_words, per_sentence

TABLE = ("bleu_tok", "bleu", "chrf", "perplexity", "perplexity_words")  # columns of the table of test scores


@dataclass(frozen=True)
class Translation:
    """The translation of one line of a test set. log_prob: of the words and EOS. words: ``NMT.own_words``."""

    line: int
    text: str
    log_prob: float
    words: str


class NMT(Task):
    """Recurrent translation (Sutskever et al. 2014; Luong et al. 2015).

    Perplexity is computed with teacher forcing, counts EOS (``perplexity_words`` does not), and never
    includes label smoothing. BLEU and chrF score free-running output: ``bleu`` is sacrebleu's BLEU of
    plain text in the target language (``bleu_tokenizer``), ``bleu_tok`` that of the model's own tokens
    (``own_words``), both with unknown words included. ``length_ratio`` counts the words of ``bleu_tok``.
    """

    shown = ("perplexity", "bleu_tok")
    model_class = Translator
    model: Translator
    columns = (*(Column(name, name) for name in TABLE), LENGTH)
    only_tests = ("chrf", LENGTH.name)

    def __init__(self, config: dict[str, Any], description: dict[str, Any]) -> None:
        super().__init__(config, description)
        self.source, self.target = self.model.source, self.model.target
        self.smoothing = config["loss"]["smoothing"]
        self.per_sentence = per_sentence(config["loss"])
        self.lowercase = getattr(self.target.tokenizer, "lowercase", False)
        self.bleu_tokenizer = bleu_tokenizer(description.get("target_language") or "")
        metric = reward_metric(config["loss"], ("bleu", "chrf"))
        rewards: dict[str, Callable[[bool], Reward]] = {
            "bleu": partial(bleu_reward, tokenize=self.bleu_tokenizer),
            "chrf": chrf_reward,
        }
        self.reward = None if metric is None else rewards[metric](self.lowercase)
        self.build_scores()
        self.keep_weights = False  # whether to return attention when translating test sets

    def _build_scores(self) -> ModuleDict:
        return ModuleDict(
            {
                "perplexity": Perplexity(),
                "perplexity_words": Perplexity(),
                "bleu": CorpusBleu(self.bleu_tokenizer, self.lowercase),
                "bleu_tok": CorpusBleu(tokenize="none"),
                "chrf": CorpusChrf(lowercase=self.lowercase),
                LENGTH.name: LengthRatio(),
            }
        )

    # Teacher forcing

    def loss(self, batch: ParallelBatch) -> Loss:
        """-log p of the words, smoothed; with ``loss=self_critical`` that of sampled translations
        (``self_critical_loss``).
        """
        if self.reward is not None and self.training:
            return self_critical_loss(
                self.model,
                partial(self.model.encode, batch.source),
                self.model.decoder,
                self.target,
                [[line] for line in batch.references],
                self.reward,
                self.search("val"),
                self.per_sentence,
            )
        gold = batch.target
        features, _ = self.model(batch.source, shift_right(gold.ids, self.target.vocabulary.bos))
        total, nll = self._cross_entropy(gold.real(features), gold.real(gold.ids), self.smoothing)
        return loss_of_words(total, nll, gold.mask, self.per_sentence)

    def _cross_entropy(self, features: Tensor, gold: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
        output = self.model.decoder.output
        return linear_cross_entropy(features, output.weight, output.bias, gold, smoothing)

    def log_probs(self, batch: ParallelBatch) -> Tensor:
        return self.model.log_probs(batch)

    def forced_weights(self, batch: ParallelBatch) -> Tensor | None:
        return self.model.forced_weights(batch)

    # Free running

    def translate(self, source: Sentences, stage: str = "test", **options: Any) -> Hypotheses:
        """Searches for translations of ``source`` with the search of ``stage``; options are passed to it."""
        return self.model.decode(source, self.search(stage), **options)

    def _evaluate(self, batch: ParallelBatch, stage: str) -> Hypotheses:
        scores, gold = self.scores[stage + "_scores"], batch.target
        nll = -self.log_probs(batch)
        words = gold.mask & (gold.ids != self.target.vocabulary.eos)
        scores["perplexity_words"].update(nll[words].sum(), words.sum())
        scores["perplexity"].update(nll.sum(), gold.mask.sum())
        found = self.translate(batch.source, stage, keep_weights=self.keep_weights and stage == "test")
        tokens = [self.target.tokens(row) for row in found.tokens[:, 0].cpu()]
        texts = [self.target.tokenizer.join(row) for row in tokens]
        scores["bleu"].update(texts, batch.references)
        written = [self.own_words(row) for row in tokens]
        expected = [self.own_words(self.target.tokenizer.split(line)) for line in batch.references]
        scores["bleu_tok"].update(written, expected)
        if stage == "test":
            scores["chrf"].update(texts, batch.references)
            scores[LENGTH.name].update(written, [[line] for line in expected])
            rows = zip(batch.lines.tolist(), texts, found.log_probs[:, 0].tolist(), written, strict=True)
            self.outputs += [Translation(*row) for row in rows]
        return found

    def own_words(self, tokens: list[str]) -> str:
        """What ``bleu_tok`` compares, between spaces: the model's own tokens, subwords joined to words. In
        languages that do not separate words by spaces, subwords are joined to text and divided as for
        ``bleu``.
        """
        text = " ".join(whole_words(self.target.tokenizer, tokens))
        divided = self.bleu_tokenizer != SPACED and isinstance(self.target.tokenizer, SentencePiece)
        return self.scores["test_scores"]["bleu"].words(text) if divided else text

    def in_order(self, outputs: list[Translation]) -> list[Translation]:
        return sorted(outputs, key=lambda translation: translation.line)
