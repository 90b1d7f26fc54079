"""A server on the loopback that speaks the OpenAI chat protocol, with faults on demand; it answers by a fixed rule."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from monosemy.interpretation import OpenAIConfig

PROMPT_TOKENS, ANSWER_TOKENS = 100, 10


@dataclass(frozen=True)
class Reaction:
    """What the server does with one request. content None: the right answer; raw: bytes instead of a completion.

    hang_up: the connection is closed without an answer, after `hold` was set (where there is one).
    """

    status: int = 200
    content: str | None = None
    finish: str = "stop"
    refusal: str | None = None
    message: str = "injected"
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    usage: bool = True
    hold: threading.Event | None = None
    hang_up: bool = False


RIGHT = Reaction()
SOON = {"Retry-After": "0.01"}
React = Callable[[dict[str, Any], int], Reaction]


def question_of(body: dict[str, Any]) -> str:
    """The last thing that the user said."""
    return body["messages"][-1]["content"]


def task_of(body: dict[str, Any]) -> str:
    """explain, simulate, pick."""
    system = body["messages"][0]["content"]
    return next(name for name, key in TASKS.items() if key in system)


TASKS = {"explain": '{"explanation"', "simulate": '{"activations"', "pick": '{"odd"'}


def right_answer(body: dict[str, Any]) -> dict[str, Any]:
    """A fixed answer for each request: a sentence with the question's hash; a level a token; the longest passage."""
    first = next(
        m["content"] for m in reversed(body["messages"]) if m["role"] == "user" and "could not be" not in m["content"]
    )
    if task_of(body) == "explain":
        return {"explanation": f"pattern {hashlib.sha256(first.encode()).hexdigest()[:12]}"}
    if task_of(body) == "simulate":
        lines = [line.split("\t") for line in first.split("\n") if line.endswith("\tunknown")]
        sentence = first.split("\n")[0]
        return {"activations": [level_of(sentence, token) for _, token, _ in lines]}
    lengths = [len(line.split(". ", 1)[1]) for line in first.split("\n")[1:]]
    return {"odd": 1 + lengths.index(max(lengths))}


def level_of(sentence: str, token: str) -> int:
    """0 to 10, from a hash."""
    return hashlib.sha256(f"{sentence}/{token}".encode()).digest()[0] % 11


class ChatServer:
    """Answers requests on a port of the loopback; `react(body, n)` decides on the n-th try (from 1) of a request."""

    def __init__(self, react: React | None = None) -> None:
        self.react = react or (lambda body, n: RIGHT)
        self.tries: Counter[str] = Counter()
        self.sent: list[tuple[str, int]] = []  # (request, status) of everything that was answered
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.idempotency: list[str] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> "ChatServer":
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def config(self, **options: Any) -> OpenAIConfig:
        """A judge at this server, which waits little."""
        defaults: dict[str, Any] = {"timeout_seconds": 20.0, "max_retries": 2, "concurrency": 4}
        return OpenAIConfig(model="tiny", base_url=self.url, **(defaults | options))

    def answered(self, status: int = 200) -> Counter[str]:
        """How often each request was answered so."""
        with self.lock:
            return Counter(request for request, each in self.sent if each == status)


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = json.dumps(body, sort_keys=True)
            with server.lock:
                server.tries[request] += 1
                n = server.tries[request]
                server.bodies.append(body)
                server.keys.append(self.headers["Authorization"])
                server.idempotency.append(self.headers["Idempotency-Key"])
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                reaction = server.react(body, n)
                if reaction.hold is not None:
                    reaction.hold.wait(30)
                if reaction.hang_up:
                    self.close_connection = True
                    return
                self.answer(body, reaction)
                with server.lock:
                    server.sent.append((request, reaction.status))
            except ConnectionError:
                self.close_connection = True
            finally:
                with server.lock:
                    server.at_once -= 1

        def answer(self, body: dict[str, Any], reaction: Reaction) -> None:
            data = reaction.raw
            if data is None and reaction.status == 200:
                content = json.dumps(right_answer(body)) if reaction.content is None else reaction.content
                message = {"role": "assistant", "content": None if reaction.refusal else content}
                message |= {"refusal": reaction.refusal} if reaction.refusal else {}
                whole: dict[str, Any] = {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [{"index": 0, "message": message, "finish_reason": reaction.finish}],
                }
                if reaction.usage:
                    whole["usage"] = {
                        "prompt_tokens": PROMPT_TOKENS,
                        "completion_tokens": ANSWER_TOKENS,
                        "total_tokens": PROMPT_TOKENS + ANSWER_TOKENS,
                    }
                data = json.dumps(whole).encode()
            elif data is None:
                data = json.dumps({"error": {"message": reaction.message, "type": "injected"}}).encode()
            self.send_response(reaction.status)
            for name, value in {"Content-Type": "application/json", **reaction.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

    return Handler
