"""Between Rasa and the model: what the action server runs."""

import sys
from typing import Any, cast

# openai 3 imports an adapter for aiohttp that needs a newer aiohttp than Rasa's 3.9. We do not use
# it; told that it is missing, openai goes on as on a machine without aiohttp.
sys.modules.setdefault("openai._vendor.httpx_aiohttp", cast(Any, None))
