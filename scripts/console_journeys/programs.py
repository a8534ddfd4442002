"""API keys and profiles of assistants."""

from __future__ import annotations

import json
import urllib.request

from playwright.sync_api import expect

from console_journeys.browser import Console
from console_journeys.newcomer import new_collection, register


def journey(console: Console) -> None:
    page = console.page
    register(console)
    new_collection(console, "Recipes")
    page.get_by_role("link", name="API keys", exact=True).click()
    console.heading_has_focus("API keys")
    page.get_by_label("Name").fill("notebook")
    page.get_by_label("Limited to").select_option(label="Recipes")
    page.get_by_role("button", name="Create key").click()
    secret = page.locator("pre")
    expect(secret).to_contain_text("smtk_")
    key = secret.inner_text()
    assert collections(console, key) == ["Recipes"]
    row = page.get_by_role("row", name="notebook")
    expect(row).to_contain_text("limited to 1 of your collections")
    console.check("API keys")
    row.get_by_role("button", name="Rotate").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    expect(secret).not_to_have_text(key)
    assert collections(console, secret.inner_text()) == ["Recipes"]

    page.get_by_role("link", name="Assistants", exact=True).click()
    console.heading_has_focus("Assistants")
    page.get_by_label("Name").fill("kitchen")
    page.get_by_label("What the assistant finds there").fill("How we cook")
    page.get_by_role("button", name="Create profile").click()
    profile = page.get_by_role("article").filter(has_text="kitchen")
    expect(profile).to_contain_text("Recipes")
    profile.get_by_text("Settings to copy").click()
    settings = json.loads(profile.locator("pre").inner_text())
    assert list(settings) == ["mcpServers"] and len(settings["mcpServers"]) == 1, settings
    console.check("assistants")

    page.get_by_role("link", name="API keys", exact=True).click()
    page.get_by_role("row", name="notebook").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row", name="notebook")).to_have_count(0)


def collections(console: Console, key: str) -> list[str]:
    """Returns the names of the collections that a key may read."""
    request = urllib.request.Request(f"{console.url}api/v2/collections", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request) as response:
        return [collection["name"] for collection in json.load(response)["collections"]]
