"""Lock: chooses the versions of pyproject.toml's dependencies, and writes requirements/*.txt."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from local.bootstrap import (
    ROOT,
    CannotGoOn,
    Steps,
    find_python,
    find_uv,
    pip_settings,
    uv_environment,
)

WHICH = {
    "runtime": ("--no-default-groups",),
    "embedded": ("--only-group", "embedded"),
    "dev": ("--only-group", "dev"),
}
EXPORT = ("--no-emit-project", "--format", "requirements.txt", "--no-header", "--quiet")


def main() -> int:
    try:
        lock(ROOT)
    except CannotGoOn as error:
        print(f"lock: {error}", file=sys.stderr)
        return 1
    return 0


def lock(root: Path) -> None:
    steps = Steps()
    environ = uv_environment(os.environ, pip_settings(os.environ))
    uv = find_uv(root, steps, environ)
    os.chdir(root)
    environ["UV_PYTHON"] = find_python(uv, steps, environ)
    if not steps.run([uv, "lock"], environ):
        raise CannotGoOn("uv could not find versions that fit together (see above)")
    for name, which in WHICH.items():
        path = root / "requirements" / f"{name}.txt"
        fresh = path.with_suffix(".new")
        command = [uv, "export", "--frozen", *which, *EXPORT, "-o", str(fresh)]
        if not steps.run(command, environ):
            raise CannotGoOn(f"uv could not export {path.name} (see above)")
        check_addresses(fresh)
        fresh.replace(path)


def check_addresses(path: Path) -> None:
    """Where packages come from is each machine's own affair, so no file of ours may say it."""
    if re.search(r"\w+://|--(extra-)?index-url|--find-links", path.read_text(encoding="utf-8")):
        raise CannotGoOn(f"{path.name} names an address; it must hold names and hashes only")


if __name__ == "__main__":
    sys.exit(main())
