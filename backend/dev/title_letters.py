"""`python -m dev.title_letters`: writes postgres/title_letters.py anew from the CLDR root collation (needs Node.js).

Node.js brings ICU, and ICU the root collation; only the order is taken from it: which letters are one letter to a
person, which are two, and what comes after what.
"""

import json
import shutil
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "src" / "postgres" / "title_letters.py"

_ORDER = r"""
const root = new Intl.Collator("und", { sensitivity: "base" });
const letters = [];
for (let point = 0; point < 0x110000; point++) {
  const letter = String.fromCodePoint(point);
  if (/^[\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}]$/u.test(letter) && /^\p{L}$/u.test(letter)) letters.push(letter);
}
letters.sort((one, other) => root.compare(one, other) || (one < other ? -1 : 1));
const groups = [];
for (const letter of letters) {
  if (groups.length && root.compare(groups.at(-1).letters[0], letter) === 0) groups.at(-1).letters.push(letter);
  else groups.push({ letters: [letter], parts: null });
}
// What sorts as several letters follows the first of them, before the next letter of its own.
const seconds = groups.map((group) => group.letters[0]);
const plain = [..."abcdefghijklmnopqrstuvwxyzαβγδεζηθικλμνξοπρστυφχψω"];
for (const one of plain) for (const other of plain) seconds.push(one + other);
let before = null;
for (const group of groups) {
  const rest = before && seconds.find((letters) => root.compare(before + letters, group.letters[0]) === 0);
  if (rest) group.parts = [before, ...rest];
  else before = group.letters[0];
}
console.log(JSON.stringify({ source: `CLDR ${process.versions.cldr}, ICU ${process.versions.icu}`, groups }));
"""


def main() -> None:
    """Ask for the order and write the module."""
    node = shutil.which("node") or sys.exit("Node.js is needed")
    command = [node, "-e", _ORDER]
    answered = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603  # a fixed list, no shell
    answer = json.loads(answered.stdout)
    TARGET.write_text(rendered(answer["groups"], answer["source"]), encoding="utf-8")


def rendered(groups: list[dict[str, list[str]]], source: str) -> str:
    """Return the module's text."""
    heads = {letter: _head(group["letters"]) for group in groups for letter in group["letters"]}
    alone = [heads[group["letters"][0]] for group in groups if not group["parts"]]
    alone = [letter for letter in alone if _folded(letter) == letter]
    same = {
        letter: target
        for group in groups
        for letter in map(_folded, group["letters"])
        if letter in heads and letter not in alone
        for target in ["".join(heads[one] for one in group["parts"] or group["letters"][:1])]
        if target != _base(letter) and set(target) <= set(alone)
    }
    latin = _between(alone, "a", "α")
    rows = [first + row for first, row in _by_base(latin)]
    body = [f'"""The letters of three scripts in the order of the CLDR root collation ({source}).', ""]
    body += ["Written by `python -m dev.title_letters`.", '"""', "", "# fmt: off"]
    body += ["# Each letter from a to z, and behind it the letters that come between it and the next."]
    body += ["LATIN = (", *(f'    "{row}",' for row in rows), ")"]
    for name, letters in (("GREEK", _between(alone, "α", "а")), ("CYRILLIC", _between(alone, "а", None))):
        body += [f"{name} = (", *(f'    "{row}"' for row in textwrap.wrap("".join(letters), 100)), ")"]
    pairs = textwrap.wrap(" ".join(f"{letter}={target}" for letter, target in sorted(same.items())), 100)
    body += ["# What a person takes for other letters though Unicode does not decompose it."]
    body += ["SAME = (", *(f'    "{row} "' for row in pairs), ")"]
    return "\n".join(body) + "\n"


def _folded(letter: str) -> str:
    return unicodedata.normalize("NFKC", letter).casefold()


def _base(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _head(letters: list[str]) -> str:
    """Return the plainest of letters that are one: what folding leaves as it is, and no accent."""
    plain = [letter for letter in letters if _base(_folded(letter)) == letter]
    composed = [letter for letter in letters if _folded(letter) == letter]
    return (plain or composed or letters)[0]


def _between(letters: list[str], first: str, beyond: str | None) -> list[str]:
    return letters[letters.index(first) : letters.index(beyond) if beyond else None]


def _by_base(letters: list[str]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for letter in letters:
        if letter.isascii():
            rows.append((letter, ""))
        else:
            rows[-1] = (rows[-1][0], rows[-1][1] + letter)
    return rows


if __name__ == "__main__":
    main()
