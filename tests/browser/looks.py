"""How a page looks to those who have to see it: colours, contrast, the focus."""

from __future__ import annotations

from tests.browser.page import Page


def has_visible_focus(page: Page) -> bool:
    style, width = page.chrome.execute_script(
        "const s = getComputedStyle(document.activeElement);"
        "return [s.outlineStyle, parseFloat(s.outlineWidth)]"
    )
    return bool(style != "none" and width >= 2)


def colours(page: Page, selector: str) -> tuple[list[float], list[float]]:
    """The element's own colour, and the first one behind it that is not transparent."""
    found: list[list[float]] = page.chrome.execute_script(
        """
        const read = (c) => c.match(/[\\d.]+/g).map(Number);
        let element = document.querySelector(arguments[0]);
        const ink = read(getComputedStyle(element).color);
        for (;; element = element.parentElement) {
          const back = read(getComputedStyle(element).backgroundColor);
          if (back.length === 3) return [ink, back];
        }
        """,
        selector,
    )
    return found[0], found[1]


def luminance(colour: list[float]) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in colour[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def lightness(page: Page, selector: str) -> float:
    return luminance(colours(page, selector)[1])


def contrast(page: Page, selector: str) -> float:
    darker, lighter = sorted(map(luminance, colours(page, selector)))
    return (lighter + 0.05) / (darker + 0.05)
