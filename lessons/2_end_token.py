# %% [markdown]
# # 2. The end token, lengths, and losses of unequal sentences
#
# A recurrent network that writes words never stops by itself: after each word it gives a distribution over
# the next. "Hello", "world", "!", "!", "!" ... There are two ways out. One fixes the length beforehand: all
# sentences have five words. The other adds a word to the vocabulary, an *end token*, which the training
# sentences carry and the model learns to predict; it writes until it has written that. This lesson does the
# second, and asks which positions have a loss when a prediction is shorter or longer than what it should be.

# %%
import os

import numpy as np
import torch
from PIL import Image
from torch import nn

from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.writing import split_messages
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.text.language_model import LanguageModel, no_source
from seq2scene.plotting.figures import COLOURS, INK, new_figure, tidy, to_pixels
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.tokenizers import Whitespace, choose
from seq2scene.sequences.vocabulary import Vocabulary

SMALL = "LESSONS_SMALL" in os.environ  # a dry run: few steps, and no check of what needs more

# %% [markdown]
# ## A decoder in ten lines
#
# A *decoder* is what writes a sequence. In this project a search, such as *greedy search* (always take the
# likeliest word), needs three methods of a decoder, and nothing else: `start` gives the state before the
# first word, `step` reads the previous word and gives features of the next, and `output` turns features into
# *logits*, numbers whose softmax is the distribution over the $V$ words. To see what a search does, we write
# a decoder without any training. It knows for each word which may come next, and remembers nothing else:
#
# $$ p(y_t \mid y_1 \ldots y_{t-1}) = p(y_t \mid y_{t-1}) $$

# %%
words = ["hello", "world", "foo", "how", "are", "you"]
language = Language(Whitespace(), Vocabulary.count([words]))
vocabulary = language.vocabulary
V = len(vocabulary)


class Table(nn.Module):
    """p(next | previous): for each word the likely next ones, which share .9; all words share .1."""

    def __init__(self, likely):
        super().__init__()
        self.log_p = torch.full((V, V), 0.1 / V).log()  # (previous, next)
        for previous, following in likely.items():
            for word in following.split():
                row, column = (number(one) for one in (previous, word))
                self.log_p[row, column] = torch.tensor(0.9 / len(following.split()) + 0.1 / V).log()

    def start(self, memory):
        return torch.zeros(len(memory), 0)  # (N, 0): no state

    def step(self, previous, state, memory):
        return self.log_p[previous], state, None, None  # (N, V), state, no attention, no trace

    def output(self, features):
        return features


def number(word):
    special = {"<bos>": vocabulary.bos, "<eos>": vocabulary.eos}
    return special.get(word) or vocabulary.ids([word])[0]


def write(decoder, search, count=1):
    """Hypotheses (count, 1, T) of a search."""
    ids = {"bos": vocabulary.bos, "eos": vocabulary.eos, "pad": vocabulary.pad, "unk": vocabulary.unk}
    return search(decoder, no_source(count, "cpu"), **ids)


# %% [markdown]
# The first table ends too early, the second too late, the third never ends. `max_length` limits the search,
# or it would write on; `finished` says whether the model itself ended the sentence.

# %%
early = Table({"<bos>": "hello", "hello": "<eos>", "world": "<eos>"})
late = Table({"<bos>": "hello", "hello": "how", "how": "are", "are": "you", "you": "<eos>", "world": "<eos>"})
endless = Table({"<bos>": "hello", "hello": "world", "world": "world"})
for name, decoder in {"early": early, "late": late, "endless": endless}.items():
    found = write(decoder, Greedy(max_length=8))
    print(f"{name:8}", vocabulary.tokens(found.tokens[0, 0].tolist()), "finished:", bool(found.finished))

# %% [markdown]
# ## Which positions have a loss?
#
# The sentence to learn is "hello world `<eos>`": three positions. The first model writes two words, the
# second five. How are they compared? They are not. In training a model does not continue what it wrote
# itself: at each position it is given the *true* words so far and asked for the next one. This is called
# *teacher forcing*. So there are as many predictions as there are words to predict, the end token included,
# and each has a loss:
#
# | position | read | to predict |
# |---|---|---|
# | 1 | `<bos>` | hello |
# | 2 | hello | world |
# | 3 | world | `<eos>` |


# %%
def losses(decoder, line):
    """-log p of each word of a line and of its end, (T,), under teacher forcing."""
    gold = language.batch([line], eos=True)
    previous = shift_right(gold.ids, vocabulary.bos)
    features, *_ = decoder.step(previous.flatten(), None, None)  # a table can read all words at once
    return -decoder.output(features).log_softmax(dim=1).gather(1, gold.ids.view(-1, 1)).flatten()


for name, decoder in {"early": early, "late": late}.items():
    print(f"{name:6}", [f"{value:.2f}" for value in losses(decoder, "hello world").tolist()])
assert losses(early, "hello world")[1] > 4, (
    "a model that ends too early must pay for the word that it would leave out"
)
assert losses(late, "hello world")[1] > 4, (
    "a model that goes on must pay at the word where it leaves the sentence"
)

# %% [markdown]
# Both pay at position 2, where each expects something else: `<eos>` the one, "how" the other. What they would
# have written afterwards has no position and no loss. (Both know what follows "world", as somebody gave it to
# them; what a model does after its own mistakes, it never learns with teacher forcing. Bengio et al. 2015,
# *Scheduled sampling*, is about that.)
#
# ## Lengths are learnt
#
# Now with training. A language model with LSTM cells (lesson 3 takes it apart) learns sentences of the park
# with an end token. Then it writes 200 sentences by *sampling*: each word is drawn from the distribution.

