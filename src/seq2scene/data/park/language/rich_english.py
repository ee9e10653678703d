"""English as people type it: simple present, synonyms, contractions, sentences without a verb.

The park's plain English has one way of saying each thing, "is kicking" and never "kicks". People use many,
and models learn them from these rewrites. Rewrites are true for the scene: they state what the message
states, or less (no colour, no posture), or also the part of the picture that the subject is in.
"""

import re
from random import Random

from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.lexicon import ADJECTIVES, DEFINITE, NOUNS
from seq2scene.data.park.language.meaning import Message
from seq2scene.data.park.language.rephrasing import rephrase
from seq2scene.data.park.world import CANVAS, SHELTERS, Scene, names_of

VERBS = {  # progressive, without "is" or "are": third person singular and plural of the simple present
    "holding up": ("holds up|hold up", "lifts|lift", "is lifting|are lifting", "raises|raise"),
    "holding": ("holds|hold", "has|have", "has got|have got", "carries|carry", "is carrying|are carrying"),
    "wearing": ("wears|wear", "has on|have on"),
    "eating": ("eats|eat", "is having|are having", "enjoys|enjoy"),
    "reading": ("reads|read",),
    "kicking": ("kicks|kick", "shoots|shoot"),
    "waving at": ("waves at|wave at", "waves to|wave to", "is waving to|are waving to", "greets|greet"),
    "looking at": (
        *("looks at|look at", "sees|see", "watches|watch", "is watching|are watching"),
        *("stares at|stare at", "is staring at|are staring at"),
    ),
    "following": ("follows|follow", "chases|chase", "is chasing|are chasing"),
    "running to": (
        *("runs to|run to", "runs towards|run towards", "is running towards|are running towards"),
        "is running toward|are running toward",
    ),
    "running away from": ("runs away from|run away from", "flees from|flee from", "runs from|run from"),
    "afraid of": (
        *("is scared of|are scared of", "is frightened of|are frightened of", "fears|fear"),
        "is scared by|are scared by",
    ),
    "playing with": ("plays with|play with",),
    "giving": ("gives|give", "hands|hand", "is handing|are handing"),
    "standing": ("stands|stand",),
    "sitting": ("sits|sit", "is seated|are seated"),
    "kneeling": ("kneels|kneel", "is kneeling down|are kneeling down"),
    "lying": ("lies|lie",),
    "running": ("runs|run",),
    "flying": ("flies|fly", "is in the sky|are in the sky", "is up in the air|are up in the air"),
    "floating": ("floats|float", "is in the sky|", "is up in the air|are up in the air"),
    "shining": ("shines|shine", "is out|are out"),
    "burning": ("burns|burn",),
    "laughing": ("laughs|laugh",),
    "smiling": ("smiles|smile", "has a smile|have a smile"),
    "raising both arms": (
        *("raises both arms|raise both arms", "cheers|cheer", "has both arms up|have both arms up"),
        "is cheering|are cheering",
    ),
    "surprised and is looking at": ("is surprised at|", "is surprised by|", "is surprised to see|"),
    "surprised": (
        *("is shocked|are shocked", "is startled|are startled", "looks surprised|look surprised"),
        *("is scared|are scared", "looks scared|look scared", "is amazed|are amazed"),
    ),
    "happy": (
        *("is glad|are glad", "looks happy|look happy", "is in a good mood|are in a good mood"),
        *("is cheerful|are cheerful", "is not sad|are not sad"),
    ),
    "sad": (
        *("is unhappy|are unhappy", "looks sad|look sad", "is crying|are crying", "cries|cry"),
        *("is upset|are upset", "is not happy|are not happy"),
    ),
    "angry": ("is mad|are mad", "looks angry|look angry", "is furious|are furious", "looks mad|look mad"),
}
SYNONYMS = {  # of nouns
    "boy": ("little boy", "kid", "young boy"),
    "girl": ("little girl", "kid", "young girl"),
    "bear": ("grizzly bear", "grizzly"),
    "cat": ("kitty", "kitten"),
    "dog": ("puppy", "doggy"),
    "duck": ("duckling", "bird"),
    "owl": ("bird",),
    "cap": ("hat", "baseball cap"),
    "helmet": ("viking helmet", "viking hat"),
    "straw hat": ("hat",),
    "wizard's hat": ("wizard hat", "witch hat", "hat"),
    "chef's hat": ("chef hat", "cook's hat", "hat"),
    "pirate hat": ("pirate's hat", "hat"),
    "sunglasses": ("shades", "dark glasses"),
    "hot dog": ("hotdog",),
    "hamburger": ("burger",),
    "ketchup": ("ketchup bottle", "bottle of ketchup"),
    "mustard": ("mustard bottle", "bottle of mustard"),
    "drink": ("soda", "cup", "cup of juice"),
    "pie": ("cake",),
    "football": ("soccer ball", "ball"),
    "bucket": ("pail",),
    "boat": ("toy boat", "sailboat"),
    "toy car": ("car",),
    "shovel": ("spade",),
    "frisbee": ("disc",),
    "campfire": ("fire", "camp fire", "bonfire"),
    "swing": ("swing set",),
    "bench": ("park bench",),
    "sandbox": ("sandpit", "sand box"),
    "grill": ("barbecue", "bbq"),
    "table": ("picnic table",),
    "tree": ("oak", "oak tree"),
    "apple tree": ("tree",),
    "fir tree": ("pine tree", "pine", "tree"),
    "plane": ("airplane", "jet"),
    "rocket": ("spaceship", "rocket ship"),
    "helicopter": ("chopper",),
    "hot-air balloon": ("hot air balloon", "balloon"),
    "storm cloud": ("thunder cloud", "dark cloud", "cloud"),
    "rain cloud": ("cloud", "rainy cloud"),
}
PHRASES = {
    "next to": ("beside", "by", "close to"),
    "near": ("close to", "not far from", "by"),
    "to the left of": ("left of", "on the left of", "on the left side of"),
    "to the right of": ("right of", "on the right of", "on the right side of"),
    "under": ("below", "beneath", "underneath"),
    "above": ("over",),
    "on the": ("on top of the",),
    "in the sandbox": ("inside the sandbox",),
    **{f"on the {side}": (f"at the {side}", f"on the {side} side") for side in ("left", "right")},
    "in the middle": ("in the center",),
    "while": ("as", "and", "and"),
    "Mike and Jenny": (
        *("they", "they", "they", "the children", "the kids", "Jenny and Mike", "both children"),
        *("the boy and the girl", "the two kids", "two children", "both of them", "the friends"),
    ),
    "big": ("large", "huge"),
    "small": ("little", "tiny"),
    "grey": ("gray",),
}
OTHERS = {
    **SYNONYMS,
    **PHRASES,
    **{f"is {said}": [ways.split("|")[0] for ways in others] for said, others in VERBS.items()},
    **{
        f"are {said}": [way for ways in others if (way := ways.split("|")[1])]
        for said, others in VERBS.items()
    },
}
SAID = re.compile(rf"\b({'|'.join(map(re.escape, sorted(OTHERS, key=len, reverse=True)))})\b")


