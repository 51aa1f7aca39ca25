"""Bootstrap decides right: which groups, which uv, which Python, and whether there is work."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from local import bootstrap
from local.bootstrap import CannotGoOn, Environment, Steps

ROOT = bootstrap.ROOT
OUTSIDE = {"REDIS_URL": "redis://r", "LLM_BASE_URL": "http://m", "TWILIO_ACCOUNT_SID": "AC1"}
SHIM = "echo 'pyenv: command not found' >&2; exit 127"


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def machine(*folders: Path, **environ: str) -> Mapping[str, str]:
    """An environment with nothing but these folders on PATH, and no home to find a pyenv in."""
    path = ":".join(map(str, folders))
    return {"PATH": path, "HOME": "/nonexistent", **environ}


@pytest.fixture
def checkout(tmp_path: Path) -> Environment:
    """A checkout in a folder with a space, with two groups, and a .venv that has both."""
    root = tmp_path / "a checkout"
    for name in bootstrap.GROUPS:
        (root / "requirements").mkdir(parents=True, exist_ok=True)
        (root / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
    environment = Environment(root)
    executable(environment.python, "exit 0")
    groups = ("runtime", "embedded")
    environment.stamp.write(groups, environment.digest(groups), root)
    return environment


# Groups


def test_auto_leaves_out_the_embedded_parts_only_if_none_of_them_is_used() -> None:
    assert bootstrap.chosen_groups(["auto"], OUTSIDE) == ("runtime",)
    for name in OUTSIDE:
        environ = {**OUTSIDE, name: " "}
        assert bootstrap.chosen_groups(["auto"], environ) == ("runtime", "embedded"), name


def test_named_groups_are_taken_as_they_are_and_others_refused() -> None:
    assert bootstrap.chosen_groups(["runtime", "dev"], {}) == ("runtime", "dev")
    for wrong in ([], ["production"], ["runtime", "auto"]):
        with pytest.raises(CannotGoOn, match="runtime, embedded, dev"):
            bootstrap.chosen_groups(wrong, {})


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("REDIS_URL=redis://r", "redis://r"),
        ("  export REDIS_URL = redis://r", "redis://r"),
        ("REDIS_URL='redis://r' # ours", "redis://r"),
        ('REDIS_URL="redis://r#1"', "redis://r#1"),
        ("REDIS_URL=redis://r#1 # ours", "redis://r#1"),
        ("REDIS_URL=", ""),
        ("REDIS_URL= # none", ""),
        ("REDIS_URL=''", ""),
        ("#REDIS_URL=redis://r", None),
    ],
)
def test_dotenv_lines(tmp_path: Path, line: str, value: str | None) -> None:
    (tmp_path / ".env").write_text(f"# a comment\n{line}\n")
    assert bootstrap.read_dotenv(tmp_path / ".env").get("REDIS_URL") == value


# Is there anything to do?


def test_nothing_to_do_prints_nothing_and_starts_nothing(
    checkout: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.provide(["runtime"])
    checkout.provide(["runtime", "embedded"])
    assert capsys.readouterr() == ("", "")


def test_what_was_installed_once_stays_wanted(checkout: Environment) -> None:
    assert checkout.all_groups(["runtime"]) == ("runtime", "embedded")
    assert checkout.all_groups(["dev"]) == ("runtime", "embedded", "dev")
    assert not checkout.is_complete(("runtime", "embedded", "dev"))


def test_changed_requirements_are_installed(checkout: Environment) -> None:
    groups = ("runtime", "embedded")
    assert checkout.is_complete(groups)
    (checkout.root / "requirements" / "embedded.txt").write_text("embedded==2\n")
    assert not checkout.is_complete(groups)


def test_an_interrupted_install_is_unfinished_and_remembers_its_groups(
    checkout: Environment,
) -> None:
    checkout.stamp.write(("runtime", "dev"), None, checkout.root)
    assert checkout.all_groups([]) == ("runtime", "dev")
    assert not checkout.is_complete(("runtime", "dev"))


@pytest.mark.parametrize("damage", ["", "[]", '{"groups": ["runtime"'])
def test_a_damaged_stamp_counts_as_none(checkout: Environment, damage: str) -> None:
    checkout.stamp.path.write_text(damage)
    assert checkout.all_groups(["runtime"]) == ("runtime",)
    assert not checkout.is_complete(("runtime",))


def test_a_vanished_python_is_noticed(checkout: Environment) -> None:
    checkout.python.unlink()
    checkout.python.symlink_to("/nonexistent/python3.10")  # pyenv uninstall
    assert not checkout.is_complete(("runtime", "embedded"))


# Is this .venv usable?


def test_a_whole_environment_has_no_fault(checkout: Environment) -> None:
    (checkout.venv / "pyvenv.cfg").touch()
    executable(checkout.python, "echo 3 10")
    assert checkout.fault() == ""


def test_faults_are_named(checkout: Environment) -> None:
    (checkout.venv / "pyvenv.cfg").touch()
    executable(checkout.python, "echo 3 12")
    assert checkout.fault() == "has another Python than 3.10"
    executable(checkout.python, "exit 1")
    assert checkout.fault() == "is not whole"


def test_a_moved_checkout_gets_a_new_environment(checkout: Environment) -> None:
    (checkout.venv / "pyvenv.cfg").touch()
    executable(checkout.python, "echo 3 10")
    moved = Environment(checkout.root.rename(checkout.root.with_name("elsewhere")))
    assert not moved.is_complete(("runtime", "embedded"))
    assert moved.fault() == "was made for another folder"


# Which uv


def test_a_shim_that_fails_and_an_old_uv_are_passed_over(tmp_path: Path) -> None:
    shim, old, good = (tmp_path / name / "uv" for name in ("shims", "old", "good"))
    executable(shim, SHIM)
    executable(old, "echo uv 0.4.30")
    executable(good, "echo 'uv 0.8.1 (abc 2025-07-18)'")
    environ = machine(shim.parent, old.parent, good.parent)
    assert bootstrap.find_uv(tmp_path, Steps(), environ) == str(good)


def test_a_private_uv_is_used_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private = executable(tmp_path / "var" / "uv" / "bin" / "uv", "echo uv 0.13.9")
    assert bootstrap.find_uv(tmp_path, Steps(), machine(tmp_path)) == str(private)
    assert capsys.readouterr().out == ""


def test_pips_index_is_handed_to_uv_unless_uv_was_told(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://mirror.example/100%25/\ncert = /ca.pem\n")
    pip = bootstrap.pip_settings({"PIP_CONFIG_FILE": str(config), "HOME": str(tmp_path)})
    told = bootstrap.uv_environment({}, pip)
    assert told["UV_DEFAULT_INDEX"] == "https://mirror.example/100%25/"
    assert told["SSL_CERT_FILE"] == "/ca.pem"
    own = bootstrap.uv_environment({"UV_DEFAULT_INDEX": "https://own.example"}, pip)
    assert own["UV_DEFAULT_INDEX"] == "https://own.example"
    assert "UV_DEFAULT_INDEX" not in bootstrap.uv_environment({"UV_INDEX_URL": "https://o"}, pip)


def test_pips_variable_overrules_its_file(tmp_path: Path) -> None:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text("[global]\nindex-url = https://file\n")
    home = {"HOME": str(tmp_path)}
    assert bootstrap.pip_settings(home)["index-url"] == "https://file"
    both = {**home, "PIP_INDEX_URL": "https://variable"}
    assert bootstrap.pip_settings(both)["index-url"] == "https://variable"


def test_another_active_environment_does_not_mislead_uv() -> None:
    misleading = {"VIRTUAL_ENV": "/other", "CONDA_PREFIX": "/c", "UV_PYTHON": "3.12", "HOME": "/h"}
    told = bootstrap.uv_environment(misleading, {})
    assert told["HOME"] == "/h"
    assert not {"VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON"} & set(told)


# Which Python


def test_a_working_python_on_path_comes_first(tmp_path: Path) -> None:
    executable(tmp_path / "shims" / "python3.10", SHIM)
    good = executable(tmp_path / "bin" / "python3.10", "echo 3 10")
    executable(tmp_path / "pyenv/versions/3.10.9/bin/python", "echo 3 10")
    environ = machine(tmp_path / "shims", tmp_path / "bin", PYENV_ROOT=str(tmp_path / "pyenv"))
    assert bootstrap.find_python("/nonexistent/uv", Steps(), environ) == str(good)


def test_pyenvs_newest_is_found_behind_its_failing_shim(tmp_path: Path) -> None:
    executable(tmp_path / "shims" / "python3.10", SHIM)
    for version in ("3.9.18", "3.10.2", "3.10.13", "3.11.7"):
        major_minor = version.rpartition(".")[0].replace(".", " ")
        executable(tmp_path / f"home/.pyenv/versions/{version}/bin/python", f"echo {major_minor}")
    environ = machine(tmp_path / "shims", HOME=str(tmp_path / "home"))
    found = bootstrap.find_python("/nonexistent/uv", Steps(), environ)
    assert found == str(tmp_path / "home/.pyenv/versions/3.10.13/bin/python")


def test_pyenv_itself_is_asked_where_its_root_is(tmp_path: Path) -> None:
    python = executable(tmp_path / "root/versions/3.10.1/bin/python", "echo 3 10")
    executable(tmp_path / "bin" / "pyenv", f"echo '{tmp_path}/root'")
    environ = machine(tmp_path / "bin")
    assert bootstrap.find_python("/nonexistent/uv", Steps(), environ) == str(python)


def test_a_python_without_its_libraries_is_passed_over(tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "python3.10", "echo 'No module named _ssl' >&2; exit 1")
    whole = executable(tmp_path / "root/versions/3.10.1/bin/python", "echo 3 10")
    environ = machine(tmp_path / "bin", PYENV_ROOT=str(tmp_path / "root"))
    assert bootstrap.find_python("/nonexistent/uv", Steps(), environ) == str(whole)


def test_uv_fetches_python_when_the_machine_has_none(tmp_path: Path) -> None:
    fetched = tmp_path / "fetched"
    uv = executable(
        tmp_path / "uv",
        f"""case "$2" in
        install) printf '#!/bin/sh\\necho 3 10\\n' > {fetched}; /bin/chmod +x {fetched} ;;
        find) [ -e {fetched} ] && echo {fetched} ;;
        esac""",
    )
    assert bootstrap.find_python(str(uv), Steps(), machine(tmp_path)) == str(fetched)


def test_no_python_anywhere_is_one_sentence_that_says_how_to_get_it(tmp_path: Path) -> None:
    uv = executable(tmp_path / "uv", "exit 1")
    with pytest.raises(CannotGoOn, match=r"Python 3\.10 is missing.*pyenv install 3\.10"):
        bootstrap.find_python(str(uv), Steps(), machine(tmp_path))


# As a whole


class Listener(io.StringIO):
    """Takes the place of the terminal, and notices when somebody is told to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.told_to_wait = threading.Event()

    def write(self, text: str) -> int:
        if "waiting" in text:
            self.told_to_wait.set()
        return super().write(text)


