"""Oracle: the process's own handlers, and signals sent to it."""

import signal
import threading

import pytest

from monosemy.core import held_interruptions, sigterm_as_interrupt

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def handlers() -> list:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_held_and_a_second_ctrl_c_is_not(number: signal.Signals) -> None:
    before = handlers()
    with pytest.raises(KeyboardInterrupt), held_interruptions() as interrupted:
        assert not interrupted()
        signal.raise_signal(number)
        assert interrupted()
        signal.raise_signal(signal.SIGTERM)  # once more, which changes nothing
        signal.raise_signal(signal.SIGINT)
    assert handlers() == before


def test_what_is_ignored_stays_ignored() -> None:
    """As Ctrl-C is in a worker process."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_interruptions() as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert not interrupted()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigterm_unwinds_as_ctrl_c_does() -> None:
    before = handlers()
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt():
        signal.raise_signal(signal.SIGTERM)
    assert handlers() == before


def test_in_another_thread_nothing_changes() -> None:
    found: list[bool] = []

    def run() -> None:
        with held_interruptions() as interrupted, sigterm_as_interrupt():
            found.append(interrupted() or handlers() != before)

    before = handlers()
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]
