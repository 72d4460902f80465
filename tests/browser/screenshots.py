"""Pictures of a report for documents: `python tests/browser/screenshots.py REPORT.html OUT_DIR` with playwright and a Chromium."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW: Final = "no Chromium: install Debian's package chromium, or set CELLAR_CHROMIUM to the program"
# Name, width and height in CSS pixels, pixels a CSS pixel, colours, whether all of the page.
PICTURES: Final = (
    ("report", 1280, 1000, 2, "light", False),
    ("report-dark", 1280, 1000, 2, "dark", False),
    ("report-whole", 1280, 1000, 1, "light", True),
    ("report-phone", 390, 844, 2, "light", False),
)


def chromium() -> str | None:
    """The browser's program, or None where there is none."""
    named = os.environ.get("CELLAR_CHROMIUM")
    return named or next((found for found in map(shutil.which, NAMES) if found), None)


def take(report: Path, out: Path) -> list[Path]:
    """Write the PICTURES of the report into the folder `out`."""
    from playwright.sync_api import sync_playwright

    program = chromium()
    if program is None:
        raise SystemExit(HOW)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, width, height, scale, colours, is_whole in PICTURES:
            page = browser.new_page(
                viewport={"width": width, "height": height}, device_scale_factor=scale, color_scheme=colours, reduced_motion="reduce"
            )
            page.goto(report.resolve().as_uri())
            written.append(out / f"{name}.png")
            page.screenshot(path=written[-1], full_page=is_whole)
            page.close()
        browser.close()
    return written


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    for picture in take(Path(sys.argv[1]), Path(sys.argv[2])):
        sys.stdout.write(f"{picture}\n")
