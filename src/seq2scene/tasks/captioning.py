"""Captions of images: the LightningModule of Xu et al. 2015, "Show, Attend and Tell". It attends to locations
of photos, or to objects of layouts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import ModuleDict

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.metrics.caption_bleu import CaptionBleu
from seq2scene.metrics.caption_words import caption_words
from seq2scene.metrics.cider import CiderD, DocumentFrequencies
from seq2scene.metrics.length_ratio import LengthRatio
from seq2scene.metrics.perplexity import Perplexity
from seq2scene.metrics.rewards import Reward, bleu_reward, chrf_reward, cider_reward, stored_frequencies
from seq2scene.metrics.rouge import RougeL
from seq2scene.models.captioner import Captioner
from seq2scene.models.words import gold_log_probs
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.losses.scene_losses import doubly_stochastic
from seq2scene.nets.text.xu_decoder import XuDecoder
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.sequences.padding import shift_right
from seq2scene.tasks.self_critical import reward_metric, self_critical_loss
from seq2scene.tasks.task import Column, Loss, Task
from seq2scene.tasks.words import LENGTH, loss_of_words, per_sentence

QUALITY = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")
FREE_RUNNING = (*QUALITY, LENGTH.name)
CAPTION_COLUMNS = (*(Column(name, name, 3 if name == "cider" else 2) for name in QUALITY), LENGTH)


@dataclass(frozen=True)
class Caption:
    """The caption generated for one image of a test set. log_prob: of the words and EOS."""

    row: int
    text: str
    log_prob: float


class Captioning(Task):
    """Teacher forcing in training, with soft or hard attention; validation and tests also generate captions
    and score them against all references of their image.

    Perplexity is computed with teacher forcing and soft attention, counts EOS (``perplexity_words`` does
    not), and never includes label smoothing. BLEU, ROUGE-L and CIDEr-D score free-running output.
    """

    curves = shown = ("perplexity", "bleu_4", "cider")
    only_tests = (LENGTH.name,)
    model_class = Captioner
    model: Captioner
    columns = (Column("perplexity", "perplexity"), *CAPTION_COLUMNS, Column("meteor", "meteor"))

    def __init__(self, config: dict[str, Any], description: dict[str, Any]) -> None:
        super().__init__(config, description)
        self.language = self.model.language
        self.schema = self.model.schema  # for layouts; None: for photos
        loss = config["loss"]
        self.smoothing = loss["smoothing"]
        self.per_sentence = per_sentence(loss)
        hard = loss.get("hard", False)
        self.reinforce = build(loss["reinforce"], "loss.reinforce") if hard else None
        if hard and not isinstance(self.model.decoder, XuDecoder):
            raise UserError(
                "loss.hard=true: this decoder cannot attend to one location at a time; choose model=xu2015"
            )
        self.metric = reward_metric(loss, ("cider", "bleu", "chrf"))
        if hard and self.metric is not None:
            raise UserError("loss=self_critical: not with loss.hard=true; leave one out")
        made = {"bleu": bleu_reward, "chrf": chrf_reward}.get(self.metric or "")
        self.reward: Reward | None = None if made is None else made(captions=True)
        self._frequencies: DocumentFrequencies | None = None
        self.build_scores()

    def _build_scores(self) -> ModuleDict:
        return ModuleDict(
            {
                "perplexity": Perplexity(),
                "perplexity_words": Perplexity(),
                **{f"bleu_{order}": CaptionBleu(order) for order in range(1, 5)},
                "rouge_l": RougeL(),
                "cider": CiderD(),
                LENGTH.name: LengthRatio(caption_words),
            }
        )

    def on_fit_start(self) -> None:
        if self.metric == "cider":
            references = self.trainer.datamodule.references("train")
            self._reward_cider(stored_frequencies(references, self.config["data"]["cache"]))

    def _reward_cider(self, frequencies: DocumentFrequencies) -> None:
        self._frequencies, self.reward = frequencies, cider_reward(frequencies)

    def loss_state(self) -> dict[str, Any]:
        return {} if self._frequencies is None else self._frequencies.plain()

    def load_loss_state(self, state: Mapping[str, Any]) -> None:
        if state:
            self._reward_cider(DocumentFrequencies.from_plain(state))

    # Teacher forcing

    def loss(self, batch: CaptionBatch) -> Loss:
        """-log p of the words; with hard attention, the REINFORCE terms (``Reinforce``); plus
        ``loss.doubly_stochastic`` times the doubly stochastic regulariser (eq. 14), summed over locations and
        captions, as in the paper. With ``loss=self_critical`` only that of sampled captions
        (``self_critical_loss``).
        """
        if self.metric is not None and self.training:
            assert self.reward is not None, "built when training starts"
            return self_critical_loss(
                self.model,
                partial(self.model.encode, batch),
                self.model.decoder,
                self.language,
                batch.references,
                self.reward,
                self.search("val"),
                self.per_sentence,
            )
        gold, decoder, memory = batch.target, self.model.decoder, self.model.encode(batch)
        previous = shift_right(gold.ids, self.language.vocabulary.bos)
        sampled = None
        if self.reinforce is not None and self.training:
            sampled = decoder.sample(memory, previous, self.config["loss"]["expectation"])
            features, weights = sampled.features, sampled.weights
        else:
            features, weights = decoder(memory, previous)
        output = decoder.output
        total, nll = linear_cross_entropy(
            gold.real(features), output.weight, output.bias, gold.real(gold.ids), self.smoothing
        )
        if sampled is not None and self.reinforce is not None:
            with torch.no_grad():
                log_likelihood = gold_log_probs(features, gold, output).sum(dim=1)
            total = total + self.reinforce(sampled, gold.mask, log_likelihood)
        if self.config["loss"]["doubly_stochastic"] and weights is not None:
            each = doubly_stochastic(weights, gold.mask, memory.mask)  # (B,)
            total = total + self.config["loss"]["doubly_stochastic"] * each.sum()
        return loss_of_words(total, nll, gold.mask, self.per_sentence)

    def log_probs(self, batch: CaptionBatch) -> Tensor:
        return self.model.log_probs(batch)

    # Free running

    def caption(self, batch: CaptionBatch, stage: str = "test", **options: Any) -> Hypotheses:
        """Searches for captions of the images with the search of ``stage``; options are passed to it."""
        return self.model.decode(batch, self.search(stage), **options)

    def _evaluate(self, batch: CaptionBatch, stage: str) -> Hypotheses:
        scores, gold = self.scores[stage + "_scores"], batch.target
        memory = self.model.encode(batch)
        nll = -self.model.log_probs(batch, memory)
        words = gold.mask & (gold.ids != self.language.vocabulary.eos)
        scores["perplexity_words"].update(nll[words].sum(), words.sum())
        scores["perplexity"].update(nll.sum(), gold.mask.sum())
        found = self.model.decode(memory, self.search(stage))
        texts = [self.language.decode(row) for row in found.tokens[:, 0].cpu()]
        for name in FREE_RUNNING:
            if self.is_scored(name, stage):
                scores[name].update(texts, batch.references)
        if stage == "test":
            rows = zip(batch.rows.tolist(), texts, found.log_probs[:, 0].tolist(), strict=True)
            self.outputs += [Caption(*row) for row in rows]
        return found

    def in_order(self, outputs: list[Caption]) -> list[Caption]:
        return sorted(outputs, key=lambda caption: caption.row)

    def net_for_data(self) -> dict[str, nn.Module]:
        """The image encoder, whose features of photos are cached on disk; layouts need none."""
        return {} if self.schema is not None else {"encoder": self.model.encoder}