def test_only_one_at_a_time_and_the_other_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    holding = threading.Event()
    terminal = Listener()
    monkeypatch.setattr(sys, "stdout", terminal)

    def second() -> None:
        holding.wait()
        with bootstrap.only_one(tmp_path / "var" / "lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with bootstrap.only_one(tmp_path / "var" / "lock"):
        holding.set()
        assert terminal.told_to_wait.wait(30)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.mark.parametrize("python", ["python3.8", "python3.9", "python3.11", "python3.13"])
def test_it_runs_under_any_python_that_is_here(python: str) -> None:
    versions = list(bootstrap.on_path(python, {"PATH": "/usr/bin:/usr/local/bin"}))
    with contextlib.suppress(OSError):
        minor = python.removeprefix("python")
        versions += map(str, Path.home().glob(f".pyenv/versions/{minor}.*/bin/python"))
    if not versions:
        pytest.skip(f"no {python} here")
    done = run(versions[0], "nonsense")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("say which groups: auto, or some of runtime, embedded, dev")


def test_it_needs_nothing_but_the_standard_library() -> None:
    done = run(sys.executable, "-I", "-S", str(ROOT / "local" / "bootstrap.py"), script=False)
    assert done.stderr.startswith("bootstrap: say which groups")


def test_no_requirement_says_where_packages_come_from() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in path.read_text(), path.name


def run(python: str, *arguments: str, script: bool = True) -> subprocess.CompletedProcess[str]:
    file = [str(ROOT / "local" / "bootstrap.py")] if script else []
    return subprocess.run(
        [python, *file, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
