# %% [markdown]
# # 4. Sequence to sequence, and why the source is reversed
#
# A language model writes without a goal. To translate, it has to be given something: the sentence to
# translate. Sutskever, Vinyals and Le (2014, *Sequence to sequence learning with neural networks*) do it with
# two recurrent networks. An *encoder* reads the source $x_1 \ldots x_S$; its last state is the first state of
# a *decoder*, which is the language model of lesson 3 in all other respects:
#
# $$ p(y_1 \ldots y_T \mid x_1 \ldots x_S) = \prod_{t=1}^{T} p(y_t \mid v, y_1 \ldots y_{t-1}) $$
#
# (their eq. 1), where $v$ is the encoder's last state. "I am a student" goes in, and from $h_0 = v$ "je suis
# un étudiant `<eos>`" comes out.

# %%
import inspect
import os
from functools import partial

import numpy as np
import torch
from PIL import Image

from seq2scene.data.park.language.grammar import links, text
from seq2scene.data.park.writing import split_messages
from seq2scene.lessons import train_translator
from seq2scene.metrics.bleu import CorpusBleu
from seq2scene.models.translator import Translator
from seq2scene.nets.text.bridge import Bridge
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.encoders import RecurrentEncoder
from seq2scene.plotting.figures import COLOURS, INK, new_figure, tidy, to_pixels
from seq2scene.plotting.sentence_map import draw_sentence_map
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import shift_right
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary

SMALL = "LESSONS_SMALL" in os.environ  # a dry run: few steps, and no check of what needs more

# %% [markdown]
# ## Data
#
# The park describes its scenes in English and in German, so each meaning has a text in both, and it is known
# which word corresponds to which.

# %%
messages = split_messages(
    seed=0, **({"train": 300, "val": 40} if SMALL else {"train": 4000, "val": 300}), test=1
)
texts = {
    split: {code: [text(one, code) for one in some] for code in ("en", "de")}
    for split, some in messages.items()
}
print(texts["val"]["en"][1], "|", texts["val"]["de"][1])


def learn_language(code):
    tokenizer = choose("moses", code, lowercase=True)
    return Language(tokenizer, Vocabulary.count(map(tokenizer.split, texts["train"][code])))


english, german = learn_language("en"), learn_language("de")
print(len(english.vocabulary), "English words,", len(german.vocabulary), "German words")

# %% [markdown]
# ## The model, with shapes
#
# $B$ sentences, $S$ source and $T$ target positions, $H$ cells, $L$ layers. `bridge="copy"` copies the
# encoder's last state, layer by layer, as in the paper, which has four layers of 1,000 cells; here one of 128
# has to do.

# %%
SIZES = {"embedding_size": 64, "hidden_size": 128}


def new_model(reverse_source, seed=1):
    torch.manual_seed(seed)
    words, written = english.vocabulary, german.vocabulary
    encoder = RecurrentEncoder(
        len(words), words.pad, **SIZES, bidirectional=False, reverse_source=reverse_source
    )
    decoder = LuongDecoder(
        len(written), written.pad, 128, 1, attention=None, **SIZES, input_feeding=False, bridge="copy"
    )
    return Translator(encoder, decoder, english, german, search=Greedy(max_ratio=2.0, max_extra=10))


model = new_model(reverse_source=True)
source = english.batch(texts["val"]["en"][:4])  # ids (B, S), no end token: the source is given whole
gold = german.batch(texts["val"]["de"][:4], eos=True)  # ids (B, T)
states, (h, c) = model.encoder(source)  # (B, S, H); (B, L, H) each
memory = model.encode(source)
(first, _), _ = model.decoder.start(memory)  # the decoder's first (h, c), and the step
features, _ = model.decoder(memory, shift_right(gold.ids, german.vocabulary.bos))  # (B, T, H)
logits = model.decoder.output(features)  # (B, T, V)
print("source", tuple(source.ids.shape), "states", tuple(states.shape), "last h", tuple(h.shape))
print("target", tuple(gold.ids.shape), "features", tuple(features.shape), "logits", tuple(logits.shape))
assert torch.equal(first, h), "the decoder's first state must be the encoder's last"

