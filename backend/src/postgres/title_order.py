"""The alphabetical order of titles, as a person sorts: what is stored beside each title, to be compared by code points.

Computed here because collations differ between servers (and the embedded one has no ICU), and code points do not. The
order is that of the CLDR root collation at its first level: white space, signs, currencies, digits, then Latin, Greek
and Cyrillic letters whatever their case and accents, then everything else by code point. Signs that are not in the
list below, emoji among them, come behind those that are, by code point too.
"""

import re
from functools import lru_cache
from unicodedata import normalize

from src.postgres.title_letters import CYRILLIC, GREEK, LATIN, SAME

MAX_KEY = 200  # characters, since folding can lengthen a text and a B-tree entry holds 2704 bytes at most

_LAST = "\U0010ffff"  # sorts behind every character that a key can hold
# Each key begins with it, none of an earlier order does, and those sort before it: so old keys are found by one
# comparison. Whoever changes what a title is sorted by changes the figure, and renews what is stored.
MARK = _LAST + "2"

_SIGNS = (
    "_-‐‒–—―⁓〜,、;⁏:!¡?¿‽.。·⁕⁖⁘⁙⁚⁛⁜⁝⁞'‹›\"«»()[]{}⁅⁆〈〉《》「」『』【】〔〕〖〗〘〙〚〛‖§¶⁋@*⁎⁑/\\&⁊#%‰‱†‡•‣‧⁃⁌⁍′‵〃‸※‿⁀⁁⁂"
    "`^°©®+±÷×<=>|¦¬~⁄"
)
_CURRENCIES = "¤¢$£¥฿₠₡₢₣₤₥₦₩₪₫€₭₮₯₰₱₲₳₴₵₶₷₸₹₺₻₼₽₾₿⃀"
_QUOTES = {"'": "‘’‚‛", '"': "“”„‟"}
# By block and not by category, so that the next version of Unicode moves nothing.
SPACES = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
OTHER_SIGNS = r"\u2010-\u2027\u2030-\u205e\u2190-\u2bff\u3001-\u3003\u3008-\u3020\u3030\U0001f000-\U0001fbff"
NOTHING = (
    r"\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5"
    r"\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u061c\u115f\u1160"
    r"\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20ff\u3164\ufe00-\ufe0f"
    r"\ufe20-\ufe2f\ufeff\uffa0\U000e0000-\U000e0fff"
)
CATALAN_L = r"([lL])\u00b7"  # the point in "col·lecció" is no sign
_catalan_l = re.compile(CATALAN_L)
_space, _other_sign, _nothing = (re.compile(f"[{characters}]").match for characters in (SPACES, OTHER_SIGNS, NOTHING))


def title_key(title: str) -> str:
    """Return what a title is sorted by, so that "Éclair" stands between "dill" and "egg"."""
    if title.isascii():
        return (MARK + title.translate(_ASCII))[:MAX_KEY]
    return (MARK + "".join(map(key_of, _catalan_l.sub(r"\1", normalize("NFKC", title)))))[:MAX_KEY]


@lru_cache(maxsize=2048)
def key_of(character: str) -> str:
    """Return what one character of a title in NFKC is sorted by."""
    return "".join(map(_place, _letters(character)))


def is_listed(character: str) -> bool:
    """Whether it is, or consists of, what the three scripts and the signs have; else `unlisted` says its key."""
    return character in _PLACES or _letters(character) != character


def _letters(character: str) -> str:
    letters = character.casefold()
    if letters not in _PLACES:
        decomposed = normalize("NFD", character)
        if decomposed[0] < "\u0530":  # beyond the three scripts, every character is itself
            letters = "".join(part for part in decomposed if not _nothing(part)).casefold()
    return letters


def _place(character: str) -> str:
    place = _PLACES.get(character)
    return unlisted(character) if place is None else place


def unlisted(character: str) -> str:
    """Return what a character is sorted by that is no letter of the three scripts and none of the listed signs."""
    if _space(character):
        return " "
    if _nothing(character):
        return ""
    return f'"{character}' if _other_sign(character) else character


def _places() -> dict[str, str]:
    """Say for each listed character what stands for it: what comes earlier in the order has the lower code points.

    Letters between two of a to z are the former, and what sorts behind all its words. The other scripts are numbered
    anew within their blocks.
    """
    places = {sign: f"!{chr(0x21 + place)}" for place, sign in enumerate(_SIGNS)}
    places |= {sign: f"#{chr(0x21 + place)}" for place, sign in enumerate(_CURRENCIES)}
    places |= {quote: places[sign] for sign, quotes in _QUOTES.items() for quote in quotes}
    for row in LATIN:
        places |= {letter: f"{row[0]}{_LAST}{chr(0x20 + place)}" for place, letter in enumerate(row)}
        places[row[0]] = row[0]
    for start, letters in (("\u0370", GREEK), ("\u0400", CYRILLIC)):
        places |= {letter: chr(ord(start) + place) for place, letter in enumerate(letters)}
    for pair in SAME.split():
        letter, same = pair.split("=")
        places[letter] = "".join(places[one] for one in same)
    return places


_PLACES = _places()
_ASCII = {ord(character): key_of(character) for character in map(chr, range(128))}
