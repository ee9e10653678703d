# %% [markdown]
# # 5. Attention
#
# One slide first. English to German on Multi30k, captions of photos, five epochs each, BLEU on the 2016 test
# set (`experiments/RESULTS.md`, "Which attention"):
#
# | attention | BLEU |
# |---|---|
# | none | 8.2 |
# | location: where to look is decided without looking | 32.1 |
# | general: where to look is decided by comparing states | 35.6 |
#
#     python src/train.py -m experiment=multi30k_en_de trainer.max_epochs=5 \
#         attention=none,location,dot,general,concat
#
# Nothing else in this course makes such a difference. This lesson takes the three rows apart, repeats them in
# small with sentences of the park, and looks at what the models look at.

# %%
import os

import numpy as np
import torch
from PIL import Image
from torch import nn

import seq2scene
from seq2scene.attention import (
    ConcatScore,
    DotScore,
    GeneralScore,
    GlobalAttention,
    LocationAttention,
    MonotonicAttention,
    PredictiveAttention,
    no_attention,
)
from seq2scene.data.park.language.grammar import links, text
from seq2scene.data.park.writing import split_messages
from seq2scene.lessons import train_translator
from seq2scene.metrics.bleu import CorpusBleu
from seq2scene.models.changed_attention import Change
from seq2scene.models.translator import Translator
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.encoders import RecurrentEncoder
from seq2scene.plotting.attention_map import draw_attention
from seq2scene.plotting.figures import COLOURS, new_figure, tidy, to_pixels
from seq2scene.plotting.length_plot import draw_bleu_by_length
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.language import Language
from seq2scene.sequences.memory import Memory
from seq2scene.sequences.padding import lengths_to_mask
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary

SMALL = "LESSONS_SMALL" in os.environ  # a dry run: few steps, and no check of what needs more

# %% [markdown]
# ## What a perfect alignment would give
#
# "I am a student" is to become "je suis un étudiant". To write "suis", the decoder should see two things: its
# own state $h_t$ (it has written "je", a verb is due), and the encoder's state of the word "am". If somebody
# told us which source word is due, we would predict from both, $f(h_t, \bar h_2)$. Nobody does. So we let the
# decoder see a mean of *all* the encoder's states, the *context*
#
# $$ c_t = \sum_s a_t(s) \, \bar h_s , \qquad \sum_s a_t(s) = 1 $$
#
# and hope that training makes the weight of "am" nearly 1. It can, because $c_t$ is a differentiable function
# of the weights. The prediction is made from both (Luong, Pham and Manning 2015, *Effective approaches to
# attention-based neural machine translation*, eq. 5 and 6):
#
# $$ \tilde h_t = \tanh(W_c [c_t ; h_t]), \qquad p(y_t \mid y_{<t}, x) = \mathrm{softmax}(W_s \tilde h_t) $$
#
# ## Scores
#
# Where do the weights come from? From a *score* of the decoder's state (the query) with each state of the
# encoder (the memory), and a softmax over the real positions (lesson 1). Luong et al., section 3.1, eq. 7:
#
# $$ a_t(s) = \frac{\exp \mathrm{score}(h_t, \bar h_s)}{\sum_{s'} \exp \mathrm{score}(h_t, \bar h_{s'})}
# $$
#
# $$ \mathrm{score}(h_t, \bar h_s) = \begin{cases} h_t^\top \bar h_s & \text{dot} \\
#    h_t^\top W_a \bar h_s & \text{general} \\
#    v_a^\top \tanh(W_a [h_t ; \bar h_s]) & \text{concat} \end{cases} $$
#
# The idea behind dot: states of words that correspond come to lie close together. We check the project's
# modules against the formulas. What of the score does not depend on the query, such as $W_a \bar h_s$, is
# computed once for all steps: `keys`.

