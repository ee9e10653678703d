"""Batch normalisation over the batch of all devices."""

import torch
from torch import Tensor, distributed, nn


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of maps (N, features, y, x), whose statistics in training are those of the maps of
    all ranks of a distributed run, however many each has: so ranks with small batches train as one rank with
    all of them. PyTorch's ``SyncBatchNorm`` does so on GPUs only. All ranks must call it equally often.
    """

    def forward(self, maps: Tensor) -> Tensor:
        shared = self.training and distributed.is_initialized() and distributed.get_world_size() > 1
        if not shared:
            return super().forward(maps)
        inputs = maps.float()
        count = inputs.new_tensor([maps.numel() / maps.shape[1]])
        *sums, count = _over_ranks(torch.cat([inputs.sum((0, 2, 3)), count])).split([self.num_features, 1])
        mean = sums[0] / count
        centred = inputs - mean[:, None, None]
        variance = _over_ranks(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), self.momentum)
        scale = (self.weight * (variance + self.eps).rsqrt())[:, None, None]
        return (centred * scale + self.bias[:, None, None]).to(maps.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all ranks, of values and of gradients."""

    @staticmethod
    def forward(_, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def _over_ranks(values: Tensor) -> Tensor:
    return _Sum.apply(values)
