"""From an account to a document that was found: what a new user does first."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from console_journeys.browser import INDEXING_MS, Console

PASSWORD = "correct horse battery staple"
FILES = {
    "handbook/harbour.md": (
        "# Harbour rules\n\n## Tides\n\nShips with a draught of more than nine metres enter at high water only. "
        "The tide table is at the gate.\n\n## Waste\n\nOil is handed in at berth four.\n"),
    "handbook/library.md": (
        "# Library\n\n## Loans\n\nBooks are lent for three weeks. Whoever brings one back late pays a small fine.\n"),
    "handbook/garden.txt": "Tomatoes are watered in the morning, at the root, never on the leaves.\n",
    # Hidden files are left out.
    "handbook/.draft.md": "not ready\n",
}
BROKEN = ("report.pdf", b"%PDF-1.7 this is not one")
QUESTION = "when can a deep ship come in"


def register(console: Console) -> str:
    """Registers a user in the browser; returns the name."""
    page, name = console.page, f"reader_{secrets.token_hex(4)}"
    page.goto(console.url)
    console.heading_has_focus("Sign in")
    console.check("sign in")
    page.get_by_role("button", name="Create an account").click()
    console.heading_has_focus("Create an account")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Email").fill(f"{name}@example.org")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create an account").click()
    # The API's reason is shown, and connected with the field.
    expect(page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create an account").click()
    console.heading_has_focus("Collections")
    return name


def journey(console: Console) -> None:
    page = console.page
    user = register(console)
    new_collection(console, "Handbook")
    upload(console)
    console.check("documents")

    page.get_by_role("link", name="Operations", exact=True).click()
    expect(page.get_by_role("article").first).to_contain_text("completed", timeout=INDEXING_MS)
    console.check("operations")

    search(console)
    page.reload()
    # Tokens are in memory only.
    console.heading_has_focus("Sign in")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").click()
    console.heading_has_focus("Sign in")


def new_collection(console: Console, name: str) -> None:
    """Makes the first collection of a user."""
    page = console.page
    page.get_by_role("link", name="Make your first collection").click()
    console.heading_has_focus("New collection")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Description").fill("How things are done here")
    console.check("new collection")
    page.get_by_role("button", name="Create collection").click()
    console.heading_has_focus(name)


def upload(console: Console) -> None:
    """Uploads a folder and a broken file; each ends with its state, and the broken one with a reason."""
    page = console.page
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        broken = Path(folder) / BROKEN[0]
        broken.write_bytes(BROKEN[1])
        page.get_by_label("Folder to upload").set_input_files(Path(folder) / "handbook")
        page.get_by_label("Files to upload").set_input_files(broken)
        done = page.get_by_text("4 files done, 1 failed")
        expect(done).to_be_visible(timeout=INDEXING_MS)
    status = page.get_by_role("region", name="Status")
    expect(status).to_contain_text("degraded", timeout=INDEXING_MS)
    expect(status.get_by_role("definition").nth(1)).to_have_text("4")
    files = page.get_by_role("list", name="Files and their states").get_by_role("listitem")
    expect(files.first).to_contain_text("report.pdf")
    expect(files.first).to_contain_text("the PDF is damaged")
    expect(files.filter(has_text="searchable")).to_have_count(3)
    expect(page.get_by_text("1 hidden file left out")).to_be_visible()
    expect(page.get_by_role("region", name="Documents").get_by_role("row")).to_have_count(5)


def search(console: Console) -> None:
    """Searches by each mode, looks around a hit and opens its document at the passage."""
    page = console.page
    page.get_by_role("link", name="Search this collection").click()
    console.heading_has_focus("Search")
    for mode in ("Meaning", "Words", "Meaning and words"):
        page.get_by_label("What are you looking for?").fill(QUESTION)
        page.get_by_text(mode, exact=True).click()
        page.get_by_role("button", name="Search").click()
        hit = page.get_by_role("article").first
        expect(hit).to_contain_text("high water")
        expect(hit).to_contain_text("handbook/harbour.md")
    expect(hit.locator("mark").first).to_have_text("Ships")
    console.check("search")
    hit.get_by_role("link", name="Harbour rules").click()
    console.heading_has_focus("handbook/harbour.md")
    expect(page.locator(".text mark")).to_contain_text("draught of more than nine metres")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_text() == FILES["handbook/harbour.md"]
    console.check("document")
