"""The pictures of the playground in the docs, taken from a running `dragoman app` by a headless Chromium.

    dragoman app --model encoder=runs/captions-to-english --model llm=runs/captions-llm --port 7860
    python scripts/screenshots.py http://127.0.0.1:7860 docs/images --languages deu:eng --text "Zwei Hunde spielen im Schnee."

It needs Chromium and `pip install playwright`. The first model translates; where there are two, the picture of the comparison has both.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

_WIDE, _PHONE = {"width": 1200, "height": 960}, {"width": 360, "height": 740}


def main() -> None:
    """Wide page, comparison, phone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text", default="Zwei Hunde spielen im Schnee.\n\nEine Frau in einem roten Kleid liest ein Buch.")
    parser.add_argument(
        "--compare", default="Ein Mädchen in einem Karateanzug bricht ein Brett mit einem Tritt.", help="the text that two models translate"
    )
    parser.add_argument("--languages", default="deu:eng", help="FROM:TO, as codes of the page's lists")
    given = parser.parse_args()
    source, target = given.languages.split(":")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = opened(browser, given.address, _WIDE)
        translated(page, source, target, given.text)
        page.screenshot(path=given.folder / "playground.png")
        compared(page, source, target, given.compare)
        page.screenshot(path=given.folder / "playground-compare.png", full_page=True)
        page = opened(browser, given.address, _PHONE, color_scheme="dark")
        translated(page, source, target, given.text)
        page.screenshot(path=given.folder / "playground-phone.png")
        browser.close()


def opened(browser: Any, address: str, viewport: dict[str, int], **options: Any) -> Any:
    """The page, once its first events are through."""
    page = browser.new_context(viewport=viewport, **options).new_page()
    page.goto(address)
    page.wait_for_selector("#translate-output textarea[lang]")
    return page


def translated(page: Any, source: str, target: str, text: str) -> None:
    """The first tab with a translation and its estimate."""
    choose(page, "translate-from", source)
    choose(page, "translate-to", target)
    page.get_by_role("button", name="Context, formality, instruction").click()
    page.check("#translate-estimate input")
    page.fill("#translate-text textarea", text)
    page.click("#translate-go")
    page.get_by_text("Adequacy estimate").first.wait_for(timeout=120_000)
    page.locator("#translate-text textarea").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, 0)")


def compared(page: Any, source: str, target: str, text: str) -> None:
    """The second tab with two translations of one text."""
    page.get_by_role("tab", name="Compare", exact=True).click()
    choose(page, "compare-from", source)
    choose(page, "compare-to", target)
    page.fill("#compare-text textarea", text)
    page.click("#compare-go")
    page.locator("#compare-shown .passage").nth(1).wait_for(timeout=120_000)
    page.wait_for_timeout(1000)


def choose(page: Any, element: str, typed: str) -> None:
    """Pick a language by typing."""
    page.locator(f"#{element} input").click()
    page.wait_for_timeout(300)
    page.keyboard.type(typed, delay=30)
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    page.keyboard.press("Tab")


if __name__ == "__main__":
    main()
