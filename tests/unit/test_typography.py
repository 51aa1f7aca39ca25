"""Characters that cost money: what becomes of them, and what they then cost."""

from __future__ import annotations

import gsm0338
import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from connectors.segments import count
from connectors.typography import typeset

GSM = gsm0338.Codec()


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("“It’s here” – really…", '"It\'s here" - really...'),
        ("now\u00a0or\u2009never", "now or never"),
        ("in\u200bvi\u00adsible\ufeff", "invisible"),
        ("• one\n• two", "- one\n- two"),
        ("Ｆｕｌｌ－ｗｉｄｔｈ ﬁne", "Full-width fine"),
        ("½ off, 1½ cups", "1/2 off, 1 1/2 cups"),
        ("20°C, −5 °F, a 90° turn", "20 C, -5 F, a 90 deg turn"),
        ("Acme™ © 2026 № 5", "AcmeTM (C) 2026 No 5"),
        ("a → b, 2×3", "a -> b, 2x3"),
        ("cafe\u0301", "café"),  # one letter in GSM-7, two characters that are not
        ("tab\there\r\nthere\x07", "tab here\nthere"),
        ("€5 {ok} [x]", "€5 {ok} [x]"),
        ("a  b\n\n\n\nc  ", "a b\n\nc"),
    ],
)
def test_look_alikes_become_gsm_7(written: str, sent: str) -> None:
    assert typeset(written) == sent
    assert count(sent).encoding == "GSM-7"


@pytest.mark.parametrize("text", ["«Привет» – мир…", "你好，世界！“好”", "Añoranza: ¿“qué” así?"])
def test_a_text_that_needs_unicode_keeps_its_typography(text: str) -> None:
    assert typeset(text) == text


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("Great 👍! See you 🙂", "Great! See you :)"),
        ("📍 12 Mill Lane\n📞 +1 555 0100", "12 Mill Lane\n+1 555 0100"),
        ("Hi👋🏽there 👨‍👩‍👧 all", "Hi there all"),
        ("1️⃣ Yes\n2️⃣ No", "1 Yes\n2 No"),
        ("We ❤️ bikes 🇩🇪", "We <3 bikes"),
        ("👍", "(thumbs up sign)"),
        ("Rated 5* (#1), ©", "Rated 5* (#1), (C)"),
    ],
)
def test_emoji_go_unless_they_are_wanted(written: str, sent: str) -> None:
    assert typeset(written) == sent


def test_emoji_stay_where_they_are_wanted() -> None:
    assert typeset("Great 👍🏽 “you”", emoji=True) == "Great 👍🏽 “you”"
    assert typeset("“no emoji here”", emoji=True) == '"no emoji here"'


@given(st.text(max_size=200), st.booleans())
def test_doing_it_twice_changes_nothing(text: str, emoji: bool) -> None:
    once = typeset(text, emoji=emoji)
    assert typeset(once, emoji=emoji) == once


@given(st.text(max_size=200))
def test_it_never_makes_a_text_dearer(text: str) -> None:
    """Compared with what would be sent without: the same text, joined and without its margins."""
    assert count(typeset(text, emoji=True)).segments <= max(count(text).segments, 1)


TEXTS = st.text(st.characters(exclude_characters="\x1b"), max_size=400)
MOSTLY_PLAIN = st.text(
    st.one_of(
        st.sampled_from("abc xyz.,!?\n“”’–…€[]~🙂é"), st.characters(exclude_characters="\x1b")
    ),
    max_size=700,
)


@given(st.one_of(TEXTS, MOSTLY_PLAIN), st.booleans())
def test_what_is_sent_costs_what_two_others_count(text: str, emoji: bool) -> None:
    sent = typeset(text, emoji=emoji)
    try:
        expected = ("GSM-7", len(GSM.encode(sent)[0]))
    except UnicodeEncodeError:
        expected = ("UCS-2", len(sent.encode("utf-16-le")) // 2)
    assert count(sent)[:2] == expected
    assert count(sent).segments == max(len(smsutil.split(sent).parts), 1)
