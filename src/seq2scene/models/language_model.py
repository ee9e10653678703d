"""The language model that users work with: it continues texts and scores them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from seq2scene.building import build
from seq2scene.models.model import Model, as_asked, in_chunks, seeded, verb, with_n_best
from seq2scene.models.words import (
    Hypothesis,
    forced_prefix,
    gold_log_probs,
    read_hypotheses,
    special_ids,
)
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.nets.text.language_model import no_source
from seq2scene.search.constraints import Constraints
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.language import Language
from seq2scene.sequences.text_batch import sentence_batch
from seq2scene.sequences.vocabulary import Vocabulary

CHUNK = 128  # texts at a time


class LanguageModel(Model):
    """p(text) = prod p(y_t | y_1 ... y_{t-1}). The decoder obeys the decoder contract with an empty memory
    (``nets.text.language_model.no_source``), and can also continue from a given state (``read``).
    """

    kind: ClassVar[str] = "language model"
    earlier_names: ClassVar[dict[str, str]] = {"net.": "decoder."}

    def __init__(self, decoder: nn.Module, language: Language, search: Constraints | None = None) -> None:
        super().__init__(search)
        self.decoder = decoder
        self.language = language

    @classmethod
    def _build(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        model, language = config["model"], Language.from_state(description["language"])
        sizes = {"vocabulary_size": len(language.vocabulary), "padding": language.vocabulary.pad}
        decoder = build(model["decoder"], "model.decoder", **sizes)
        if model["initial_range"] is not None:
            initialise_uniform(decoder, model["initial_range"])
        return cls(decoder, language)

    def word_parts(self) -> dict[str, tuple[str, Vocabulary]]:
        return dict.fromkeys(("decoder.embedding", "decoder.output"), ("language", self.language.vocabulary))

    # Tensors

    def forward(self, previous: Tensor) -> Tensor:
        """Teacher forcing: previous (B, T) ids, BOS first -> features (B, T, H)."""
        return self.decoder(no_source(len(previous), self.device), previous)[0]

    def decode(
        self,
        count: int,
        search: Constraints | None = None,
        prefix: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Hypotheses:
        """Writes ``count`` texts, each beginning with ``prefix`` or with its own of a list, by default with
        the model's own search; options are passed to the search (generator). A deterministic search writes
        the same text each time.
        """
        ids = special_ids(self.language.vocabulary)
        forced = forced_prefix(self.language, prefix, count, self.device)
        memory = no_source(count, self.device)
        return (search or self.search)(self.decoder, memory, prefix=forced, **ids, **options)

    @torch.no_grad()
    def log_probs(self, texts: Sequence[str], eos: bool = True) -> Tensor:
        """(B,) log-probability of each text after BOS, including EOS if ``eos``."""
        vocabulary = self.language.vocabulary
        batch = sentence_batch(self.language.batch(texts, eos=True), vocabulary.bos).to(self.device)
        values = gold_log_probs(self(batch.previous), batch.target, self.decoder.output)
        return (values if eos else values.masked_fill(batch.target.ids == vocabulary.eos, 0)).sum(1)

    # Texts

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are out of vocabulary."""
        return self.language.unknown(text)

    def continue_text(
        self, text: str | Sequence[str] = "", n_best: int = 1, search: Constraints | None = None
    ) -> Hypothesis | list[Hypothesis] | list[list[Hypothesis]]:
        """A continuation of a text, which it begins with, or one of each of a list of texts; with ``n_best``
        above 1, lists of the best, or of that many samples.

        search: replaces the model's own. Raises UserError if the search cannot return several.
        """
        search = with_n_best(search or self.search, n_best)
        found = self.hypotheses([text] if isinstance(text, str) else list(text), search)
        return as_asked(found, isinstance(text, str), n_best)

    def sample(
        self,
        text: str | Sequence[str] = "",
        count: int = 1,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> list[Hypothesis] | list[list[Hypothesis]]:
        """``count`` continuations of a text, or of each text of a list, drawn at random; see
        ``search.stepwise.Sample``. The same seed gives the same ones.
        """
        texts = [text] if isinstance(text, str) else list(text)
        with seeded(seed):
            found = self.hypotheses(texts, self.sampling(count, temperature, top_k, top_p))
        return found[0] if isinstance(text, str) else found

    @verb
    def hypotheses(
        self, texts: Sequence[str], search: Constraints | None = None, batch_size: int = CHUNK
    ) -> list[list[Hypothesis]]:
        """All continuations that the search finds for each text, best first; each begins with the text.
        ``batch_size`` texts are continued at a time.
        """
        rows: list[list[Hypothesis]] = []
        for some in in_chunks(texts, batch_size):
            found = self.decode(len(some), search, some)
            rows += read_hypotheses(found, self.language, [1] * len(some))
        return rows

    @verb
    def score(self, text: str | Sequence[str], eos: bool = True) -> float | list[float]:
        """The log-probability of a text, or of each text in a list; ``eos``: include the probability of
        ending there.
        """
        scores = self._scores([text] if isinstance(text, str) else list(text), eos)
        return scores[0] if isinstance(text, str) else scores

    def _scores(self, texts: Sequence[str], eos: bool = True) -> list[float]:
        return [score for some in in_chunks(texts, CHUNK) for score in self.log_probs(some, eos).tolist()]

    @verb
    def perplexity(self, text: str | Sequence[str]) -> float | list[float]:
        """exp(-log p / n) of the n tokens of a text, EOS included, or of each text in a list."""
        texts = [text] if isinstance(text, str) else list(text)
        counts = [len(self.language.encode(one)) + 1 for one in texts]
        found = [math.exp(-score / n) for score, n in zip(self._scores(texts), counts, strict=True)]
        return found[0] if isinstance(text, str) else found
