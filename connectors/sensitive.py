"""Card numbers, social security numbers and one-time codes: taken out of a text. Pure.

Done where a text comes in, before it is kept anywhere, and to what a model says. What is certain
goes: a card number must pass its checksum and belong to a network, a code must be called one.
"""

from __future__ import annotations

from collections.abc import Iterator

import regex

CARD = "[card number]"
SSN = "[social security number]"
CODE = "[one-time code]"
SECURITY_CODE = "[security code]"

# What people put between groups of digits; \p{Cf} does not show at all.
_BETWEEN = r"[\s\p{Pd}\p{Cf}._/·]{0,3}"
_DIGITS = regex.compile(rf"\d(?:{_BETWEEN}\d){{12,}}")
# Date and security code, as they follow a card number.
_AFTER_CARD = regex.compile(
    r"[\s,;]*(?:exp\w*\W{0,3})?\d{1,2}\s?[/-]\s?\d{2,4}(?:[\s,;]*(?:\p{L}{3,4}\W{0,3})?\d{3,4}(?!\d))?"
)
_LONGEST, _SHORTEST = 19, 13

_THREE_DIGITS = regex.compile(r"\d{3}")
_SSN = regex.compile(
    r"(?<![\d-])(?!000|666)(?:[0-8]\d\d|9(?=\d\d\D{1,3}[5-9])\d\d)"
    r"(?P<gap>[\s\p{Pd}\p{Cf}.]{1,3})(?!00)\d\d(?P=gap)(?!0000)\d{4}(?![\d-])"
)
_NAMED_SSN = regex.compile(
    r"(?i)\b(?:ssn|itin|social security|seguro social|social)\b[^\d\n]{0,40}\K"
    r"\d{3}\D?\d{2}\D?\d{4}(?!\d)"
)
_NAMED_SECURITY_CODE = regex.compile(
    r"(?i)\b(?:cvv2?|cvc2?|cid|csc|security code)\b(?:\W|is|number|code){0,8}\K\d{3,4}(?!\d)"
)

_CODE = r"(?:\p{Lu}{1,3}-)?(?:\d{3}[\s-]\d{3}|\d{4,8})"
# "code" alone is many harmless things: a zip code, a promo code, the code of a door.
_CALLED = (
    r"(?:one[\s-]?time\s+(?:pass\w*|code|pin)|\botp\b|\b[2m]fa\b|passcode|"
    r"(?:verification|security|authentication|auth|log-?\s?in|sign-?\s?in|access|activation|two-factor|2-step)"
    r"\s+(?:code|pin|number)|\bpin\b|"
    r"(?:código|codigo|clave|codice|code|kode|kod)\s+(?:único\s+|unico\s+)?(?:de\s+|di\s+|d['’])?"
    r"(?:verifica\w*|vérification|verificação|verificacao|seguridad|segurança|sécurité|acceso|connexion)|"
    r"(?:bestätigungs|sicherheits|anmelde|einmal|verifizierungs)-?\s?(?:code|passwort|kennwort)|\btan\b|"
    r"код\w*\s+(?:подтверждения|доступа|безопасности)|код\s+подтвердження|"
    r"验证码|驗證碼|校验码|認証コード|確認コード|인증\s?번호|인증\s?코드|رمز\s+التحقق|كود\s+التحقق|ओटीपी|mã\s+(?:otp|xác\s+(?:minh|thực)))"
)
_BEFORE_CODE = regex.compile(rf"(?i){_CALLED}[^\d\n]{{0,40}}?\K(?<![\d$€£#]){_CODE}(?![\d%])")
_AFTER_CODE = regex.compile(
    rf"(?i)(?<![\d$€£#.,:])\b{_CODE}(?![\d%.,:]\d)(?=[^\d\n.!?]{{0,40}}?{_CALLED})"
)
# "Your Acme code is 123456", as many services word it.
_YOUR_CODE = regex.compile(
    r"(?i)\byour\s+(?!(?:\S+\s+)?(?:promo|discount|coupon|voucher|zip|postal|area|door|gate|error|country"
    r"|order|booking|pick-?up|dress|gift|member|referral)\b)(?:\S+\s+){0,3}code(?:\s+is)?\W{1,3}\K"
    rf"{_CODE}(?!\d)"
)


def without_secrets(text: str) -> str:
    """The text with words in brackets in their place. Doing it twice changes nothing."""
    text = _without_cards(text)
    if not _THREE_DIGITS.search(text):  # all the others have them; most texts have not
        return text
    text = _NAMED_SSN.sub(SSN, _SSN.sub(SSN, text))
    text = _NAMED_SECURITY_CODE.sub(SECURITY_CODE, text)
    for pattern in (_BEFORE_CODE, _AFTER_CODE, _YOUR_CODE):
        text = pattern.sub(CODE, text)
    return text


def _without_cards(text: str) -> str:
    kept, done = "", 0
    for start, end in _cards(text):
        kept, done = f"{kept}{text[done:start]}{CARD}", end
    return kept + text[done:]


def _cards(text: str) -> Iterator[tuple[int, int]]:
    """Where card numbers begin and end, with the date and code behind them."""
    for run in _DIGITS.finditer(text):
        places = [at for at in range(*run.span()) if text[at].isdecimal()]
        digits = "".join(str(int(text[at])) for at in places)
        first = 0
        while first <= len(places) - _SHORTEST:
            if length := _card_length(digits, places, first):
                end = places[first + length - 1] + 1
                after = _AFTER_CARD.match(text, end)
                yield places[first], after.end() if after else end
            first += length or 1


def _card_length(digits: str, places: list[int], first: int) -> int:
    """How many digits from `first` on are a card number; 0 if they are none. `places` is where each
    digit stands in the text."""
    if first and places[first - 1] == places[first] - 1:
        return 0  # in the middle of a group
    for length in range(min(_LONGEST, len(places) - first), _SHORTEST - 1, -1):
        last = first + length
        if last < len(places) and places[last] == places[last - 1] + 1:
            continue
        if _is_card(digits[first:last]):
            return length
    return 0


_NETWORKS = regex.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa
    r"|(?:5[1-5]|2[2-7])\d{14}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"  # Diners
    r"|35\d{14,17}"  # JCB
    r"|6\d{12,18}|5[06-8]\d{11,17}"  # Discover, UnionPay, Maestro
)


def _is_card(digits: str) -> bool:
    return bool(_NETWORKS.fullmatch(digits)) and _luhn(digits)


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # a digit twice, and of that the sum of its digits


def _luhn(digits: str) -> bool:
    return (sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(d)] for d in digits[-2::-2])) % 10 == 0
