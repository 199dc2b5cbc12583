"""Untrusted text is shown so that it cannot control a terminal, hide, or look like another line."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facepair_cli.escaping import escaped, json_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("équipe/№ 7 東京 שלום", "équipe/№ 7 東京 שלום"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("a\nNothing was sent.", r"a\nNothing was sent."),
        ("gpj\N{RIGHT-TO-LEFT OVERRIDE}.exe", r"gpj\u202e.exe"),
        ("\N{ZERO WIDTH SPACE}\N{NO-BREAK SPACE}\x9b2J", r"\u200b\xa0\x9b2J"),
        ("\N{LINE SEPARATOR}\U000e0001", r"\u2028\U000e0001"),
        ("bad\udcff", r"bad\xff"),
        ("lone \ud800", r"lone \ud800"),
    ],
)
def test_invisible_and_control_characters_are_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text(st.characters()))
def test_escaped_text_is_printable_and_can_be_encoded(text: str) -> None:
    shown = escaped(text)

    assert shown.isprintable()
    shown.encode()


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_json_escapes_too_and_keeps_the_exact_text(value: dict[str, str]) -> None:
    for indent in (None, 2):
        text = json_text(value, indent=indent)

        assert json.loads(text) == value
        assert all(line.isprintable() for line in text.split("\n"))
        text.encode()


def test_json_has_numbers_for_decimals_and_arrays_for_sets() -> None:
    assert json_text({"a": Decimal("87.5"), "b": Decimal(7), "c": {"y", "x"}}) == '{"a": 87.5, "b": 7, "c": ["x", "y"]}'
