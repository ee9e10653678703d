"""The translator that users work with: text in one language in, text in another out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.changed_attention import Change, ChangedAttention
from seq2scene.models.model import Model, as_asked, in_chunks, seeded, verb, with_n_best, with_parts
from seq2scene.models.words import (
    Alignment,
    Hypothesis,
    forced_prefix,
    gold_log_probs,
    read_hypotheses,
    special_ids,
)
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.nets.text.recurrent_decoder import RecurrentDecoder
from seq2scene.search.constraints import Constraints
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.alignments import hard_alignment, links, require_shift, soft_alignment
from seq2scene.sequences.batch import ParallelBatch, Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.memory import Memory
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.unknown_words import replace_unknown
from seq2scene.sequences.vocabulary import Vocabulary

CHUNK = 128  # texts at a time


class Translator(Model):
    """Sequence to sequence (Sutskever et al. 2014; Luong et al. 2015): an encoder and a decoder that obeys
    the decoder contract, joined by a memory.

    source, target: the languages it reads and writes. source_eos: whether its input ends in EOS.
    """

    kind: ClassVar[str] = "translator"

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        source: Language,
        target: Language,
        source_eos: bool = False,
        search: Constraints | None = None,
    ) -> None:
        super().__init__(search)
        self.encoder = encoder
        self.decoder = decoder
        self.source = source
        self.target = target
        self.source_eos = source_eos

    @classmethod
    def ensemble(cls, members: Sequence[Self], average: str = "logits") -> Self:
        from seq2scene.models.ensemble import Ensemble  # a translator itself

        return Ensemble(members, average)

    @classmethod
    def _build(cls, config: Mapping[str, Any], description: Mapping[str, Any]) -> Self:
        model = config["model"]
        source, target = (Language.from_state(description[side]) for side in ("source", "target"))
        words = source.vocabulary
        encoder = build(model["encoder"], "model.encoder", vocabulary_size=len(words), padding=words.pad)
        sizes = {"query_size": model["decoder"]["hidden_size"], "memory_size": encoder.output_size}
        decoder = build(
            model["decoder"],
            "model.decoder",
            vocabulary_size=len(target.vocabulary),
            padding=target.vocabulary.pad,
            memory_size=encoder.output_size,
            memory_layers=encoder.rnn.num_layers,
            attention=build(config["attention"], "attention", **sizes),
        )
        if isinstance(decoder, RecurrentDecoder):
            decoder.bridge.require_cell("lstm" if isinstance(encoder.rnn, nn.LSTM) else "gru")
        translator = cls(encoder, decoder, source, target, bool(description["source_eos"]))
        if model["initial_range"] is not None:
            initialise_uniform(translator, model["initial_range"])
        return translator

    def word_parts(self) -> dict[str, tuple[str, Vocabulary]]:
        target = ("target", self.target.vocabulary)
        source = ("source", self.source.vocabulary)
        return {"encoder.embedding": source, "decoder.embedding": target, "decoder.output": target}

    # Tensors

    def encode(self, source: Sentences) -> Memory:
        """The decoder's memory of the source, computed once."""
        states, final = self.encoder(source)
        lengths = source.mask.sum(dim=1)
        return Memory(states, self.decoder.keys(states), source.mask, lengths, final)

    def forward(self, source: Sentences, previous: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: previous (B, T) ids -> decoder features (B, T, H), weights (B, T, S) or None."""
        return self.decoder(self.encode(source), previous)

    def log_probs(self, batch: ParallelBatch) -> Tensor:
        """log p (B, T) of each target word and EOS after those before it, 0 on padding; never smoothed."""
        gold = batch.target
        features, _ = self(batch.source, shift_right(gold.ids, self.target.vocabulary.bos))
        return gold_log_probs(features, gold, self.decoder.output)

    def forced_weights(self, batch: ParallelBatch) -> Tensor | None:
        """Attention (B, T, S) while force-decoding the targets, EOS included; None without attention."""
        return self(batch.source, shift_right(batch.target.ids, self.target.vocabulary.bos))[1]

    def decode(self, source: Sentences, search: Constraints | None = None, **options: Any) -> Hypotheses:
        """Searches for translations of ``source``, by default with the model's own search; options are passed
        to the search (prefix, keep_weights).
        """
        ids = special_ids(self.target.vocabulary)
        return (search or self.search)(self.decoder, self.encode(source), **ids, **options)

    def soft_alignment(self, source: Sentences, ids: Tensor, weights: Tensor, shift: int = 0) -> Tensor:
        """``sequences.alignments.soft_alignment`` (B, T, S) for target ids (B, T), each row ending in EOS and
        then padded, from their attention (B, T, S).
        """
        from_eos = source.ids == self.source.vocabulary.eos
        vocabulary = self.target.vocabulary
        is_word = (ids != vocabulary.eos) & (ids != vocabulary.pad)
        return soft_alignment(weights, (source.mask & ~from_eos).sum(1), is_word.sum(1), shift)

    def with_attention(self, changes: Mapping[int, Change]) -> Self:
        """A translator that looks elsewhere: it shares the weights of this one, and its attention is changed
        at some decoder steps, counted from 0 (``models.changed_attention``). Everything that this one can
        do, it can do with its attention changed: translate, score, align.

            model.with_attention({2: Change(masked=[3])}).translate(text)

        The changes are of one source text. Raises UserError for a model without attention, and for an
        ensemble; and, when used, for changes that do not fit the text.
        """
        if not isinstance(self.decoder, RecurrentDecoder):
            raise UserError("with_attention: change the attention of one model, not of an ensemble")
        self.require_attention("with_attention")
        changed = ChangedAttention(self.decoder.attention, changes)
        return with_parts(self, decoder=with_parts(self.decoder, attention=changed))

    # Texts

    def read(self, texts: Sequence[str]) -> Sentences:
        """Texts as the encoder reads them, on the model's device."""
        return self.source.batch(texts, self.source_eos).to(self.device)

    def source_tokens(self, text: str) -> list[str]:
        """The tokens of a text at the positions that attention refers to: unknown words as <unk>, and EOS
        where the model reads one.
        """
        ids = self.source.encode(text) + [self.source.vocabulary.eos] * self.source_eos
        return self.source.vocabulary.tokens(ids)

    def unknown(self, text: str) -> list[str]:
        """The words of a source text that are out of vocabulary."""
        return self.source.unknown(text)

    def translate(
        self,
        text: str | Sequence[str],
        n_best: int = 1,
        prefix: str | None = None,
        search: Constraints | None = None,
        **options: Any,
    ) -> Hypothesis | list[Hypothesis] | list[list[Hypothesis]]:
        """The translation of a text, or the translations of a list of texts. Each is one hypothesis, or with
        ``n_best`` above 1 a list of up to that many, best first. The translation of an empty text is empty.

        prefix: how every translation begins. search: replaces the model's own. options: as for
        ``hypotheses``. Raises UserError if the search cannot return several.
        """
        texts = [text] if isinstance(text, str) else list(text)
        search = with_n_best(search or self.search, n_best)
        found = self.hypotheses(texts, prefix, search, **options)
        return as_asked(found, isinstance(text, str), n_best)

    def sample(
        self,
        text: str | Sequence[str],
        count: int = 1,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> list[Hypothesis] | list[list[Hypothesis]]:
        """``count`` translations of a text, or of each text of a list, drawn at random; see
        ``search.stepwise.Sample``. The same seed gives the same ones.
        """
        texts = [text] if isinstance(text, str) else list(text)
        with seeded(seed):
            found = self.hypotheses(texts, search=self.sampling(count, temperature, top_k, top_p))
        return found[0] if isinstance(text, str) else found

    @verb
    def hypotheses(
        self,
        texts: Sequence[str],
        prefix: str | None = None,
        search: Constraints | None = None,
        keep_attention: bool = False,
        replace_unk: Mapping[str, str] | None = None,
        align_shift: int = 0,
        batch_size: int = CHUNK,
    ) -> list[list[Hypothesis]]:
        """All hypotheses for each text, best first; ``batch_size`` texts are translated at a time.

        replace_unk: a dictionary that gives unknown words the translation of the source word they are aligned
        to; a source word it lacks is copied. {} copies all, None leaves <unk>. align_shift: the ``shift`` of
        ``sequences.alignments.soft_alignment``.

        Raises UserError if attention is needed and the model has none.
        """
        require_shift(align_shift)
        for name, wanted in (("keep_attention", keep_attention), ("replace_unk", replace_unk is not None)):
            if wanted:
                self.require_attention(name)
        rows: list[list[Hypothesis]] = []
        for some in in_chunks(texts, batch_size):
            source = self.read(some)
            forced = forced_prefix(self.target, prefix, len(some), self.device)
            kept = keep_attention or replace_unk is not None
            found = self.decode(source, search, prefix=forced, keep_weights=kept).to("cpu")
            written = read_hypotheses(found, self.target, source.lengths.tolist())
            if replace_unk is not None and found.weights is not None:  # None: all texts are empty
                written = self._replaced(some, source.to("cpu"), found, written, replace_unk, align_shift)
            rows += written
        return rows

    def _replaced(
        self,
        texts: Sequence[str],
        source: Sentences,
        found: Hypotheses,
        written: list[list[Hypothesis]],
        dictionary: Mapping[str, str],
        shift: int,
    ) -> list[list[Hypothesis]]:
        """The hypotheses with unknown words replaced according to each one's alignment."""
        written, weights = [list(row) for row in written], found.weights
        assert weights is not None, "unknown words are replaced by their attention"
        for n in range(found.tokens.shape[1]):
            ids = found.tokens[:, n]
            sources = hard_alignment(self.soft_alignment(source, ids, weights[:, n], shift)).tolist()
            unknown = (ids == self.target.vocabulary.unk).tolist()
            for row, text in enumerate(texts):
                if n < len(written[row]):
                    one = written[row][n]
                    count, split = len(one.words), self.source.split(text)
                    gaps, places = unknown[row][:count], sources[row][:count]
                    words = replace_unknown(one.words, gaps, places, split, dictionary)
                    text_of_words = self.target.tokenizer.join(words)
                    written[row][n] = replace(one, text=text_of_words, words=tuple(words))
        return written

    @verb
    def score(self, source: str | Sequence[str], target: str | Sequence[str]) -> float | list[float]:
        """The log-probability of a target text, EOS included, given its source; for two lists, that of each
        pair. Raises UserError if the lists differ in length.
        """
        scores: list[float] = []
        for batch in map(self._batch, in_chunks(as_pairs(source, target), CHUNK)):
            scores += self.log_probs(batch).sum(1).tolist()
        return scores[0] if isinstance(source, str) else scores

    @verb
    def perplexity(self, source: str | Sequence[str], target: str | Sequence[str]) -> float | list[float]:
        """exp(-log p / n) of the n tokens of a target text, EOS included, given its source; for two lists,
        that of each pair. Raises UserError if the lists differ in length.
        """
        found: list[float] = []
        for batch in map(self._batch, in_chunks(as_pairs(source, target), CHUNK)):
            found += (-self.log_probs(batch).sum(1) / batch.target.lengths).exp().tolist()
        return found[0] if isinstance(source, str) else found

    @verb
    def align(
        self, source: str | Sequence[str], target: str | Sequence[str], shift: int = 0
    ) -> Alignment | list[Alignment]:
        """Which word of a text each word of its translation was written from, read from the attention when
        the translation is force-decoded; for two lists, of each pair.

        shift: see ``sequences.alignments.soft_alignment``. Raises UserError if the model has no attention or
        the lists differ in length.
        """
        require_shift(shift)
        self.require_attention("align")
        found: list[Alignment] = []
        for some in in_chunks(as_pairs(source, target), CHUNK):
            batch = self._batch(some)
            weights = self.forced_weights(batch)
            assert weights is not None, "of a model with attention"
            soft = self.soft_alignment(batch.source, batch.target.ids, weights.float(), shift).cpu()
            for (ours, theirs), matrix, best in zip(some, soft, hard_alignment(soft).tolist(), strict=True):
                read = tuple(self.source.split(ours))
                written = tuple(self.target.split(theirs))
                linked = tuple(sorted(links(best), key=lambda link: link[1]))
                found.append(Alignment(read, written, matrix[: len(written), : len(read)].numpy(), linked))
        return found[0] if isinstance(source, str) else found

    @verb
    def sentence_vectors(self, text: str | Sequence[str]) -> np.ndarray:
        """The encoder's last state after a text, (F,) float32: h and, of an LSTM, c of all layers and
        directions side by side (4 * 1000 * 2 numbers in Sutskever et al. 2014); for a list of N texts (N, F).
        """
        texts = [text] if isinstance(text, str) else list(text)
        parts = []
        for some in in_chunks(texts or [""], CHUNK):
            final = self.encode(self.read(some)).final
            parts.append(torch.cat([state.flatten(1) for state in final], dim=1).float().cpu().numpy())
        vectors = np.concatenate(parts)[: len(texts)]
        return vectors[0] if isinstance(text, str) else vectors

    def _batch(self, pairs: Sequence[tuple[str, str]]) -> ParallelBatch:
        sources, targets = zip(*pairs, strict=True)
        gold = self.target.batch(targets, eos=True).to(self.device)
        return ParallelBatch(self.read(sources), gold, torch.arange(len(pairs)))


def as_pairs(source: str | Sequence[str], target: str | Sequence[str]) -> list[tuple[str, str]]:
    """Two texts, or two lists of them, as pairs. Raises UserError if the lists differ in length."""
    sides = [[side] if isinstance(side, str) else list(side) for side in (source, target)]
    if len(sides[0]) != len(sides[1]):
        raise UserError(f"{len(sides[0])} sources and {len(sides[1])} targets: give one target for each")
    return list(zip(*sides, strict=True))
