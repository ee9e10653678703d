"""The translation lab: a sentence in, its translations out, with the search and the alignment behind them."""

from seq2scene.app.room import Room
from seq2scene.app.text_actions import accepts, actions

TRANSLATION_ROOM = Room(name="translation", title="Translation", accepts=accepts, actions=actions(accepts))
