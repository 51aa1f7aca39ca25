"""What is taken out of a text before anybody keeps it, and what is left in."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from connectors.sensitive import CARD, CODE, SECURITY_CODE, SSN, without_secrets

# Numbers that the networks give out for tests.
CARDS = [
    "4242424242424242",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3566002020360505",
    "6200000000000005",
    "4222222222222",
]


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("gap", ["", " ", "-", ".", "\u00a0", " - ", "\u200b", "–", "\n"])
def test_card_numbers_however_they_are_written(card: str, gap: str) -> None:
    written = gap.join([card[:4], card[4:8], card[8:12], card[12:]])
    assert without_secrets(f"My card: {written}, ok?") == f"My card: {CARD}, ok?"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("４２４２４２４２４２４２４２４２", CARD),
        ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", CARD),
        ("4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2", CARD),
        ("4242 4242 4242 4242 12/27 123", CARD),
        ("4242424242424242 exp 12/27 cvv 123 Ann", f"{CARD} Ann"),
        ("5555555555554444 4111111111111111", f"{CARD} {CARD}"),
        ("the CVC is 123", f"the CVC is {SECURITY_CODE}"),
    ],
)
def test_cards_with_what_comes_along(text: str, kept: str) -> None:
    assert without_secrets(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "123-45-6789",
        "078 05 1120",
        "123–45–6789",
        "SSN: 123456789",
        "my social is 123 45 6789",
        "912-70-1234",
    ],
)
def test_social_security_numbers(text: str) -> None:
    assert SSN in without_secrets(text)
    assert not regex.search(r"\d{4}", without_secrets(text))


@pytest.mark.parametrize(
    "text",
    [
        "G-123456 is your Google verification code.",
        "Your Acme code is 123 456",
        "483920 is your OTP. Do not share it",
        "one-time passcode: 4839",
        "PIN 4411",
        "El código de verificación es 483920",
        "Votre code de vérification : 483920",
        "Ihr Bestätigungscode lautet 483920",
        "TAN 483920",
        "Codice di verifica 483920",
        "O código de segurança é 483920",
        "Ваш код подтверждения: 4839",
        "验证码：483920，请勿泄露",
        "認証コード 483920",
        "인증번호 483920",
        "رمز التحقق 483920",
        "ओटीपी 483920",
    ],
)
def test_one_time_codes_in_many_languages(text: str) -> None:
    assert CODE in without_secrets(text)
    assert not regex.search(r"\d{3}", without_secrets(text))


@pytest.mark.parametrize(
    "text",
    [
        "order 1234567890123456",
        "4242424242424241 fails the checksum",
        "call +1 555 010 9999 or +1 555 010 8888",
        "tracking 9400111899223197428490",
        "zip code 94107, area code 415",
        "use promo code 2024",
        "Your order code: 123456",
        "Your discount code is 5000",
        "Code 4711 opens the door",
        "2026-11-23 09:30, table for 4",
        "555-01-00001 and 000-12-3456",
        "It costs $1200 and the bill is 20261123-1345",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert without_secrets(text) == text


@given(st.text(st.sampled_from("0123456789 -.\ncodeptnvris"), max_size=120))
def test_doing_it_twice_changes_nothing(text: str) -> None:
    once = without_secrets(text)
    assert without_secrets(once) == once


@given(st.text(max_size=60), st.sampled_from(CARDS), st.text(max_size=60))
def test_no_card_number_gets_through_whatever_is_around_it(
    before: str, card: str, after: str
) -> None:
    kept = without_secrets(f"{before} {card} {after}")
    if not (before + after).strip() or not regex.search(r"\d", before + after):
        assert card not in kept
