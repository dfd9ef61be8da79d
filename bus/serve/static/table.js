// The table of symbols: rows by symbol, sorted and filtered here, at most so many drawn.

import { el, find, setClass, setText } from "./dom.js";
import { duration, price, rate, words } from "./format.js";
import { drawSpark, makeSpark } from "./spark.js";

const COLUMNS = [
  ["symbol", "Symbol", "left"], ["spark", "5 minutes", "left wide"], ["bid", "Bid", ""], ["ask", "Ask", ""],
  ["spread", "Spread", "wide"], ["age", "Age", ""], ["rate", "Rate/s", "wide"], ["state", "State", "left"],
  ["usable", "Usable", "left"], ["clients", "Clients", "wide"],
];
const FIELDS = [
  "symbol", "bid", "bidSize", "ask", "askSize", "spread", "quoteMs", "rate", "state", "cause", "usable", "reasons",
  "clients", "replayed", "since",
];
const PAGE = 200;
const SPARK_EVERY_MS = 4000;
const RANK = { no: 0, cannot_tell: 1, yes: 2 };
const STATES = {
  live: "good", quiet: "good", halted: "halt", stale: "warn", pending: "warn", refused: "bad", evicted: "bad",
  released: "calm",
};

export class SymbolTable {
  constructor(stream, open) {
    this.stream = stream;
    this.open = open;
    this.rows = new Map();
    this.drawn = new Map();
    this.sort = "symbol";
    this.descending = false;
    this.filter = "";
    this.unusableOnly = false;
    this.at = null;
    this.limit = PAGE;
    this.blind = true;
    this.body = document.querySelector("#table tbody");
    this.makeHead();
    find("more-rows").addEventListener("click", () => { this.limit += PAGE; this.draw(); });
    setInterval(() => this.fetchSparks(), SPARK_EVERY_MS);
  }

  makeHead() {
    const head = document.querySelector("#table thead tr");
    this.heads = new Map();
    for (const [name, title, side] of COLUMNS) {
      const cell = el("th", `${side} c-${name}`);
      cell.scope = "col";
      if (name === "spark") cell.append(title);
      else {
        const button = el("button", "", title);
        button.type = "button";
        button.addEventListener("click", () => this.sortBy(name));
        cell.append(button);
      }
      this.heads.set(name, cell);
      head.append(cell);
    }
  }

  sortBy(name) {
    this.descending = this.sort === name ? !this.descending : ["rate", "spread", "age", "clients"].includes(name);
    this.sort = name;
    this.draw();
  }

  nextSort(step) {
    const names = COLUMNS.map(([name]) => name).filter((name) => name !== "spark");
    const next = names[(names.indexOf(this.sort) + step + names.length) % names.length];
    this.sort = "";
    this.sortBy(next);
  }

  take({ full, rows, gone }) {
    if (full) this.rows.clear();
    for (const values of rows) {
      const row = Object.fromEntries(FIELDS.map((name, at) => [name, values[at]]));
      const former = this.rows.get(row.symbol);
      row.moved = former?.bid === null || former === undefined || row.bid === null ? 0
        : Math.sign(row.bid + row.ask - former.bid - former.ask);
      this.rows.set(row.symbol, row);
    }
    for (const symbol of gone) this.rows.delete(symbol);
    const fresh = full || rows.some((values) => !this.drawn.has(values[0]));
    this.draw();
    if (fresh) this.fetchSparks();
  }

  key(row) {
    switch (this.sort) {
      case "bid": case "ask": case "spread": return row[this.sort] ?? -1;
      case "age": return row.quoteMs === null ? Infinity : -row.quoteMs;
      case "rate": case "clients": return row[this.sort];
      case "usable": return RANK[row.usable] ?? 0;
      case "state": return row.state;
      default: return row.symbol;
    }
  }

  chosen() {
    const wanted = this.filter.toLowerCase();
    const rows = [...this.rows.values()].filter((row) =>
      !(this.unusableOnly && row.usable === "yes" && !this.blind)
      && (!wanted || row.symbol.toLowerCase().includes(wanted) || row.state.includes(wanted)
        || row.cause.includes(wanted) || row.reasons.some((reason) => reason.includes(wanted))));
    const sign = this.descending ? -1 : 1;
    return rows.map((row) => [this.key(row), row]).sort(([one, a], [other, b]) => {
      if (one !== other) return one < other ? -sign : sign;
      return a.symbol < b.symbol ? -1 : 1;
    }).map(([, row]) => row);
  }

