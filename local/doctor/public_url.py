"""PUBLIC_URL: knocks at the door as Twilio does, and as a stranger, and judges the answers.

What is posted is signed as Twilio would sign it, but reports on no message: the door lets it in,
finds nothing in it, and does nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import requests
from twilio.request_validator import RequestValidator

from connectors.knock import knock as made
from connectors.settings import Twilio, is_loopback
from connectors.wire import STATUS_PATH
from local.doctor.finding import Finding

ABOUT = "PUBLIC_URL"
PATIENCE_SECONDS = 5.0
_TO_RASA = "let your proxy lead PUBLIC_URL/webhooks/twilio_sms/ to Rasa's port"


@dataclass(frozen=True)
class Answers:
    """HTTP status for the same form without a signature and with one; and where to, for 3xx."""

    unsigned: int
    signed: int
    location: str = ""


def look_at(twilio: Twilio) -> Finding:
    if is_loopback(twilio.public_url) and not is_loopback(twilio.api_base_url or "https://x"):
        seen = f"{twilio.public_url} is this machine alone"
        return Finding(ABOUT, False, seen, "set it to the address that Twilio was told")
    try:
        return judge(twilio.public_url, knock(twilio))
    except requests.exceptions.SSLError:
        seen = f"{twilio.public_url} has a certificate that is not accepted"
        return Finding(ABOUT, False, seen, "get one that Twilio knows; self-signed ones it refuses")
    except requests.RequestException as error:
        seen = f"{twilio.public_url} does not answer ({type(error).__name__})"
        return Finding(ABOUT, False, seen, f"is Rasa running? If so, {_TO_RASA}")


def knock(twilio: Twilio) -> Answers:
    """Raises requests.RequestException."""
    url = twilio.public_url + STATUS_PATH
    form = made(twilio.account_sid, twilio.auth_tokens[0], time.time())
    signature = RequestValidator(twilio.auth_tokens[0]).compute_signature(url, form)
    with requests.Session() as session:
        session.trust_env = not is_loopback(url)  # no proxy leads back to this machine

        def post(**headers: str) -> requests.Response:
            return session.post(
                url, form, headers=headers, timeout=PATIENCE_SECONDS, allow_redirects=False
            )

        unsigned = post()
        signed = post(**{"X-Twilio-Signature": signature})
    location = unsigned.headers.get("Location", "")
    return Answers(unsigned.status_code, signed.status_code, location)


def judge(url: str, answers: Answers) -> Finding:
    """400 is the right answer to what is signed and says nothing, 403 to what is not signed."""
    if answers.unsigned != 403:
        return _not_our_door(url, answers)
    if answers.signed == 400:
        return Finding(ABOUT, True, f"{url} lets in what is signed, and nothing else")
    if answers.signed == 403:
        seen = f"{url} refuses what is signed for it"
        mend = "the running Rasa has another PUBLIC_URL or TWILIO_AUTH_TOKEN: restart it"
        return Finding(ABOUT, False, seen, f"{mend}; or a proxy changes the path")
    seen = f"{url} answers {answers.signed} to what is signed"
    return Finding(ABOUT, False, seen, "the log of Rasa says why")


def _not_our_door(url: str, answers: Answers) -> Finding:
    status = answers.unsigned
    if status < 300:
        seen = f"{url} takes what nobody signed: something else answers there"
        return Finding(ABOUT, False, seen, _TO_RASA)
    if status < 400:
        seen = f"{url} leads on to {answers.location.partition('?')[0] or 'another address'}"
        return Finding(ABOUT, False, seen, "set PUBLIC_URL, and Twilio, to where it leads")
    if status >= 500:
        seen = f"{url} answers {status}: the proxy finds nobody behind it"
        return Finding(ABOUT, False, seen, "is Rasa running?")
    return Finding(ABOUT, False, f"{url} answers {status}: it leads elsewhere", _TO_RASA)
