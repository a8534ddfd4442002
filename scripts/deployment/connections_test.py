"""The documented numbers of connections are those of template.yaml."""

from __future__ import annotations

import re
import unittest

from deployment.connections import connections, instances, users
from deployment.template import Template
from local_stack.settings import ROOT

TEMPLATE = Template.read(ROOT / "template.yaml")


def table(**chosen: str) -> tuple[int, int]:
    found = users(TEMPLATE, lambda name: chosen.get(name, TEMPLATE.parameters[name].default))
    return instances(found), connections(found)


class ConnectionsTest(unittest.TestCase):
    def test_the_documented_table_is_that_of_the_template(self) -> None:
        document = (ROOT / "docs" / "deployment.md").read_text()
        rows = re.findall(r"^\| `(small|medium|large)` \| (\d+) \| (\d+) \| (\d+) \|$", document, re.MULTILINE)
        self.assertEqual([row[0] for row in rows], list(TEMPLATE.mapping("Throughput")))
        for throughput, run, used, with_ocr in rows:
            self.assertEqual(table(Throughput=throughput), (int(run), int(used)), throughput)
            self.assertEqual(table(Throughput=throughput, OcrEnabled="true")[1], int(with_ocr), throughput)

    def test_parameters_change_what_they_name(self) -> None:
        run, used = table()
        self.assertEqual(table(ApiConcurrency="20"), (run + 10, used + 20))
        self.assertEqual(table(SearchConcurrency="1", HttpDatabaseConnections="3"), (run - 9, used + 10 - 17))
        self.assertEqual(table(EmbedJobImage="image", EmbedJobMost="2"), (run, used + 8))


if __name__ == "__main__":
    unittest.main()
