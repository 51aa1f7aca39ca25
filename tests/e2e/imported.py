"""What takes a process so long to start: imported once, by the process that others fork from.

See `tests.e2e.processes.Forked`.
"""

import importlib
import os

from local.parts import EVERYWHERE

MODULES = (
    "actions.llm_reply",
    "actions.toolbox",
    "components.llm_policy",
    "connectors.session_store",
    "connectors.twilio_sms",
    "rasa.__main__",
    "rasa.core.run",
    "rasa.server",
    "rasa_sdk.executor",
)

os.environ.update(EVERYWHERE)
for name in MODULES:
    importlib.import_module(name)
