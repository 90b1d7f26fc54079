"""A judge's whole run over a faulty server, killed in the middle and started again: nothing is lost or paid twice.

Oracle: what the server itself counts as answered, and a run without any fault.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from monosemy.core import to_json
from monosemy.interpretation import CallStore, OpenAIConfig, OpenAIJudge, ReplayConfig, ReplayJudge
from tests.unit.interpretation.chat_server import RIGHT, SOON, ChatServer, Reaction, question_of
from tests.unit.interpretation.samples_of_tests import sample, texts

ROOT = Path(__file__).parents[2]
N_LATENTS, N_FRAGMENTS, LENGTH = 12, 3, 8
N_CALLS = N_LATENTS * (1 + N_FRAGMENTS)

WORKER = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from monosemy.core import from_json
from monosemy.interpretation import CallStore, OpenAIConfig, OpenAIJudge
from tests.integration.test_llm_judges import judged
with CallStore(Path(sys.argv[2])) as calls:
    judged(OpenAIJudge(from_json(OpenAIConfig, json.loads(sys.argv[3])), calls))
"""

Row = tuple[int, str | None, list[list[float]] | None, list[bool] | None]


def judged(judge: OpenAIJudge | ReplayJudge, latents: Sequence[int] = range(N_LATENTS)) -> list[Row]:
    """Explain every latent and simulate its explanation; a row a latent, whatever the answers."""

    def one(latent: int) -> Row:
        explanation = judge.explain(sample(length=LENGTH, seed=latent))
        if explanation.text is None:
            return latent, None, None, None
        simulation = judge.simulate(explanation, texts(N_FRAGMENTS, length=LENGTH, seed=latent))
        return latent, explanation.text, simulation.values.tolist(), simulation.answered.tolist()

    with ThreadPoolExecutor(judge.concurrency) as pool:
        return list(pool.map(one, latents))


