"""The login in a real Chromium."""

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.browser.site import site

TOKEN = "a-token-that-nobody-guesses"  # noqa: S105 - a made-up one


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_reader_logs_in_by_keyboard_and_the_page_is_live(
    tmp_path: Path, browser: Browser, scheme: str
) -> None:
    """It is ready to type in and accessible; it leads to the wanted page, which is live."""
    async with site(tmp_path, browser, token=TOKEN) as board:
        async with board.reader("/pipeline", scheme=scheme, width=390) as page:
            await expect(page).to_have_title("Log in · pulsebot")
            await expect(page.locator("#token")).to_be_focused()
            assert (await Axe().run(page)).response["violations"] == []
            await page.keyboard.type(TOKEN)
            await page.keyboard.press("Enter")
            await expect(page).to_have_url(f"{board.bot.address}/pipeline")
            await expect(page.locator("#live")).to_have_attribute("data-state", "live")
            assert await page.evaluate("document.cookie") == ""
        assert board.complaints == []
