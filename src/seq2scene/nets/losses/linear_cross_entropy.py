"""Cross-entropy over a large vocabulary, fused with the output projection.

The projection and its softmax cost more than the rest of a recurrent translator, mostly for moving an (N, V)
matrix through memory several times. Here the matrix exists one slice at a time, small enough for the cache,
and each slice of probabilities is turned in place into that of the logits' gradient.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Logits per slice: few enough for a CPU's cache, enough to keep a GPU busy.
SLICE = {"cpu": 2**21, "cuda": 2**26}


def linear_cross_entropy(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    gold: Tensor,
    smoothing: float = 0.0,
    factors: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Sums of -log p(gold) over N positions, with p = softmax(features weight^T + bias).

    features (N, D), weight (V, D), bias (V,) or None, gold (N,) ids. Returns the loss to differentiate,
    smoothed as ``(1 - smoothing) * nll + smoothing * mean over the vocabulary of -log p`` and, with
    ``factors`` (N,), each position multiplied by its own, which may be negative; and the plain negative
    log-likelihood, detached, from which perplexity is computed.
    """
    if not torch.is_grad_enabled():
        return _sums(features, weight, bias, gold, smoothing, factors, None)
    return _LinearCrossEntropy.apply(features, weight, bias, gold, smoothing, factors)


def _sums(features, weight, bias, gold, smoothing, factors, gradients):
    """Both sums; also fills ``gradients`` (d_features, d_weight, d_bias or None), if given, with those of the
    loss.
    """
    device = features.device.type
    half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
    size = len(weight)
    rows = max(SLICE.get(device, SLICE["cuda"]) // size, 1)
    weight = weight.to(half)
    loss = nll = torch.zeros((), device=features.device, dtype=torch.promote_types(half, torch.float32))
    for start in range(0, len(features), rows):
        x, y = features[start : start + rows].to(half), gold[start : start + rows].unsqueeze(1)
        logits = F.linear(x, weight, None if bias is None else bias.to(half)).to(loss.dtype)  # (rows, V)
        probabilities = logits.softmax(dim=1)
        # log-sum-exp from the most probable word, which never underflows: one pass instead of three
        log_norm = logits.amax(dim=1, keepdim=True) - probabilities.amax(dim=1, keepdim=True).log()
        each = log_norm - logits.gather(1, y)  # (rows, 1)
        nll = nll + each.sum()
        if smoothing:
            each = (1 - smoothing) * each + smoothing * (log_norm - logits.mean(dim=1, keepdim=True))
        if factors is not None:
            each = each * factors[start : start + rows].unsqueeze(1)
        loss = loss + each.sum()
        if gradients is None:
            continue
        d_logits = probabilities
        if smoothing:
            d_logits.sub_(smoothing / size)
        d_logits.scatter_add_(1, y, d_logits.new_full(y.shape, smoothing - 1))
        if factors is not None:
            d_logits.mul_(factors[start : start + rows].unsqueeze(1))
        d_logits = d_logits.to(half)
        d_features, d_weight, d_bias = gradients
        torch.mm(d_logits, weight, out=d_features[start : start + rows])
        d_weight.addmm_(d_logits.t(), x)
        if d_bias is not None:
            d_bias += d_logits.sum(dim=0)
    return loss, nll


class _LinearCrossEntropy(torch.autograd.Function):
    """As the loss is a scalar, its gradient is computed in the forward pass; backward only scales it."""

    @staticmethod
    def forward(ctx, features, weight, bias, gold, smoothing, factors):
        device = features.device.type
        half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
        gradients = (
            torch.empty_like(features, dtype=half),
            torch.zeros_like(weight, dtype=half),
            None if bias is None else torch.zeros_like(bias),
        )
        loss, nll = _sums(features, weight, bias, gold, smoothing, factors, gradients)
        ctx.save_for_backward(*gradients)
        ctx.dtypes = features.dtype, weight.dtype
        ctx.mark_non_differentiable(nll)
        return loss.clone(), nll.detach().clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_loss, _):
        d_features, d_weight, d_bias = ctx.saved_tensors
        features_dtype, weight_dtype = ctx.dtypes
        return (
            (d_features * d_loss).to(features_dtype),
            (d_weight * d_loss).to(weight_dtype),
            None if d_bias is None else d_bias * d_loss,
            None,
            None,
            None,
        )
