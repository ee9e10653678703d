# %% [markdown]
# # 3. A language model
#
# A *language model* gives every sentence a probability, word by word:
#
# $$ p(y_1 \ldots y_T) = \prod_{t=1}^{T} p(y_t \mid y_1 \ldots y_{t-1}) $$
#
# where the last word $y_T$ is the end token. That is all one needs to say how surprising a sentence is, and
# to write new ones. Here the conditional probability is computed by a recurrent network (Mikolov et al. 2010,
# *Recurrent neural network based language model*; with LSTM cells Zaremba et al. 2014, *Recurrent neural
# network regularization*):
#
# $$ h_t = \mathrm{LSTM}(E\,y_{t-1},\ h_{t-1}), \qquad h_0 = 0, \qquad
#    p(y_t \mid y_1 \ldots y_{t-1}) = \mathrm{softmax}(W_s h_t) $$
#
# $E$ turns a word into a vector, $h_t$ is the state, a summary of all words so far. Nothing is given before
# the first word, so the first state is zero. (In lesson 4 something is given: a sentence to translate.)

# %%
import math
import os
from collections import Counter

import numpy as np
import torch
from PIL import Image
from torch import nn

from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.writing import split_messages
from seq2scene.metrics.perplexity import Perplexity
from seq2scene.models.language_model import LanguageModel
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.text import language_model as nets
from seq2scene.plotting.curves import draw_panel
from seq2scene.plotting.figures import COLOURS, INK, new_figure, tidy, to_pixels
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary

SMALL = "LESSONS_SMALL" in os.environ  # a dry run: few steps, and no check of what needs more

# %% [markdown]
# ## What is read and what is predicted
#
# At each position the model reads a word and predicts the next. For "je suis un étudiant":

# %%
french = choose("whitespace", "fr", lowercase=False)
example = Language(french, Vocabulary.count([["je", "suis", "un", "étudiant"]]))
gold = example.batch(["je suis un étudiant"], eos=True)
read = shift_right(gold.ids, example.vocabulary.bos)
print("read    ", example.vocabulary.tokens(read[0].tolist()))
print("predict ", example.vocabulary.tokens(gold.ids[0].tolist()))

# %% [markdown]
# ## The model, with shapes
#
# The sentences are those of the park, in English. `val` is a set of ordinary sentences that were held out;
# each sentence of `test` also states a combination of who does what with what that no training sentence has.

# %%
sizes = {"train": 300, "val": 40, "test": 40} if SMALL else {"train": 4000, "val": 300, "test": 300}
splits = split_messages(seed=0, **sizes)
lines = {name: [text(message, "en") for message in messages] for name, messages in splits.items()}
tokenizer = choose("moses", "en", lowercase=True)
language = Language(tokenizer, Vocabulary.count(tokenizer.split(line) for line in lines["train"]))
vocabulary = language.vocabulary
V, B = len(vocabulary), 64
print(f"{V} words")


def new_model(seed=1):
    torch.manual_seed(seed)
    net = nets.LanguageModel(V, vocabulary.pad, embedding_size=64, hidden_size=128, dropout=0.1)
    return LanguageModel(net, language, Greedy(max_length=40))


model = new_model()
batch = language.batch(lines["train"][:B], eos=True)  # ids (B, T)
memory = nets.no_source(B, "cpu")  # nothing is given
h0, c0 = model.decoder.start(memory)
previous = shift_right(batch.ids, vocabulary.bos)  # (B, T)
features, _ = model.decoder(memory, previous)  # (B, T, H)
logits = model.decoder.output(features)  # (B, T, V)
print(
    "h_0",
    tuple(h0.shape),
    "read",
    tuple(previous.shape),
    "h",
    tuple(features.shape),
    "logits",
    tuple(logits.shape),
)
assert not h0.any() and not c0.any(), "the first state must be zero"

# %% [markdown]
# The recurrence can be run word by word, as it has to be when the model writes, or over a whole sentence at
# once, as in training where all words are known. Both give the same numbers.

# %%
model.eval()
state, stepwise = model.decoder.start(memory), []
with torch.no_grad():
    for t in range(previous.shape[1]):
        feature, state, _, _ = model.decoder.step(previous[:, t], state, memory)  # (B, H)
        stepwise.append(feature)
    at_once, _ = model.decoder(memory, previous)
apart = float((torch.stack(stepwise, dim=1) - at_once).abs().max())
print(f"largest difference: {apart:.0e}")
assert apart < 1e-5, "stepping and teacher forcing must give the same numbers"

# %% [markdown]
# ## Perplexity
#
# The loss of lesson 1 grows with the number of words. Divided by it, and exponentiated, it becomes the
# *perplexity*
#
# $$ \mathrm{PPL} = \exp\Big(-\frac{1}{n} \sum_{t} \log p(y_t \mid y_1 \ldots y_{t-1})\Big) $$
#
# of $n$ words, here with every end token counted as a word. It is the inverse of the geometric mean of the
# probabilities: a model that always hesitates among ten equally likely words has a perplexity of 10. Before
# training anything, three models to beat: all words equally likely; words by their frequency; words by their
# frequency after the previous word (a *bigram* model, mixed with the second for pairs that were never seen).

