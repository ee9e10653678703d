"""Self-critical sequence training (Rennie et al., CVPR 2017): the score of whole sentences as the loss.

For each input a sentence y is sampled, and another, b, is written by greedy search. With r a sentence score,

    loss = -(r(y) - r(b)) log p(y)

over the words of y and its end. Its expected gradient is that of -E[r(y)]: the baseline r(b) does not depend
on y, and makes the estimate less noisy. A sentence that reaches the length limit ends there by force, which
is not the model's choice and has no gradient. Padding and BOS, which are never written, have no probability.

Nothing is dropped out: with other probabilities than those that y was sampled with, log p(y) has a gradient
even where no sentence is better than another, and it drives the model away from what it writes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from seq2scene.errors import UserError
from seq2scene.metrics.rewards import Reward
from seq2scene.models.words import special_ids
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.search.constraints import LIMITS, Constraints
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.sequences.language import Language
from seq2scene.sequences.memory import Memory
from seq2scene.sequences.padding import shift_right
from seq2scene.tasks.task import Loss


def reward_metric(loss: Mapping[str, Any], good: Sequence[str]) -> str | None:
    """The metric of ``loss=self_critical``, by default the first of the ``good`` ones; None for another loss.

    Raises UserError if it is none of them.
    """
    if (settings := loss.get("self_critical")) is None:  # older configs do not have it
        return None
    metric = settings["metric"] or good[0]
    if metric not in good:
        raise UserError(
            f"loss.self_critical.metric={metric} is not a choice for this task; choose one of "
            f"{', '.join(good)}"
        )
    return metric


def self_critical_loss(
    net: nn.Module,
    encode: Callable[[], Memory],
    decoder: nn.Module,
    language: Language,
    references: Sequence[Sequence[str]],
    reward: Reward,
    limits: Constraints,
    per_sentence: bool,
) -> Loss:
    """The loss of B inputs, normalised by the number of words sampled, or of sentences.

    Per sentence the estimate is unbiased.

    net: the whole model; ``encode`` encodes the inputs with it, for the ``decoder``.
    references: of each input. limits: a search whose limits of length apply.
    """
    ids = special_ids(language.vocabulary)
    longest = {name: getattr(limits, name) for name in LIMITS}
    with without_dropout(net):
        memory = encode()
        with torch.no_grad():
            drawn, greedy = (kind(**longest)(decoder, memory, **ids) for kind in (Sample, Greedy))
        tokens = drawn.tokens[:, 0]  # (B, T)
        features, _ = decoder(memory, shift_right(tokens, ids["bos"]))
    scores, baseline = (
        torch.tensor(reward(_texts(found, language), references)).to(drawn.log_probs)
        for found in (drawn, greedy)
    )
    chosen = tokens != ids["pad"]
    forced = (drawn.lengths[:, 0] - 1).masked_fill(drawn.finished[:, 0], tokens.shape[1])
    chosen &= torch.arange(tokens.shape[1], device=tokens.device) != forced.unsqueeze(1)
    output = decoder.output
    bias = output.weight.new_zeros(len(output.weight)) if output.bias is None else output.bias
    never = torch.tensor([ids["pad"], ids["bos"]], device=tokens.device)
    total, nll = linear_cross_entropy(
        features[chosen],
        output.weight,
        bias.index_fill(0, never, -torch.inf),
        tokens[chosen],
        factors=(scores - baseline).unsqueeze(1).expand(chosen.shape)[chosen],
    )
    count = chosen.sum()
    normaliser = count.new_tensor(len(tokens)) if per_sentence else count
    logged = {"reward": scores.mean(), "greedy_reward": baseline.mean()}
    return Loss(total, nll, count, normaliser.to(nll.dtype), logged)


def _texts(found: Hypotheses, language: Language) -> list[str]:
    return [language.decode(row) for row in found.tokens[:, 0].cpu()]


@contextmanager
def without_dropout(net: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; but recurrent layers, which cuDNN differentiates in training mode
    alone, stay in their own, with a dropout of 0.
    """
    modes = {module: module.training for module in net.modules()}
    rates = {module: module.dropout for module in modes if isinstance(module, nn.RNNBase)}
    net.eval()
    for layer in rates:
        layer.dropout, layer.training = 0.0, modes[layer]
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for layer, rate in rates.items():
            layer.dropout = rate
