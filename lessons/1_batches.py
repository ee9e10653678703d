# %% [markdown]
# # 1. Batches, padding and masks
#
# A network learns from several sentences at a time, a *mini-batch*, because one multiplication of large
# matrices is much faster than many of small ones. Sentences differ in length, and a matrix has no ragged
# edge. So the short ones are filled up with a symbol that means nothing, and every part of the network has to
# be told not to look at it. This lesson shows how that is done, and what goes wrong where it is forgotten.
#
# Letters used in all lessons: $B$ sentences in a batch, $T$ positions in a sentence, $V$ words in the
# vocabulary, $H$ features of a state.

# %%
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from seq2scene.attention import masked_softmax
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.writing import split_messages
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.text.encoders import RecurrentEncoder
from seq2scene.nets.text.language_model import LanguageModel, no_source
from seq2scene.plotting.figures import INK, new_figure, to_pixels, white_to_blue
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.batching import LengthBatches, padding_efficiency
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary

SMALL = "LESSONS_SMALL" in os.environ  # a dry run: few steps, and no check of what needs more

# %% [markdown]
# ## Three sentences as one matrix
#
# A *vocabulary* numbers the words. Four numbers are reserved: `<pad>` fills up, `<unk>` stands for a word
# that is not listed, `<bos>` begins a sentence and `<eos>` ends it (lesson 2 is about the end).
# `Language.batch` turns lines into a matrix of these numbers and a *mask* of the same shape, which is true
# exactly where there is a word.

# %%
lines = ["hello how are you today", "a dog is driving", "hello world"]
language = Language(Whitespace(), Vocabulary.count(line.split() for line in lines))
vocabulary = language.vocabulary
batch = language.batch(lines, eos=True)

print("ids", tuple(batch.ids.shape), "mask", tuple(batch.mask.shape), "lengths", batch.lengths.tolist())
for ids, mask in zip(batch.ids, batch.mask, strict=True):
    print("".join(f"{word:9}" for word in vocabulary.tokens(ids.tolist())), *mask.int().tolist())
assert batch.mask.sum(dim=1).tolist() == [6, 5, 3], "the table of ones and zeros has 6, 5 and 3 ones"

# %% [markdown]
# ## The loss of a batch
#
# A language model (lesson 3) gives each word $y_t$ a probability after the words before it. The loss of a
# batch is the negative logarithm of the probability of everything in it, in *nats* (units of the natural
# logarithm):
#
# $$ L = -\sum_{b=1}^{B} \sum_{t=1}^{T} m_{bt} \, \log p(y_{bt} \mid y_{b1} \ldots y_{b,t-1}) $$
#
# where $m_{bt}$ is 1 on words and 0 on padding. Here is the sum, with its shapes.


# %%
def log_probs(net, batch):
    """log p of each word after those before it, (B, T); of padding as well."""
    previous = shift_right(batch.ids, vocabulary.bos)  # (B, T): <bos>, then all words but the last
    features, _ = net(no_source(len(batch), "cpu"), previous)  # (B, T, H)
    logits = net.output(features)  # (B, T, V)
    return logits.log_softmax(dim=2).gather(2, batch.ids.unsqueeze(2)).squeeze(2)


def loss(net, batch, mask):
    return -(log_probs(net, batch) * mask).sum()


torch.manual_seed(0)
net = LanguageModel(len(vocabulary), vocabulary.pad, embedding_size=8, hidden_size=16).double()
together = loss(net, batch, batch.mask)
alone = [language.batch([line], eos=True) for line in lines]
one_by_one = sum(loss(net, one, one.mask) for one in alone)
print(f"as a batch {together:.6f} nats, one by one {one_by_one:.6f} nats")

# %% [markdown]
# Padding must not matter: the loss of the batch is that of its sentences alone, and so is its gradient,
# whatever the lengths. This is the test to write first for any code that handles batches, in double
# precision, so that rounding cannot hide a mistake.

# %%
parameters = list(net.parameters())
pairs = zip(
    torch.autograd.grad(together, parameters), torch.autograd.grad(one_by_one, parameters), strict=True
)
largest = max(float((a - b).abs().max()) for a, b in pairs)
print(f"largest difference of any gradient: {largest:.0e}")
assert abs(together - one_by_one) < 1e-10, "the loss of a batch must be the sum over its sentences"
assert largest < 1e-10, "the gradient of a batch must be the sum over its sentences"

