"""The files for `sam local invoke` name every function and every variable of the template."""

from __future__ import annotations

import socket
import threading
import unittest
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local_stack import build, forward, sam
from local_stack.external_test import unused_port
from local_stack.settings import ROOT, StackError

# Another address of this machine, as the gateway of a container network is.
OTHER_ADDRESS = "127.0.0.2"
ENDPOINTS = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_BATCH": "http://127.0.0.1:4568"}


def declared(template: dict[str, Any]) -> dict[str, set[str]]:
    """Returns the names of the variables that a template declares, by function."""
    shared = set(template["Globals"]["Function"]["Environment"]["Variables"])
    return {
        name: shared | set(resource["Properties"].get("Environment", {}).get("Variables", {}))
        for name, resource in template["Resources"].items() if resource["Type"] == "AWS::Serverless::Function"
    }


class SamTest(unittest.TestCase):
    def setUp(self) -> None:
        self.text = (ROOT / "template.yaml").read_text()
        self.template = yaml_parse(self.text)

    def test_every_function_and_variable_of_the_template_gets_a_value(self) -> None:
        functions = declared(self.template)
        self.assertEqual(set(sam.function_ids(self.text)), set(functions))
        self.assertEqual({sam.logical_id(name) for name in build.FUNCTIONS}, set(functions))
        # As CloudFormation deploys them.
        deployed = {name: dict.fromkeys(names, "value") for name, names in functions.items()}
        written = sam.variables(deployed, ENDPOINTS, OTHER_ADDRESS)
        # SAM passes only what its template declares.
        passed = declared(yaml_parse(sam.with_packages(self.text, Path("/packages"), ENDPOINTS)))
        self.assertEqual({name: set(values) for name, values in written.items()}, passed)
        for values in written.values():
            self.assertEqual(values["AWS_ENDPOINT_URL"], f"http://{OTHER_ADDRESS}:4566")

    def test_the_code_is_that_of_the_local_stack(self) -> None:
        resources = yaml_parse(sam.with_packages(self.text, Path("/packages"), ENDPOINTS))["Resources"]
        code = {name: resources[sam.logical_id(name)]["Properties"]["CodeUri"] for name in build.FUNCTIONS}
        self.assertEqual(code, {name: f"/packages/{name}/" for name in build.FUNCTIONS})

    def test_variables_name_this_machine_as_a_container_reaches_it(self) -> None:
        deployed = {"ApiFunction": {
            "DATABASE_URL": "postgres://semantik:localhost@127.0.0.1:55432/semantik",
            "SCAN_QUEUE_URL": "http://localhost:4566/000000000000/scan",
            "EGRESS_ALLOW": "127.0.0.1,10.127.0.0.1.example,localhost.example",
            "API_URL": "http://127.0.0.1:4566/_aws/execute-api/{api_id}/$default",
        }}
        values = sam.variables(deployed, {}, "172.17.0.1")["ApiFunction"]
        self.assertEqual(values["SCAN_QUEUE_URL"], "http://172.17.0.1:4566/000000000000/scan")
        self.assertTrue(values["DATABASE_URL"].endswith("@172.17.0.1:55432/semantik"))
        self.assertEqual(values["EGRESS_ALLOW"], "172.17.0.1,10.127.0.0.1.example,localhost.example")
        self.assertEqual(values["API_URL"], deployed["ApiFunction"]["API_URL"])

    def test_every_payload_has_a_function_and_every_function_a_payload(self) -> None:
        payloads = sam.payloads()
        self.assertEqual({name for name, _ in payloads}, set(build.FUNCTIONS))
        self.assertIn(("sweep", ROOT / "events" / "sweep-dead-letter.json"), payloads)
        self.assertIn(("recognize", ROOT / "events" / "extract.json"), payloads)
        self.assertEqual({path.name for _, path in payloads}, {path.name for path in (ROOT / "events").glob("*.json")})


class ForwardTest(unittest.TestCase):
    def test_a_port_is_forwarded_in_both_directions_and_only_inside_of_the_block(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

            def echo() -> None:
                connection, _ = server.accept()
                with connection:
                    while data := connection.recv(65536):
                        connection.sendall(data)

            thread = threading.Thread(target=echo)
            thread.start()
            sent = bytes(range(256)) * 256
            with forward.ports(OTHER_ADDRESS, [port]):
                with socket.create_connection((OTHER_ADDRESS, port), 5) as client:
                    client.settimeout(10)
                    client.sendall(sent)
                    received = b""
                    while len(received) < len(sent) and (data := client.recv(65536)):
                        received += data
                self.assertEqual(received, sent)
            thread.join(10)
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection((OTHER_ADDRESS, port), 5).close()

    def test_a_port_in_use_is_said(self) -> None:
        port = unused_port()
        with (
            socket.create_server((OTHER_ADDRESS, port)),
            self.assertRaisesRegex(StackError, f"{OTHER_ADDRESS}:{port}"),
            forward.ports(OTHER_ADDRESS, [port]),
        ):
            self.fail("the port is in use")


if __name__ == "__main__":
    unittest.main()
