"""Ctrl-C and SIGTERM, taken where it suits: at the next boundary of a step, or at once but with everything unwound."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held_interruptions() -> Iterator[Callable[[], bool]]:
    """Within the block, Ctrl-C and SIGTERM only make the function that it yields return True.

    A second Ctrl-C raises KeyboardInterrupt at once; a second SIGTERM does not, for whoever ends a group of processes
    may send it twice. A signal that the process ignores stays ignored, and outside of the main thread, which alone gets
    signals, nothing changes. The former handlers are set again in the end.
    """
    seen: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        if seen and number == signal.SIGINT:
            raise KeyboardInterrupt
        seen.append(number)

    with _handled(_SIGNALS, hold):
        yield lambda: bool(seen)


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Within the block SIGTERM raises KeyboardInterrupt, as Ctrl-C does: what is open is closed on the way."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled((signal.SIGTERM,), interrupt):
        yield


@contextlib.contextmanager
def _handled(numbers: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in numbers}
    # None: set by something other than Python, which could not be set again.
    own = [number for number, before in former.items() if before is not signal.SIG_IGN and before is not None]
    try:
        for number in own:
            signal.signal(number, handler)
        yield
    finally:
        for number in own:
            signal.signal(number, former[number])
