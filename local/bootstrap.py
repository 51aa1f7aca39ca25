"""Bootstrap: makes .venv from nothing, with Python 3.10 and exactly the locked requirements.

    python3 local/bootstrap.py runtime embedded dev   the requirement groups that are wanted
    python3 local/bootstrap.py auto                   runtime, and embedded if any of it is used

It runs before anything is installed: any Python from 3.8 on, and the standard library only.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("runtime", "embedded", "dev")
UV_WANTED = "uv>=0.8,<1"
OLDEST_UV = (0, 8)
# What requirements/*.txt was locked for; elsewhere its markers would install nothing at all.
PLATFORMS = (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"))
# A Python without these was compiled without their libraries, and Rasa fails on it much later.
NEEDED_MODULES = "bz2, ctypes, lzma, sqlite3, ssl, zlib"
# Each of these embedded parts stays out when its setting names an outside one.
EMBEDDED_UNLESS = ("REDIS_URL", "LLM_BASE_URL", "TWILIO_ACCOUNT_SID")
# pip's name for it, uv's name for it: uv does not read pip's configuration.
PIP_TO_UV = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY"}
# These would send uv to another environment than ours.
MISLEADING = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_SYSTEM_PYTHON", "UV_PYTHON", "PYTHONHOME")
ASSIGNMENT = re.compile(
    r"\s*(?:export\s+)?(?P<name>\w+)\s*=\s*"
    r"(?:(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)|(?P<plain>[^#\s]\S*)?)"
)
HEARTBEAT_SECONDS = 15
NO_PYTHON = (
    "Python 3.10 is missing: no working python3.10 is on PATH, pyenv has none, and uv could not"
    " download one. Install it (pyenv install 3.10, or your system's package), then try again."
)
NO_UV = (
    "uv is missing and could not be installed: Python's venv and pip do not work here."
    " Install one of them (Debian: apt install python3-venv) or uv itself, then try again."
)


class CannotGoOn(Exception):
    """The message is one sentence: what is missing, and how to get it."""


# What is wanted, and what is there


def main(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        wanted = chosen_groups(arguments, {**read_dotenv(ROOT / ".env"), **os.environ})
        Environment(ROOT).provide(wanted)
    except CannotGoOn as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bootstrap: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def chosen_groups(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    if list(arguments) == ["auto"]:
        return ("runtime", "embedded") if needs_embedded(environ) else ("runtime",)
    unknown = [name for name in arguments if name not in GROUPS]
    if unknown or not arguments:
        raise CannotGoOn(f"say which groups: auto, or some of {', '.join(GROUPS)}")
    return tuple(arguments)


def needs_embedded(environ: Mapping[str, str]) -> bool:
    return not all(environ.get(name, "").strip() for name in EMBEDDED_UNLESS)


def read_dotenv(path: Path) -> dict[str, str]:
    """The plain NAME=value lines: enough to see what is set, before any library can read more."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = (ASSIGNMENT.match(line) for line in lines)
    return {m["name"]: m["quoted"] or m["plain"] or "" for m in found if m}


class Stamp:
    """What .venv holds: its groups, and a digest of all that decided it. Written last."""

    def __init__(self, venv: Path) -> None:
        self.path = venv / "installed.json"

    def read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, groups: Iterable[str], digest: str | None, root: Path) -> None:
        text = json.dumps({"groups": list(groups), "digest": digest, "root": str(root)})
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text + "\n", encoding="utf-8")
        fresh.replace(self.path)


