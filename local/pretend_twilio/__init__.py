"""Pretend Twilio: the part of Twilio that this project talks to, on loopback, without an account.

`python -m local.pretend_twilio` serves it on PHONE_PORT with the settings that everything else
reads; tests build one with `create_app(PretendConfig(...))`. What it knows, it keeps in memory.

For programs that speak Twilio (HTTP Basic: account SID and an auth token, or the API key):

    POST /2010-04-01/Accounts/{AC}/Messages.json        201, then signed status callbacks
    GET  /2010-04-01/Accounts/{AC}/Messages.json        by To, From, DateSent (<, >), in pages
    GET  /2010-04-01/Accounts/{AC}/Messages/{SM}.json
    GET  /2010-04-01/Accounts/{AC}.json
    GET  /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers.json        PhoneNumber matches partially

For people: `GET /` is a phone. For scripts and tests, without a password but only from this
machine, the same phone as JSON:

    POST /phone/texts   {"from": "+15550109999", "to": "+15550100001", "body": "Hello",
                         "media": [{"content_type": "image/png", "url": "http://..."}]}
        "media" may be left out. The text goes to PUBLIC_URL as a signed webhook; the reply comes
        when the business has answered it (or 15 s have passed):
        201 {"sid": "SM...", "answer": {"taken": true, "status": 204, "code": null, "words": "..."}}
    GET /phone/messages?customer=%2B15550109999
        {"messages": [...]}, both directions in order. Each has sid, direction ("inbound" is from
        the customer), from, to, body, media, status, segments, encoding, at, `automatic` (Twilio's
        own answer to STOP, START or HELP), `error` ({"code", "words"} or null), and for texts of
        the customer `answer` as above (null while the business has not answered)
    GET /phone/events?customer=%2B15550109999
        the same as Server-Sent Events: first `snapshot` ({"boot", "messages"}), then a `message`
        for every new or changed one. Without `customer`: everybody's messages
    GET /health         {"status": "ok", ...}

Numbers with a fate, for rehearsing trouble. As Twilio's own test numbers: From +15005550001
(21212), ...07 (21606), ...08 (21611), ...06 (fine, though not ours); To +15005550001 (21211),
...02 (21612), ...03 (21408), ...04 (21610), ...09 (21614). Our own, because Twilio has none for
what fails after the 201: To +15005550010 (failed, 30008), ...11 (undelivered, 30003), ...12
(30005), ...13 (30006), ...14 (stays `sent`), ...15 (30007), ...16 (30034).

Calls go one way through the rooms: server -> app -> accounts, messages, phone -> drafts,
lifecycle -> webhooks -> store, optouts, errors.
"""

from local.pretend_twilio.app import create_app
from local.pretend_twilio.config import PretendConfig

__all__ = ["PretendConfig", "create_app"]
