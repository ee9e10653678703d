"""Other ways to say in English what the park's sentences say: simple present, synonyms, verbless sentences.

The park itself has one way of saying each thing, "is kicking" and never "kicks". People who type texts have
many, and a model that is to read those learns from these.
"""

import re
from random import Random

VERBS = {  # the progressive, without "is" or "are": what he, she or it does, and what they do
    "holding up": ("holds up|hold up", "lifts|lift", "is lifting|are lifting", "raises|raise"),
    "holding": ("holds|hold", "has|have", "carries|carry", "is carrying|are carrying"),
    "wearing": ("wears|wear", "has on|have on"),
    "eating": ("eats|eat", "is having|are having"),
    "reading": ("reads|read",),
    "kicking": ("kicks|kick", "shoots|shoot"),
    "waving at": ("waves at|wave at", "waves to|wave to", "is waving to|are waving to"),
    "looking at": ("looks at|look at", "sees|see", "watches|watch", "is watching|are watching"),
    "following": ("follows|follow",),
    "running to": (
        "runs to|run to",
        "runs towards|run towards",
        "is running towards|are running towards",
        "runs toward|run toward",
    ),
    "running away from": ("runs away from|run away from", "flees from|flee from", "runs from|run from"),
    "afraid of": ("is scared of|are scared of", "is frightened of|are frightened of", "fears|fear"),
    "playing with": ("plays with|play with",),
    "giving": ("gives|give", "hands|hand"),
    "standing": ("stands|stand",),
    "sitting": ("sits|sit", "is seated|are seated"),
    "kneeling": ("kneels|kneel",),
    "lying": ("lies|lie",),
    "running": ("runs|run",),
    "flying": ("flies|fly", "is in the sky|are in the sky"),
    "floating": ("floats|float", "is in the sky|are in the sky"),
    "shining": ("shines|shine", "is out|are out"),
    "burning": ("burns|burn",),
    "laughing": ("laughs|laugh",),
    "smiling": ("smiles|smile",),
    "raising both arms": (
        "raises both arms|raise both arms",
        "cheers|cheer",
        "has both arms up|have both arms up",
    ),
    "surprised and is looking at": ("is surprised at|", "is surprised by|", "is surprised to see|"),
    "surprised": ("is shocked|are shocked", "is startled|are startled", "looks surprised|look surprised"),
    "happy": ("is glad|are glad", "looks happy|look happy", "is in a good mood|are in a good mood"),
    "sad": ("is unhappy|are unhappy", "looks sad|look sad"),
    "angry": ("is mad|are mad", "looks angry|look angry"),
}
PHRASES = {
    "next to": ("beside", "by"),
    "near": ("close to", "not far from"),
    "to the left of": ("left of", "on the left of"),
    "to the right of": ("right of", "on the right of"),
    "under": ("below", "beneath", "underneath"),
    "above": ("over",),
    "on the": ("on top of the",),
    "far from": ("far away from",),
    "while": ("as", "and"),
    "Mike and Jenny": ("the children", "the kids", "Jenny and Mike", "both children"),
    "big": ("large", "huge"),
    "small": ("little", "tiny"),
    "grey": ("gray",),
    **{f"{colour} ball": ("ball", f"{colour} ball") for colour in ("red", "blue", "green")},
    **{f"{colour} cap": ("cap", "hat", f"{colour} hat") for colour in ("red", "blue")},
    "hot dog": ("hotdog",),
    "hamburger": ("burger",),
    "drink": ("soda",),
    "plane": ("airplane",),
    "fir tree": ("pine tree", "pine"),
    "sandbox": ("sandpit",),
    "grill": ("barbecue",),
    "campfire": ("fire", "camp fire"),
    "toy car": ("car",),
    "storm cloud": ("thunder cloud",),
    "wizard's hat": ("wizard hat",),
    "chef's hat": ("chef hat",),
    "frisbee": ("disc",),
}
OTHERS = {
    **PHRASES,
    **{f"is {said}": [ways.split("|")[0] for ways in others] for said, others in VERBS.items()},
    **{
        f"are {said}": [way for ways in others if (way := ways.split("|")[1])]
        for said, others in VERBS.items()
    },
}
SAID = re.compile(rf"\b({'|'.join(map(re.escape, sorted(OTHERS, key=len, reverse=True)))})\b")
PLACED = re.compile(
    r"(?:The|An?) ([a-z' -]+?) is (?=next to|near|to the|in front|behind|under|on |in |above)"
)


def vary(sentence: str, rng: Random) -> str:
    """The sentence, each of its phrases said another way in half of the cases."""
    if rng.random() < 0.4:
        sentence = PLACED.sub(rng.choice((r"There is a \1 ", r"A \1 ")), sentence, count=1)
    sentence = SAID.sub(lambda said: _another(said[0], rng), sentence)
    sentence = re.sub(r"\b([Aa])n? (?=(\w))", _article, sentence)
    return sentence[0].upper() + sentence[1:]


def _another(said: str, rng: Random) -> str:
    others = OTHERS[said]
    return rng.choice(others) if others and rng.random() < 0.5 else said


def _article(found: re.Match[str]) -> str:
    return f"{found[1]}{'n' if found[2] in 'aeiou' else ''} "
