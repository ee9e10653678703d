"""Typed text: characters that no word of a vocabulary has, in the form in which its words have them.

Phones, word processors and web pages write what training text rarely contains: typographic quotes and
dashes, non-breaking spaces, full-width letters, accents as characters of their own, and invisible marks, such
as those of writing direction. Each of them would make a known word unknown.
"""

import re
import unicodedata
from collections.abc import Set

PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        **dict.fromkeys("\u2014\u2015", " - "),  # as Moses
    }
)
MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"  # accents that follow their letter
CLUSTER = re.compile(rf"[^\x00-\x7f{MARKS}][{MARKS}]*|[\x00-\x7f]?[{MARKS}]+")
SELECTORS = range(0xFE00, 0xFE10)  # of a glyph's variants


def readable(text: str, alphabet: Set[str]) -> str:
    """A text whose characters are ASCII or of the alphabet, in either case, as far as they have a form that
    is: composed, decomposed, of compatibility (NFKC), or the plain quote, dash or space; invisible ones are
    left out. Other characters stay, composed, so that their words are unknown.
    """
    return text if text.isascii() else CLUSTER.sub(lambda found: _form(found[0], alphabet), text)


def _form(cluster: str, alphabet: Set[str]) -> str:
    composed = unicodedata.normalize("NFC", cluster)
    forms = (
        cluster,
        composed,
        unicodedata.normalize("NFD", cluster),
        unicodedata.normalize("NFKC", cluster.translate(PLAIN)),
        "".join(" " if one.isspace() else one for one in cluster if not _is_invisible(one)),
    )
    return next((one for one in forms if all(_is_known(sign, alphabet) for sign in one)), composed)


def _is_known(sign: str, alphabet: Set[str]) -> bool:
    return sign.isascii() or not alphabet.isdisjoint((sign, sign.lower(), sign.upper()))


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign) == "Cf" or ord(sign) in SELECTORS