  draw() {
    for (const [name, cell] of this.heads) {
      const order = name !== this.sort ? "none" : this.descending ? "descending" : "ascending";
      if (cell.ariaSort !== order) cell.ariaSort = order;
    }
    const rows = this.chosen();
    const shown = rows.slice(0, this.limit);
    const kept = new Set(shown.map((row) => row.symbol));
    for (const [symbol, drawn] of this.drawn) {
      if (!kept.has(symbol)) { drawn.row.remove(); this.drawn.delete(symbol); }
    }
    let before = null;
    for (const row of shown) {
      let drawn = this.drawn.get(row.symbol);
      if (drawn === undefined) { drawn = this.makeRow(row.symbol); this.drawn.set(row.symbol, drawn); }
      this.fill(drawn, row);
      const place = before === null ? this.body.firstChild : before.nextSibling;
      if (drawn.row !== place) this.body.insertBefore(drawn.row, place);
      before = drawn.row;
    }
    this.note(rows.length, shown.length);
  }

  note(found, shown) {
    const more = find("more-rows");
    more.hidden = found <= shown;
    setText(more, `Show ${Math.min(PAGE, found - shown)} more of ${found - shown}`);
    const all = this.rows.size;
    setText(find("rows-note"), found === all ? `${all}` : `${found} of ${all}`);
    const empty = find("no-rows");
    empty.hidden = found > 0;
    setText(empty, all ? "No symbol matches." : "No symbol is wanted or quoted. The first request makes the node dial.");
  }

  makeRow(symbol) {
    const row = el("tr", "");
    row.tabIndex = 0;
    row.dataset.symbol = symbol;
    const cells = {};
    for (const [name, , side] of COLUMNS) {
      cells[name] = el("td", `${side} c-${name}`);
      row.append(cells[name]);
    }
    const spark = makeSpark();
    cells.spark.append(spark);
    const pill = el("span", "state");
    cells.state.append(pill);
    setText(cells.symbol, symbol);
    row.addEventListener("click", () => this.open(symbol));
    row.addEventListener("focus", () => { this.at = symbol; });
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") this.open(symbol); });
    return { row, cells, spark, pill, quoteMs: null };
  }

  fill(drawn, row) {
    const { cells } = drawn;
    const usable = this.blind ? "no" : row.usable;
    setClass(drawn.row, `${usable} ${row.symbol === this.opened ? "opened" : ""} ${row.replayed ? "replayed" : ""}`);
    setText(cells.bid, price(row.bid));
    setText(cells.ask, price(row.ask));
    setText(cells.spread, price(row.spread));
    setText(cells.rate, rate(row.rate));
    setText(cells.clients, String(row.clients));
    const doubted = this.blind && !row.state.endsWith("?");
    setText(drawn.pill, `${row.state || "–"}${doubted && row.state ? "?" : ""}`);
    setClass(drawn.pill, `state ${this.blind ? "blind" : STATES[row.state] ?? "blind"}`);
    const reason = this.blind ? "not heard" : words(row.reasons[0] ?? "");
    setText(cells.usable, usable === "yes" ? "yes" : usable === "cannot_tell" ? "not heard yet" : reason);
    cells.usable.title = row.reasons.map(words).join(", ");
    if (drawn.quoteMs !== null && row.quoteMs !== drawn.quoteMs && row.moved && !this.blind) {
      const name = row.moved > 0 ? "up" : "down";
      for (const cell of [cells.bid, cells.ask]) {
        cell.classList.remove("up", "down");
        void cell.offsetWidth; // starts the animation again
        cell.classList.add(name);
      }
    }
    drawn.quoteMs = row.quoteMs;
    this.fillAge(drawn, row);
  }

  fillAge(drawn, row) {
    const age = row.quoteMs === null ? null : Math.max(0, this.stream.now() - row.quoteMs);
    setText(drawn.cells.age, age === null ? "–" : age < 1000 ? "<1 s" : duration(age));
  }

  tick(blind) {
    const turned = blind !== this.blind;
    this.blind = blind;
    if (turned) { this.draw(); return; }
    for (const [symbol, drawn] of this.drawn) {
      const row = this.rows.get(symbol);
      if (row) this.fillAge(drawn, row);
    }
  }

  async fetchSparks() {
    if (document.hidden || this.blind) return;
    const top = -200, bottom = innerHeight + 200;
    const visible = [...this.drawn].filter(([, { row }]) => {
      const { top: above, bottom: below } = row.getBoundingClientRect();
      return below > top && above < bottom;
    }).map(([symbol]) => symbol).slice(0, 100);
    if (!visible.length) return;
    try {
      const answer = await fetch(`/api/sparks?symbols=${visible.map(encodeURIComponent).join(",")}`);
      if (!answer.ok) return;
      const { lines } = await answer.json();
      for (const [symbol, line] of Object.entries(lines)) {
        const drawn = this.drawn.get(symbol);
        if (drawn) drawSpark(drawn.spark, line);
      }
    } catch { /* the server is away: the stream says so */ }
  }

  move(step) {
    const rows = [...this.body.rows];
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.dataset.symbol === this.at);
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
    this.at = next.dataset.symbol;
    next.focus();
  }

  mark(symbol) { this.opened = symbol; this.draw(); }
}
