"""One browser for the whole run, a bot of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser import provision
from tests.browser.site import PATIENCE_MS, Site, site
from tests.notrun import not_run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that take the browser, and run them in the loop that it lives in."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser | provision.Missing]:
    """Start the browser when a test first asks."""
    program = provision.chromium()
    if isinstance(program, provision.Missing):
        yield program
        return
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=provision.arguments()
        )
        yield browser
        await browser.close()


@pytest.fixture
def browser(request: pytest.FixtureRequest, chromium: Browser | provision.Missing) -> Browser:
    """Return the browser, or leave the test out with an honest word."""
    if isinstance(chromium, provision.Missing):
        not_run(request, "Chromium", chromium.reason)
    return chromium


@pytest_asyncio.fixture(loop_scope="session")
async def board(browser: Browser, tmp_path: Path) -> AsyncIterator[Site]:
    """Run a bot; afterwards no browser may have complained or asked elsewhere."""
    async with site(tmp_path, browser) as made:
        yield made
    assert made.complaints == []