# %% [markdown]
# ## Break it (1): drop the mask
#
# Count every position. Before you run the cell: how much should be added, with four padded positions and an
# untrained model that finds each of $V$ words about equally likely?

# %%
everywhere = torch.ones_like(batch.mask)  # the broken line; batch.mask is right
added = loss(net, batch, everywhere) - together
print(f"without the mask the loss is {added:.2f} nats larger; 4 ln V is {4 * math.log(len(vocabulary)):.2f}")
assert 8 < added < 13, f"four padded positions must add about 4 ln V = 10.6 nats, not {added:.2f}"

# %% [markdown]
# An untrained model shows that the loss is wrong, but not the harm. The harm is that the number looks *good*.
# Padding is the easiest word to predict: after `<eos>` comes `<pad>`, and then `<pad>` again. So a model that
# is trained and judged without the mask reports a low loss, most of which is about nothing.
#
# Two models learn from 2,000 sentences of the *park*, a small world which this project draws and describes (a
# boy, a girl, their toys), one with the mask and one without. *Perplexity* is $\exp(L / n)$ for $n$ counted
# positions: the number of equally likely words among which the model would be as uncertain.

# %%
splits = split_messages(seed=0, train=200 if SMALL else 2000, val=100, test=1)
park = {name: [text(message, "en").lower() for message in splits[name]] for name in ("train", "val")}
language = Language(Whitespace(), Vocabulary.count(line.split() for line in park["train"]))
vocabulary = language.vocabulary
STEPS = 3 if SMALL else 300


def train(masked):
    """A small language model after STEPS batches of 32 sentences in random order."""
    torch.manual_seed(1)
    net = LanguageModel(len(vocabulary), vocabulary.pad, embedding_size=48, hidden_size=64)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        batch = language.batch(rng.choice(park["train"], 32).tolist(), eos=True)
        counted = batch.mask if masked else torch.ones_like(batch.mask)
        features, _ = net(no_source(len(batch), "cpu"), shift_right(batch.ids, vocabulary.bos))
        total, _ = linear_cross_entropy(
            features[counted], net.output.weight, net.output.bias, batch.ids[counted]
        )
        optimizer.zero_grad()
        (total / counted.sum()).backward()
        optimizer.step()
    return net


@torch.no_grad()
def perplexity(net, batch, mask):
    return float((loss(net, batch, mask) / mask.sum()).exp())


val = language.batch(park["val"], eos=True)
everywhere = torch.ones_like(val.mask)
with_mask, without = train(masked=True), train(masked=False)
reported, real = perplexity(without, val, everywhere), perplexity(without, val, val.mask)
print(f"padding: {1 - val.mask.float().mean():.0%} of the validation batch")
print(f"with the mask:    reported {perplexity(with_mask, val, val.mask):6.2f}")
print(f"without the mask: reported {reported:6.2f}, of the words alone {real:6.2f}")
if not SMALL:
    assert reported < 0.6 * real, (
        "without the mask the reported perplexity must be far below that of the words"
    )

# %% [markdown]
# The same training without the mask *reports* a much better model. It is not better: on the words alone it is
# as good as the other. Perplexities are comparable only if they count the same positions.
#
# ## Break it (2): attention that looks at padding
#
# The loss is not the only place. Attention (lesson 5) divides a weight of 1 among the positions of a
# sentence, by a softmax of scores $e_s$:
#
# $$ a_s = \frac{m_s \exp e_s}{\sum_r m_r \exp e_r} $$
#
# A padded position has a score too, usually of a state of zeros, which is 0, and $\exp 0 = 1$ is not nothing.
# The cell gives the same random scores to our three sentences, with `masked_softmax` and with a plain
# softmax.

