/* Keeps the page fresh: one connection, cells by id, and an honest word when it is lost.

   The server sends what this page lacks since its version ("mark"). Nothing is queued anywhere:
   a page that was away gets what is new, once. */

const QUIET_MS = 13_000; // the server says something at least every 5 s
const LONGEST_PAUSE_MS = 15_000;
const RELOAD_MS = 2_000;

const body = document.body;
const line = document.getElementById("live");
const word = document.getElementById("live-word");
const stamp = line.querySelector("time");
const clock = new Intl.DateTimeFormat("en-GB", {
  timeZone: body.dataset.zone, day: "numeric", month: "short",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

let mark = body.dataset.mark;
let source = null;
let heard = Date.now();
let pause = 500;
let timer = 0;
let reloading = 0;
let page = { changed() {} };

/** Follow the server's events; `changed(ids)` of `listener` is called after cells changed. */
export function follow(listener) {
  if (!body.dataset.page) return; // a page about nothing that could change
  page = listener;
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  setInterval(() => source && Date.now() - heard > QUIET_MS && lose(), 1000);
  open();
}

function open() {
  if (source || document.hidden) return;
  clearTimeout(timer);
  heard = Date.now();
  const query = new URLSearchParams({ page: body.dataset.page, since: mark });
  source = new EventSource(`/live?${query}`);
  source.onopen = fresh;
  source.onmessage = (event) => {
    fresh();
    mark = event.lastEventId;
    take(JSON.parse(event.data));
  };
  source.addEventListener("beat", fresh);
  source.onerror = lose;
}

function close() {
  source?.close();
  source = null;
  clearTimeout(timer);
}

function lose() {
  close();
  if (line.dataset.state !== "stale") {
    line.dataset.state = "stale";
    word.textContent = "Connection lost; numbers are of";
  }
  timer = setTimeout(open, pause * (0.75 + Math.random() / 2));
  pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
}

function fresh() {
  heard = Date.now();
  pause = 500;
  stamp.dateTime = new Date(heard).toISOString();
  stamp.textContent = clock.format(heard).replace(",", "");
  if (line.dataset.state !== "live") {
    line.dataset.state = "live";
    word.textContent = "Live";
  }
}

function take(event) {
  if (event.restart) {
    location.reload();
    return;
  }
  const changed = [];
  for (const [id, html] of Object.entries(event.cells)) {
    const cell = document.getElementById(id);
    if (cell) {
      put(cell, html);
      changed.push(id);
    }
  }
  if (event.reload) reload();
  if (changed.length) page.changed(changed);
}

/** Replace what is in a cell. */
function put(cell, html) {
  keeping(cell, () => { cell.innerHTML = html; });
  if (cell.classList.contains("num")) flash(cell);
}

/** Replace what is in a part of the page; what a reader opened, scrolled or stands on stays so. */
function keeping(part, replace) {
  const open = [...part.querySelectorAll("details[open][id]")].map((found) => found.id);
  const scrolled = [...part.querySelectorAll("[tabindex]")]
    .filter((found) => found.scrollTop || found.scrollLeft)
    .map((found) => [place(found), found.scrollTop, found.scrollLeft]);
  const focused = part.contains(document.activeElement) ? place(document.activeElement) : null;
  replace();
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const [where, top, left] of scrolled) at(where)?.scrollTo({ top, left, behavior: "instant" });
  if (focused) at(focused)?.focus({ preventScroll: true });
}

/* Where an element stands that has no id of its own: the nearest one above that has, and its
   number among those in there that can be stood on. */
const STOPS = "a[href], summary, input, select, button, [tabindex]";

function place(element) {
  const home = element.closest("[id]");
  return [home.id, [...home.querySelectorAll(STOPS)].indexOf(element)];
}

function at([id, number]) {
  const home = document.getElementById(id);
  return number < 0 ? home : home?.querySelectorAll(STOPS)[number];
}

/* Two names for one animation: changing the name starts it again, at no cost of layout. */
function flash(cell) {
  const again = cell.classList.contains("fresh-a");
  cell.classList.toggle("fresh-a", !again);
  cell.classList.toggle("fresh-b", again);
}

/** Fetch the page again for the parts that cells cannot patch, such as new rows. */
function reload() {
  if (reloading) return;
  reloading = setTimeout(async () => {
    reloading = 0;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-swap]")) {
        const other = found.getElementById(part.id);
        if (other) {
          const chosen = part.value;
          keeping(part, () => part.replaceChildren(...other.childNodes));
          if (chosen !== undefined) part.value = chosen;
          for (const { name, value } of other.attributes) part.setAttribute(name, value);
        }
      }
      page.changed(null);
    } catch {
      reload();
    }
  }, RELOAD_MS * (0.5 + Math.random()));
}
