"""The secrets of the deployed functions, in the emulator's Secrets Manager as they are in AWS."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

from local_stack import emulator
from local_stack.settings import Settings, load_secrets


def store(settings: Settings) -> dict[str, str]:
    """Creates or updates the secrets; returns their ARNs by the parameters of template.yaml."""
    known = load_secrets()
    wanted: dict[str, tuple[str, dict[str, Any]]] = {
        "TokenSecret": ("tokens", {"jwt_secrets": [known["jwt_secret"]]}),
        "ConnectorSecret": ("connectors", {"keys": known["connector_secrets_keys"].split(",")}),
        "AdministratorSecret": ("administrator", administrator()),
    }
    # A server that trusts its clients needs none.
    if password := urlsplit(settings.functions_database_url).password:
        wanted["DatabaseSecret"] = ("database", {"password": unquote(password)})
    return {parameter: _put(settings, name, value) for parameter, (name, value) in wanted.items()}


def administrator() -> dict[str, str]:
    """Returns the first superuser of a local stack."""
    return {
        "username": "admin", "email": "admin@example.com", "password": load_secrets()["administrator_password"],
    }


def without_password(url: str) -> str:
    """Removes the password of a URL."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.split(':')[0]}@{host}" if user else host).geturl()


def _put(settings: Settings, name: str, value: dict[str, Any]) -> str:
    client = emulator.client(settings, "secretsmanager")
    full_name, text = _full_name(settings, name), json.dumps(value)
    try:
        current = client.get_secret_value(SecretId=full_name)
    except client.exceptions.ResourceNotFoundException:
        return str(client.create_secret(Name=full_name, SecretString=text)["ARN"])
    if current["SecretString"] != text:
        client.put_secret_value(SecretId=full_name, SecretString=text)
    return str(current["ARN"])


def _full_name(settings: Settings, name: str) -> str:
    return f"semantik/{settings.name}/{name}"
