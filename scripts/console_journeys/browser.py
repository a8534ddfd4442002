"""A page of the console in Chromium, whose errors are collected and whose views are checked with axe-core."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, sync_playwright

from command_line import CommandError

DESKTOP = {"width": 1100, "height": 720}
PHONE = {"width": 360, "height": 720}
SERIOUS = ("serious", "critical")
# Rules of WCAG 2.2, levels A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Those that docs/console.md shows.
SCREENSHOTS = {"documents-light", "search-dark", "search-phone", "document-light"}
SCREENSHOT_BYTES = 100_000
# Indexing a few small files on a busy machine.
INDEXING_MS = 180_000


class Console:
    """The console in a browser, as one user sees it."""

    def __init__(self, page: Page, url: str, screenshots: Path | None) -> None:
        self.page = page
        self.url = url
        self.screenshots = screenshots
        self.errors: list[str] = []
        self.findings: list[str] = []
        self.views: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure or ""))

    def check(self, view: str) -> None:
        """Checks the view with axe-core in light and dark, for a desktop and for a phone; takes screenshots."""
        if view in self.views:
            return
        self.views.append(view)
        for size, name in ((PHONE, "phone"), (DESKTOP, "desktop")):
            self.page.set_viewport_size(size)
            for scheme in ("dark", "light"):
                self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                self._axe(f"{view}, {name}, {scheme}")
                if (name, scheme) != ("phone", "dark"):
                    self._screenshot(view, "phone" if name == "phone" else scheme)
            self._does_not_scroll_sideways(f"{view}, {name}")

    def heading_has_focus(self, text: str) -> Locator:
        """Waits for a view, whose heading has the focus when it appears."""
        heading = self.page.get_by_role("heading", level=1, name=text)
        heading.wait_for()
        self.page.wait_for_function("document.activeElement === document.querySelector('h1')")
        return heading

    def _axe(self, where: str) -> None:
        result: dict[str, Any] = self.page.evaluate(
            "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES)
        for violation in result["violations"]:
            if violation["impact"] in SERIOUS:
                targets = ", ".join(str(node["target"]) for node in violation["nodes"][:3])
                self.findings.append(f"{where}: {violation['help']} ({violation['id']}) at {targets}")

    def _does_not_scroll_sideways(self, where: str) -> None:
        width, window = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if width > window:
            self.findings.append(f"{where}: the page is {width} pixels wide, the window {window}")

    def _screenshot(self, view: str, kind: str) -> None:
        name = f"{view.replace(' ', '-')}-{kind}"
        if self.screenshots is None or name not in SCREENSHOTS:
            return
        path = self.screenshots / f"{name}.png"
        self.page.screenshot(path=path)
        if path.stat().st_size > SCREENSHOT_BYTES:
            raise CommandError(f"{path} has {path.stat().st_size} bytes; at most {SCREENSHOT_BYTES} are allowed")

    def _note(self, kind: str, text: str) -> None:
        # Chromium reports every response with an error status; that the page shows it is what journeys check.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.errors.append(f"console: {text}")

    def _failed(self, url: str, reason: str) -> None:
        # Views that are left abort what they were loading.
        if "ERR_ABORTED" not in reason:
            self.errors.append(f"request: {url.partition('?')[0]}: {reason}")


@contextmanager
def opened(url: str, screenshots: Path | None) -> Iterator[Console]:
    """Opens the console in a new browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise CommandError("chromium is not installed; run scripts/install-servers")
    axe = (files("axe_playwright_python") / "axe.min.js").read_text()
    with sync_playwright() as playwright:
        # Chromium refuses its own sandbox to root, and shared memory is small in containers.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
        # In every page before its own scripts: a script of the page would be refused by its policy.
        context.add_init_script(axe)
        page = context.new_page()
        yield Console(page, url, screenshots)
        browser.close()
