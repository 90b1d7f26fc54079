"""Not more than so many tokens a minute, over all threads."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import final

_WINDOW_SECONDS = 60.0


@final
class Pace:
    """Lets a call pass when the tokens of the last 60 seconds and its own stay within the limit; else it waits.

    A call larger than the limit passes when nothing else was sent within a minute. None: no limit.
    """

    def __init__(
        self,
        tokens_per_minute: int | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._clock, self._sleep = tokens_per_minute, clock, sleep
        self._passed: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._lock = threading.Lock()

    def wait(self, n_tokens: int) -> None:
        """Return when a call of so many tokens may be sent."""
        if self._limit is None:
            return
        while (seconds := self._take(n_tokens, self._limit)) > 0:
            self._sleep(seconds)

    def _take(self, n_tokens: int, limit: int) -> float:
        """Pass (0), or the seconds after which it is worth asking again."""
        with self._lock:
            now = self._clock()
            while self._passed and self._passed[0][0] <= now - _WINDOW_SECONDS:
                self._sum -= self._passed.popleft()[1]
            if self._passed and self._sum + n_tokens > limit:
                return self._passed[0][0] + _WINDOW_SECONDS - now
            self._passed.append((now, n_tokens))
            self._sum += n_tokens
            return 0.0