# %% [markdown]
# ## How far apart are the words that correspond?
#
# The encoder reads a word at some step; the decoder writes its translation many steps later. In between, the
# word has to survive in the state. With $S$ words in the source, the word at position $i$ (from 0) and its
# translation at position $j$ are $S - i + j$ steps apart. If the source is read backwards, they are $i + 1 +
# j$ steps apart. We count both for all pairs of words that correspond in the validation sentences.

# %% Steps between reading a word and writing its translation
forward, backward, nearest = [], [], []
for message, line in zip(messages["val"], texts["val"]["en"], strict=True):
    S = len(english.tokenizer.split(line))
    pairs = links(message, "en", "de")
    forward += [S - i + j for i, j in pairs]
    backward += [i + 1 + j for i, j in pairs]
    nearest.append((min(S - i + j for i, j in pairs), min(i + 1 + j for i, j in pairs)))
as_it_stands, reversed_ = np.mean(nearest, axis=0)
print(f"on average: as it stands {np.mean(forward):.1f} steps, reversed {np.mean(backward):.1f}")
print(f"the nearest pair of a sentence: as it stands {as_it_stands:.1f} steps, reversed {reversed_:.1f}")
assert abs(np.mean(forward) - np.mean(backward)) < 0.5, "on average reversing changes next to nothing"
assert reversed_ < as_it_stands / 3, "but the nearest pair must be much nearer when the source is reversed"
figure = new_figure(6.0, 2.6)
axes = figure.add_subplot()
tidy(axes, "Steps between corresponding words", "steps", "share of pairs")
for values, name, colour in ((forward, "as it stands", COLOURS[0]), (backward, "reversed", COLOURS[1])):
    bins = np.arange(0.5, 36)
    axes.hist(values, bins, density=True, histtype="step", linewidth=1.6, color=colour, label=name)
axes.legend(frameon=False, fontsize=8, labelcolor=INK)
Image.fromarray(to_pixels(figure))

# %% [markdown]
# The average stays the same, but read backwards, some words are now very near: the first ones. This is the
# argument of Sutskever et al. (section 3.3): the beginning of the translation is easy to learn, and once it
# is right, the rest follows more easily. On English to French, reversing brought their perplexity from 5.8
# down to 4.7 and BLEU from 25.9 up to 30.6.
#
# ## Training both
#
# The same model twice, on the same batches. The loop is that of lesson 3, except that each sentence now comes
# with its source, and that a batch holds sentences of similar length. Lesson 5 trains with it too, so it is
# part of the package:

# %%
print(inspect.getsource(train_translator))

# %%
STEPS = 4 if SMALL else 400
train = partial(train_translator, sources=texts["train"]["en"], targets=texts["train"]["de"], steps=STEPS)
val = texts["val"]


def perplexity(model):
    log_p = sum(model.score(val["en"], val["de"]))
    return float(np.exp(-log_p / sum(len(german.encode(line)) + 1 for line in val["de"])))


def bleu(model, sources):
    """BLEU (Papineni et al. 2002): how many of the sequences of one to four words the references have."""
    score = CorpusBleu(lowercase=True)
    score.update([one.text for one in model.translate(sources)], val["de"])
    return float(score.compute())


backwards = train(new_model(reverse_source=True))
print(f"reversed: perplexity {perplexity(backwards):.2f}, BLEU {bleu(backwards, val['en']):.1f}")
for line, right in zip(val["en"][:4], val["de"][:4], strict=True):
    print(f"  {line}\n    {backwards.translate(line)}\n    right: {right}")

# %% [markdown]
# The translations are German sentences of the park about the right persons, more or less, but details go
# wrong: everything about the source had to pass through one vector of 128 numbers. Lesson 5 removes this
# bottleneck.
#
# ## Break it (1): reverse nothing

