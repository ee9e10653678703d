"""The rooms of the page, in the order in which it shows them."""

from seq2scene.app.attention_room import ATTENTION_ROOM
from seq2scene.app.caption_room import CAPTION_ROOM
from seq2scene.app.composite_room import COMPOSITE_ROOM
from seq2scene.app.layout_room import LAYOUT_ROOM
from seq2scene.app.room import Room
from seq2scene.app.scene_room import SCENE_ROOM
from seq2scene.app.translation_room import TRANSLATION_ROOM

ROOMS: tuple[Room, ...] = (
    SCENE_ROOM,
    LAYOUT_ROOM,
    COMPOSITE_ROOM,
    TRANSLATION_ROOM,
    ATTENTION_ROOM,
    CAPTION_ROOM,
)
