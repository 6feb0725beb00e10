"""Titles that nobody can see are refused; what joins and marks inside of a title stays as it was sent."""

import json
import sys
from unicodedata import category

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from src.models import Title
from tests.postgres.test_title_order import evaluate
from tests.test_integration import JSON, create, titles

INVISIBLE = {
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "combining grapheme joiner": "\u034f",
    "Arabic letter mark": "\u061c",
    "Mongolian vowel separator": "\u180e",
    "invisible times": "\u2062",
    "Hangul filler": "\u3164",
    "halfwidth Hangul filler": "\uffa0",
    "Hangul choseong filler": "\u115f",
    "Hangul jungseong filler": "\u1160",
    "Khmer inherent vowel": "\u17b4",
    "Braille blank": "\u2800",
    "null notehead": "\U0001d159",
    "variation selector": "\ufe0f",
    "variation selector 256": "\U000e01ef",
    "tag": "\U000e0041",
    "not assigned, never shown": "\U000e0fff",
    "left to right mark": "\u200e",
    "override and its end": "\u202e\u202c",
    "isolate and its end": "\u2066\u2069",
    "accent": "\u0301",
    "enclosing circle": "\u20dd",
    "vowel sign": "\u093e",
    "control": "\x01\x7f\x9f",
    "interlinear": "\ufff9\ufffa\ufffb",
    "separators": "\u2028\u2029",
    "all sorts": " \u200b\u3164 \ufeff\u0301\u2800\t",
}
VISIBLE = [
    "👩\u200d👩\u200d👧",
    "❤\ufe0f",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "می\u200cخواهم",
    "क\u094dष",
    "e\u0301",
    "\u200bx",
    "x\u2060",
    "\u3164x",
    "x\u00ady",
    "\u202eabc\u202c",
    ".",
    "\ue000",  # private: a font may have it
    "\U0001fae8",  # newer than some Pythons
    "\u0378",  # not assigned
    "ᅡ",
    "⠁",
    "あ",
]


@pytest.mark.parametrize("title", INVISIBLE.values(), ids=INVISIBLE)
def test_a_title_nobody_can_see_is_refused(client: httpx.Client, title: str) -> None:
    task = create(client, "seen")
    for answer in (
        client.post("/tasks", json={"title": title}),
        client.put(f"/tasks/{task['id']}", json={"title": title, "description": "new"}),
    ):
        assert answer.status_code == 422
        assert [error["loc"] for error in answer.json()["errors"]] == [["body", "title"]]
    assert client.get("/tasks").json() == [task]


@pytest.mark.parametrize("title", VISIBLE, ids=ascii)
def test_a_title_with_something_to_see_stays_as_it_was_sent(client: httpx.Client, title: str) -> None:
    task = create(client, title)
    assert task["title"] == title
    assert client.put(f"/tasks/{task['id']}", json={"title": f"{title} "}).json()["title"] == title
    assert titles(client, sort="title") == [title]


@pytest.mark.parametrize(
    "space",
    [*"\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff", *map(chr, range(0x2000, 0x200B))],
    ids=ascii,
)
def test_surrounding_white_space_is_stripped(client: httpx.Client, space: str) -> None:
    task = create(client, f"{space} {space}a{space}b {space}\ufeff")
    assert task["title"] == f"a{space}b"
    assert create(client, f"{space}{'x' * 200}{space}")["title"] == "x" * 200
    assert client.put(f"/tasks/{task['id']}", json={"title": f"{space}c{space}"}).json()["title"] == "c"
    assert client.post("/tasks", json={"title": space}).status_code == 422


@pytest.mark.parametrize("separator", [*"\x1c\x1d\x1e\x1f"], ids=ascii)
def test_what_python_alone_takes_for_white_space_stays(client: httpx.Client, separator: str) -> None:
    assert create(client, f"a{separator}")["title"] == f"a{separator}"


def test_any_character_alone_is_a_title_or_refused(client: httpx.Client) -> None:
    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.characters())
    def check(character: str) -> None:
        answer = client.post("/tasks", content=json.dumps({"title": character}), headers=JSON)
        assert answer.status_code in {201, 422}
        if answer.is_success:
            assert answer.json()["title"] == character

    check()


@pytest.fixture(scope="module")
def refused() -> set[str]:
    """Every code point that is no title."""
    judge = TypeAdapter(Title).validate_python
    found = set()
    for character in map(chr, range(sys.maxunicode + 1)):
        try:
            assert judge(character) == character
        except ValidationError:
            found.add(character)
    return found


def test_every_code_point_alone_is_judged(refused: set[str]) -> None:
    assert {character for character in map(chr, range(0x7F)) if character not in refused} == set(
        map(chr, range(0x21, 0x7F))
    )
    assert {"\u200b", "\u3164", "\U000e0fff", "\ud800", "\0"} <= refused
    assert 8_000 < len(refused) < 10_000


@pytest.mark.node
def test_what_unicode_calls_invisible_is_refused_and_nothing_else_but_blanks(refused: set[str]) -> None:
    """Node.js knows a property that `unicodedata` does not; what only one of them knows is left out."""
    invisible = evaluate(r"""
        const out = [];
        for (let point = 0; point < 0x110000; point++)
          if (/^[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{M}\p{Cc}\p{Cf}\p{Cs}]$/u.test(
            String.fromCodePoint(point))) out.push(String.fromCodePoint(point));
        console.log(JSON.stringify(out));""")
    assert len(invisible) > 8000
    known = [point for point in map(chr, range(sys.maxunicode + 1)) if category(point) != "Cn"]
    unseen = set(invisible)
    apart = {point for point in known if (point in refused) != (point in unseen)}
    assert apart <= set("\u2800\U0001d159\U00013441\U00013442")
