# %% [markdown]
# # 8. Layouts and composites: retrieval, pasting, inpainting
#
# Clip art is drawn for us. For photos, Text2Scene (Tan, Feng and Ordonez 2019) keeps the same decoder and
# changes what an object is. In a *layout* it is a box: a class, a place, a size and an *aspect* (width over
# height). In a *composite* it is a piece of another photo, a *patch*, found among thousands and pasted into
# the box; and a last network, the *inpainter*, mends the seams. This lesson follows one text from boxes to
# pixels.

# %%
import os
from dataclasses import replace
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import seq2scene
from seq2scene.attention import GlobalAttention
from seq2scene.compositing.compositor import Compositor, as_pixels, empty_canvas
from seq2scene.compositing.inpainting import inpaint
from seq2scene.compositing.pasting import render
from seq2scene.compositing.patch_finder import PatchFinder, box_vectors
from seq2scene.compositing.simulated_composites import mend
from seq2scene.data.scenes.coco_composite import ParkComposite
from seq2scene.data.scenes.coco_layout import ParkLayout
from seq2scene.data.scenes.simulated_scenes import SimulatedScenes
from seq2scene.models.inpainter import Inpainter, initialise
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.nets.losses.scene_losses import fields, pair_losses
from seq2scene.nets.scene.relational.decoder import RelationalDecoder
from seq2scene.nets.scene.text_encoder import SceneTextEncoder
from seq2scene.nets.vision import inpainter as nets
from seq2scene.plotting.layout_picture import draw_layout
from seq2scene.scenes.facts import check
from seq2scene.scenes.objects import FIRST_CLASS, PAD, Objects
from seq2scene.search.stepwise import Greedy

SMALL = "LESSONS_SMALL" in os.environ  # a dry run: few steps, and no check of what needs more

# %% [markdown]
# ## Photos, boxes, numbers
#
# Photos of the park are written in the format of COCO (photos, boxes, masks, captions), so that one reader
# serves both. A box has a place and two more numbers, and each becomes one of 17 classes: the size,
# $\sqrt{wh}$, in even steps, and the aspect, from 1/9 over 1 to 9. The model predicts classes, so a box comes
# back a little rounded.

# %% A photo of the park and its layout
folder = TemporaryDirectory()
PARK = {"seed": 8, "train": 10, "val": 4} if SMALL else {"seed": 8, "train": 480, "val": 20}
SHARED = {"root": folder.name, "cache": f"{folder.name}/cache", "park": PARK, "batch_size": 16}
layouts = ParkLayout(**SHARED, min_area=0.002)
layouts.setup()
schema, split = layouts.schema, layouts.splits["val"]
truth = split.objects[:1]
boxes = schema.boxes(truth)  # (1, T, 4): centre, width and height as shares of the square
rounded = schema.boxes(replace(truth, extents=None))  # from the classes of size and aspect
print("classes", tuple(truth.classes.shape), "boxes", tuple(boxes.shape))
for step in range(int(truth.present.sum())):
    values = {name: int(value[0, step]) for name, value in truth.attributes.items()}
    exact, coarse = ([f"{side:.2f}" for side in one[0, step, 2:].tolist()] for one in (boxes, rounded))
    print(
        f"{schema.title(int(truth.classes[0, step])):12} width and height {exact}, rounded {coarse}", values
    )
print(split.texts[0][0][0])

composites = ParkComposite(**SHARED, photos=".", side=32, photo_side=80, min_thing=0.001, max_objects=12)
composites.setup()
own = Compositor.of_split(composites.stores["val"], composites.photo_folder("val"), composites.schema)
row = composites.stores["val"].image_ids.tolist().index(split.numbers[0])
Image.fromarray(np.concatenate([own.photo(row, 400), draw_layout(truth, schema, 400)], axis=1))

# %% [markdown]
# ## A writer of layouts
#
# The decoder is that of lesson 7, built here from its parts, and trained on 480 photos with five captions
# each. That is little: it learns which things are meant before it learns where they are.

# %%
STEPS = 2 if SMALL else 200