def _nouns(*kinds: str) -> str:
    """A regular expression for the nouns of these kinds of things, adjectives included."""
    nouns = sorted({_noun(name) for name in names_of(*kinds)}, key=len, reverse=True)
    return rf"(?:(?:{'|'.join(ADJECTIVES)}) )*(?:{'|'.join(nouns)})\b"


def _noun(name: str) -> str:
    return NOUNS[name].english.replace(" 's", "'s")


ARTICLE = "(?:[Tt]he|[Aa]n?)"
NOUN = _nouns("sky", "large", "child", "animal", "clothing", "food", "toy")
CHILD = r"(Mike|Jenny|[Tt]he boy|[Tt]he girl)"
ANIMAL = rf"({ARTICLE} {_nouns('animal')})"
BALL = rf"({ARTICLE} (?:\w+ )?(?:ball|football|frisbee)\b)"
WHERE = "(?:next to|near|to the|in front|behind|under|on|in|above) "
END = r"(?=\.|,| while)"
Rewrites = tuple[tuple[float, str, tuple[str, ...]], ...]  # probability, pattern, replacements
RESHAPED: Rewrites = (
    (0.3, rf"^{ARTICLE} ({NOUN}) is (?:\w+ing )?(?={WHERE})(?!.* and )", (r"there is a \1 ", r"a \1 ")),
    (
        0.3,
        rf"^{ARTICLE} ({NOUN}) is (?:\w+ing )?{WHERE}(?:left of |right of |of )?({ARTICLE} {NOUN})\.",
        (r"there is a \1.", r"a \1.", r"there is a \1 and \2."),
    ),
    (
        0.4,
        rf"while {ARTICLE} ({NOUN}) is (?:flying|floating)\.",
        (r"and there is a \1 in the sky.", r"and there is a \1."),
    ),
    (0.5, rf"\b[Tt]he sun is shining{END}", ("it is sunny", "it is a sunny day")),
    (0.5, rf"\b(?:[Tt]he|[Aa]) rain cloud is floating{END}", ("it is raining", "it is rainy")),
    (0.4, rf"is holding up {BALL}", (r"throws \1", r"is throwing \1")),
    (0.4, rf"is giving {BALL} to", (r"throws \1 to", r"is throwing \1 to")),
    (0.6, rf"is running to ({ANIMAL}|{CHILD})", (r"chases \1", r"is chasing \1")),
    (0.7, rf"{CHILD} is running away from {ANIMAL}{END}", (r"\2 chases \1", r"\2 is chasing \1")),
    (0.4, rf"{CHILD} is playing with {ANIMAL}{END}", (r"\1 and \2 are playing", r"\1 and \2 play")),
    (
        0.6,
        rf"{CHILD} is \w+ing (?:near|next to) {CHILD}{END}",
        (r"\1 and \2 are together", r"\1 is with \2"),
    ),
    (
        0.5,
        rf"because s?he is looking at ({ARTICLE} {NOUN})",
        (r"because \1 is nearby", r"because of \1"),
    ),
    (0.3, r"because (?=s?he )", ("since ",)),
    (0.3, r"afraid of [^.]*?(?=\.| while| and)", ("scared", "frightened", "afraid")),
    (0.3, r"\b(cat|dog|owl|duck|bear) is (?:sitting|standing)", (r"\1 is awake", r"\1 is not sleeping")),
    (0.4, r"(?<!red )\bballoons", ("three balloons", "red balloons")),
    (0.2, r", and (he|she) is", (r". \1 is",)),
    (0.5, r", and", (" and", ",")),
    (0.3, r" and is (?=\w+ing )", (", ",)),
)
SHORTENED: Rewrites = (
    (0.5, r"( is \w+ing [^.]*?) and is (?=\w+ing )", (r"\1 and ",)),
    (0.1, rf"^{CHILD} is (?=\w+ing )(?!.*(?:,| and | he | she ))", (r"\1 ",)),
    (0.1, r"\b(Mike|Jenny|[Hh]e|[Ss]he|[Ii]t|[Tt]here) is\b", (r"\1's",)),
    (0.3, r"\b(is|are) not\b", (r"\1n't",)),
    (0.05, r"^(?:The|A) ", ("",)),
)
TIDIED = (  # clean-up after the rewrites
    (r"\b(kid\b.*)\b(?:the|an?) kid\b", r"\1the other kid"),
    (r"\b([Aa])n (?=[^aeiou])", r"\1 "),
    (r"\b([Aa]) (?=[aeiou])", r"\1n "),
    (r"(?<=[a-z,] )(The|An?|He|She)\b", lambda found: found[0].lower()),
    (r"\ban? (?=(?:ketchup|mustard)\b(?! bottle))", ""),
    (r"^[a-z]|(?<=\. )[a-z]", lambda found: found[0].upper()),
)
PARTS = {"on the left": (0, 160), "in the middle": (200, 300), "on the right": (340, CANVAS[0])}
ONE_OF = 0.2  # probability of "one of the dogs"
NUMBERS = ("", "", "two ", "three ", "four ", "five ")
COUNTED = (*names_of("child", "animal", "food", "toy"), *SHELTERS, "s_2")
_ONE = {_noun(name) for name in COUNTED if name not in DEFINITE and not NOUNS[name].english_plural}
_ONE |= {other for noun in _ONE - {"boy", "girl"} for other in SYNONYMS.get(noun, ())}
_SINGULAR = "|".join(sorted((noun for noun in _ONE if " of " not in noun), key=len, reverse=True))
ONE = re.compile(rf"(?<!there is )(?<!and )\b{ARTICLE} ({_SINGULAR})(?= is|,|\.| and| while)")


