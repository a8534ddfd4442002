"""What superusers do: users, source grants, the installation."""

from __future__ import annotations

import os
import secrets

from playwright.sync_api import expect

from console_journeys.browser import Console


def journey(console: Console) -> None:
    page = console.page
    page.goto(console.url)
    page.get_by_label("User name").fill(os.environ["ADMIN_USERNAME"])
    page.get_by_label("Password").fill(os.environ["ADMIN_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()
    console.heading_has_focus("Collections")
    page.get_by_role("link", name="Administration").click()
    console.heading_has_focus("Administration")

    name = f"clerk_{secrets.token_hex(4)}"
    page.get_by_label("User name").fill(name)
    page.get_by_label("Email").fill(f"{name}@example.org")
    page.get_by_label("First password").fill(secrets.token_urlsafe(16))
    page.get_by_role("button", name="Create user").click()
    page.get_by_label("Find a user").fill(name)
    row = page.get_by_role("row", name=name)
    expect(row).to_contain_text("active")
    console.check("users")
    row.get_by_role("button", name="Deactivate").click()
    page.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
    expect(row).to_contain_text("inactive")

    page.get_by_role("link", name="Source grants").click()
    bucket = f"journeys-{secrets.token_hex(4)}"
    page.get_by_label("Bucket").fill(bucket)
    page.get_by_label("Prefix (optional)").fill("manuals/")
    page.get_by_role("button", name="Grant", exact=True).click()
    grant = page.get_by_role("row", name=bucket)
    expect(grant).to_contain_text("everyone")
    console.check("source grants")
    grant.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name=bucket)).to_have_count(0)

    page.get_by_role("link", name="System", exact=True).click()
    for component in ("database", "bucket", "qdrant"):
        expect(page.get_by_role("row", name=component)).to_contain_text("up")
    # Another run needs registration open, so it is left as it is.
    expect(page.get_by_role("button", name="Close registration")).to_be_enabled()
    console.check("system")

    page.get_by_role("link", name="Audit log", exact=True).click()
    expect(page.get_by_role("row").filter(has_text="source").first).to_be_visible()
    console.check("audit log of all")
