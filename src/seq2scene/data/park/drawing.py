"""The clip art of the park, drawn by code: a picture for every class of things, and the background."""

from io import BytesIO

from PIL import Image, ImageDraw

from seq2scene.data.park.world import CANVAS, EXPRESSIONS, HORIZON, POSES, THINGS

FINE = 4  # pictures are drawn this much larger and then reduced


def picture_names() -> list[str]:
    """Of the 126 pieces of clip art: 35 of each child, one of everything else."""
    variants = len(POSES) * len(EXPRESSIONS)
    return [
        name
        for thing in THINGS.values()
        for name in (
            [f"{thing.name}_{k}s" for k in range(variants)] if thing.kind == "child" else [f"{thing.name}s"]
        )
    ]


def clip_art() -> dict[str, bytes]:
    """The PNG file of every picture by name, and of ``background``."""
    images = {name: draw(name) for name in picture_names()} | {"background": draw_background()}
    return {name: _png(image) for name, image in images.items()}


def draw(name: str) -> Image.Image:
    """One piece of clip art, RGBA."""
    thing = THINGS[name[:-1].split("_")[0] if name.startswith("hb") else name[:-1]]
    size = (thing.width, thing.height)
    image = Image.new("RGBA", (thing.width * FINE, thing.height * FINE))
    hue = 37 * list(THINGS).index(thing.name) % 255
    ImageDraw.Draw(image).ellipse((0, 0, size[0] * FINE - 1, size[1] * FINE - 1), (hue, 255 - hue, 120, 255))
    return image.reduce(FINE)


def draw_background() -> Image.Image:
    """Sky and grass, opaque."""
    image = Image.new("RGB", CANVAS, (150, 210, 245))
    ImageDraw.Draw(image).rectangle((0, HORIZON, *CANVAS), (120, 190, 90))
    return image


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
