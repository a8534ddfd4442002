"""A samconfig.toml for those who deploy with the SAM command line themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping

from deployment.config import Config


def samconfig(config: Config, parameters: Mapping[str, str], bucket: str) -> str:
    """Returns the text of the file. SAM rejects `Name=` without a value, so each value is in quotes."""
    overrides = [f'{name}="{_escaped(value)}"' for name, value in sorted(parameters.items())]
    tags = {"semantik:stack": config.stack, **config.tags}
    settings = {
        "stack_name": config.stack, "region": config.region, "s3_bucket": bucket, "s3_prefix": f"{config.stack}/sam",
        "capabilities": "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND", "confirm_changeset": True,
        "fail_on_empty_changeset": False, "template_file": "template.yaml",
        "tags": " ".join(f'"{name}"="{_escaped(value)}"' for name, value in tags.items()),
    }
    if config.profile:
        settings["profile"] = config.profile
    # JSON's texts, booleans and lists of texts are TOML's, too.
    lines = ["# Written by scripts/deploy sam-parameters. It contains no secrets.", "version = 0.1", "",
             "[default.deploy.parameters]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines += ["parameter_overrides = [", *(f"  {json.dumps(one)}," for one in overrides), "]"]
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