# %%
torch.manual_seed(0)
B, T, S, H = 2, 3, 7, 8  # sentences, decoder steps, source positions, features
query, states = torch.randn(B, T, H), torch.randn(B, S, H)
dot, general, concat = DotScore(H, H), GeneralScore(H, H), ConcatScore(H, H)
W, v = general.memory.weight, concat.v.weight[0]
both = torch.cat([concat.query.weight, concat.memory.weight], dim=1)  # W_a of concat, (H, 2 H)
joined = torch.cat(
    [query[:, :, None].expand(-1, -1, S, -1), states[:, None].expand(-1, T, -1, -1)], dim=3
)  # [h_t; h_s], (B, T, S, 2 H)
by_hand = {
    "dot": torch.einsum("bth,bsh->bts", query, states),
    "general": torch.einsum("bth,hk,bsk->bts", query, W, states),
    "concat": torch.einsum("k,btsk->bts", v, torch.tanh(joined @ both.T)),
}
for name, score in {"dot": dot, "general": general, "concat": concat}.items():
    scores = score(query, score.keys(states))
    print(f"{name:8} scores {tuple(scores.shape)}")
    assert torch.allclose(scores, by_hand[name], atol=1e-5), f"{name}: the module must compute the formula"

# %% [markdown]
# *Location* does not look at the memory at all: $a_t = \mathrm{softmax}(W_a h_t)$ (eq. 8). The decoder's
# state alone says which positions are due, such as "the third, or the fourth".
#
# *Local* attention looks through a window of $2D + 1$ positions around a place $p_t$ (section 3.2).
# *Monotonic* (local-m) takes $p_t = t$, the diagonal. *Predictive* (local-p) computes it from the query, for
# $S$ source words,
#
# $$ p_t = S \cdot \mathrm{sigmoid}(v_p^\top \tanh(W_p h_t)) $$
#
# and multiplies the weights with $\exp(-(s - p_t)^2 / 2\sigma^2)$, $\sigma = D / 2$, so that the gradient can
# move the window. Below are all kinds on the same random query and memory of 20 positions.

# %% The weights of one query over a memory of 20 positions, by kind of attention; local ones with D = 3
kinds = {
    "none": no_attention,
    "location": LocationAttention,
    "dot": lambda query, memory: GlobalAttention(query, memory, "dot"),
    "general": lambda query, memory: GlobalAttention(query, memory, "general"),
    "concat": lambda query, memory: GlobalAttention(query, memory, "concat"),
    "local_m": lambda query, memory: MonotonicAttention(query, memory, half_width=3),
    "local_p": lambda query, memory: PredictiveAttention(query, memory, half_width=3),
}
torch.manual_seed(4)
S = 20
query, states, lengths = torch.randn(1, 1, H), torch.randn(1, S, H), torch.tensor([S])
figure = new_figure(8.0, 3.0)
for place, (name, make) in enumerate(list(kinds.items())[1:], start=1):
    attention = make(H, H)
    memory = Memory(states, attention.keys(states), lengths_to_mask(lengths, S), lengths, final=())
    with torch.no_grad():
        context, weights = attention(
            query, memory, torch.tensor([[6]])
        )  # (1, 1, H), (1, 1, S); the step is 6
    axes = figure.add_subplot(2, 3, place)
    tidy(axes, f"{name}: sum {float(weights.sum()):.2f}", "", "")
    axes.bar(range(S), weights.flatten().numpy(), color=COLOURS[0])
    axes.set_ylim(0, 0.8)
    window = int((weights > 0).sum())
    assert window <= 7 or not name.startswith("local"), (
        f"{name}: a window of D = 3 has 7 positions, not {window}"
    )
Image.fromarray(to_pixels(figure))

# %% [markdown]
# The weights of local-p sum to less than 1: the paper does not renormalise after the Gaussian.
#
# ## The slide again, in class
#
# The translator of lesson 4 (the source reversed, one layer of 128 cells, no input feeding) with each of the
# kinds, from the same start, on the same batches: attention is one argument of the decoder.

# %%
messages = split_messages(
    seed=0, **({"train": 300, "val": 60} if SMALL else {"train": 4000, "val": 400}), test=1
)
texts = {
    split: {code: [text(one, code) for one in some] for code in ("en", "de")}
    for split, some in messages.items()
}
val = texts["val"]


def learn_language(code):
    tokenizer = choose("moses", code, lowercase=True)
    return Language(tokenizer, Vocabulary.count(map(tokenizer.split, texts["train"][code])))


english, german = learn_language("en"), learn_language("de")
STEPS = 3 if SMALL else 250
GREEDY = Greedy(max_ratio=2.0, max_extra=10)
SIZES = {"embedding_size": 64, "hidden_size": 128}


