"""Every command ends quietly when its reader has gone, and with one line when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
COMMANDS = sorted(
    path for path in (*SCRIPTS.iterdir(), SCRIPTS.parent / ".ci" / "run")
    if path.is_file() and not path.suffix and os.access(path, os.X_OK)
)


def without_reader(command: list[str]) -> tuple[int, str]:
    """Runs a command whose standard output is a pipe without a reader; returns its status and standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    # Without a buffer, argparse itself ignores that its help cannot be written.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    try:
        ended = subprocess.run(
            command, stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environment)
    finally:
        os.close(writer)
    # A negative status is the number of the signal that ended it.
    return ended.returncode if ended.returncode >= 0 else 128 - ended.returncode, ended.stderr


def python(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"import sys\nfrom command_line import CommandError, run\n{program}"]
    return subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True)


class ClosedPipeTest(unittest.TestCase):
    def test_help_of_every_command(self) -> None:
        self.assertGreaterEqual(len(COMMANDS), 22)
        for command in COMMANDS:
            with self.subTest(command=command.name):
                self.assertEqual(without_reader([str(command), "--help"]), (141, ""))

    def test_output_of_a_command(self) -> None:
        for words in (["status"], ["env"]):
            with self.subTest(words=words):
                self.assertEqual(without_reader([str(SCRIPTS / "stack"), *words]), (141, ""))

    def test_closed_socket_is_not_taken_for_a_closed_pipe(self) -> None:
        ended = python("""
def main():
    raise BrokenPipeError("socket")
run("example", main)""")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("BrokenPipeError: socket", ended.stderr)


class HelpTest(unittest.TestCase):
    def test_every_command_describes_itself(self) -> None:
        for command in COMMANDS:
            with self.subTest(command=command.name):
                ended = subprocess.run([str(command), "--help"], capture_output=True, text=True)
                self.assertEqual((ended.returncode, ended.stderr), (0, ""))
                self.assertRegex(ended.stdout, rf"\Ausage: ({command.parent.name}/)?{command.name}\b")


class StatusTest(unittest.TestCase):
    def test_result_is_the_exit_status(self) -> None:
        for result, status in ((True, 0), (False, 1)):
            ended = python(f"run('example', lambda: {result})")
            self.assertEqual((ended.returncode, ended.stderr), (status, ""))

    def test_expected_failure_is_one_line(self) -> None:
        ended = python("""
def main():
    print("progress")
    raise CommandError("no such folder")
run("example", main)""")
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (1, "progress\n", "example: no such folder\n"))

    def test_exit_keeps_its_status_and_its_message(self) -> None:
        ended = python("run('example', lambda: sys.exit(3))")
        self.assertEqual((ended.returncode, ended.stderr), (3, ""))
        ended = python("run('example', lambda: sys.exit('no such folder'))")
        self.assertEqual((ended.returncode, ended.stderr), (1, "no such folder\n"))

    def test_interrupt_is_one_line(self) -> None:
        ended = python("""
def main():
    raise KeyboardInterrupt
run("example", main, on_interrupt="interrupted; run it again")""")
        self.assertEqual((ended.returncode, ended.stderr), (130, "\nexample: interrupted; run it again\n"))


if __name__ == "__main__":
    unittest.main()