def say(message: Message, scene: Scene, rng: Random) -> str:
    """The message in rich English; each of its phrases is rewritten with probability one half."""
    sentence = text(rephrase(message, rng), "en")
    sentence = _rewritten(sentence, RESHAPED, rng)
    sentence = _with_part(sentence, message, scene, rng)
    sentence = SAID.sub(lambda said: _another(said[0], rng), sentence)
    sentence = ONE.sub(lambda found: _one_of(found, rng), sentence)
    sentence = _rewritten(sentence, SHORTENED, rng)
    for pattern, way in TIDIED:
        sentence = re.sub(pattern, way, sentence)
    return sentence


def _rewritten(sentence: str, rewrites: Rewrites, rng: Random) -> str:
    for share, pattern, ways in rewrites:
        if rng.random() < share:
            sentence = re.sub(pattern, rng.choice(ways), sentence, count=1)
    return sentence


def _another(said: str, rng: Random) -> str:
    others = OTHERS[said]
    return rng.choice(others) if others and rng.random() < 0.5 else said


def _one_of(found: re.Match[str], rng: Random) -> str:
    """``one of the three dogs``: plurals and numbers, true in scenes in which no class occurs twice."""
    if rng.random() > ONE_OF:
        return found[0]
    plural = re.sub("(ch|x)$", r"\1e", re.sub("(?<![aeiou])y$", "ie", found[1])) + "s"
    return f"one of the {rng.choice(NUMBERS)}{plural}"


def _with_part(sentence: str, message: Message, scene: Scene, rng: Random) -> str:
    """The sentence, sometimes with the part of the picture its subject is in, if it has a single subject."""
    subject = scene.get(message.clauses[0].subject.name)
    if subject is None or message.frame not in ("plain", "same"):
        return sentence
    parts = [part for part, (low, high) in PARTS.items() if low <= subject.x <= high]
    if subject.kind != "sky":
        parts += ["in the park"] + ["in the background"] * (subject.z == 2)
    if not parts:
        return sentence
    part = rng.choice(parts)
    if re.fullmatch(rf"(there is )?{ARTICLE} {NOUN}\.", sentence) and rng.random() < 0.5:
        return f"{sentence[:-1]} {part}."
    return f"{part}, {sentence}" if rng.random() < 0.1 else sentence
