"""Batch normalisation over the batch of all devices."""

import torch
from torch import Tensor, nn

from seq2scene.nets.over_ranks import several_ranks, sum_over_ranks


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of maps (N, features, y, x), whose statistics in training are those of the maps of
    all ranks of a distributed run, however many each has: so ranks with small batches train as one rank with
    all of them. PyTorch's ``SyncBatchNorm`` does so on GPUs only. All ranks must call it equally often.
    """

    def forward(self, maps: Tensor) -> Tensor:
        if not (self.training and several_ranks()):
            return super().forward(maps)
        inputs = maps.float()
        count = inputs.new_tensor([maps.numel() / maps.shape[1]])
        *sums, count = sum_over_ranks(torch.cat([inputs.sum((0, 2, 3)), count])).split([self.num_features, 1])
        mean = sums[0] / count
        centred = inputs - mean[:, None, None]
        variance = sum_over_ranks(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), self.momentum)
        scale = (self.weight * (variance + self.eps).rsqrt())[:, None, None]
        return (centred * scale + self.bias[:, None, None]).to(maps.dtype)