def new_translator(kind):
    torch.manual_seed(1)
    encoder = RecurrentEncoder(
        len(english.vocabulary), english.vocabulary.pad, **SIZES, bidirectional=False, reverse_source=True
    )
    decoder = LuongDecoder(
        *(len(german.vocabulary), german.vocabulary.pad, 128, 1),
        attention=kinds[kind](128, 128),
        **SIZES,
        input_feeding=False,
        bridge="copy",
    )
    return Translator(encoder, decoder, english, german, search=GREEDY)


def bleu(written, right):
    score = CorpusBleu(lowercase=True)
    score.update(written, right)
    return float(score.compute())


def translations(model):
    return [one.text for one in model.translate(val["en"], search=GREEDY)]


in_class = {}
for kind in ("none", "location", "general"):
    model = train_translator(new_translator(kind), texts["train"]["en"], texts["train"]["de"], STEPS)
    in_class[kind] = bleu(translations(model), val["de"])
    print(f"{kind:9} BLEU {in_class[kind]:5.1f}")
if not SMALL:
    assert in_class["none"] < in_class["location"] < in_class["general"], "the order of the slide must hold"
    assert in_class["general"] > in_class["none"] + 10, "attention must be worth more than 10 BLEU"

# %% [markdown]
# ## It pays on long sentences
#
# With the project come translators that were trained for longer: one without attention, one with each kind of
# global attention, and one with a local one. Their BLEU by the length of the source shows where attention
# helps (the paper's Figure 6 is such a plot): the longer a sentence, the more has to pass through one vector
# if there is no attention.

# %% BLEU of the shipped translators by the length of the source
shipped = {
    "none": "park-de-none",
    "location": "park-de-location",
    "dot": "park-de",
    "general": "park-de-general",
    "concat": "park-de-concat",
    "local": "park-de-local",
}
models = {kind: seq2scene.load(name) for kind, name in shipped.items()}
count = np.array([len(line.split()) for line in val["en"]])
bounds = [(0, 8), (8, 11), (11, 14), (14, 99)]
groups = [np.flatnonzero((low <= count) & (count < high)) for low, high in bounds]
middles = [count[group].mean() for group in groups]
curves = {}
for kind, model in models.items():
    written = translations(model)
    scores = [bleu([written[n] for n in group], [val["de"][n] for n in group]) for group in groups]
    curves[kind] = (middles, scores)
    print(f"{kind:9} BLEU {bleu(written, val['de']):5.1f}, by length", [round(score, 1) for score in scores])
lost = {kind: 1 - scores[-1] / scores[1] for kind, (_, scores) in curves.items()}  # from 8-10 to 14+ words
print("lost on long sentences:", {kind: f"{round(100 * share)}%" for kind, share in lost.items()})
if not SMALL:
    assert lost["none"] > 0.15, "without attention long sentences must lose more than 15 % of the BLEU"
    assert lost["general"] < 0.05, "with attention they must lose less than 5 %"
Image.fromarray(draw_bleu_by_length(curves, "BLEU by the length of the source, 400 validation sentences"))

# %% [markdown]
# (The shortest sentences are a case of their own: where a reference has four words, one wrong noun leaves no
# sequence of four words right. So the loss is counted from the second group on.)
#
# ## What do they look at?
#
# The matrix of weights, a row for each target word, is read as an *alignment*. `align` force-decodes a given
# translation and returns it. For the park the right alignment is known, since both texts are made from one
# meaning.

# %% Attention of general and of location for the same pair of sentences
number = next(n for n, line in enumerate(val["en"]) if line.startswith("The boy who is holding"))
looked = {kind: models[kind].align(val["en"][number], val["de"][number]) for kind in ("general", "location")}
pictures = [
    Image.fromarray(draw_attention(one.matrix, one.source, one.target, title=kind))
    for kind, one in looked.items()
]
sheet = Image.new("RGB", (sum(p.width for p in pictures), max(p.height for p in pictures)), "white")
for place, picture in enumerate(pictures):
    sheet.paste(picture, (place * pictures[0].width, 0))
sheet.copy()


# %%
def aligned(model):
    """The share of target words whose largest weight is on a word that they correspond to."""
    found = model.align(val["en"], val["de"])
    right = [set(links(message, "en", "de")) for message in messages["val"]]
    return np.mean([link in gold for one, gold in zip(found, right, strict=True) for link in one.links])