class Environment:
    """.venv of one checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"
        self.stamp = Stamp(self.venv)

    def provide(self, wanted: Iterable[str]) -> None:
        if self.is_complete(self.all_groups(wanted)):
            return
        with only_one(self.root / "var" / "bootstrap.lock"):
            groups = self.all_groups(wanted)
            if not self.is_complete(groups):  # the one that we waited for may have done it
                self.install(groups)

    def all_groups(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Nothing is taken away again: `make run` after `make test` keeps the test tools."""
        union = set(wanted) | set(self.stamp.read().get("groups", ()))
        return tuple(name for name in GROUPS if name in union)

    def is_complete(self, groups: Iterable[str]) -> bool:
        stamp = self.stamp.read()
        return (
            stamp.get("digest") == self.digest(groups)
            and stamp.get("root") == str(self.root)
            and os.access(str(self.python), os.X_OK)
        )

    def digest(self, groups: Iterable[str]) -> str:
        digest = hashlib.sha256()
        for path in self.files(groups):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def files(self, groups: Iterable[str]) -> list[Path]:
        return [self.root / "requirements" / f"{name}.txt" for name in groups]

    def install(self, groups: tuple[str, ...]) -> None:
        check_platform()
        steps = Steps()
        environ = uv_environment(os.environ, pip_settings(os.environ))
        uv = find_uv(self.root, steps, environ)
        self.make(uv, steps, environ)
        # Without a digest the stamp says "not finished", and keeps what was asked for.
        self.stamp.write(groups, None, self.root)
        steps.say(f"installing {' + '.join(groups)} into .venv (1 to 4 minutes the first time)")
        if not steps.run([*sync_command(uv, self.python), *map(str, self.files(groups))], environ):
            raise CannotGoOn(
                "the packages could not be installed (see above). Is a package index in reach?"
                " A mirror is named by UV_DEFAULT_INDEX or by pip's own configuration."
            )
        self.stamp.write(groups, self.digest(groups), self.root)
        steps.say("everything is installed")

    def make(self, uv: str, steps: Steps, environ: Mapping[str, str]) -> None:
        fault = self.fault()
        if not fault:
            return
        if os.path.lexists(str(self.venv)):
            steps.say(f".venv {fault}: making it anew")
            remove(self.venv)
        python = find_python(uv, steps, environ)
        steps.say(f"making .venv with {python}")
        # --no-project: neither pyproject.toml nor another environment may choose the Python.
        command = [uv, "venv", "--quiet", "--no-project", "--prompt", "rasa-sms"]
        if not steps.run([*command, "--python", python, str(self.venv)], environ):
            raise CannotGoOn("uv could not make .venv (see above)")

    def fault(self) -> str:
        """Why this .venv cannot be used, or nothing."""
        if not os.path.lexists(str(self.venv)):
            return "is missing"
        if not (self.venv / "pyvenv.cfg").is_file() or not version_of([str(self.python)]):
            return "is not whole"
        if version_of([str(self.python)]) != (3, 10):
            return "has another Python than 3.10"
        if self.stamp.read().get("root", str(self.root)) != str(self.root):
            return "was made for another folder"  # its commands name their Python by full path
        return ""


def check_platform() -> None:
    here = (platform.system(), platform.machine())
    if here not in PLATFORMS:
        known = ", ".join(" ".join(pair) for pair in PLATFORMS)
        raise CannotGoOn(f"this is {' '.join(here)}; the requirements are locked for {known}")


def remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(str(path))


def sync_command(uv: str, python: Path) -> list[str]:
    # uv lists every package when it is done, and has no way to leave out just that.
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    sync = [uv, "pip", "sync", "--require-hashes", "--compile-bytecode"]
    return [*sync, *quiet, "--python", str(python)]


# uv


def find_uv(root: Path, steps: Steps, environ: Mapping[str, str]) -> str:
    """The uv on PATH if it works (a pyenv shim may not), else a private one under var/."""
    home = root / "var" / "uv"
    for candidate in [*on_path("uv", environ), str(home / "bin" / "uv")]:
        if is_recent_uv(candidate, environ):
            return candidate
    steps.say("uv is not here: making a private one in var/uv")
    shutil.rmtree(str(home), ignore_errors=True)
    if install_uv(home, steps, environ) and is_recent_uv(str(home / "bin" / "uv"), environ):
        return str(home / "bin" / "uv")
    raise CannotGoOn(NO_UV)


