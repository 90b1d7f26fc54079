"""Every call of a judge and its answer, in an append-only SQLite file: what was paid for once is not asked again.

A call is known by the sha256 of its full request. What is begun is written down before it is asked, so that after a
kill the file still tells what may have been paid for without an answer. It holds JSON and numbers only, and no key.
"""

import contextlib
import hashlib
import json
import sqlite3
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from monosemy.core import UserError, canonical_json
from monosemy.interpretation.judge import JudgeIdentity

OK = "ok"
MALFORMED = "malformed"
NOT_RUN = "not_run"
NOT_RECORDED = "not_recorded"

_APPLICATION = 0x4D6F6E6F
_VERSION = 1
_COLUMNS = (
    "request_hash, request, response, status, reason, judge, revision, prompt_hash, prompt_tokens, answer_tokens, usd, "
    "seconds, asked_at"
)
_TABLES = f"""
CREATE TABLE IF NOT EXISTS judges (
    name TEXT NOT NULL, revision TEXT NOT NULL, settings TEXT NOT NULL, config TEXT NOT NULL,
    PRIMARY KEY (name, revision, settings));
CREATE TABLE IF NOT EXISTS begun (
    id INTEGER PRIMARY KEY, request_hash TEXT NOT NULL, usd_at_most REAL NOT NULL, begun_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, begun INTEGER NOT NULL UNIQUE REFERENCES begun (id),
    request_hash TEXT NOT NULL, request TEXT NOT NULL, response TEXT, status TEXT NOT NULL, reason TEXT,
    judge TEXT NOT NULL, revision TEXT NOT NULL, prompt_hash TEXT NOT NULL,
    prompt_tokens INTEGER, answer_tokens INTEGER, usd REAL NOT NULL, seconds REAL NOT NULL, asked_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS calls_by_request ON calls (request_hash, id);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""
_FOREVER = "CREATE TRIGGER IF NOT EXISTS {table}_{what} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'kept'); END"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CallRecord:
    """One call: the request, what came back (null where nothing did), and what it cost.

    status: ok, or why there is no answer that can be used. prompt_tokens, answer_tokens: as the judge's server counts
    them, where it does. usd: at most, where that is not known exactly. seconds: from asking to the answer.
    """

    request: dict[str, Any]
    response: dict[str, Any] | None
    status: str
    reason: str | None
    judge: str
    revision: str
    prompt_hash: str
    prompt_tokens: int | None
    answer_tokens: int | None
    usd: float
    seconds: float
    asked_at: str


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CallTotals:
    """What a file holds over all runs: calls by status, those begun of which nothing was heard, tokens and dollars.

    usd counts what was begun without an answer at its upper bound.
    """

    by_status: dict[str, int]
    unanswered: int
    prompt_tokens: int
    answer_tokens: int
    usd: float


@final
class CallStore:
    """The calls in the file `path`, made with its folder where it is not there (unless `must_exist`).

    May be used from several threads, and several processes may have it open; a process killed at any moment leaves a
    sound file with every call that was recorded. Rows are never changed or removed (the file refuses it). Raises
    UserError when the file is something else, of another version, damaged, or cannot be written.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._counts: Counter[str] = Counter()
        self._failed: dict[str, CallRecord] = {}  # of this run
        self._claims: dict[str, tuple[threading.Lock, int]] = {}
        if must_exist and not path.is_file():
            raise UserError(f"there is no record of calls at {path}; give the file of a run with a judge")
        with self._user_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _opened(path)
        self._close = weakref.finalize(self, self._connection.close)

    def close(self) -> None:
        """Close the file; nothing may be asked of it after."""
        self._close()

    def __enter__(self) -> "CallStore":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def good(self, request: dict[str, Any]) -> CallRecord | None:
        """The recorded answer to exactly this request, whichever run it is of; None where there is no good one."""
        return self._one("request_hash = ? AND status = ? ORDER BY id LIMIT 1", request_hash(request), OK)

    def last(self, request: dict[str, Any]) -> CallRecord | None:
        """The latest record of exactly this request, good or failed."""
        return self._one("request_hash = ? ORDER BY id DESC LIMIT 1", request_hash(request))

    def failed_now(self, request: dict[str, Any]) -> CallRecord | None:
        """The failure of this request in this run, in which it is not to be asked again."""
        with self._lock:
            return self._failed.get(request_hash(request))

    def begin(self, request: dict[str, Any], usd_at_most: float = 0.0, cap_usd: float | None = None) -> int | None:
        """Write down that a request is about to be asked: its number, or None where it might pass the spending cap.

        The cap is on everything in the file, what is begun without an answer counted at its upper bound.
        """
        with self._lock, self._user_errors(), _transaction(self._connection) as connection:
            # Half a millionth of a dollar is for the rounding of the sum.
            if cap_usd is not None and _spent(connection) + usd_at_most > cap_usd + 5e-7:
                self._counts[NOT_RUN] += 1
                return None
            row = (request_hash(request), usd_at_most, _now())
            number = connection.execute(
                "INSERT INTO begun (request_hash, usd_at_most, begun_at) VALUES (?, ?, ?)", row
            ).lastrowid
        with self._lock:
            self._counts["asked"] += 1
        return number

    def record(self, number: int, record: CallRecord) -> None:
        """Write down how the call that `begin` gave a number ended."""
        key = request_hash(record.request)
        row = (
            *(number, key, canonical_json(record.request)),
            None if record.response is None else json.dumps(record.response, sort_keys=True),
            *(record.status, _encodable(record.reason), record.judge, record.revision, record.prompt_hash),
            *(record.prompt_tokens, record.answer_tokens, record.usd, record.seconds, record.asked_at),
        )
        with self._lock, self._user_errors(), _transaction(self._connection) as connection:
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO calls (begun, {_COLUMNS}) VALUES ({marks})", row)
        with self._lock:
            self._counts["answered" if record.status == OK else "failed"] += 1
            if record.status != OK:
                self._counts[f"failed/{record.status}"] += 1
                self._failed[key] = record

    def note(self, what: str) -> None:
        """Count something that is no call: "cached" answers, "without_schema"..."""
        with self._lock:
            self._counts[what] += 1

    def counts(self) -> dict[str, int]:
        """Of this run: asked = answered + failed (+ in flight), cached, not_run, failed/<status>, what was noted."""
        with self._lock:
            return {name: self._counts[name] for name in ("asked", "answered", "failed", "cached", NOT_RUN)} | dict(
                sorted(self._counts.items())
            )

    def totals(self) -> CallTotals:
        """Of the whole file."""
        with self._lock, self._user_errors():
            by_status = dict(
                self._connection.execute(
                    "SELECT status, COUNT(*) FROM calls GROUP BY status ORDER BY status"
                ).fetchall()
            )
            tokens = self._connection.execute(
                "SELECT COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(answer_tokens), 0) FROM calls"
            ).fetchone()
            begun = self._connection.execute("SELECT COUNT(*) FROM begun").fetchone()[0]
            return CallTotals(
                by_status=by_status,
                unanswered=begun - sum(by_status.values()),
                prompt_tokens=tokens[0],
                answer_tokens=tokens[1],
                usd=_spent(self._connection),
            )

    def know(self, identity: JudgeIdentity, config: dict[str, Any]) -> None:
        """Write down the configuration of a judge that asks, so that its run can be replayed."""
        row = (identity.name, identity.revision, identity.settings, canonical_json(config))
        with self._lock, self._user_errors(), _transaction(self._connection) as connection:
            connection.execute("INSERT OR IGNORE INTO judges VALUES (?, ?, ?, ?)", row)

    def judges(self) -> tuple[tuple[JudgeIdentity, dict[str, Any]], ...]:
        """The judges whose calls are here, in the order in which they came, with their configurations."""
        with self._lock, self._user_errors():
            rows = self._connection.execute("SELECT name, revision, settings, config FROM judges ORDER BY rowid")
            return tuple(
                (JudgeIdentity(name=name, revision=revision, settings=settings), json.loads(config))
                for name, revision, settings, config in rows.fetchall()
            )

    @contextlib.contextmanager
    def claimed(self, request: dict[str, Any]) -> Iterator[None]:
        """Hold a request, so that of two threads that need the same answer the second finds that of the first."""
        key = request_hash(request)
        with self._lock:
            lock, waiting = self._claims.get(key, (threading.Lock(), 0))
            self._claims[key] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, waiting = self._claims.pop(key)
                if waiting > 1:
                    self._claims[key] = (lock, waiting - 1)

    def _one(self, where: str, *values: str) -> CallRecord | None:
        with self._lock, self._user_errors():
            row = self._connection.execute(f"SELECT {_COLUMNS} FROM calls WHERE {where}", values).fetchone()
        if row is None:
            return None
        names = [name.strip() for name in _COLUMNS.split(",")]
        fields = dict(zip(names, row, strict=True))
        del fields["request_hash"]
        response = None if fields["response"] is None else json.loads(fields["response"])
        return CallRecord(**fields | {"request": json.loads(fields["request"]), "response": response})

    @contextlib.contextmanager
    def _user_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            raise UserError(
                f"the record of calls {self.path} cannot be used: {error}; "
                "mend or move the file, or free space, and run the same command again"
            ) from error


