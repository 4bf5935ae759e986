/* The table of all services: search, filter and order at once, without asking the server.
   It does what the server does with the same form (see overview.py). */

const SETTLE_MS = 5_000;
const STATES = ["down", "degraded", "unknown", "starting", "stopped", "up", "silent"];
const SPEAK_MS = 10_000;
const SPOKEN = 3;

/** Return what to tell of changed cells; does nothing on pages without the table. */
export function roster(page) {
  const form = page.getElementById("filter");
  return form ? new Roster(page, form) : { changed() {} };
}

class Roster {
  constructor(page, form) {
    this.page = page;
    this.form = form;
    this.rows = page.getElementById("rows");
    this.found = page.getElementById("found");
    this.announce = page.getElementById("announce");
    this.states = this.stateByRow();
    this.news = new Map();
    this.settling = 0;
    this.form.classList.add("instant");
    if ("partial" in form.dataset) return; // rows are missing: the server must be asked
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply();
    });
    form.addEventListener("input", () => this.apply());
    page.querySelector("thead").addEventListener("click", (event) => this.headed(event));
  }

  headed(event) {
    const head = event.target.closest("th[data-sort]");
    if (!head || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.form.elements.sort.value = head.dataset.sort;
    this.apply();
  }

  /** Show and order the rows as the form says; the address follows, to be kept or shared. */
  apply() {
    const asked = this.asked();
    this.filter(asked);
    this.order(asked.sort);
    const query = new URLSearchParams(
      Object.entries(asked).filter(([name, value]) => value && !(name === "sort" && value === "trouble")),
    );
    if (this.form.elements.wall) query.set("wall", "");
    const address = query.size ? `?${query}` : location.pathname;
    if (address !== location.search) history.replaceState(null, "", address);
  }

  asked() {
    const { q, state, tag, sort } = this.form.elements;
    return { q: q.value.trim(), state: state.value, tag: tag.value, sort: sort.value };
  }

  filter({ q, state, tag }) {
    const text = fold(q);
    const label = fold(tag);
    let shown = 0;
    for (const row of this.rows.rows) {
      const told = row.dataset.q;
      const fits =
        told.includes(text) &&
        (!tag || told.split("\n").slice(1).includes(label)) &&
        (!state || stateOf(row) === state || (state === "trouble" && inTrouble(row)));
      row.hidden = !fits;
      shown += fits;
    }
    const said = `${shown.toLocaleString("en")} of ${this.rows.rows.length.toLocaleString("en")}`;
    this.page.getElementById("nothing").hidden = shown || !this.rows.rows.length;
    if (this.found.textContent !== said) this.found.textContent = said;
  }

  order(sort) {
    const rows = [...this.rows.rows];
    const keys = new Map(rows.map((row) => [row, KEYS[sort](row)]));
    const names = new Map(rows.map((row) => [row, row.dataset.q]));
    const sorted = rows.toSorted(
      (a, b) => keys.get(a) - keys.get(b) || (names.get(a) < names.get(b) ? -1 : 1),
    );
    if (sorted.some((row, place) => row !== rows[place])) {
      const focused = this.rows.contains(document.activeElement) ? document.activeElement : null;
      this.rows.append(...sorted);
      focused?.focus();
    }
    for (const head of this.page.querySelectorAll("th[data-sort]")) {
      if (head.dataset.sort === sort) {
        head.setAttribute("aria-sort", ["name", "trouble"].includes(sort) ? "ascending" : "descending");
      } else head.removeAttribute("aria-sort");
    }
  }

  /** Take note of changed cells (null: rows were replaced); order again after a while only. */
  changed(ids) {
    if (ids === null) {
      this.apply();
      this.states = this.stateByRow();
      this.page.getElementById("roster").hidden = !this.rows.rows.length;
      return;
    }
    for (const id of ids) {
      if (id.endsWith("-st")) this.stateChanged(id.slice(0, -3));
      if (id.endsWith("-tg")) tagged(this.page.getElementById(id));
    }
    this.settling ||= setTimeout(() => this.settle(), SETTLE_MS);
  }

  settle() {
    this.settling = 0;
    const busy = this.rows.matches(":hover") || this.rows.contains(document.activeElement);
    if (busy) this.settling = setTimeout(() => this.settle(), SETTLE_MS);
    else if (!("partial" in this.form.dataset)) {
      this.filter(this.asked());
      this.order(this.asked().sort);
    }
  }

  stateByRow() {
    return new Map([...this.rows.rows].map((row) => [row.id, stateOf(row)]));
  }

  stateChanged(id) {
    const row = this.page.getElementById(id);
    if (!row || this.states.get(id) === stateOf(row)) return;
    this.states.set(id, stateOf(row));
    this.news.set(row.querySelector("th bdi").textContent, stateOf(row));
    this.speaking ||= setTimeout(() => this.speak(), SPEAK_MS / 10);
  }

  /** Tell a screen reader which services changed state, a few at most and not too often. */
  speak() {
    const told = [...this.news].slice(0, SPOKEN).map(([name, state]) => `${name} is ${state}`);
    if (this.news.size > SPOKEN) told.push(`and ${this.news.size - SPOKEN} more changed`);
    this.announce.textContent = told.join(", ");
    this.news.clear();
    this.speaking = setTimeout(() => {
      this.speaking = 0;
      if (this.news.size) this.speak();
    }, SPEAK_MS);
  }
}

const KEYS = {
  trouble: (row) => {
    const place = STATES.indexOf(stateOf(row));
    return (place > 1 ? 1000 : 0) + (count(row, 6) ? 0 : 100) + place;
  },
  name: () => 0,
  triggers: (row) => -count(row, 2),
  crashes: (row) => -count(row, 4),
  week: (row) => -count(row, 5),
  alerts: (row) => -count(row, 6),
  message: (row) => -(Date.parse(row.cells[7].querySelector("time")?.dateTime) || 0),
};

function count(row, place) {
  return Number(row.cells[place].textContent.replaceAll(",", ""));
}

function stateOf(row) {
  return row.cells[0].querySelector("[data-state]").dataset.state;
}

function inTrouble(row) {
  return ["down", "degraded"].includes(stateOf(row)) || count(row, 6) > 0;
}

/** Let a row be searched by the tags that its cell has now; the first line is the name. */
function tagged(cell) {
  const row = cell.closest("tr");
  const tags = [...cell.querySelectorAll(".tag")].map((tag) => fold(tag.title));
  row.dataset.q = [row.dataset.q.split("\n")[0], ...tags].join("\n");
}

function fold(text) {
  return text.toLowerCase();
}
