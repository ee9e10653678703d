"""Language models: the LightningModule of plain text."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import ModuleDict

from seq2scene.metrics.perplexity import Perplexity
from seq2scene.models.language_model import LanguageModel
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.text.language_model import State, no_source
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.text_batch import TextBatch
from seq2scene.tasks.task import Column, Loss, Task
from seq2scene.tasks.words import loss_of_words, per_sentence

SCORES = ("perplexity", "perplexity_words")


class LM(Task):
    """A recurrent language model of sentences, or of a stream of text (``TextBatch.continues``).

    Perplexity counts EOS, ``perplexity_words`` does not; neither ever includes label smoothing. The state at
    the end of a window of streams starts the next, detached. Training, validation and test each have their
    own state; checkpoints store that of training for each rank, so that a run resumes exactly on the same
    number of ranks.
    """

    model_class = LanguageModel
    model: LanguageModel
    columns = tuple(Column(name, name) for name in SCORES)

    def __init__(self, config: dict[str, Any], description: dict[str, Any]) -> None:
        super().__init__(config, description)
        self.language = self.model.language
        self.smoothing = config["loss"]["smoothing"]
        self.per_sentence = per_sentence(config["loss"])
        self.build_scores()
        self._states: dict[str, State] = {}  # the current state of the streams, by stage

    def _build_scores(self) -> ModuleDict:
        return ModuleDict({name: Perplexity() for name in SCORES})

    # Teacher forcing

    def loss(self, batch: TextBatch) -> Loss:
        """With ``loss.per=sentence`` the normaliser is the number of rows in the batch: sentences, or
        streams.
        """
        gold = batch.target
        features = self._read(batch, "train")
        total, nll = self._cross_entropy(gold.real(features), gold.real(gold.ids), self.smoothing)
        return loss_of_words(total, nll, gold.mask, self.per_sentence)

    def _read(self, batch: TextBatch, stage: str) -> Tensor:
        """Features (B, T, H) of a batch, starting from the previous batch's final state, or from zeros if
        that has other rows.
        """
        state = self._states.pop(stage, None) if batch.continues else None
        if state is None or len(state[0]) != len(batch):
            state = self.model.decoder.start(no_source(len(batch), self.device))
        features, state = self.model.decoder.read(batch.previous, tuple(s.to(self.device) for s in state))
        if batch.goes_on:
            self._states[stage] = tuple(s.detach() for s in state)
        return features

    def _cross_entropy(self, features: Tensor, gold: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
        output = self.model.decoder.output
        return linear_cross_entropy(features, output.weight, output.bias, gold, smoothing)

    def _evaluate(self, batch: TextBatch, stage: str) -> None:
        scores, gold = self.scores[stage + "_scores"], batch.target
        features = self._read(batch, stage)
        ends = gold.mask & (gold.ids == self.language.vocabulary.eos)
        words = gold.mask & ~ends
        _, nll_words = self._cross_entropy(features[words], gold.ids[words])
        _, nll_ends = self._cross_entropy(features[ends], gold.ids[ends])
        scores["perplexity_words"].update(nll_words, words.sum())
        scores["perplexity"].update(nll_words + nll_ends, gold.mask.sum())

    # Generation

    def generate(
        self, count: int, stage: str = "test", prefix: str | None = None, **options: Any
    ) -> Hypotheses:
        """Writes ``count`` texts with the search of ``stage``, see ``LanguageModel.decode``."""
        return self.model.decode(count, self.search(stage), prefix, **options)

    def sample(self, count: int, **options: Any) -> list[str]:
        """The texts of ``generate``: all hypotheses of the first, then of the second, and so on."""
        return [self.language.decode(row) for row in self.generate(count, **options).tokens.flatten(0, 1)]

    def log_probs(self, sentences: Sequence[str], eos: bool = True) -> Tensor:
        return self.model.log_probs(sentences, eos)

    # Going on

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        ours = tuple(s.cpu() for s in self._states.get("train", ()))
        states: list[Any] = [ours] * self.trainer.world_size
        if self.trainer.world_size > 1:
            torch.distributed.all_gather_object(states, ours)
        checkpoint["stream_states"] = states

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        states = checkpoint["stream_states"]
        if len(states) == self.trainer.world_size and states[self.trainer.global_rank]:
            self._states["train"] = states[self.trainer.global_rank]