def request_hash(request: dict[str, Any]) -> str:
    """The sha256 of a request's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(request).encode()).hexdigest()


def now_text() -> str:
    """The time as it stands in records: UTC, ISO 8601, in milliseconds."""
    return _now()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _encodable(text: str | None) -> str | None:
    """What servers say may hold halves of characters, which SQLite refuses."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def _opened(path: Path) -> sqlite3.Connection:
    """The connection, its tables made where the file is new."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    try:
        with _transaction(connection):  # a second process that makes the same file waits here
            application, version = (
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            is_empty = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
            if not is_empty and (application, version) != (_APPLICATION, _VERSION):
                raise UserError(f"{path} is no record of calls of this version; give another file")
            if is_empty:
                for statement in filter(str.strip, _TABLES.split(";")):
                    connection.execute(statement)
                for table in ("judges", "begun", "calls"):
                    for what in ("UPDATE", "DELETE"):
                        connection.execute(_FOREVER.format(table=table, what=what))
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Readers and a writer side by side. SQLite does not wait for others here by itself."""
    for attempt in range(200):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if attempt == 199:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; other writers wait from its beginning on."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def _spent(connection: sqlite3.Connection) -> float:
    """Dollars of all calls, and the upper bounds of those begun without an answer."""
    paid = connection.execute("SELECT COALESCE(SUM(usd), 0.0) FROM calls").fetchone()[0]
    unknown = connection.execute(
        "SELECT COALESCE(SUM(usd_at_most), 0.0) FROM begun WHERE id NOT IN (SELECT begun FROM calls)"
    ).fetchone()[0]
    return float(paid + unknown)
