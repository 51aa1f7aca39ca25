"""What takes a Rasa process so long to start: imported once, by the process that others fork from.

See `tests.e2e.processes.Forked`.
"""

import os

from local.parts import EVERYWHERE

os.environ.update(EVERYWHERE)


import connectors.session_store
import connectors.twilio_sms  # noqa: F401