# %%
ends = ["</s>"]
tokens = {name: [[*tokenizer.split(line), *ends] for line in some] for name, some in lines.items()}
single = Counter(word for sentence in tokens["train"] for word in sentence)
pairs = Counter(
    pair for sentence in tokens["train"] for pair in zip([*ends, *sentence], sentence, strict=False)
)
total = single.total()


def frequency(word):
    return (single[word] + 0.1) / (total + 0.1 * V)


def after(previous, word):
    return (pairs[previous, word] + 2 * frequency(word)) / (single[previous] + 2)


def counted(probability):
    """The perplexity of val for a probability of (previous, word)."""
    metric = Perplexity()
    for sentence in tokens["val"]:
        metric.update(
            -sum(math.log(probability(*pair)) for pair in zip([*ends, *sentence], sentence, strict=False)),
            len(sentence),
        )
    return float(metric.compute())


scores = {
    "all words equally likely": counted(lambda previous, word: 1 / V),
    "by frequency": counted(lambda previous, word: frequency(word)),
    "by frequency after the previous word": counted(after),
}
for name, value in scores.items():
    print(f"{value:7.1f}  {name}")
assert abs(scores["all words equally likely"] - V) < 0.01, "the perplexity of V equally likely words is V"

# %% [markdown]
# ## Training
#
# Batches, the masked loss of lesson 1, a gradient step. `linear_cross_entropy` computes the logits and their
# loss for the real positions only, in slices, so that the matrix of all logits never exists.

# %%
STEPS = 4 if SMALL else 500


def perplexity(model, split, start=None):
    """exp of the loss per word, ends included. start: the first state, zero if None."""
    metric = Perplexity()
    model.eval()
    for first in range(0, len(lines[split]), 100):
        gold = language.batch(lines[split][first : first + 100], eos=True)
        with torch.no_grad():
            state = (
                model.decoder.start(nets.no_source(len(gold), "cpu")) if start is None else start(len(gold))
            )
            features, _ = model.decoder.read(shift_right(gold.ids, vocabulary.bos), state)
            out = model.decoder.output
            _, nll = linear_cross_entropy(features[gold.mask], out.weight, out.bias, gold.ids[gold.mask])
        metric.update(nll, gold.mask.sum())
    return float(metric.compute())


