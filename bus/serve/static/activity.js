// Decisions, intents and orders, newest first, each with its reasons.

import { el, find } from "./dom.js";
import { clock, price, words } from "./format.js";

const TABS = [["decisions", "Decisions"], ["intents", "Intents"], ["orders", "Orders"]];
const TONES = {
  limit: "good", market: "warn", refuse: "bad", filled: "good", fill: "good", working: "calm", unresolved: "bad",
  rejected: "bad", unfilled: "warn", partly_filled: "warn", declined: "bad", unanswered: "bad", canceled: "calm",
};
const SHOWN = 40;

export class Activity {
  constructor() {
    this.tab = "decisions";
    this.data = { decisions: [], intents: [], orders: [] };
    this.buttons = TABS.map(([name, title]) => {
      const button = el("button", "", title);
      button.type = "button";
      button.role = "tab";
      button.addEventListener("click", () => { this.tab = name; this.draw(); });
      return [name, title, button];
    });
    find("activity-tabs").append(...this.buttons.map(([, , button]) => button));
    this.draw();
  }

  take(data) { this.data = data; this.draw(); }

  draw() {
    for (const [name, title, button] of this.buttons) {
      button.ariaSelected = String(name === this.tab);
      button.textContent = this.data[name].length ? `${title} ${this.data[name].length}` : title;
    }
    const make = { decisions: decision, intents: intent, orders: order }[this.tab];
    const notes = this.data[this.tab].slice(0, SHOWN).map(make);
    if (!notes.length) notes.push(el("p", "empty", `No ${this.tab} heard yet.`));
    find("activity-list").replaceChildren(...notes);
  }
}

function entry(note, headline, tone, word, lines) {
  return el("div", `entry ${tone}`,
    el("time", "", clock(note.at_ns / 1e6)),
    el("span", "headline", headline, note.replayed ? el("span", "tag", "replay") : null),
    el("span", `pill ${tone}`, words(word)),
    ...lines.filter(Boolean).map((line) => { const made = el("span", "means", line); made.title = line; return made; }));
}

function decision(note) {
  const limit = note.limit_price === null ? "" : ` at ${price(note.limit_price)}`;
  const times = note.times > 1 ? `${note.times} times, ` : "";
  const why = note.reasons.length ? note.reasons.map(words).join(", ") : "";
  return entry(note, `would ${note.side} ${note.qty} ${note.symbol}${limit}`, TONES[note.action] ?? "calm", note.action,
    [why, `${times}${note.decided_by ? `rule ${note.decided_by}, ` : ""}by ${note.client}`]);
}

function intent(note) {
  const average = note.average_price ? ` at ${note.average_price}` : "";
  return entry(note, `${note.side} ${note.filled} of ${note.qty} ${note.symbol}${average}`,
    TONES[note.outcome] ?? "calm", note.outcome,
    [note.reasons.map(words).join(", "), `${words(note.state)} (${words(note.cause)}), ${note.orders} orders, intent ${note.intent_id}`]);
}

function order(note) {
  const at = note.price ? ` at ${note.price}` : "";
  return entry(note, `${note.side} ${note.filled_qty ?? 0} of ${note.qty ?? "–"} ${note.symbol}${at}`,
    TONES[note.event] ?? "calm", note.event, [`${words(note.status)}, order ${note.order_id}, account ${note.alias}`]);
}
