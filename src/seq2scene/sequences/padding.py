"""Padding, lengths and masks: the only module that pads ragged sentences.

B sentences, T positions. A mask is a bool tensor (B, T), True on real positions, and real positions come
first.
"""

import torch
from torch import Tensor


def lengths_to_mask(lengths: Tensor, width: int) -> Tensor:
    """Mask (B, width) of sentences of ``lengths`` (B,)."""
    return torch.arange(width, device=lengths.device) < lengths.unsqueeze(1)


def pad(sentences: list[Tensor], value: int) -> tuple[Tensor, Tensor]:
    """Stacks 1-d sentences into (B, T), right-padded with ``value``; also their lengths (B,)."""
    lengths = torch.tensor([len(sentence) for sentence in sentences], dtype=torch.int64)
    return torch.nn.utils.rnn.pad_sequence(sentences, batch_first=True, padding_value=value), lengths


def pad_flat(tokens: Tensor, starts: Tensor, lengths: Tensor, value: int) -> Tensor:
    """Slices sentences from one flat array and pads them: (B, T) with T the longest, at least 1.

    ``tokens`` (all tokens,); ``starts`` and ``lengths`` (B,) index into it. A single gather, without a loop
    over sentences.
    """
    width = max(int(lengths.max()), 1) if len(lengths) else 1
    mask = lengths_to_mask(lengths, width)
    padded = torch.full(mask.shape, value, dtype=torch.int64)
    places = (starts.unsqueeze(1) + torch.arange(width))[mask]
    padded[mask] = tokens[places].to(torch.int64)
    return padded


def shift_right(gold: Tensor, bos: int) -> Tensor:
    """The decoder's input under teacher forcing on ``gold`` (B, T): ``[bos, gold[:, :-1]]``."""
    return torch.cat([torch.full_like(gold[:, :1], bos), gold[:, :-1]], dim=1)


def reverse(values: Tensor, lengths: Tensor) -> Tensor:
    """Reverses the real positions of each row, not the padding: ``values`` (B, T) or (B, T, D).

    It is its own inverse, so it also restores the source's order of memories and attention weights.
    """
    positions = torch.arange(values.shape[1], device=values.device)
    mirrored = lengths.to(values.device).unsqueeze(1) - 1 - positions  # (B, T), negative on padding
    index = torch.where(mirrored >= 0, mirrored, positions)
    if values.dim() == 3:
        index = index.unsqueeze(2).expand_as(values)
    return values.gather(1, index)