def new_writer():
    torch.manual_seed(0)
    vocabulary = layouts.reader.language.vocabulary
    encoder = SceneTextEncoder(
        *(len(vocabulary), vocabulary.pad, schema.sentences),
        embedding_size=64,
        hidden_size=64,
        dropout=0.1,
        embedding_range=1.0,
    )
    words, places = (GlobalAttention(24, 24, "general") for _ in range(2))  # of 4 heads, 24 features each
    decoder = RelationalDecoder(
        *(schema, encoder.state_size, encoder.output_size, words, places),
        hidden_size=96,
        heads=4,
        pair_size=64,
        agreement=1.0,
        company=0.1,
    )
    return SceneWriter(encoder, decoder, layouts.reader, Greedy(max_ratio=0, max_extra=schema.max_objects))


def train(writer):
    weights = {"object": 8.0, "place": 0.3, "size": 1.0, "aspect": 1.0}
    optimizer = torch.optim.AdamW(writer.parameters(), lr=0.003)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    loader, step = layouts.train_dataloader(), 0
    writer.train()
    while step < STEPS:
        loader.set_epoch(loader.epoch + 1)
        for batch in loader:
            taught = writer(batch.texts, batch.target)
            found = fields(taught, batch.target, schema)
            total = sum(weights[name] * field.nll for name, field in found.items())
            pairs = pair_losses(taught.pairs, batch.stated, batch.target)
            total = total + 4 * pairs["statements"] + pairs["related_place"] + 0.1 * pairs["unrelated_place"]
            optimizer.zero_grad()
            (total / sum(field.count for field in found.values())).backward()
            nn.utils.clip_grad_norm_(writer.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            if step == STEPS:
                break
    return writer.eval()


writer = train(new_writer())
captions, facts = [caption for (caption,) in layouts.texts("val")], layouts.facts("val")
written = writer.write(captions)


def named_things(scenes):
    """The share of the things that captions name which are in the layout."""
    held = [
        holds
        for wanted, scene in zip(facts, scenes, strict=True)
        for fact, holds in zip(wanted, check(wanted, scene.written.objects, scene.writer.schema), strict=True)
        if fact.kind == "thing"
    ]
    return float(np.mean(held))


shown, baseline = named_things(written), named_things([*written[5:], *written[:5]])
print(f"things named that are there: {shown:.0%}; in the layout of another photo {baseline:.0%}")
if not SMALL:
    assert shown > baseline + 0.2, "the layouts must follow their captions"

# %% Two generated layouts
writer = seq2scene.load("park-layout")  # the same decoder, trained for longer, ships with the project
written = writer.write(captions)
print(f"park-layout: things named that are there: {named_things(written):.0%}")
best = [max(range(n, n + 5), key=lambda k: len(facts[k])) for n in (0, 5)]
for number in best:
    print(captions[number])
Image.fromarray(np.concatenate([np.asarray(written[number].picture()) for number in best], axis=1))

# %% [markdown]
# Everything that the captions name is there. Where it stands is another matter: the grill should be to the
# right of Jenny, and the boy to the right of the duck. Of the relations that captions of 200 test photos
# state, 79 % hold in the layouts of `park-layout` (`docs/faithful_layouts.md`).
#
# ## Retrieval
#
# For each box of a composite a patch is looked up: of its class, and nearest in what is known of it. In the
# paper that is a learnt vector of its appearance; here it is the box, so of the patches $p$ of the class we
# take
#
# $$ \hat p = \arg\min_p \; \lVert (\log w, \log h) - (\log w_p, \log h_p) \rVert $$
#
# Logarithms, so that twice as large is as far as half as large. To see retrieval alone, without a model's
# mistakes, we take the true boxes of validation photos, *stuff* (grass, sky) included, and fill them with
# patches of *training* photos.

# %%
store = composites.stores["train"]
vectors = box_vectors(torch.from_numpy(store.boxes))  # (A, 2)
finder = PatchFinder(torch.from_numpy(store.classes), vectors, torch.from_numpy(store.photo))
scenes = composites.splits["val"].objects
present = scenes.present
wanted, where = scenes.classes[present], composites.schema.boxes(scenes)[present]  # (P,), (P, 4)
nothing_used = torch.zeros(len(wanted), 0, dtype=torch.int64)
nearest = finder.find(wanted, box_vectors(where), nothing_used)  # (P,) numbers of patches, -1 for none
print(f"{len(store)} patches, {len(wanted)} boxes, {int((nearest < 0).sum())} without a patch of their class")


def misfit(numbers):
    """How far width and height of the patches are from those of their boxes, as a mean factor."""
    fits = numbers >= 0
    return float((vectors[numbers[fits]] - box_vectors(where[fits])).abs().mean().exp())


def filled(numbers):
    """The scenes with these patches."""
    patches = torch.full_like(scenes.classes, -1)
    patches[present] = numbers
    return replace(scenes, patches=patches)


print(f"width and height are off by a factor of {misfit(nearest):.2f}")

# %% [markdown]
# ## Pasting
#
# A patch is scaled by $\sqrt{w h / w_p h_p}$, to the area of its box, its centre moved to the box's, and its
# *mask* decides which pixels it covers. Things cover what is there; stuff only fills what is free. Below: a
# photo, the composite of its own patches, the composite of retrieved ones (`kept`: a patch keeps its own
# aspect), and the same with each patch stretched to its box (`predicted`).

# %% A photo; pasted from its own patches; from retrieved ones; and stretched to their boxes
SIDE = 240
scene = filled(nearest)[:1]
photo_folder = composites.photo_folder("train")
kept, stretched = (
    Compositor.of_training(store, photo_folder, composites.schema, aspect) for aspect in ("kept", "predicted")
)
panels = [own.photo(0, SIDE), own.steps(scenes[:1], SIDE)[-1]]
panels += [compositor.steps(scene, SIDE)[-1] for compositor in (kept, stretched)]
Image.fromarray(np.concatenate(panels, axis=1))

# %% [markdown]
# The checkerboard shows where nothing is: things that stood in front of something leave a hole in it when
# they are taken away.
#
# ## Inpainting
#
# How does one learn to mend composites, if nobody has the right photo for them? By breaking photos (the
# authors' *simulated* composites): each object is seen through the mask of *another* object of its class, so
# that pieces are missing where they would be; the photo itself is what should come out. The network gets the
# pasted pixels, the class of each, and which are empty. The loss is the mean difference of colours from the
# photo $I$, and ten times the negative log-likelihood of the classes $c$ of its pixels (the authors add a
# difference of features, as in perceptual losses):
#
# $$ L = \lvert \hat I - I \rvert + 10 \cdot \big({-\log p(c)}\big) $$

# %%
EDGE, FIRST_STUFF = 48, store.first_stuff
simulated = SimulatedScenes(composites=composites, side=EDGE, cache=SHARED["cache"])
simulated.setup()
torch.manual_seed(0)
net = nets.Inpainter(
    composites.schema.classes,
    widths=(24, 32, 48),
    depths=(1, 2, 2),
    decoder_widths=(48, 48, 32, 32),
    scale=128.0,
)
initialise(net)
model = Inpainter(net, composites.schema.names, FIRST_STUFF, EDGE)
optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
rng, INPAINTING_STEPS = np.random.default_rng(0), 2 if SMALL else 100
count = len(composites.splits["train"].numbers)
for step in range(INPAINTING_STEPS):
    optimizer.param_groups[0]["lr"] = 0.003 * (1 - step / INPAINTING_STEPS)
    broken = mend(simulated.sample("train", rng.choice(count, 8)), EDGE, FIRST_STUFF)
    made = model(broken.composite)  # pictures (B, 3, y, x), labels (B, classes, y, x)
    loss = (made.pictures - broken.pictures).abs().mean() + 10 * F.cross_entropy(made.labels, broken.labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

held = mend(simulated.sample("val", np.arange(len(composites.splits["val"].numbers))), EDGE, FIRST_STUFF)
with torch.no_grad():
    mended = model.inpaint(held.composite)
raw, error = (float((one - held.pictures).abs().mean()) for one in (held.composite.pictures, mended.pictures))
print(f"mean error of colours, 0 to 255: composites {raw:.1f}, inpainted {error:.1f}")
if not SMALL:
    assert error < 0.75 * raw, "inpainting must bring the composites nearer to the photos"

# %% Simulated composites, above; inpainted, in the middle; the photos, below
rows = [held.composite.pictures, mended.pictures, held.pictures]
sheet = np.concatenate([np.concatenate([as_pixels(one) for one in row[:4]], axis=1) for row in rows])
Image.fromarray(sheet).resize((4 * 150, 3 * 150), Image.Resampling.BICUBIC)

# %% [markdown]
# Small and blurred, but the holes are closed with what belongs there: grass into grass, sky into sky.
#
# ## From a text to a picture
#
# All parts in a row: a generated layout, its boxes filled with retrieved things, and the composite inpainted.
# A layout has no stuff; here it is borrowed from the validation photo above. (A model of composites writes it
# itself, after the things.) The last picture shows how little an inpainter of 48 pixels has learnt in a
# hundred steps: colours, not yet outlines.

# %% A generated layout, its composite on borrowed ground, and the inpainted composite
layout = written[best[0]].written.objects
of_name = {name: number for number, name in enumerate(composites.schema.names, start=FIRST_CLASS)}
names = [writer.schema.name(number) for number in layout.classes[0].tolist()]
classes = torch.tensor([[of_name.get(name, PAD) for name in names]])  # as the composites number them
there = classes[0] >= FIRST_CLASS
sizes = writer.schema.boxes(layout)[0, there, 2:]  # (things, 2)
things = finder.find(classes[0, there], sizes.log(), nothing_used[: len(sizes)])
stuff = scene.classes[0] >= FIRST_STUFF
pasted = Objects(
    classes=torch.cat([classes[:, there], scene.classes[:, stuff]], dim=1),
    places=torch.cat([layout.places[:, there], scene.places[:, stuff]], dim=1),
    attributes={},
    extents=torch.cat([sizes.unsqueeze(0), scene.extents[:, stuff]], dim=1),
    patches=torch.cat([things.unsqueeze(0), scene.patches[:, stuff]], dim=1),
)
panels = [draw_layout(layout, writer.schema, SIDE), kept.steps(pasted, SIDE)[-1]]
panels.append(as_pixels(inpaint(model, kept.render(pasted, EDGE), SIDE, empty_canvas(SIDE))[0]))
print(captions[best[0]])
Image.fromarray(np.concatenate(panels, axis=1))

# %% [markdown]
# ## Break it (1): any patch of the class
#
# Retrieve without looking at the box.

# %%
generator = torch.Generator().manual_seed(0)
shuffled = where[torch.randperm(len(where), generator=generator)]  # the broken line: boxes of others
random = finder.find(wanted, box_vectors(shuffled), nothing_used)
print(f"off by a factor of {misfit(nearest):.2f} with the nearest patch, of {misfit(random):.2f} with any")
assert misfit(random) - 1 > 1.5 * (misfit(nearest) - 1), (
    "any patch of the class must fit worse than the nearest"
)

# %% [markdown]
# ## Break it (2): paste without masks
#
# Paste whole rectangles instead of what is inside the mask. How many pixels have the class that they have in
# the photo's own composite?

# %%
patches = store.patches(filled(nearest).patches.clamp(min=0).numpy())
rectangles = replace(patches, masks=torch.ones_like(patches.masks))  # the broken line
true_patches = composites.stores["val"].patches(scenes.patches.numpy())
shape, edges = (96, 96), composites.schema.boxes(scenes)
kinds = {"own": true_patches, "masks": patches, "rectangles": rectangles}
drawn = {name: render(scenes.classes, edges, one, shape, FIRST_STUFF) for name, one in kinds.items()}
right = {
    name: float((drawn[name].labels == drawn["own"].labels).float().mean())
    for name in ("masks", "rectangles")
}
print({name: f"{share:.0%} of the pixels have the right class" for name, share in right.items()})
assert right["rectangles"] < right["masks"] - 0.02, "rectangles must cover what masks leave free"

# %% [markdown]
# ## Break it (3): stuff covers as well
#
# Stuff only fills free pixels. Let it cover what is there, as things do, by moving the first class of stuff
# beyond the last class.

# %%
beyond = composites.schema.classes  # the broken line; FIRST_STUFF is right
covered = render(scenes.classes, edges, patches, shape, beyond)
is_thing = (drawn["masks"].labels >= FIRST_CLASS) & (drawn["masks"].labels < FIRST_STUFF)
still = (covered.labels >= FIRST_CLASS) & (covered.labels < FIRST_STUFF)
print(f"pixels of things: {is_thing.float().mean():.1%}, when stuff covers {still.float().mean():.1%}")
assert still.sum() < 0.9 * is_thing.sum(), "when stuff covers, a tenth of the things' pixels must disappear"
folder.cleanup()

# %% [markdown]
# ## To think about
#
# 1. A patch brings its own light, grain and direction. What would you add to $(\log w, \log h)$, and how
#    would you learn it? (The paper trains a vector with a triplet loss: the right patch should be nearer than
#    another of its class.)
# 2. The paste order decides who stands in front. The layouts of this lesson put the box with the lowest
#    bottom edge first. Is that the right order for pasting?
# 3. Each word of the text has been through attention, a class, a box, a patch and a net that blurs. Where
#    would you measure whether the picture still says what the text says?
