"""Oracle: SQLite's own check of the file, plain counting, and processes that are killed while they write."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from monosemy.core import UserError
from monosemy.interpretation import CallRecord, CallStore, JudgeIdentity


def record(request: dict[str, Any], status: str = "ok", **fields: Any) -> CallRecord:
    base: dict[str, Any] = {
        "request": request,
        "response": {"text": "yes"},
        "status": status,
        "reason": None if status == "ok" else "why",
        "judge": "j",
        "revision": "r",
        "prompt_hash": "p",
        "prompt_tokens": 7,
        "answer_tokens": 3,
        "usd": 0.5,
        "seconds": 0.1,
        "asked_at": "2026-01-01T00:00:00.000+00:00",
    }
    return CallRecord(**base | fields)


def ask(store: CallStore, request: dict[str, Any], status: str = "ok", **fields: Any) -> None:
    number = store.begin(request)
    assert number is not None
    store.record(number, record(request, status, **fields))


def check(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_call_comes_back_as_it_was_recorded_after_the_file_was_closed(tmp_path: Path) -> None:
    request = {"b": [1, 2.5, None], "a": "\u00e9\n"}
    whole = record(request, response={"x": [0.1, "\ud800"]}, prompt_tokens=None)
    with CallStore(tmp_path / "new" / "calls") as store:
        number = store.begin(request)
        assert number is not None
        store.record(number, whole)
    with CallStore(tmp_path / "new" / "calls") as store:
        assert store.good({"a": "\u00e9\n", "b": [1, 2.5, None]}) == whole  # the order of keys is nothing
        assert store.good(request | {"b": [1, 2.5]}) is None
        assert store.counts() == {"asked": 0, "answered": 0, "failed": 0, "cached": 0, "not_run": 0}


def test_a_failure_is_no_answer_and_is_forgotten_by_the_next_run(tmp_path: Path) -> None:
    request = {"a": 1}
    with CallStore(tmp_path / "calls") as store:
        ask(store, request, "refused", response=None, reason="half a character: \ud800")
        failed = store.failed_now(request)
        assert failed is not None and failed.status == "refused"
        assert store.good(request) is None
        assert store.counts()["failed/refused"] == 1
    with CallStore(tmp_path / "calls") as store:
        assert store.failed_now(request) is None
        last = store.last(request)
        assert last is not None and (last.status, last.reason) == ("refused", "half a character: ?")
        ask(store, request)
        assert store.good(request) is not None
        assert store.totals().by_status == {"ok": 1, "refused": 1}


def test_counts_and_totals_add_up(tmp_path: Path) -> None:
    with CallStore(tmp_path / "calls") as store:
        for k in range(10):
            ask(store, {"k": k}, "ok" if k % 3 else "refused")
        store.begin({"k": "never answered"}, 2.0)
        assert store.begin({"k": "too dear"}, 1.0, cap_usd=7.9) is None
        assert store.begin({"k": "just right"}, 1.0, cap_usd=8.0) is not None
        counts, totals = store.counts(), store.totals()
    assert counts["asked"] == counts["answered"] + counts["failed"] + totals.unanswered == 12
    assert (counts["failed/refused"], counts["not_run"]) == (4, 1)
    assert (totals.by_status, totals.unanswered) == ({"ok": 6, "refused": 4}, 2)
    assert (totals.prompt_tokens, totals.answer_tokens, totals.usd) == (70, 30, 8.0)


def test_rows_are_never_changed_or_removed(tmp_path: Path) -> None:
    with CallStore(tmp_path / "calls") as store:
        ask(store, {"a": 1})
        store.know(JudgeIdentity(name="n", revision="r", settings="s"), {"model": "m"})
        store.know(JudgeIdentity(name="n", revision="r", settings="s"), {"model": "m"})
        assert store.judges() == ((JudgeIdentity(name="n", revision="r", settings="s"), {"model": "m"}),)
    connection = sqlite3.connect(tmp_path / "calls")
    for statement in ("DELETE FROM calls", "UPDATE calls SET status = 'ok'", "DELETE FROM begun", "DELETE FROM judges"):
        with pytest.raises(sqlite3.IntegrityError, match="kept"):
            connection.execute(statement)
    connection.close()


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("no database, but long enough to be looked at as one" * 100, encoding="utf-8")
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE calls (x)")
    connection.commit()
    connection.close()
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(UserError):
            CallStore(path)
        assert path.read_bytes() == before
    with pytest.raises(UserError, match="no record of calls"):
        CallStore(tmp_path / "missing", must_exist=True)
    assert not (tmp_path / "missing").exists()
    with pytest.raises(UserError, match="cannot be used"):
        CallStore(text / "calls")


def test_threads_share_a_store(tmp_path: Path) -> None:
    with CallStore(tmp_path / "calls") as store:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda k: ask(store, {"k": k}), range(200)))
        assert store.totals().by_status == {"ok": 200}
        assert all(store.good({"k": k}) is not None for k in range(200))


def test_a_claim_is_held_by_one_thread_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []
    with CallStore(tmp_path / "calls") as store:

        def hold(k: int) -> None:
            with store.claimed({"same": True}):
                inside.append(k)
                most.append(len(inside))
                time.sleep(0.002)
                inside.remove(k)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(hold, range(40)))
    assert most == [1] * 40


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.unit.interpretation.test_calls import write
write(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
"""


def write(path: Path, name: str, n: int) -> None:
    """Record n calls; a file beside the store tells how many have been, before the next begins."""
    with CallStore(path) as store:
        for k in range(n):
            ask(store, {"writer": name, "k": k})
            path.with_name(f"{name}.done").write_text(str(k + 1), encoding="utf-8")


def start(path: Path, name: str, n: int) -> "subprocess.Popen[bytes]":
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    return subprocess.Popen([sys.executable, "-c", WRITER, str(root), str(path), name, str(n)], env=environment)


def done(path: Path, name: str) -> int:
    try:
        return int(path.with_name(f"{name}.done").read_text(encoding="utf-8") or 0)
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_two_processes_that_start_at_once_and_one_that_is_killed_leave_every_call(tmp_path: Path) -> None:
    """What a killed writer says it has recorded is there; the other one loses nothing."""
    path = tmp_path / "calls"
    whole, killed = start(path, "whole", 300), start(path, "killed", 100_000)
    while done(path, "killed") < 50:
        assert killed.poll() is None
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert whole.wait(120) == 0
    said = done(path, "killed")
    check(path)
    with CallStore(path) as store:
        assert all(store.good({"writer": "whole", "k": k}) is not None for k in range(300))
        assert all(store.good({"writer": "killed", "k": k}) is not None for k in range(said))
        totals = store.totals()
        assert totals.by_status["ok"] in (300 + said, 301 + said)
        assert totals.unanswered in (0, 1)
        ask(store, {"after": "the kill"})


def test_a_process_that_is_killed_inside_a_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    """The kill is in the middle of a statement: between the row and its commit."""
    path = tmp_path / "calls"
    with CallStore(path) as store:
        ask(store, {"k": 0})
    code = (
        "import os, signal, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "c.execute(\"INSERT INTO begun (request_hash, usd_at_most, begun_at) VALUES ('x', 1.0, 'now')\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -signal.SIGKILL
    check(path)
    with CallStore(path) as store:
        assert (store.totals().by_status, store.totals().unanswered) == ({"ok": 1}, 0)
        ask(store, {"k": 1})
