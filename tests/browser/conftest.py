"""A headless Chromium for the tests of the pages; where none is installed they are skipped, saying so."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-quic", "--no-first-run"),
)
TIMEOUT_MILLISECONDS = 120_000  # a machine that is busy with something else must not fail a test


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium is installed (looked for {', '.join(PROGRAMS)})")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=Path(program), args=ARGUMENTS, timeout=TIMEOUT_MILLISECONDS
        )
        yield launched
        launched.close()
