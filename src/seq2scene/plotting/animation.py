"""Moving pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from seq2scene.caching import draft


def save_animation(path: Path, pictures: Sequence[np.ndarray], milliseconds: int = 600) -> None:
    """Writes a GIF of the steps, the last one shown three times as long."""
    first, *others = [Image.fromarray(picture) for picture in pictures]
    durations = [milliseconds] * len(others) + [3 * milliseconds]
    with draft(path) as part:
        first.save(part, save_all=True, append_images=others, duration=durations, loop=0)