# %%
splits = split_messages(seed=0, train=200 if SMALL else 3000, val=1, test=1)
tokenizer = choose("moses", "en", lowercase=True)  # splits off full stops and commas
lines = [" ".join(tokenizer.split(text(message, "en"))) for message in splits["train"]]
language = Language(Whitespace(), Vocabulary.count(line.split() for line in lines))
vocabulary = language.vocabulary
STEPS, SAMPLES, LONGEST = (3, 20, 40) if SMALL else (400, 200, 40)


def train(targets, counted):
    """A language model after STEPS batches. targets: of lines; counted: the mask of these targets."""
    torch.manual_seed(1)
    net = LanguageModel(len(vocabulary), vocabulary.pad, embedding_size=48, hidden_size=96)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        gold = targets(rng.choice(lines, 32).tolist())
        mask = counted(gold)  # (B, T)
        features, _ = net(no_source(len(gold), "cpu"), shift_right(gold.ids, vocabulary.bos))
        total, _ = linear_cross_entropy(features[mask], net.output.weight, net.output.bias, gold.ids[mask])
        optimizer.zero_grad()
        (total / mask.sum()).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return net.eval()


def sample(net):
    torch.manual_seed(2)
    return write(net, Sample(max_length=LONGEST), SAMPLES)


def words_in(found):
    return (found.lengths.flatten() - 1).numpy()  # lengths count the end


def share_finished(found):
    return float(found.finished.float().mean())


net = train(targets=lambda some: language.batch(some, eos=True), counted=lambda gold: gold.mask)
found = sample(net)
for row in found.tokens[:5, 0]:
    print(language.decode(row))
true_lengths = np.array([len(line.split()) for line in lines])
print(f"ended by themselves: {share_finished(found):.0%}")
print(f"words: {words_in(found).mean():.1f} on average; training sentences {true_lengths.mean():.1f}")
if not SMALL:
    assert share_finished(found) > 0.9, "a model that has learnt the end token must end nearly all sentences"
    assert abs(words_in(found).mean() - true_lengths.mean()) < 2.5, (
        "and at about the length of training sentences"
    )

# %% How long sentences are: those of the training text, and those that the model writes
figure = new_figure(6.0, 2.8)
axes = figure.add_subplot()
tidy(axes, "Lengths of sentences", "words", "share")
bins = np.arange(1, 28) - 0.5
for values, name, colour in (
    (true_lengths, "training", COLOURS[0]),
    (words_in(found), "sampled", COLOURS[1]),
):
    axes.hist(values, bins, density=True, histtype="step", linewidth=1.6, color=colour, label=name)
axes.legend(frameon=False, fontsize=8, labelcolor=INK)
Image.fromarray(to_pixels(figure))

# %% [markdown]
# Nobody told the model how long a sentence is. The lengths follow from thousands of decisions whether to end
# here.
#
# ## Break it (1): no end token
#
# The same training, except that the targets do not end in `<eos>`. What will the model write after the last
# word of a sentence?

# %%
no_end = train(
    targets=lambda some: language.batch(some, eos=False),  # the broken line
    counted=lambda gold: gold.mask,
)
endless = sample(no_end)
for row in endless.tokens[:2, 0]:
    print(language.decode(row))
print(f"ended by themselves: {share_finished(endless):.0%}; words: {words_in(endless).mean():.1f}")
if not SMALL:
    assert share_finished(endless) < 0.05, "without an end token in training no sentence may end by itself"
    assert words_in(endless).mean() > LONGEST - 1, "all must run into the limit of the search"

# %% [markdown]
# It never saw what follows the last word of a sentence, so there it writes whatever comes.
#
# ## Break it (2): the end token is there, but its loss is masked
#
# A frequent mistake: one symbol serves for padding and for the end, and the mask is computed as `ids != pad`.
# Then the end is masked like padding, and never learnt. The vocabulary of this project refuses equal numbers;
# here the mask is broken by hand.

# %%
try:
    Vocabulary(["<pad>", "<unk>", "<bos>"], pad=0, unk=1, bos=2, eos=0)
except AssertionError as error:
    print("refused:", error)
masked_end = train(
    targets=lambda some: language.batch(some, eos=True),
    counted=lambda gold: gold.mask & (gold.ids != vocabulary.eos),  # the broken line
)
print(f"ended by themselves: {share_finished(sample(masked_end)):.0%}")
if not SMALL:
    assert share_finished(sample(masked_end)) < 0.05, "an end token without a loss must not be learnt"

# %% [markdown]
# ## Break it (3): the fixed length
#
# The other way out: a limit instead of an end token. The limit is a property of the *search*: lower it to
# five words, and see how many of the good model's sentences are whole.

# %%
torch.manual_seed(2)
five = write(net, Sample(max_length=5), SAMPLES)  # the broken line
for row in five.tokens[:3, 0]:
    print(language.decode(row))
whole, short = share_finished(five), float((true_lengths <= 5).mean())
print(f"whole: {whole:.0%} of what is written, {short:.0%} of the training sentences have up to five words")
assert int(five.lengths.max()) <= 6, "a limit of five words leaves five words and the end"
if not SMALL:
    assert whole < 0.2, "only the few short sentences fit into five words"

# %% [markdown]
# ## To think about
#
# 1. The probability of a whole sentence is a product, and each factor is below 1. A search that compares
#    sentences of different lengths by it prefers which? (`search.beam` divides by the length, or by a power
#    of it.)
# 2. A scene (lesson 7) is a sequence of objects. What is its end token, and what would a scene without one
#    look like?
# 3. Where a limit cuts a sentence off, `finished` is false and the sentence is scored with the probability of
#    ending there. Why not leave that factor out?
