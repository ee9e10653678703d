"""The Penn Treebank's tokenizer, after Robert MacIntyre's sed script and its version in NLTK
(``TreebankWordTokenizer``), whose tokens these are. Importing NLTK would take longer than PyTorch.
"""

import re

RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # opening quotes
        (r"^\"", r"``"),
        (r"(``)", r" \1 "),
        (r"([ (\[{<])(\"|'{2})", r"\1 `` "),
        # punctuation
        (r"([:,])([^\d])", r" \1 \2"),
        (r"([:,])$", r" \1 "),
        (r"\.\.\.", r" ... "),
        (r"[;@#$%&]", r" \g<0> "),
        (r"([^\.])(\.)([\]\)}>\"']*)\s*$", r"\1 \2\3 "),  # the last full stop alone
        (r"[?!]", r" \g<0> "),
        (r"([^'])' ", r"\1 ' "),
        (r"[\]\[\(\)\{\}\<\>]", r" \g<0> "),
        (r"--", r" -- "),
        # closing quotes and what follows an apostrophe
        (r"\A|\Z", " "),
        (r"''", " '' "),
        (r"\"", " '' "),
        (r"([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
        (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
        # contractions
        (r"(?i)\b(can)(not)\b", r" \1 \2 "),
        (r"(?i)\b(d)('ye)\b", r" \1 \2 "),
        (r"(?i)\b(gim)(me)\b", r" \1 \2 "),
        (r"(?i)\b(gon)(na)\b", r" \1 \2 "),
        (r"(?i)\b(got)(ta)\b", r" \1 \2 "),
        (r"(?i)\b(lem)(me)\b", r" \1 \2 "),
        (r"(?i)\b(more)('n)\b", r" \1 \2 "),
        (r"(?i)\b(wan)(na)(?=\s)", r" \1 \2 "),
        (r"(?i) ('t)(is)\b", r" \1 \2 "),
        (r"(?i) ('t)(was)\b", r" \1 \2 "),
    )
]


def treebank_tokens(text: str) -> list[str]:
    """The tokens of a sentence: "doesn't" is "does" and "n't", and double quotes become `` and ''."""
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text.split()
