"""The board in a real Chromium."""

from datetime import UTC, datetime

from playwright.async_api import expect

from pulsebot import event as events
from pulsebot.event import TriggerData
from tests.browser.site import Site


def triggered(service: str, count: int) -> events.Event:
    """Return so many triggers, now."""
    return events.trigger(
        service, datetime.now(UTC), TriggerData(count=count, tags={"env": "prod"})
    )


async def test_numbers_change_on_the_page_when_events_are_sent(board: Site) -> None:
    """A page that is open shows a new service, and its count, without being loaded again."""
    await board.tell(triggered("checkout", 3))
    await board.consumed(1)
    async with board.reader() as page:
        row = page.locator("tr", has_text="checkout")
        await expect(row.locator(".c-tr")).to_have_text("3")
        await expect(page.locator("#live-word")).to_have_text("Live")
        await board.tell(triggered("checkout", 1_200), triggered("payment", 7))
        await expect(row.locator(".c-tr")).to_have_text("1,203")
        await expect(page.locator("#sum-triggers")).to_have_text("1,210")
        await expect(page.locator("tr", has_text="payment").locator(".c-tr")).to_have_text("7")