def train(model, steps, read=lambda gold: shift_right(gold.ids, vocabulary.bos)):
    """Trains the model; its perplexity on val at some steps, (points, 2). read: what it reads of a batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng, points = np.random.default_rng(0), []
    for step in range(1, steps + 1):
        model.train()
        gold = language.batch(rng.choice(lines["train"], B).tolist(), eos=True)
        features = model(read(gold))[gold.mask]  # (real positions, H)
        out = model.decoder.output
        total, _ = linear_cross_entropy(features, out.weight, out.bias, gold.ids[gold.mask])
        optimizer.zero_grad()
        (total / gold.mask.sum()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % max(steps // 7, 1) == 0:
            points.append((step, perplexity(model, "val")))
    return np.array(points)


curve = train(model, STEPS)
scores["LSTM"] = perplexity(model, "val")
print(f"{scores['LSTM']:7.1f}  LSTM; on test, with combinations never seen, {perplexity(model, 'test'):.1f}")
if not SMALL:
    assert scores["LSTM"] < 0.75 * scores["by frequency after the previous word"], (
        "the LSTM must beat pairs of words"
    )

# %% The perplexity of val during training, and those of the counted models
figure = new_figure(6.0, 3.0)
axes = figure.add_subplot()
draw_panel(axes, "perplexity", {"LSTM": curve})
for (name, value), colour in zip(list(scores.items())[1:3], COLOURS, strict=False):
    axes.axhline(value, color=colour, linewidth=1.2, linestyle="--", label=name)
axes.legend(frameon=False, fontsize=8, labelcolor=INK)
Image.fromarray(to_pixels(figure))

# %% [markdown]
# ## What does it know?
#
# Order, to begin with: the same words in another order are less likely. And what may be held, worn or kicked.

# %%
for sentence in ("Mike is holding the ball.", "Ball the holding is Mike.", "Mike is wearing the ball."):
    print(f"{model.perplexity(sentence):9.1f}  {sentence}")
if not SMALL:
    good, shuffled = (
        model.perplexity("Mike is holding the ball."),
        model.perplexity("Ball the holding is Mike."),
    )
    assert shuffled > 8 * good, "the order of words must matter"


def next_words(beginning, count=8):
    """The likeliest words after a beginning, with their probabilities."""
    read = torch.tensor([[vocabulary.bos, *language.encode(beginning)]])
    with torch.no_grad():
        features = model.eval()(read)[:, -1]  # (1, H)
        best = model.decoder.output(features).softmax(dim=1)[0].topk(count)
    return vocabulary.tokens(best.indices.tolist()), best.values.tolist()


# %% The likeliest next words after three beginnings
figure = new_figure(8.0, 2.6)
for place, beginning in enumerate(
    ("Mike is wearing the", "Jenny is kicking the", "Mike is happy because"), 1
):
    axes = figure.add_subplot(1, 3, place)
    words, chances = next_words(beginning)
    tidy(axes, f"{beginning} ...", "probability", "")
    axes.barh(range(len(words)), chances, color=COLOURS[0])
    axes.set_yticks(range(len(words)), words, fontsize=8)
    axes.invert_yaxis()
Image.fromarray(to_pixels(figure))

# %% [markdown]
# ## Writing
#
# Take the likeliest word at each step, and the model always writes the same sentence. *Sampling* draws each
# word from the distribution. A *temperature* $\tau$ draws from $p^{1/\tau}$, renormalised, instead: below 1
# the likely words become likelier, above 1 the distribution gets flatter.

# %%
for temperature in (0.5, 1.0, 1.5):
    written = model.sample("Mike", count=200 if not SMALL else 10, temperature=temperature, seed=1)
    different = len({one.text for one in written})
    mean = np.mean([model.perplexity(one.text) for one in written[:50]])
    print(f"temperature {temperature}: {different} different texts of {len(written)}, perplexity {mean:.1f}")
    for one in written[:2]:
        print("   ", one.text)

# %% [markdown]
# ## Break it (1): no shift
#
# The model must not read the word that it is to predict. Give it the unshifted sentence, and the loss falls
# as never before.

# %%
leak = new_model()
steps = 4 if SMALL else 200


def unshifted(gold):
    return gold.ids  # the broken line; shift_right(gold.ids, vocabulary.bos) is right


train(leak, steps, read=unshifted)
with torch.no_grad():
    gold = language.batch(lines["val"], eos=True)
    log_p = (
        leak.eval()
        .decoder.output(leak(unshifted(gold)))
        .log_softmax(dim=2)
        .gather(2, gold.ids.unsqueeze(2))
        .squeeze(2)
    )
    seen = float((-(log_p * gold.mask).sum() / gold.mask.sum()).exp())
honest = perplexity(leak, "val")
print(f"perplexity where it reads the answer {seen:.2f}, where it does not {honest:.0f}")
print("it writes:", [one.text[:60] for one in leak.sample("Mike", count=2, seed=1)])
if not SMALL:
    assert seen < 1.2, f"a model that reads the answer must reach a perplexity near 1, not {seen:.2f}"
    assert honest > 20 * scores["LSTM"], f"and be useless for writing: {honest:.0f}"

# %% [markdown]
# A perplexity near 1 is never good news.
#
# ## Break it (2): another first state
#
# In training every sentence began with $h_0 = 0$. Begin with a random state, or with the last state of
# another sentence, as happens if one forgets to reset it.


# %%
def noise(count):
    generator = torch.Generator().manual_seed(0)
    parts = (torch.randn(count, 1, 128, generator=generator) for _ in range(2))  # h, c: (B, layers, H)
    return tuple(parts)


def left_over(count):
    """The state after some other sentence, up to its end."""
    other = language.batch(lines["train"][:count], eos=True)
    state = model.decoder.start(nets.no_source(count, "cpu"))
    ends = [
        model.decoder.read(row[:length].unsqueeze(0), tuple(part[:1] for part in state))[1]
        for row, length in zip(other.ids, other.lengths, strict=True)
    ]
    return tuple(torch.cat(parts) for parts in zip(*ends, strict=True))


right = perplexity(model, "val")
found = {"zero": right, "noise": perplexity(model, "val", noise)}
found["left over"] = perplexity(model, "val", left_over)  # the broken line
print({name: round(value, 2) for name, value in found.items()})
if not SMALL:
    assert found["left over"] > 1.3 * right, "the state after another sentence must cost more than 30 %"

# %% [markdown]
# A random state does little harm: after a few words it is forgotten. The state after another sentence nearly
# doubles the perplexity. It says clearly that a sentence is over, and what comes after an end token the model
# has never seen. A state is an input like any other, and at test time it has to be what it was in training.
#
# ## Break it (3): shuffle the words
#
# How much of the perplexity is due to the *order* of the words? Shuffle each sentence of val.

# %%
rng, split = np.random.default_rng(0), tokenizer.split
lines["shuffled"] = [" ".join(rng.permutation(split(line))) for line in lines["val"]]  # the broken line
shuffled = perplexity(model, "shuffled")
print(f"as they stand {right:.1f}, shuffled {shuffled:.0f}; by frequency alone {scores['by frequency']:.0f}")
if not SMALL:
    assert shuffled > 10 * right, "shuffled sentences must be at least ten times as surprising"

# %% [markdown]
# It is worse than counting words: the model is sure of itself, and wrong.
#
# ## To think about
#
# 1. Perplexity with end tokens counted is lower than without. Why, in short sentences above all? Which would
#    you report, and what has to be said beside the number?
# 2. Two models have vocabularies of different sizes. Are their perplexities comparable? (What happens to rare
#    words?)
# 3. A model of whole paragraphs would carry its state from one sentence to the next. What would it learn that
#    this one cannot? (`data.batch_by=stream` of `task=lm` does this.)
