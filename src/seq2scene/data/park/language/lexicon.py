"""Nouns, colours and moods in English, German and French.

German gender: m, f, n, or p for a plural; weak nouns have a second form for oblique cases. French gender: m
or f, followed by p for a plural.
"""

from typing import NamedTuple


class Noun(NamedTuple):
    """The noun for a class in each language, with number or gender, and the colour it is drawn in."""

    english: str
    german: str
    german_gender: str
    french: str
    french_gender: str
    colour: str | None = None
    english_plural: bool = False
    oblique: str | None = None


NOUNS: dict[str, Noun] = {
    "s_0": Noun("helicopter", "Hubschrauber", "m", "hélicoptère", "m", "blue"),
    "s_1": Noun("hot-air balloon", "Heißluftballon", "m", "montgolfière", "f", "red"),
    "s_2": Noun("cloud", "Wolke", "f", "nuage", "m", "white"),
    "s_3": Noun("sun", "Sonne", "f", "soleil", "m"),
    "s_4": Noun("storm cloud", "Gewitterwolke", "f", "nuage d' orage", "m"),
    "s_5": Noun("rain cloud", "Regenwolke", "f", "nuage de pluie", "m"),
    "s_6": Noun("rocket", "Rakete", "f", "fusée", "f", "red"),
    "s_7": Noun("plane", "Flugzeug", "n", "avion", "m", "white"),
    "p_0": Noun("bench", "Bank", "f", "banc", "m", "grey"),
    "p_1": Noun("slide", "Rutsche", "f", "toboggan", "m", "red"),
    "p_2": Noun("sandbox", "Sandkasten", "m", "bac à sable", "m"),
    "p_3": Noun("grill", "Grill", "m", "barbecue", "m", "black"),
    "p_4": Noun("swing", "Schaukel", "f", "balançoire", "f", "green"),
    "p_5": Noun("tent", "Zelt", "n", "tente", "f", "blue"),
    "p_6": Noun("table", "Tisch", "m", "table", "f", "white"),
    "p_7": Noun("fir tree", "Tanne", "f", "sapin", "m"),
    "p_8": Noun("tree", "Baum", "m", "arbre", "m"),
    "p_9": Noun("apple tree", "Apfelbaum", "m", "pommier", "m"),
    "hb0": Noun("boy", "Junge", "m", "garçon", "m", oblique="Jungen"),
    "hb1": Noun("girl", "Mädchen", "n", "fille", "f"),
    "a_0": Noun("bear", "Bär", "m", "ours", "m", "brown", oblique="Bären"),
    "a_1": Noun("cat", "Katze", "f", "chat", "m", "grey"),
    "a_2": Noun("dog", "Hund", "m", "chien", "m", "black"),
    "a_3": Noun("duck", "Ente", "f", "canard", "m", "yellow"),
    "a_4": Noun("owl", "Eule", "f", "hibou", "m", "brown"),
    "a_5": Noun("snake", "Schlange", "f", "serpent", "m", "green"),
    "c_0": Noun("cap", "Mütze", "f", "casquette", "f", "blue"),
    "c_1": Noun("crown", "Krone", "f", "couronne", "f"),
    "c_2": Noun("chef 's hat", "Kochmütze", "f", "toque", "f", "white"),
    "c_3": Noun("pirate hat", "Piratenhut", "m", "chapeau de pirate", "m"),
    "c_4": Noun("straw hat", "Strohhut", "m", "chapeau de paille", "m"),
    "c_5": Noun("cap", "Mütze", "f", "casquette", "f", "red"),
    "c_6": Noun("wizard 's hat", "Zauberhut", "m", "chapeau de magicien", "m"),
    "c_7": Noun("helmet", "Helm", "m", "casque", "m", "grey"),
    "c_8": Noun("glasses", "Brille", "f", "lunettes", "fp", english_plural=True),
    "c_9": Noun("sunglasses", "Sonnenbrille", "f", "lunettes de soleil", "fp", english_plural=True),
    "e_0": Noun("pie", "Kuchen", "m", "tarte", "f"),
    "e_1": Noun("pizza", "Pizza", "f", "pizza", "f"),
    "e_2": Noun("hot dog", "Hotdog", "m", "hot-dog", "m"),
    "e_3": Noun("ketchup", "Ketchup", "m", "ketchup", "m"),
    "e_4": Noun("mustard", "Senf", "m", "moutarde", "f"),
    "e_5": Noun("hamburger", "Hamburger", "m", "hamburger", "m"),
    "e_6": Noun("drink", "Getränk", "n", "boisson", "f"),
    "t_0": Noun("ball", "Ball", "m", "balle", "f", "red"),
    "t_1": Noun("bucket", "Eimer", "m", "seau", "m", "yellow"),
    "t_2": Noun("ball", "Ball", "m", "balle", "f", "blue"),
    "t_3": Noun("boat", "Boot", "n", "bateau", "m", "white"),
    "t_4": Noun("football", "Fußball", "m", "ballon de football", "m"),
    "t_5": Noun("ball", "Ball", "m", "balle", "f", "green"),
    "t_6": Noun("doll", "Puppe", "f", "poupée", "f"),
    "t_7": Noun("frisbee", "Frisbee", "n", "frisbee", "m", "yellow"),
    "t_8": Noun("toy car", "Spielzeugauto", "n", "petite voiture", "f", "red"),
    "t_9": Noun("balloons", "Luftballons", "p", "ballons", "mp", "red", english_plural=True),
    "t_10": Noun("flower", "Blume", "f", "fleur", "f", "yellow"),
    "t_11": Noun("shovel", "Schaufel", "f", "pelle", "f", "green"),
    "t_12": Noun("book", "Buch", "n", "livre", "m", "blue"),
    "t_13": Noun("kite", "Drachen", "m", "cerf-volant", "m", "green"),
    "t_14": Noun("campfire", "Lagerfeuer", "n", "feu de camp", "m"),
}
NAMES = {"hb0": "Mike", "hb1": "Jenny"}
SHARED = ("c_0", "c_5", "t_0", "t_2", "t_5")  # classes that share a noun and differ in colour
DEFINITE = ("s_3", "e_3", "e_4")  # always with the definite article
RESIZABLE = (
    *("p_0", "p_5", "p_7", "p_8", "p_9"),
    *("a_0", "a_1", "a_2", "a_4", "a_5"),
    *("s_1", "s_2", "s_6", "s_7", "t_3"),
)


class Adjective(NamedTuple):
    """An adjective: the English form, the German stem, the French masculine and feminine."""

    english: str
    german: str
    french: str
    feminine: str


ADJECTIVES: dict[str, Adjective] = {
    "red": Adjective("red", "rot", "rouge", "rouge"),
    "blue": Adjective("blue", "blau", "bleu", "bleue"),
    "green": Adjective("green", "grün", "vert", "verte"),
    "yellow": Adjective("yellow", "gelb", "jaune", "jaune"),
    "white": Adjective("white", "weiß", "blanc", "blanche"),
    "black": Adjective("black", "schwarz", "noir", "noire"),
    "brown": Adjective("brown", "braun", "brun", "brune"),
    "grey": Adjective("grey", "grau", "gris", "grise"),
    "big": Adjective("big", "groß", "grand", "grande"),
    "small": Adjective("small", "klein", "petit", "petite"),
    "angry": Adjective("angry", "wütend", "fâché", "fâchée"),
    "happy": Adjective("happy", "froh", "content", "contente"),
    "sad": Adjective("sad", "traurig", "triste", "triste"),
    "surprised": Adjective("surprised", "überrascht", "surpris", "surprise"),
}
