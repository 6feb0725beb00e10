"""The order by title: what a person expects, in literal lists; and ICU's root collation, where Node.js is there."""

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise

import httpx
import psycopg2
import pytest

from src.postgres.title_letters import CYRILLIC, GREEK, LATIN, SAME
from src.postgres.title_order import title_key
from tests.test_integration import create, titles

LETTERS = "".join(LATIN) + GREEK + CYRILLIC + "".join(pair.split("=")[0] for pair in SAME.split())


@pytest.mark.parametrize(
    "in_order",
    [
        # Polish, Nordic, German, Croatian, Maltese: strokes are accents; ß, æ and œ are two letters.
        ["lampa", "Łapa", "Lodówka", "łódź", "lotnik", "mały", "mama", "Źdźbło", "Zupa"],
        ["adel", "Ære", "afgift", "næse", "nål", "nød", "øl", "olie", "oslo", "Øst"],
        ["Straße", "straw", "z"],
        ["đak", "dan", "ðar", "delo"],
        ["hat", "ħobż", "hut"],
        ["odeur", "Œuf", "offre"],
        # Compatibility letters.
        ["iglo", "ĳs", "ik"],
        ["fig", "ﬁnd", "fire", "ｆｉｓｈ"],
        ["col", "col·lecció", "colom"],
        # What is a letter of its own comes behind all words of the letter before it.
        ["ilk", "izin", "ısı", "jale"],
        ["nz", "Ŋa", "ŋb", "o"],
        ["tz", "ŧa", "Ŧb", "u"],
        ["zz", "Þa", "þb", "α"],
        # Greek and Cyrillic.
        ["ά", "Ω", "а", "Я"],
        ["λογορ", "λόγος", "λογοτ"],
        ["Ёлка", "ель", "Жук", "жыр"],
        ["где", "ґедзь", "дя", "ђак", "еда"],
        ["ищи", "іва", "Їжак", "йод", "Јад", "ќар", "кот", "лёд", "љуб", "мир"],
        # Signs, currencies, digits, letters, then the other scripts by code point.
        ["_", "-", ",", "!", "(", "@", "&", "+", "~", "🛒", "$", "€", "0", "10", "2", "a", "ω", "я", "א", "あ", "中"],
        ["ab c", "ab-c", "ab1", "abc"],
        ["“b”", '"c"', "b"],
    ],
    ids="<".join,
)
def test_titles_come_as_a_person_sorts_them(client: httpx.Client, in_order: list[str]) -> None:
    for title in random.sample(in_order, len(in_order)):
        create(client, title)
    assert titles(client, sort="title") == in_order
    pages, path = [], "/tasks?sort=title&limit=2"
    while path:
        reply = client.get(path)
        pages += [task["title"] for task in reply.json()]
        path = reply.links.get("next", {}).get("url", "")
        path = path and str(httpx.URL(str(reply.url)).join(path))
    assert pages == in_order


def test_case_and_accents_do_not_separate_words_and_ties_go_by_title(client: httpx.Client) -> None:
    for title in ("łan", "lan b", "ŁAN", "Lan", "lan", "lan a"):
        create(client, title)
    assert titles(client, sort="title") == ["Lan", "lan", "ŁAN", "łan", "lan a", "lan b"]


def test_a_changed_title_moves_beside_its_base_letter(client: httpx.Client) -> None:
    first, *_ = [create(client, title) for title in ("z", "lampa", "lotnik")]
    assert client.put(f"/tasks/{first['id']}", json={"title": "Łódź"}).status_code == 200
    assert titles(client, sort="title") == ["lampa", "Łódź", "lotnik"]


def test_the_longest_title_that_cannot_be_compressed_fits_the_index(client_for: Callable[[str], httpx.Client]) -> None:
    chance = random.Random(5)
    ideographs = [chr(point) for point in range(0x20000, 0x2A6D0)]
    client = client_for("".join(chance.choices(ideographs, k=255)))
    title = "".join(chance.choices(ideographs, k=200))
    assert create(client, title)["title"] == title
    assert titles(client, sort="title") == [title]


def test_the_database_computes_the_same_key_for_whoever_gives_none(
    database_url: str, client: object, user: str
) -> None:
    chance = random.Random(7)
    texts = [LETTERS[start : start + 60] for start in range(0, len(LETTERS), 60)]
    texts += [text.upper() for text in texts] + [
        chr(point) for point in range(0x21, 0x3100) if chr(point).isprintable()
    ]
    texts += ["".join(chance.choices("aÉłŁßĳ ﬁ·lL'\"%\\\t\u0301\u200d🛒€1中ÅΆςйё", k=30)) for _ in range(300)]
    texts += ["\ufb03" * 200, "x" * 200, "\u0390" * 200, "ij\u0327%%\\'", "$json$ $re$ $function$"]
    connection = psycopg2.connect(database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET standard_conforming_strings = off")  # as a role may have it
            for text in texts:
                cursor.execute("INSERT INTO tasks (user_id, title) VALUES (%s, %s)", (user, text[:200]))
            cursor.execute("SELECT title, title_key FROM tasks WHERE user_id = %s", (user,))
            assert [(title, key) for title, key in cursor if key != title_key(title)] == []
    finally:
        connection.close()


@pytest.mark.node
class TestRootCollation:
    """`make client-test` runs these: Node.js has ICU, and `und` is the root."""

    # Left alone: a spacing iota, two length marks and a turned letter that Unicode maps to what ICU does not; ŉ, which
    # ICU takes for two letters, too, but whose apostrophe is here a sign of no script.
    APART = "\u037a\U00010781\U00010782\u1d4c\u0149"

    def test_every_letter_of_the_three_scripts_is_in_its_place(self) -> None:
        letters = evaluate(r"""
            const out = [];
            for (let point = 1; point < 0x110000; point++) {
              const letter = String.fromCodePoint(point);
              if (/^[\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}]$/u.test(letter) && /^\p{L}$/u.test(letter))
                out.push(letter);
            }
            console.log(JSON.stringify(out));""")
        assert len(letters) > 2000
        _agree([letter for letter in letters if letter not in self.APART])

    def test_ascii_is_in_its_place(self) -> None:
        _agree([chr(point) for point in range(0x20, 0x7F)])

    def test_words_of_all_kinds_of_letters_are_in_their_places(self) -> None:
        chance = random.Random(11)
        letters = LETTERS + LETTERS.upper() + "aeiou" * 200 + " -,.!?$€0123456789" * 20
        _agree(["".join(chance.choices(letters, k=chance.randint(1, 6))).strip() or "a" for _ in range(20_000)])


def _agree(texts: list[str]) -> None:
    """Compare neighbours in ICU's order: if they agree, everything does."""
    answer: list[tuple[str, bool]] = evaluate(
        f"""
        const root = new Intl.Collator("und", {{ sensitivity: "base" }});
        const texts = {json.dumps(texts)}.sort(root.compare);
        console.log(JSON.stringify(texts.map((text, at) => [text, at > 0 && root.compare(texts[at - 1], text) === 0])));
        """
    )
    keys = [(text, title_key(text), same) for text, same in answer]
    wrong = [
        (a, b) for (a, one, _), (b, other, same) in pairwise(keys) if (one == other if same else one < other) is False
    ]
    assert wrong == []


def evaluate(script: str) -> list:
    node = shutil.which("node")
    assert node, "Node.js is needed"
    return json.loads(subprocess.run([node, "-"], input=script, capture_output=True, check=True, text=True).stdout)
