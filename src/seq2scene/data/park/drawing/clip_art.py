"""The clip art of the park, drawn by code: a picture for every class of things, and the background.

Pictures are named as in AbstractScenes_v1.1, without ``.png``: ``s_0s``, ``hb0_12s`` (pose 2, expression 2),
``background``. They face right and have the sizes listed in ``world``.
"""

from io import BytesIO

from PIL import Image

from seq2scene.data.park.drawing.animals import ANIMALS
from seq2scene.data.park.drawing.children import draw_child
from seq2scene.data.park.drawing.clothes import CLOTHES
from seq2scene.data.park.drawing.large import LARGE
from seq2scene.data.park.drawing.pen import Colour, Pen, curve, mix
from seq2scene.data.park.drawing.sky import SKY
from seq2scene.data.park.drawing.toys import FOOD, TOYS
from seq2scene.data.park.world import CANVAS, CHILDREN, EXPRESSIONS, HORIZON, POSES, THINGS

DRAWINGS = {**SKY, **LARGE, **ANIMALS, **CLOTHES, **FOOD, **TOYS}
HEAVEN: tuple[Colour, Colour] = ((142, 204, 246), (222, 242, 252))  # at the top and at the horizon
HILLS: tuple[Colour, Colour] = ((164, 210, 150), (146, 202, 122))  # the far ones and the near ones
GRASS: tuple[Colour, Colour] = ((150, 210, 104), (104, 178, 74))  # at the horizon and at the bottom


def picture_names() -> list[str]:
    """Names of the 126 pictures: 35 of each child, one of every other class."""
    variants = range(len(POSES) * len(EXPRESSIONS))
    names = [[f"{n}_{k}s" for k in variants] if n in CHILDREN else [f"{n}s"] for n in THINGS]
    return [name for of_thing in names for name in of_thing]


def clip_art() -> dict[str, bytes]:
    """The PNG files of all pictures and of ``background``, by name."""
    images = {name: draw(name) for name in picture_names()} | {"background": draw_background()}
    return {name: _png(image) for name, image in images.items()}


def draw(picture: str) -> Image.Image:
    """The picture of this name, RGBA."""
    name = picture.removesuffix("s")
    if name in DRAWINGS:
        pen = Pen(THINGS[name].width, THINGS[name].height)
        DRAWINGS[name](pen)
        return pen.finished()
    child, variant = name.split("_")
    return draw_child(child, *divmod(int(variant), len(EXPRESSIONS)))


def draw_background() -> Image.Image:
    """Sky, hills and grass, RGB, as large as the canvas."""
    width, height = CANVAS
    pen = Pen(width, height)
    _blend(pen, 0, HORIZON, HEAVEN)
    far = curve((-20, 200), (60, 172), (150, 196), (250, 178), (350, 200), (440, 168), (520, 196))
    near = curve((-20, 196), (40, 206), (130, 188), (220, 208), (320, 190), (420, 208), (520, 188))
    for ridge, colour in zip((far, near), HILLS, strict=True):
        pen.paint(colour, [*ridge, (width, HORIZON + 5), (0, HORIZON + 5)])
    _blend(pen, HORIZON, height, GRASS)
    for k in range(1, 49):  # tufts, spread evenly but not in rows
        x = width * (0.7549 * k % 1)
        y = HORIZON + 12 + (height - HORIZON - 16) * (0.5698 * k % 1)
        size = 2 + 5 * (y - HORIZON) / (height - HORIZON)
        for lean in (-0.7, 0, 0.7):
            pen.line([(x, y), (x + lean * size, y - size)], 0.3 * size, mix(GRASS[1], (40, 120, 50), 0.35))
    return pen.finished().convert("RGB")


def _blend(pen: Pen, top: int, bottom: int, colours: tuple[Colour, Colour]) -> None:
    """A vertical gradient between two colours."""
    for y in range(top, bottom):
        share = (y - top) / (bottom - top)
        pen.paint(mix(*colours, share), [(0, y), (CANVAS[0], y), (CANVAS[0], y + 1), (0, y + 1)])


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
