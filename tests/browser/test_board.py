"""The board in a real Chromium."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from pulsebot import event as events
from pulsebot.event import CrashData, Event, MessageData, State, StatusData, TriggerData
from pulsebot.web.board import wording
from tests.browser.site import Site, site

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)> 'quoted' & {{ 7*7 }}",
    "../../etc/passwd",
    "..",
    "~",
    "a/b?c=d#e%2f",
    "שלום עולם",
    "\u202eevil",
    "🔥 fire",
    "x" * 255,
    " ",
    "\u200b",
    "100%s%n",
    "line\nbreak\ttab",
)


SPILLED = """() => [
    ...(document.documentElement.scrollWidth > innerWidth ? ["the page"] : []),
    ...[...document.querySelectorAll(".tiles > div, .roster .num, .roster .c-st")]
        .filter((place) => place.scrollWidth > place.clientWidth)
        .map((place) => place.innerText),
]"""
"""What is wider than the room it has."""


def triggered(service: str, count: int, **tags: str) -> Event:
    """Return so many triggers, now."""
    return events.trigger(service, datetime.now(UTC), TriggerData(count=count, tags=tags))


def told(service: str, state: State) -> Event:
    """Return a status, now."""
    return events.status(service, datetime.now(UTC), StatusData(state=state), instance="i-1")


def ruined(service: str, text: str) -> list[Event]:
    """Return one event of each kind, with a text wherever one can be."""
    now, tags = datetime.now(UTC), {text[:100]: text}
    crash: dict[str, Any] = {"error": text, "message": text, "stack": f"{text}\n{text}"}
    return [
        events.trigger(service, now, TriggerData(name=text, tags=tags)),
        events.status(
            service, now, StatusData(state=State.DOWN, reason=text, tags=tags), instance=text
        ),
        events.crash(service, now, CrashData(**crash, signal=text, tags=tags), instance=text),
        events.message(service, now, MessageData(text=text, title=text, link=text, tags=tags)),
    ]


async def fleet(board: Site) -> None:
    """Tell of three services, one of them down."""
    told_ = (
        triggered("checkout", 3, env="prod", team="shop"),
        told("checkout", State.UP),
        triggered("payment", 1_000, env="prod"),
        told("payment", State.DOWN),
        triggered("inventory", 20, env="staging"),
    )
    await board.tell(*told_)
    await board.consumed(len(told_))


async def shown(page: Page) -> list[str]:
    """Return the names of the services that can be seen, in their order."""
    return await page.locator("#rows tr:visible .c-name bdi").all_inner_texts()


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
        await board.tell(told("checkout", State.DOWN))
        await expect(row.locator(".c-st")).to_have_text("down")
        await expect(page.locator("#announce")).to_have_text("checkout is down")


async def test_a_service_is_followed_on_its_own_page(board: Site) -> None:
    """From the list by a link; its numbers, crashes and messages come by themselves."""
    await fleet(board)
    async with board.reader() as page:
        await page.get_by_role("link", name="checkout").click()
        await expect(page.locator("h1")).to_have_text("checkout")
        await expect(page.locator("#crashes")).to_contain_text("No crash in this time")
        await expect(page.locator("#live-word")).to_have_text("Live")
        data = CrashData(error="KeyError", stack="Traceback\n  line 3")
        await board.tell(
            triggered("checkout", 4), events.crash("checkout", datetime.now(UTC), data)
        )
        await expect(page.locator("#triggers")).to_contain_text("last 24 hours: 7")
        await page.locator("#crashes summary", has_text="KeyError").click()
        await expect(page.locator("#crashes .stack")).to_be_visible()
        await board.tell(events.crash("checkout", datetime.now(UTC), data))
        await expect(page.locator("#crashes summary b")).to_have_text("2×")
        await expect(page.locator("#crashes .stack")).to_be_visible()
        await page.get_by_role("link", name="Services").first.click()
        await expect(page.locator("h1")).to_have_text("Services")


async def test_what_a_reader_is_at_stays_while_numbers_change(board: Site) -> None:
    """The keyboard's place, an opened stack and how far it is scrolled outlive new numbers."""
    stack = "Traceback\n" + "".join(f"  line {n}\n" for n in range(200))
    crashed = events.crash("checkout", datetime.now(UTC), CrashData(error="KeyError", stack=stack))
    await board.tell(triggered("checkout", 3), crashed)
    await board.consumed(2)
    async with board.reader("/services/checkout") as page:
        await page.locator("#crashes summary").click()
        await page.locator("#crashes .stack").evaluate("pre => pre.scrollTo(0, 700)")
        table = page.locator("#by-hour summary")
        await table.focus()
        await board.tell(
            triggered("checkout", 4),
            events.crash("checkout", datetime.now(UTC), CrashData(error="KeyError", stack=stack)),
        )
        await expect(page.locator("#triggers")).to_contain_text("last 24 hours: 7")
        await expect(page.locator("#crashes summary b")).to_have_text("2×")
        await expect(table).to_be_focused()
        assert await page.locator("#crashes .stack").evaluate("pre => pre.scrollTop") == 700
    async with board.reader() as page:
        await expect(page.locator("#live-word")).to_have_text("Live")
        await page.get_by_role("link", name="checkout").focus()
        await board.tell(triggered("payment", 7))
        await expect(page.locator("#rows tr")).to_have_count(2)
        await expect(page.get_by_role("link", name="checkout")).to_be_focused()


