"""Pretend Twilio: the part of Twilio that this project talks to, on loopback, without an account.

`python -m local.pretend_twilio` serves it on PHONE_PORT with the settings that everything else
reads; tests build one with `create_app(PretendConfig(...))`. What it knows, it keeps in memory.

For programs that speak Twilio (HTTP Basic: account SID and an auth token, or the API key):

    POST /2010-04-01/Accounts/{AC}/Messages.json        201, then signed status callbacks
    GET  /2010-04-01/Accounts/{AC}/Messages.json        by To, From, DateSent (<, >), in pages
    GET  /2010-04-01/Accounts/{AC}/Messages/{SM}.json
    GET  /2010-04-01/Accounts/{AC}.json
    GET  /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers.json        PhoneNumber matches partially
    GET, POST /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers/{PN}.json    POST: where texts go
    GET  /v1/Services, /v1/Services/{MG}/PhoneNumbers, /v1/Services/{MG}/Compliance/Usa2p
    GET, POST /v1/Services/{MG}                                     POST: the same, and reports
    GET  /v1/a2p/BrandRegistrations, /v1/a2p/BrandRegistrations/{BN}

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

The papers of a number (10DLC: has it a campaign, of what brand?), under the same guard. Texts from
a number whose papers are not in order end `undelivered` with 30034 (suspended: 30033):

    POST /registration  {"number": "+15550100001", "state": "campaign in review"}
        the states have names (GET lists them). Beside or instead of a state any single thing can be
        said, as GET shows it: {"number": "...", "brand": "SUSPENDED", "sends_sms": false}.
        {"api": "down"} makes Twilio answer 503 to all that /v1 is asked, "forbidden" 403, "ok" not
    GET /registration   {"api", "states": [...], "numbers": {"+1...": {"state", "words", ...}}}.
        POST, and DELETE, which puts all papers in order, answer the same

Chaos mode, for proving that no trouble loses or doubles a text; under the same guard:

    POST /chaos/script  {"messages": ["429", "500 after", "ok"], "lookups": ["hang"],
                         "webhooks": ["reorder"],
                         "callbacks": ["lost", {"duplicate": 1, "copies": 3}]}
        the next requests of each kind get these in turn; more can be added any time
    POST /chaos/settings {"seed": 7, "messages": {"429": 0.05, "latency_ms": [0, 300]},
                          "webhooks": {"duplicate": 0.3, "delay_ms": [0, 200]}}
        from now on, by odds, where nothing is scripted. A kind that is left out is calm. Without
        a seed one is made up. The n-th request of a kind meets the same trouble for the same seed
    POST /chaos/switches {"duplicates": true, "slow": false, "errors": true, "reports": true}
        the switches of the phone page; those left out stay as they are
    GET /chaos          {"active", "seed", "settings", "script" (what is left of it), "counts",
                         "switches"}; every answer above is this, too
    DELETE /chaos       all calm: no odds, no script, no counts
    POST /chaos/load    {"texts": [{"from", "to", "body"}, ...], "copies": 3, "concurrency": 50,
                         "in_order": false, "retry_for_s": 30}
        many texts at once, `concurrency` at a time, each posted `copies` times at once.
        "in_order": a customer's next text only after the answer to the one before.
        "retry_for_s": what met 5xx or nobody is posted again for so long (0: never; a real Twilio
        would ask its fallback URL). 200 {"texts": [...]} as in the ledger, in the given order
    GET /chaos/ledger?customer=...&number=...   (both may be left out)
        {"texts": [{"sid", "from", "to", "body", "created", "trouble", "taken",
                    "posts": [{"of": "received", "at", "answered", "status", "code"}]}],
         "messages": [{"sid", "from", "to", "body", "created", "trouble", "status", "error",
                       "reports": [{"of": "delivered", "at", "answered", "status", "code"}]}]}
        oldest first, streamed: every text of a customer, how often it was posted and what the
        business answered (nulls: nothing yet, or nothing at all), and every message that was
        taken from the business, with its delivery reports

`messages` are about `POST Messages`. "429", "500", "hang" (no answer until the caller gives up) and
"cut" (the connection is closed without an answer) come instead of taking the message; "500 after",
"hang after" and "cut after" come when it was taken, and goes out. "latency_ms" passes before it is
taken, even from somebody who gives up meanwhile; "retry_after_s" goes with 429 (1).
`lookups` are about the two GETs of messages: "429", "500", "hang", "cut", "latency_ms".
`webhooks` are inbound texts, `callbacks` are delivery reports. "duplicate": posted `copies` times
(2), `together` (1: all at once, 0: one after another); "late": by "delay_ms" ([500, 3000]), each
copy by its own; "reorder": held back until the next text of the same customer, or the next report
of the same message, has been answered, at most "hold_ms" (2000); "lost": never posted. Reports in
trouble do not hold up the next ones. A word alone means: for certain. A range may be one number.

Calls go one way through the rooms: server -> app -> accounts, numbers, registry, messages, phone,
control -> crowd -> inbound -> lifecycle, drafts -> rounds, chaos -> webhooks, wires, ledger
-> switches, store -> troubles, optouts, papers, guard, errors.
"""

from local.pretend_twilio.app import create_app
from local.pretend_twilio.config import PretendConfig

__all__ = ["PretendConfig", "create_app"]
