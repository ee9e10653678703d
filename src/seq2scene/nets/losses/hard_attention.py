"""The loss of hard attention (Xu et al. 2015, section 4.1): REINFORCE over the locations attended to.

B sentences, T steps, S locations. The bound on log p(y | a) is sum_s p(s | a) log p(y | s, a). Its gradient
has two parts: that of log p(y | s, a), which the cross-entropy of a sampled pass gives, and that of the
sampling distribution,

    lambda_r (log p(y | s, a) - b) d log p(s | a) + lambda_e d H[s]
    b_k = 0.9 b_{k-1} + 0.1 log p(y | s_k, a)                                       the baseline
"""

import torch
from torch import Tensor, nn

from seq2scene.nets.text.xu_decoder import Sampled


class Reinforce(nn.Module):
    """The loss whose gradient is the second part; it maintains the baseline b.

    reward: lambda_r. With reward 1, entropy 0 and every sentence sampled the gradient is unbiased. entropy:
    lambda_e. decay: of the moving average b.
    """

    baseline: Tensor

    def __init__(self, reward: float = 0.1, entropy: float = 0.002, decay: float = 0.9) -> None:
        super().__init__()
        self.reward = reward
        self.entropy = entropy
        self.decay = decay
        self.register_buffer("baseline", torch.zeros(()))

    def forward(self, sampled: Sampled, steps: Tensor, log_likelihood: Tensor) -> Tensor:
        """The sum over sentences; ``steps`` (B, T) bool marks the real steps, ``log_likelihood`` (B,) is log
        p(y | s, a) of each sentence.

        In training the baseline is updated afterwards, so that a batch is not its own baseline.
        """
        log_weights = sampled.weights.clamp(min=torch.finfo(sampled.weights.dtype).tiny).log()
        entropy = -((sampled.weights * log_weights).sum(dim=2) * steps).sum()
        log_places = log_weights.gather(2, sampled.places.unsqueeze(2)).squeeze(2)  # (B, T)
        log_places = (log_places * steps).sum(dim=1) * sampled.drawn
        advantage = log_likelihood.detach() - self.baseline
        loss = -self.reward * (advantage * log_places).sum() - self.entropy * entropy
        if self.training:
            self._move(log_likelihood.detach(), sampled.drawn)
        return loss

    def _move(self, log_likelihood: Tensor, drawn: Tensor) -> None:
        """Updates b towards the mean over the ``drawn`` (B,) sentences; unchanged if none was drawn."""
        count = drawn.sum()
        mean = (log_likelihood * drawn).sum() / count.clamp(min=1)
        self.baseline.lerp_(mean.to(self.baseline.dtype), (1 - self.decay) * (count > 0))
