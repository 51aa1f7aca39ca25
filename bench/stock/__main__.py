"""`python -m bench.stock run ...` is `rasa run ...`, with Twilio at TWILIO_API_BASE_URL."""

from __future__ import annotations

import os
import runpy

from twilio.rest.api.ApiBase import ApiBase

_original = ApiBase.__init__


def to_the_stand_in(api: ApiBase, twilio: object) -> None:
    _original(api, twilio)
    api.base_url = os.environ["TWILIO_API_BASE_URL"]


if __name__ == "__main__":
    ApiBase.__init__ = to_the_stand_in
    runpy.run_module("rasa", run_name="__main__", alter_sys=True)
