"""The server in a process of its own with two tiny models, and a page of it in a headless Chromium driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from app_process import started
from browser import CHROMIUM

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@contextmanager
def app_server(folder: Path, *options: str) -> Iterator[str]:
    """`dragoman app` on a free port; its address."""
    with started(folder, *options) as (address, _):
        yield address


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, or a skipped test with the reason."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """An open page, with what a test does to it again and again, and what went wrong in it."""

    page: Any
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        self.page.on("dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.problems.append(f"asked for {url}")

    def open(self, address: str) -> None:
        """Load the page, until its first events are through: text boxes know their languages by then."""
        self.page.goto(address)
        self.page.wait_for_selector("#translate-output textarea[lang]")

    def show(self, name: str) -> None:
        """Go to a tab by its name."""
        self.page.get_by_role("tab", name=name, exact=True).click()

    def value(self, element: str) -> str:
        """What a text box holds."""
        return str(self.page.input_value(f"#{element} textarea"))

    def choose(self, element: str, typed: str) -> None:
        """Pick from a dropdown by typing."""
        self.page.locator(f"#{element} input").click()
        self.page.wait_for_function(
            "(({ selectionStart: from, selectionEnd: to, value }) => to - from === value.length)(document.activeElement)"
        )
        self.page.keyboard.type(typed, delay=20)
        fitting = "(typed) => { const all = [...document.querySelectorAll('[role=option]')].map((one) => one.textContent);"
        fitting += " return all.length && all.every((text) => text.toLowerCase().includes(typed.toLowerCase())); }"
        self.page.wait_for_function(fitting, arg=typed)
        self.page.wait_for_timeout(200)
        self.page.keyboard.press("Enter")
        self.page.wait_for_function("document.querySelectorAll('[role=option]').length === 0")
        self.page.wait_for_timeout(200)  # a list that loses the focus right after Enter keeps what it had
        self.page.keyboard.press("Tab")

    def ends(self, element: str) -> str:
        """Wait until a text box has a text that stays; the text."""
        box = f"document.querySelector('#{element} textarea').value"
        self.page.wait_for_function(f"{box}.length > 0", timeout=60_000)
        before = ""
        while (now := self.value(element)) != before:
            before = now
            self.page.wait_for_timeout(1500)
        return now

    def has(self, element: str, words: str, timeout: float = 20_000) -> str:
        """Wait until an element shows these words; all of its text."""
        place = self.page.locator(f"#{element}").get_by_text(words).first
        place.wait_for(timeout=timeout)
        return str(self.page.inner_text(f"#{element}"))
