"""Signatures and forms, as Twilio posts them and as strangers do."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from connectors.errors import Unreadable
from connectors.wire import Form, InboundText, is_signed, read_inbound, read_status

ACCOUNT = "AC" + "a" * 32
URL = "https://sms.example.com/webhooks/twilio_sms/webhook"
SID = "SM" + "0123456789abcdef" * 2
TEXT = {
    "ToCountry": "US",
    "FromCity": "",
    "SmsStatus": "received",
    "Body": "Do you repair bikes?",
    "To": "+15550100001",
    "From": "+15550109999",
    "NumMedia": "0",
    "MessageSid": SID,
    "AccountSid": ACCOUNT,
    "ApiVersion": "2010-04-01",
}


def sign(fields: dict[str, str], url: str = URL, token: str = "token") -> str:
    return str(RequestValidator(token).compute_signature(url, fields))


def posted(fields: dict[str, str]) -> Form:
    return Form.parse(urlencode(fields).encode())


def test_the_published_example_is_signed() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    url = "https://example.com/myapp.php?foo=1&bar=2"
    assert is_signed(["12345"], url, posted(fields), "L/OH5YylLD5NRKLltdqwSvS0BnU=")


def test_blank_fields_are_part_of_what_is_signed() -> None:
    assert is_signed(["token"], URL, posted(TEXT), sign(TEXT))
    without_blanks = {name: value for name, value in TEXT.items() if value}
    assert not is_signed(["token"], URL, posted(TEXT), sign(without_blanks))


def test_a_missing_or_empty_signature_is_none() -> None:
    assert not is_signed(["token"], URL, posted(TEXT), None)
    assert not is_signed(["token"], URL, posted(TEXT), "")


def test_an_empty_form_is_never_signed() -> None:
    assert not is_signed(["token"], URL, Form.parse(b""), sign({}))


@pytest.mark.parametrize(
    "changed",
    [
        {**TEXT, "Body": "Do you repair bikes? "},
        {**TEXT, "From": "+15550109998"},
        {**TEXT, "Extra": ""},
        {name: value for name, value in TEXT.items() if name != "FromCity"},
    ],
)
def test_a_changed_form_is_not_signed(changed: dict[str, str]) -> None:
    assert not is_signed(["token"], URL, posted(changed), sign(TEXT))


def test_both_tokens_count_while_they_are_rotated() -> None:
    assert is_signed(["new", "old"], URL, posted(TEXT), sign(TEXT, token="old"))
    assert is_signed(["new", "old"], URL, posted(TEXT), sign(TEXT, token="new"))
    assert not is_signed(["new"], URL, posted(TEXT), sign(TEXT, token="old"))


@pytest.mark.parametrize(
    ("configured", "requested", "expected"),
    [
        ("https://a.example/x", "https://a.example:443/x", True),
        ("https://a.example:443/x", "https://a.example/x", True),
        ("http://a.example:80/x", "http://a.example/x", True),
        ("https://a.example:8443/x", "https://a.example:8443/x", True),
        ("https://a.example/x", "https://a.example:8443/x", False),
        ("http://a.example/x", "https://a.example/x", False),
        ("https://a.example/x", "https://a.example/x/", False),
        ("https://a.example/x?part=1", "https://a.example/x?part=1", True),
        ("https://a.example/x?part=1", "https://a.example/x?part=2", False),
    ],
)
def test_scheme_port_path_and_query_count(configured: str, requested: str, expected: bool) -> None:
    signature = sign(TEXT, url=requested)
    assert is_signed(["token"], configured, posted(TEXT), signature) is expected


def test_emoji_and_accents_are_signed_as_utf_8() -> None:
    fields = {**TEXT, "Body": "¿Reparan bicis? 🚲 ñandú"}
    assert is_signed(["token"], URL, posted(fields), sign(fields))
    assert read_inbound(posted(fields), ACCOUNT).body == "¿Reparan bicis? 🚲 ñandú"


def test_a_text_is_read() -> None:
    assert read_inbound(posted(TEXT), ACCOUNT) == InboundText(
        SID, "+15550109999", "+15550100001", "Do you repair bikes?"
    )


def test_a_picture_without_words_is_read() -> None:
    fields = {**TEXT, "Body": "", "NumMedia": "2", "MessageSid": "MM" + "f" * 32}
    text = read_inbound(posted(fields), ACCOUNT)
    assert (text.body, text.media) == ("", 2)


@pytest.mark.parametrize("name", ["From", "To", "MessageSid"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_what_is_missing_is_named(name: str, value: str | None) -> None:
    fields = {**TEXT, name: value} if value is not None else {**TEXT}
    if value is None:
        del fields[name]
    with pytest.raises(Unreadable, match=name):
        read_inbound(posted({k: v for k, v in fields.items() if v is not None}), ACCOUNT)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (urlencode(TEXT) + "&From=%2B15550100007", "From is given 2 times"),
        (urlencode(TEXT) + "&X=%ff%fe", "not UTF-8"),
        (urlencode(TEXT) + "".join(f"&f{n}=" for n in range(1000)), "more than 200 fields"),
        (urlencode({**TEXT, "NumMedia": "many"}), "NumMedia"),
        (urlencode({**TEXT, "MessageSid": "SM123"}), "MessageSid is malformed"),
        (urlencode({**TEXT, "AccountSid": "AC" + "b" * 32}), "AccountSid"),
        (urlencode({**TEXT, "From": "+1" * 40}), "From"),
    ],
)
def test_a_form_that_cannot_be_used_says_why(raw: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_inbound(Form.parse(raw.encode()), ACCOUNT)


def test_a_delivery_report_is_read() -> None:
    fields = {"MessageSid": SID, "MessageStatus": "undelivered", "ErrorCode": "30034"}
    report = read_status(posted(fields), "part")
    assert (report.status, report.error_code, report.part_id) == ("undelivered", "30034", "part")


@given(st.binary(max_size=300), st.text(max_size=40))
def test_no_bytes_get_past_the_signature_and_none_crash_it(raw: bytes, signature: str) -> None:
    form = Form.parse(raw)
    assert not is_signed(["token"], URL, form, signature)
    with pytest.raises(Unreadable):
        read_inbound(form, ACCOUNT)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), min_size=1))
def test_whatever_twilio_signs_is_accepted(fields: dict[str, str]) -> None:
    assert is_signed(["token"], URL, posted(fields), sign(fields))


@given(
    st.sampled_from(["http", "https"]),
    st.sampled_from(["", ":80", ":443", ":8443"]),
    st.sampled_from(["", ":80", ":443", ":8443"]),
    st.sampled_from(["token", "older", "stranger"]),
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), min_size=1),
)
def test_the_signature_is_judged_as_twilios_own_validator_does(
    scheme: str, ours: str, theirs: str, token: str, fields: dict[str, str]
) -> None:
    url, asked = (f"{scheme}://a.example{port}/x?part=1" for port in (ours, theirs))
    signature, form, tokens = sign(fields, asked, token), posted(fields), ["token", "older"]
    expected = any(RequestValidator(each).validate(url, form, signature) for each in tokens)
    assert is_signed(tokens, url, form, signature) is expected