# %%
forwards = train(new_model(reverse_source=False))  # the broken line
ratio = perplexity(forwards) / perplexity(backwards)
print(f"as it stands: perplexity {perplexity(forwards):.2f}, BLEU {bleu(forwards, val['en']):.1f}")
print(f"without reversing the source the perplexity is {ratio:.2f} times as high")
if not SMALL:
    assert ratio > 1.03, f"without reversing the perplexity must be at least 3 % higher, not {ratio - 1:.1%}"

# %% [markdown]
# On Multi30k (captions, English to German, `experiments/RESULTS.md`, "The whole table, by validation", from
#
#     python src/train.py experiment=multi30k_en_de attention=none \
#         model.decoder.input_feeding=false model.encoder.bidirectional=false \
#         model.encoder.reverse_source=REVERSED
#
# after 9 epochs) this project measured a perplexity of 15.50 and 9.17 BLEU for the source as it stands, 12.99
# and 12.05 reversed.
#
# ## Break it (2): another order at test time
#
# A model that has learnt to read backwards is given the source forwards. Nothing else changes.

# %%
backwards.encoder.reverse_source = False  # the broken line
wrong = bleu(backwards, val["en"])
backwards.encoder.reverse_source = True
right = bleu(backwards, val["en"])
print(f"BLEU as trained {right:.1f}, in the other order {wrong:.1f}")
if not SMALL:
    assert wrong < right / 2, (
        "a model that reads backwards must lose more than half its BLEU if it reads forwards"
    )

# %% [markdown]
# ## Break it (3): cut the only connection
#
# The decoder knows the source through its first state alone. Start it from zero instead, and see how many
# different translations twenty sentences get.

# %%
bridge = backwards.decoder.bridge
before = {one.text for one in backwards.translate(val["en"][:20])}
backwards.decoder.bridge = Bridge("zero", "lstm", 1, 128, 1, 128)  # the broken line
after = {one.text for one in backwards.translate(val["en"][:20], search=Greedy(max_length=20))}
backwards.decoder.bridge = bridge
print(
    f"with the encoder's state {len(before)} different translations, from zero {len(after)}: {min(after)!r}"
)
assert len(after) == 1, "from a first state of zero every source must get the same translation"
if not SMALL:
    assert len(before) > 10, "with the encoder's state, different sources must get different translations"

# %% [markdown]
# What is left is a language model of German.
#
# ## Sentences as points
#
# The encoder's last state is a vector for the sentence as a whole. Two directions in which such vectors
# differ most (principal components) make a map, as in Figure 2 of Sutskever et al.: sentences of similar
# meaning should lie together.

# %% The encoder's last states of twelve sentences, in two dimensions
groups = {
    "holds": "{} is holding the {}.",
    "kicks": "{} is kicking the {}.",
    "next to": "{} is next to the {}.",
}
labelled = [
    (group, form.format(who, what))
    for group, form in groups.items()
    for who in ("Mike", "Jenny")
    for what in ("ball", "frisbee")
]
vectors = backwards.sentence_vectors([sentence for _, sentence in labelled])  # (N, 2 H): h and c
centred = vectors - vectors.mean(axis=0)
_, sizes, directions = np.linalg.svd(centred, full_matrices=False)
shares = sizes**2 / (sizes**2).sum()
Image.fromarray(
    draw_sentence_map(
        centred @ directions[:2].T, [s for _, s in labelled], [g for g, _ in labelled], shares[:2]
    )
)

# %% [markdown]
# ## To think about
#
# 1. Reading the source in both directions also brings its first words near to the end of the reading. Why
#    might that be better than reversing, and what does it cost?
# 2. Both models are given the same number of steps. Would the model without reversing catch up with more? How
#    would you find out, and how many seeds would you want?
# 3. A state of 128 numbers has to hold a sentence of 20 words. What would you expect of the BLEU of long
#    sentences, and of a model with 1,000 cells?
