"""What the owner of a collection does besides searching: sources, sharing, reindexing, usage, the audit log."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import expect

from console_journeys.browser import INDEXING_MS, Console
from console_journeys.newcomer import new_collection, register

# The page asks for the state of the collection again within this time.
POLL_MS = 15_000


def journey(console: Console) -> None:
    page = console.page
    reader = register(console)
    page.get_by_role("button", name="Sign out").click()
    register(console)
    new_collection(console, "Manuals")
    source(console)

    page.get_by_role("link", name="Sharing", exact=True).click()
    console.heading_has_focus("Manuals")
    page.get_by_label("User name or email").fill("nobody_of_this_name")
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("User name or email").fill(reader)
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("row", name=reader)).to_contain_text("read")
    console.check("sharing")
    page.get_by_role("row", name=reader).get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Not shared with anyone")).to_be_visible()

    reindex(console)
    for tab in ("Usage", "Audit log"):
        page.get_by_role("link", name=tab, exact=True).click()
        console.heading_has_focus("Manuals")
        if tab == "Audit log":
            expect(page.get_by_role("row").filter(has_text="reindex").first).to_be_visible()
        else:
            expect(page.get_by_role("progressbar", name="Documents")).to_be_visible()
        console.check(tab.lower())

    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("button", name="Delete collection").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete collection").click()
    console.heading_has_focus("Collections")
    expect(page.get_by_role("link", name="Manuals")).to_have_count(0)


def source(console: Console) -> None:
    """Adds a directory of the stack: first one that is not allowed, tests it, then one that works."""
    page = console.page
    folder = Path(os.environ["DIRECTORY_ROOTS"].split(":")[0]) / "console-journeys"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pump.md").write_text("# The pump\n\nThe pump is oiled every Monday.\n")
    page.get_by_role("link", name="Sources", exact=True).click()
    console.heading_has_focus("Manuals")
    page.get_by_role("button", name="Add a source").click()
    page.get_by_label("Type").select_option("directory")
    # Waits for the form of this type.
    page.get_by_label("Include patterns").fill("**/*.md")
    page.get_by_label("Path", exact=True).fill("/proc")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Path", exact=True).fill(str(folder))
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("It works.")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="pump.md")).to_be_visible()
    console.check("source form")
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_role("article").filter(has_text=str(folder))).to_contain_text("1 document", timeout=INDEXING_MS)
    console.check("sources")
    page.get_by_role("button", name="Sync all now").click()
    expect(page.get_by_text("Started; the operations")).to_be_visible()


def reindex(console: Console) -> None:
    """Reindexes with smaller passages, and returns to the index of before."""
    page = console.page
    page.get_by_role("link", name="Operations", exact=True).click()
    # The first one, that of the new source and the sync; a reindex waits for none of them.
    expect(page.get_by_role("article").filter(has_text="completed")).to_have_count(3, timeout=INDEXING_MS)
    page.get_by_role("link", name="Settings", exact=True).click()
    console.heading_has_focus("Manuals")
    console.check("settings")
    page.get_by_label("Passage size in tokens").fill("64")
    page.get_by_label("Overlap in tokens").fill("8")
    page.get_by_role("button", name="Start reindex").click()
    reindexing = page.get_by_role("article").filter(has=page.get_by_role("heading", name="reindex", exact=True))
    expect(reindexing).to_contain_text("completed", timeout=INDEXING_MS)
    page.get_by_role("link", name="Settings", exact=True).click()
    expect(page.get_by_label("Passage size in tokens")).to_have_value("64", timeout=POLL_MS)
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_label("Passage size in tokens")).not_to_have_value("64", timeout=POLL_MS)