def install_uv(home: Path, steps: Steps, environ: Mapping[str, str]) -> bool:
    """By an environment of its own; where Debian left out ensurepip, by the pip that is there."""
    pip = ["-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    has_venv = answer_of([sys.executable, "-c", "import ensurepip, venv"], environ) is not None
    if has_venv and steps.run([sys.executable, "-m", "venv", str(home)], environ):
        return steps.run([str(home / "bin" / "python"), *pip, UV_WANTED], environ)
    if answer_of([sys.executable, "-m", "pip", "--version"], environ) is None:
        return False
    return steps.run([sys.executable, *pip, "--target", str(home), UV_WANTED], environ)


def is_recent_uv(path: str, environ: Mapping[str, str]) -> bool:
    found = re.match(r"uv (\d+)\.(\d+)", answer_of([path, "--version"], environ) or "")
    return bool(found) and (int(found[1]), int(found[2])) >= OLDEST_UV  # type: ignore[index]


def uv_environment(environ: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """The machine's own environment, and what pip knows where uv was told nothing."""
    kept = {name: value for name, value in environ.items() if name not in MISLEADING}
    if "UV_INDEX_URL" in kept or "UV_NO_INDEX" in kept:  # an older name for the same setting
        pip = {name: value for name, value in pip.items() if name != "index-url"}
    told = {PIP_TO_UV[name]: value for name, value in pip.items() if name in PIP_TO_UV}
    return {"UV_PYTHON_INSTALL_BIN": "0", **told, **kept}


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What `pip config list` would say, without the pip that may not be there."""
    settings: dict[str, str] = {}
    for path in pip_files(environ):
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, OSError, UnicodeError):
            parser.read(str(path), encoding="utf-8")
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update(parser.items(section))
    for name in PIP_TO_UV:
        given = environ.get("PIP_" + name.upper().replace("-", "_"))
        if given:
            settings[name] = given
    return settings


def pip_files(environ: Mapping[str, str]) -> list[Path]:
    """pip's configuration files, each overruling those before it."""
    named = environ.get("PIP_CONFIG_FILE")
    home = Path(environ.get("HOME", "/"))
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    mac = "Library/Application Support/pip/pip.conf"
    files = [Path("/") / mac, Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files += [home / ".pip/pip.conf", config / "pip/pip.conf", home / mac]
    return [*([] if named == os.devnull else files), *([Path(named)] if named else [])]


# Python 3.10


def find_python(uv: str, steps: Steps, environ: Mapping[str, str]) -> str:
    """From the machine if it has one, else from uv: installed before, or fetched now."""
    for candidate in python_candidates(environ):
        if version_of([candidate], environ) == (3, 10):
            return candidate
    managed = [uv, "python", "find", "--no-project", "--python-preference", "only-managed", "3.10"]
    if answer_of(managed, environ) is None:
        steps.say("no Python 3.10 on this machine: uv downloads one (about 30 MB)")
        steps.run([uv, "python", "install", "3.10"], environ)
    found = (answer_of(managed, environ) or "").strip()
    if version_of([found], environ) != (3, 10):
        raise CannotGoOn(NO_PYTHON)
    return found


def python_candidates(environ: Mapping[str, str]) -> Iterator[str]:
    """PATH first, then pyenv's versions, newest first: its shim works only when 3.10 is chosen."""
    yield from on_path("python3.10", environ)
    for home in pyenv_homes(environ):
        versions = sorted((home / "versions").glob("3.10.*/bin/python"), key=_patch, reverse=True)
        yield from map(str, versions)


def pyenv_homes(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("PYENV_ROOT"):
        yield Path(environ["PYENV_ROOT"])
    for pyenv in on_path("pyenv", environ):
        answer = (answer_of([pyenv, "root"], environ) or "").strip()
        if answer:
            yield Path(answer)
    yield Path(environ.get("HOME", "/")) / ".pyenv"


def _patch(python: Path) -> int:
    number = re.match(r"3\.10\.(\d+)", python.parent.parent.name)
    return int(number[1]) if number else -1


def on_path(name: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Every one on PATH, since the first may be a shim that does not work."""
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and os.path.isfile(path) and os.access(path, os.X_OK):
            yield path


def version_of(
    python: Sequence[str], environ: Mapping[str, str] | None = None
) -> tuple[int, ...] | None:
    """Major and minor number, if this Python runs and has what we need from it."""
    question = f"import sys, {NEEDED_MODULES}; print(*sys.version_info[:2])"
    answer = answer_of([*python, "-c", question], environ)
    return tuple(map(int, answer.split())) if answer else None


# Running things


def answer_of(command: Sequence[str], environ: Mapping[str, str] | None = None) -> str | None:
    """What a quick command prints; None if it cannot be run or fails."""
    try:
        done = subprocess.run(  # noqa: S603
            list(command),
            env=None if environ is None else dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


class Steps:
    """Tells what happens, one line a step, with the seconds since the start."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def say(self, text: str) -> None:
        print(f"bootstrap {time.monotonic() - self.start:5.1f} s  {text}", flush=True)

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> bool:
        """Its output is the user's; where no progress bar shows, a line now and then does."""
        process = subprocess.Popen(  # noqa: S603
            list(command), env=dict(environ), stdin=subprocess.DEVNULL
        )
        try:
            while True:
                try:
                    return process.wait(timeout=HEARTBEAT_SECONDS) == 0
                except subprocess.TimeoutExpired:
                    if not sys.stderr.isatty():
                        self.say("... still at it")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Two at once would install into one .venv. The lock goes with the process, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(str(path), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("bootstrap: another one is at work in this folder; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _as_interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
