"""Part of scripts/check: SAM's own reader and parser accept what `scripts/deploy sam-parameters` prints.

Runs with the packages of scripts/sam.lock, not those of .venv alone.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from pathlib import Path

from command_line import CommandError, run
from deployment import config, sam
from deployment.stored_secrets import PARAMETERS
from deployment.template import MANAGED, Template
from local_stack.settings import ROOT


def main() -> bool:
    from samcli.cli.types import CfnParameterOverridesType
    from samcli.lib.config.samconfig import SamConfig

    template = Template.read(ROOT / "template.yaml")
    parsed = config.parse(tomllib.loads(config.EXAMPLE.read_text()), template, config.EXAMPLE)
    values = _values(parsed, template)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "samconfig.toml").write_text(sam.samconfig(parsed, values, "semantik-deploy-1-eu-central-1"))
        settings = SamConfig(folder).get_all(["deploy"], "parameters")
    overrides = CfnParameterOverridesType().convert(settings["parameter_overrides"], None, None)
    if overrides != values:
        different = sorted(name for name in values.keys() | overrides.keys()
                           if values.get(name) != overrides.get(name))
        raise CommandError(f"SAM reads other values than were written: {different[0]}: "
                           f"{overrides.get(different[0])!r}, not {values.get(different[0])!r}")
    print(f"SAM reads {len(overrides)} parameters and stack {settings['stack_name']} as they were written")
    return True


def _values(parsed: config.Config, template: Template) -> dict[str, str]:
    """Returns a value for each parameter: of the example, and whatever is hard to quote for the others."""
    values = {name: parameter.default for name, parameter in template.parameters.items()}
    values |= parsed.parameters
    arns = [parameter for parameter, _ in PARAMETERS.values()]
    values |= {name: f"arn:aws:secretsmanager:eu-central-1:1:secret:{name}-a1B2c3" for name in [*arns, *MANAGED]}
    values |= {"EgressAllow": 'a "quoted" name, *.corp.example', "SubnetIds": "subnet-1,subnet-2", "ApiUrl": ""}
    return {name: value for name, value in values.items() if name in template.parameters}


if __name__ == "__main__":
    sys.path.append(str(ROOT / ".local" / "sam"))
    run("scripts/check", main)
