"""What several lessons share. It is part of the package, so that a notebook has it wherever seq2scene is
installed.
"""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from torch import nn

from seq2scene.models.translator import Translator
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.sequences.batching import LengthBatches
from seq2scene.sequences.padding import shift_right


def train_translator(
    model: Translator, sources: Sequence[str], targets: Sequence[str], steps: int
) -> Translator:
    """Trains a translator by teacher forcing, on batches of 64 pairs of similar length."""
    source_lengths = np.array([len(model.source.encode(line)) for line in sources])
    target_lengths = np.array([len(model.target.encode(line)) for line in targets])
    plan = LengthBatches(source_lengths, target_lengths, size=64)
    batches = (rows for epoch in range(steps) for rows in plan.batches(epoch))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    output = model.decoder.output
    model.train()
    for rows in islice(batches, steps):
        source = model.source.batch([sources[row] for row in rows])
        gold = model.target.batch([targets[row] for row in rows], eos=True)
        features, _ = model(source, shift_right(gold.ids, model.target.vocabulary.bos))
        total, _ = linear_cross_entropy(features[gold.mask], output.weight, output.bias, gold.ids[gold.mask])
        optimizer.zero_grad()
        (total / gold.mask.sum()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()