@pytest.fixture(scope="module")
def without_faults(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    with ChatServer() as server, CallStore(tmp_path_factory.mktemp("whole") / "calls") as calls:
        rows = judged(OpenAIJudge(server.config(), calls))
        assert sum(server.answered().values()) == N_CALLS == calls.counts()["asked"]
    return rows


def mixed_faults(body: dict[str, Any], n: int) -> Reaction:
    """By the question's length: one fault on its first try, or one that stays in this run, or none."""
    kind = sum(question_of(body).encode()) % 11
    if "could not be used" in question_of(body):
        return Reaction(content="still wrong") if kind % 2 else RIGHT
    passing = [
        Reaction(status=429, headers=SOON),
        Reaction(status=500, headers=SOON),
        Reaction(hang_up=True),
        Reaction(status=503, headers=SOON),
    ]
    staying = [Reaction(content="[1, 2"), Reaction(refusal="no"), Reaction(content='{"activations": [1]}')]
    if kind < 4:
        return passing[kind] if n == 1 else RIGHT
    return staying[kind - 4] if kind < 7 else RIGHT


def test_faults_of_every_kind_leave_a_row_a_latent_and_counts_that_add_up(
    tmp_path: Path, without_faults: list[Row]
) -> None:
    path = tmp_path / "calls"
    with ChatServer(mixed_faults) as server:
        with CallStore(path) as calls:
            rows = judged(OpenAIJudge(server.config(), calls))
            counts, totals = calls.counts(), calls.totals()
        n_answered = sum(server.answered().values())
        assert [row[0] for row in rows] == list(range(N_LATENTS))
        assert counts["asked"] == counts["answered"] + counts["failed"] == sum(totals.by_status.values())
        assert {"malformed", "refused", "ok"} <= totals.by_status.keys()
        assert n_answered == counts["asked"]  # the faults that pass were mended within their calls
        assert max(server.answered().values()) == 1
        failed = [row for row in rows if row[1] is None or not all(row[3] or [])]
        assert 0 < len(failed) < N_LATENTS
        for row in rows:  # what was answered is what it would have been
            if row[1] is not None:
                assert row[1] == without_faults[row[0]][1]
                expected = without_faults[row[0]][2] or []
                zeros = [0.0] * LENGTH
                assert row[2] == [e if ok else zeros for e, ok in zip(expected, row[3] or [], strict=True)]
        good = set(server.answered()) - failed_requests(path)
        server.react = lambda body, n: RIGHT
        with CallStore(path) as calls:  # the next run asks what failed, and nothing else
            assert judged(OpenAIJudge(server.config(), calls)) == without_faults
        assert all(server.answered()[request] == 1 for request in good)
    with CallStore(path) as calls:
        assert judged(ReplayJudge(ReplayConfig(calls=path), calls)) == without_faults


def failed_requests(path: Path) -> set[str]:
    """The bodies of the requests that failed, as the server knows them."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT request FROM calls WHERE status != 'ok'").fetchall()
    connection.close()
    return {json.dumps(json.loads(request)["body"], sort_keys=True) for (request,) in rows}


def start(path: Path, config: OpenAIConfig) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    code = [sys.executable, "-c", WORKER, str(ROOT), str(path), json.dumps(to_json(config))]
    return subprocess.Popen(code, env=environment)


def test_a_run_killed_while_calls_are_in_flight_goes_on_with_those_not_yet_made(
    tmp_path: Path, without_faults: list[Row]
) -> None:
    path, abandoned = tmp_path / "calls", threading.Event()
    served = 0
    lock = threading.Lock()

    def react(body: dict[str, Any], n: int) -> Reaction:
        """The first 20 requests are answered; the others wait, and are not, as whoever asked is dead."""
        nonlocal served
        with lock:
            served += 1
            return RIGHT if served <= 20 else Reaction(hold=abandoned, hang_up=True)

    with ChatServer(react) as server:
        config = server.config(max_retries=0)
        process = start(path, config)
        while not (path.exists() and recorded(path) == 20 and server.at_once == config.concurrency):
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        abandoned.set()
        server.react = lambda body, n: RIGHT
        with CallStore(path) as calls:
            before = calls.totals()
            assert (before.by_status, before.unanswered) == ({"ok": 20}, config.concurrency)
            assert judged(OpenAIJudge(config, calls)) == without_faults
            after, counts = calls.totals(), calls.counts()
        assert set(server.answered().values()) == {1}
        assert sum(server.answered().values()) == N_CALLS == after.by_status["ok"]
        assert (counts["asked"], counts["cached"]) == (N_CALLS - 20, 20)


def recorded(path: Path) -> int:
    """How many calls are in the file, looked at from outside; 0 while it is being made."""
    connection = sqlite3.connect(path, timeout=5)
    try:
        return connection.execute("SELECT COUNT(*) FROM calls").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


@pytest.mark.slow
def test_kills_at_any_moment_pay_at_most_what_was_in_flight_twice(tmp_path: Path, without_faults: list[Row]) -> None:
    """What the server answered and the record does not know is at most what the record says was begun unanswered."""
    path = tmp_path / "calls"
    with ChatServer(lambda body, n: Reaction(hold=pause(0.03))) as server:
        config = server.config(max_retries=0)
        for k in range(4):
            process = start(path, config)
            n_before = recorded(path) if path.exists() else 0
            while process.poll() is None and not (path.exists() and recorded(path) > n_before + 3 + 2 * k):
                time.sleep(0.005)
            process.kill()
            process.wait()
        with CallStore(path) as calls:
            assert judged(OpenAIJudge(config, calls)) == without_faults
            totals = calls.totals()
        twice = sum(server.answered().values()) - N_CALLS
        assert totals.by_status == {"ok": N_CALLS}
        assert 0 <= twice <= totals.unanswered <= 4 * config.concurrency


def pause(seconds: float) -> threading.Event:
    """An event that is set after a while."""
    event = threading.Event()
    timer = threading.Timer(seconds, event.set)
    timer.daemon = True
    timer.start()
    return event