async def test_a_page_that_is_open_learns_of_tags(board: Site) -> None:
    """A new tag is shown and searched for; one of a new service can be chosen."""
    await board.tell(triggered("checkout", 3))
    await board.consumed(1)
    async with board.reader("/?tag=env%3Dgone") as page:
        await expect(page.get_by_label("Tag")).to_have_value("env=gone")
        await expect(page.locator("#nothing")).to_be_visible()
        await page.locator("#nothing").get_by_role("link", name="Show all").click()
        await expect(page.locator("#nothing")).to_be_hidden()
        await expect(page.locator("#live-word")).to_have_text("Live")
        learned = triggered("checkout", 1, env="Prod")
        await board.tell(msgspec.structs.replace(learned, time=learned.time + timedelta(minutes=2)))
        await expect(page.locator("#rows .tag")).to_have_text("Prod")
        await page.locator("#q").fill("env=prod")
        assert await shown(page) == ["checkout"]
        await page.locator("#q").fill("nobody")
        await expect(page.locator("#nothing")).to_be_visible()
        await board.tell(triggered("payment", 7, env="dev"))
        await expect(page.locator("#found")).to_have_text("0 of 2")
        await page.locator("#q").fill("")
        await page.get_by_label("Tag").select_option("env=dev")
        assert await shown(page) == ["payment"]


async def test_search_filter_and_order_work_at_once_and_by_keyboard(board: Site) -> None:
    """`/` goes to the search; what is chosen is in the address and survives a reload."""
    await fleet(board)
    async with board.reader() as page:
        assert await shown(page) == ["payment", "checkout", "inventory"]
        await page.keyboard.press("/")
        await expect(page.locator("#q")).to_be_focused()
        await page.keyboard.type("PAY")
        await expect(page.locator("#found")).to_have_text("1 of 3")
        assert await shown(page) == ["payment"]
        await page.reload()
        assert await shown(page) == ["payment"]
        await page.locator("#q").fill("")
        await page.get_by_label("Tag").select_option("env=prod")
        assert await shown(page) == ["payment", "checkout"]
        await page.get_by_label("State").select_option("trouble")
        assert await shown(page) == ["payment"]
        await page.get_by_label("State").select_option("")
        await page.get_by_label("Tag").select_option("")
        head = page.get_by_role("columnheader", name="Triggers today")
        await head.get_by_role("link").focus()
        await page.keyboard.press("Enter")
        assert await shown(page) == ["payment", "inventory", "checkout"]
        await expect(head).to_have_attribute("aria-sort", "descending")
        await page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
        await page.goto(f"{board.bot.address}/")
        await page.keyboard.press("Tab")
        await expect(page.get_by_text("Skip to the content")).to_be_focused()


async def test_a_view_gets_a_chart_as_it_is_created(board: Site) -> None:
    """The page of views shows a new one, its chart with numbers, and what comes in later."""
    await fleet(board)
    async with board.reader("/views") as page:
        await expect(page.locator("main")).to_contain_text("No view has been created yet")
        await expect(page.locator("#live-word")).to_have_text("Live")
        await board.bot.desk.execute(
            "CREATE TABLE PER_DAY AS SELECT SERVICE_ID, COUNT(*) AS N FROM SERVICE_TRIGGER"
            " WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SERVICE_ID"
        )
        await expect(page.get_by_role("heading", name="PER_DAY")).to_be_visible()
        await page.get_by_text("as a table").click()
        await expect(page.locator("figure td")).to_have_text("1,023")
        await board.tell(triggered("checkout", 7))
        await expect(page.locator("figure td")).to_have_text("1,030")


async def test_everything_but_live_works_without_scripts(board: Site) -> None:
    """Search, filter, order and links are plain forms and addresses."""
    await fleet(board)
    async with board.reader(scripts=False) as page:
        assert await shown(page) == ["payment", "checkout", "inventory"]
        await page.get_by_label("Search").fill("prod")
        await page.get_by_label("Order").select_option("name")
        await page.get_by_role("button", name="Show").click()
        assert await shown(page) == ["checkout", "payment"]
        await page.get_by_role("link", name="payment").click()
        await expect(page.locator("#triggers figure").first).to_contain_text("1,000")
        await page.get_by_role("link", name="Pipeline").click()
        await expect(page.locator("#f-records")).to_have_text("5")


