"""The alphabetical order of titles, as a person sorts. Rank 0: imports nothing of ours."""

import unicodedata

MAX_KEY = 200  # characters


def title_key(title: str) -> str:
    """Return what a title is sorted by: case and accents folded, so that "Éclair" stands between "dill" and "egg".

    It is stored beside the title because collations differ between servers, and code points do not.
    Cut, because folding can lengthen a text and a B-tree entry holds 2704 bytes at most.
    """
    letters = unicodedata.normalize("NFD", title.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))[:MAX_KEY]
