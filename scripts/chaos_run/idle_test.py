"""Sessions and statements are read from the server's log, and only those of hourly runs are accepted."""

from __future__ import annotations

import unittest

from chaos_run.idle import HOUR_SECONDS, Sessions, evaluate

BEGIN = 1_000_000.0


def session(begin: float, end: float, process: int, statements: int = 1) -> list[str]:
    opened = "LOG:  connection authorized: user=semantik database=semantik application_name=semantik"
    lines = [f"{begin:.3f}|semantik|{process}|{opened}"]
    lines += [f"{begin + 0.1:.3f}|semantik|{process}|LOG:  execute sqlx_s_1: SELECT 1"] * statements
    return [*lines, f"{end:.3f}|semantik|{process}|LOG:  disconnection: session time: 0:00:01"]


def hours(*times: tuple[float, float]) -> dict[str, object]:
    sessions = Sessions()
    for number, (begin, end) in enumerate(times):
        sessions.read(iter(session(BEGIN + begin, BEGIN + end, number)))
    return evaluate(sessions, BEGIN, 2)


class EvaluateTest(unittest.TestCase):
    def test_hourly_runs_are_idle(self) -> None:
        result = hours((10, 12), (10.5, 14), (10 + HOUR_SECONDS, 13 + HOUR_SECONDS))
        self.assertTrue(result["is_idle"], result)
        self.assertEqual((result["hourly_runs"], result["statements"], result["sessions"]), (2, 3, 2))

    def test_a_minute_schedule_is_not_idle(self) -> None:
        result = hours(*((at, at + 1.0) for at in range(0, int(2 * HOUR_SECONDS), 30)))
        self.assertFalse(result["is_idle"], result)
        self.assertNotEqual(result["statements_outside"], 0)

    def test_a_session_that_stays_open_is_not_idle(self) -> None:
        self.assertFalse(hours((10, 100), (10 + HOUR_SECONDS, 13 + HOUR_SECONDS))["is_idle"])
        sessions = Sessions()
        sessions.read(iter(session(BEGIN + 1, BEGIN + 2, 1)[:-1]))
        self.assertFalse(evaluate(sessions, BEGIN, 2)["is_idle"], "never ended")

    def test_silence_is_not_idle(self) -> None:
        self.assertFalse(hours()["is_idle"], "sweep did not run, or nothing was logged")

    def test_other_programs_do_not_count(self) -> None:
        sessions = Sessions()
        lines = [line.replace("application_name=semantik", "application_name=psql") for line in session(1, 2, 1)]
        sessions.read(iter([*lines, "no line of the log"]))
        self.assertEqual((sessions.ended, sessions.statements), ([], []))


if __name__ == "__main__":
    unittest.main()