# %%
torch.manual_seed(2)
mask = torch.tensor([[1] * 6, [1] * 5 + [0], [1] * 3 + [0] * 3], dtype=torch.bool)  # (B, S)
scores = torch.randn(3, 1, 6) * mask.unsqueeze(1)  # (B, queries, S), 0 on padding
right = masked_softmax(scores, mask)
wrong = scores.softmax(dim=2)  # the broken line
print("on padding, with the mask:   ", (right * ~mask.unsqueeze(1)).sum(dim=2).flatten().tolist())
lost = (wrong * ~mask.unsqueeze(1)).sum(dim=2).flatten()
print("on padding, without the mask:", [round(share, 2) for share in lost.tolist()])
assert (right * ~mask.unsqueeze(1)).sum() == 0, "weights on padding must be exactly 0"
assert lost[2] > 0.3, f"without the mask padding must get over .3 of the shortest sentence, not {lost[2]:.2f}"

# %% [markdown]
# ## Break it (3): the state after the last column
#
# A recurrent encoder reads a sentence word by word, and its last state stands for the whole sentence (lesson
# 4). Which state is the last? In a padded batch it is not that of the last column, as the recurrence goes on
# through the padding. And of two directions one begins there. `RecurrentEncoder` holds its state on padding;
# PyTorch's `nn.LSTM` alone does not know which positions are real. If we add columns of padding, nothing may
# change.

# %%
torch.manual_seed(3)
encoder = RecurrentEncoder(len(vocabulary), vocabulary.pad, 16, 16, bidirectional=True).eval()
plain = nn.LSTM(16, 16, batch_first=True)
some = language.batch(park["val"][:4], eos=False)
wider = Sentences.of(F.pad(some.ids, (0, 5), value=vocabulary.pad), some.lengths)
with torch.no_grad():
    held = [encoder(one)[1][0] for one in (some, wider)]  # final h, (B, layers, 2 H)
    last = [plain(encoder.embedding(one.ids))[0][:, -1] for one in (some, wider)]  # the broken line: (B, H)
changes = [float((one - other).abs().max()) for one, other in (held, last)]
print(
    f"five more columns of padding change the last state by {changes[0]:.0e}, "
    f"and the last column by {changes[1]:.2f}"
)
assert changes[0] < 1e-6, "padding must not change the state of a sentence"
assert changes[1] > 0.01, f"the last column must change with padding, by more than 0.01, not {changes[1]:.3f}"

# %% [markdown]
# ## Less padding
#
# What is masked still costs time. So sentences of similar length are put into the same batch. `LengthBatches`
# shuffles the sentences, sorts pools of them by length, cuts the pools into batches and shuffles these. The
# pictures show the masks of a batch in random order and of one sorted by length: blue is a word, white is
# padding.

# %% The mask of a batch of 32 sentences in random order, left, and of one of similar lengths, right
lengths = np.array([len(line.split()) + 1 for line in park["train"]])
shuffled = np.split(np.random.default_rng(0).permutation(len(lengths)), range(32, len(lengths), 32))
by_length = LengthBatches(lengths, lengths, size=32).batches(epoch=0)
shares = {
    "random order": padding_efficiency(shuffled, lengths),
    "similar lengths": padding_efficiency(by_length, lengths),
}
figure = new_figure(6.4, 2.6)
for place, (name, rows) in enumerate([("random order", shuffled[0]), ("similar lengths", by_length[1])]):
    axes = figure.add_subplot(1, 2, place + 1)
    batch = language.batch([park["train"][row] for row in rows], eos=True)
    axes.imshow(0.6 * batch.mask.numpy(), vmin=0, vmax=1, cmap=white_to_blue(), aspect="auto")
    axes.set_title(f"{name}: {shares[name]:.0%} words in all batches", fontsize=9, color=INK, loc="left")
    axes.set_xlabel("position", fontsize=8)
    axes.tick_params(labelsize=7)
if not SMALL:
    assert shares["similar lengths"] > shares["random order"] + 0.2, (
        "sorting must save a fifth of all positions"
    )
Image.fromarray(to_pixels(figure))

# %% [markdown]
# ## To think about
#
# 1. The gradient is usually divided by something: by the number of words in the batch, or by the number of
#    sentences (Luong et al. 2015). Which of the two gives a word in a short sentence more weight, and when
#    would you want that?
# 2. With batches of similar length, one step sees only short sentences and another only long ones. What does
#    that do to the variance of the gradient, and why are the batches shuffled?
# 3. Batch normalisation computes a mean over all positions of a batch. What does padding do to it?