alignments = {kind: aligned(models[kind]) for kind in list(models)[1:]}
chance = np.mean(
    [
        len(links(message, "en", "de")) / (len(english.encode(en)) * len(german.encode(de)))
        for message, en, de in zip(messages["val"], *val.values(), strict=True)
    ]
)
print({kind: f"{share:.0%}" for kind, share in alignments.items()}, f"by chance {chance:.0%}")
assert min(alignments.values()) > 2 * chance, "every attention must align at least twice as well as chance"

# %% [markdown]
# A model with a BLEU of 96 looks at the right word only two times in three. It need not look *at* a word to
# know it: a recurrent encoder's state at one word also contains its neighbours. Attention weights tell where
# information was read, not what it was.
#
# ## Break it (1): take attention away
#
# From a trained model: an attention that always looks everywhere equally. Any module with `keys` and a call
# of this form is an attention.


# %%
class Uniform(nn.Module):
    def keys(self, states):
        return states

    def forward(self, query, memory, steps=None):
        weights = memory.mask / memory.lengths.unsqueeze(1)  # (B, S)
        weights = weights.unsqueeze(1).expand(-1, query.shape[1], -1)  # (B, T, S)
        return weights @ memory.states, weights


general = models["general"]
own = general.decoder.attention
with_own = bleu(translations(general), val["de"])
general.decoder.attention = Uniform()  # the broken line
without = bleu(translations(general), val["de"])
general.decoder.attention = own
print(f"BLEU {with_own:.1f} with its own attention, {without:.1f} with a uniform one")
assert without < with_own / 3, f"with a uniform attention BLEU must fall below a third, not to {without:.1f}"

# %% [markdown]
# ## Break it (2): attention without the padding mask
#
# Lesson 1 in a real model: score the right translations in one batch, and one by one. They must be equally
# likely. Then let the attention believe that padding is real.


# %%
class Unmasked(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention, self.keys = attention, attention.keys

    def forward(self, query, memory, steps=None):
        everywhere = torch.ones_like(memory.mask)  # the broken line; memory.mask is right
        seen = Memory(memory.states, memory.keys, everywhere, memory.lengths, memory.final)
        return self.attention(query, seen, steps)


def apart(model):
    """How much the log-probabilities of 50 translations change in a batch, on average, in nats."""
    together = model.score(val["en"][:50], val["de"][:50])
    alone = [
        model.score(source, target) for source, target in zip(val["en"][:50], val["de"][:50], strict=True)
    ]
    return float(np.mean(np.abs(np.subtract(together, alone))))


masked = apart(general)
general.decoder.attention = Unmasked(own)
unmasked = apart(general)
general.decoder.attention = own
print(f"in a batch log p changes by {masked:.0e} nats with the mask, by {unmasked:.2f} without")
assert masked < 1e-3, "with the mask a batch must not change anything"
assert unmasked > 0.05, f"without the mask log p must change by more than 0.05 nats, not {unmasked:.3f}"

# %% [markdown]
# ## Break it (3): look elsewhere
#
# Is what the model looks at what it writes? At the step that writes "pizza", let it look at one other word
# and nothing else. `Change` replaces the weights of one step; the rest of the sentence is then written as
# usual.

# %%
line = "Mike is holding the pizza while Jenny is wearing the crown."
words = english.tokenizer.split(line)
usual = general.translate(line)
step = usual.words.index("pizza")
print(f"{'as usual':10}", usual.text)
elsewhere = {}
for word in ("crown", "jenny", "is"):
    weights = [float(one == word) for one in words]  # the broken line: all weight on one word
    elsewhere[word] = general.with_attention({step: Change(weights=weights)}).translate(line)
    print(f"{word:10}", elsewhere[word].text)
assert elsewhere["crown"].words[step] == "krone", "looking at the crown, the model must write the crown"
assert all(one.words[step] != "pizza" for one in elsewhere.values()), (
    "nothing but the pizza must give the pizza"
)

# %% [markdown]
# The decoder's own state asks for a noun after "die"; which noun, it reads where it looks.
#
# ## To think about
#
# 1. Location attention is far better than none, although it never compares anything. What can it know about
#    where to look? For which pairs of languages would it work least?
# 2. Write out the cost of one step of dot, general and concat for $S$ source words and $H$ features. Which
#    one would you take for a source of 10,000 words, and does local attention help?
# 3. In *Break it (1)* the encoder and the decoder had been trained with another attention. Would a model
#    *trained* with uniform attention be as bad? (Add a row "uniform" to `kinds` and find out.)
