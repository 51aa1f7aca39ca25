"""Debian's Chromium, without a window and with an empty profile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

_BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_QUIET = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium(profile: Path, width: int = 1200, height: int = 900) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile. Fails, and never skips, when none is installed."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.fail(
            "Browser tests need Chromium and its driver:"
            " `apt-get install chromium chromium-driver` (Debian),"
            " `brew install chromedriver` and Chrome (macOS).",
            pytrace=False,
        )
    options = Options()
    options.binary_location = browser
    for argument in (*_QUIET, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def show_at(chrome: webdriver.Chrome, width: int, height: int) -> None:
    """The page as on a screen of this size: a headless window itself will not go below 500."""
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def prefer_dark(chrome: webdriver.Chrome) -> None:
    feature = {"name": "prefers-color-scheme", "value": "dark"}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def prefer_nothing(chrome: webdriver.Chrome) -> None:
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