async def test_a_page_outlives_the_bot_and_says_that_it_is_stale(
    browser: Browser, tmp_path: Path
) -> None:
    """Without a bot the numbers are called stale, with their time; the next makes them whole."""
    async with AsyncExitStack() as stack:
        async with site(tmp_path, browser) as board:
            await fleet(board)
            page = await stack.enter_async_context(board.reader())
            await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        await expect(page.locator("#live")).to_have_attribute("data-state", "stale")
        await expect(page.locator("#live")).to_contain_text("Connection lost; numbers are of")
        assert await violations(page) == []
        async with site(tmp_path, browser, port=urlsplit(page.url).port or 0) as board:
            await board.tell(triggered("checkout", 39))
            row = page.locator("tr", has_text="checkout")
            await expect(row.locator(".c-tr")).to_have_text("42")
            await expect(page.locator("#live")).to_have_attribute("data-state", "live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page(board: Site, scheme: str) -> None:
    """Every page, also empty, on a phone and on a wall, is accessible by axe's rules."""
    wide, narrow = 1440, 390
    looks = [("/", wide), ("/", narrow), ("/services/checkout", wide), ("/pipeline", wide)]
    looks += [("/services/checkout", narrow), ("/services/nobody", wide), ("/?wall", wide)]
    looks += [("/views", wide), ("/nowhere", narrow), ("/?q=nobody", narrow)]
    found = []
    async with board.reader(scheme=scheme) as page:
        found += [f"empty: {line}" for line in await violations(page)]
    await fleet(board)
    await board.tell(*ruined("checkout", "text"))
    await board.consumed(9)
    for path, width in looks:
        async with board.reader(path, scheme=scheme, width=width) as page:
            found += [f"{path} at {width}: {line}" for line in await violations(page)]
            if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{path} is wider than {width} pixels")
    missing = "status of 404"  # the page of nobody, on purpose
    board.complaints[:] = [said for said in board.complaints if missing not in said]
    assert found == []


async def violations(page: Page) -> list[str]:
    """Return what axe finds fault with."""
    results = await Axe().run(page)
    return [
        f"{found['id']}: {[node['html'][:120] for node in found['nodes'][:3]]}"
        for found in results.response["violations"]
    ]


async def test_hostile_names_and_texts_stay_text(board: Site) -> None:
    """Markup, quotes, paths, other directions and lengths show as what they are; links are safe."""
    for name in HOSTILE:
        await board.tell(*ruined(name, name), *ruined("texts", f"{name} javascript:alert(3)"))
    await board.consumed(8 * len(HOSTILE))
    async with board.reader() as page:
        await expect(page.locator("#rows tr")).to_have_count(len(HOSTILE) + 1)
        texts = await page.locator("#rows .c-name a bdi").all_text_contents()
        assert set(texts) == {wording.visible(name) for name in (*HOSTILE, "texts")}
        assert await page.locator("#rows script, #rows img").count() == 0
        assert await page.locator('a[href^="javascript:"]').count() == 0
        for name in HOSTILE:
            await page.goto(f"{board.bot.address}/")
            await page.locator(f"#{wording.key(name)} .c-name a").click()
            assert await page.locator("h1 bdi").text_content() == wording.visible(name)
            await expect(page.locator("#crashes summary b")).to_have_text("1×")
            assert await page.locator("main script, main img").count() == 0
        await page.goto(f"{board.bot.address}/services/texts")
        assert await page.locator('a[href^="javascript:"]').count() == 0
        await page.goto(f"{board.bot.address}/?q={quote(HOSTILE[0])}")
        assert HOSTILE[0] in await shown(page)


async def test_nothing_is_too_long_or_too_large_for_its_place(board: Site) -> None:
    """Long names, tags and reasons, and billions: no page is wider than its window at any size."""
    long = "x" * 255
    await board.tell(*ruined(long, long), triggered("busy", 10**10, tag="y" * 100))
    await board.consumed(5)
    found = []
    async with board.reader() as page:
        for path in ("/", "/?wall", f"/services/{long}", "/services/busy", "/pipeline"):
            await page.goto(f"{board.bot.address}{path}")
            for width in (1440, 1101, 1024, 768, 390):
                await page.set_viewport_size({"width": width, "height": 900})
                found += [f"{path} at {width}: {what}" for what in await page.evaluate(SPILLED)]
    assert found == []
