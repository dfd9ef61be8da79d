// The page: what the server says, and the keys. Nothing here is sent anywhere but to the server it came from.

import { Activity } from "./activity.js";
import { Tracks, drawLines } from "./connections.js";
import { Detail } from "./detail.js";
import { fillList, find, setClass, setText } from "./dom.js";
import { clock, count, duration, isUtc, rate, toggleUtc } from "./format.js";
import { Programs } from "./programs.js";
import { Stream } from "./stream.js";
import { SymbolTable } from "./table.js";

const KEYS = [
  ["j k ↑ ↓", "move"], ["Enter", "open or close the symbol"], ["Esc", "close, clear the filter"], ["/", "filter"],
  ["u", "unusable only"], ["s S", "sort by the next, the previous column"], ["r", "reverse the order"],
  ["t", "dark or light"], ["z", "local time or UTC"], ["?", "this help"],
];
let head = null;

const stream = new Stream({
  head: (value) => takeHead(value),
  rows: (value) => table.take(value),
  timeline: (value) => tracks.take(value),
  activity: (value) => activity.take(value),
  programs: (value) => programs.take(value),
});
const table = new SymbolTable(stream, (symbol) => detail.open(symbol));
const detail = new Detail((symbol) => table.mark(symbol));
const tracks = new Tracks(stream);
const activity = new Activity();
const programs = new Programs(stream);

function takeHead(value) {
  head = value;
  document.body.classList.remove("starting");
  drawHead();
  drawLines(value.lines, value.current && !stream.cut);
}

function trouble() {
  if (!stream.everHeard) return "Connecting to quotebus serve …";
  if (stream.cut) return `No word from quotebus serve for ${duration(stream.silence())}: nothing below is current.`;
  if (head.trouble) return `${head.trouble[0].toUpperCase()}${head.trouble.slice(1)}.`;
  return "";
}

function drawHead() {
  const cut = stream.cut;
  const blind = cut || !head?.current;
  document.body.classList.toggle("blind-page", blind);
  const text = trouble();
  const box = find("trouble");
  box.hidden = !text;
  setText(box, text);
  setClass(box, `trouble ${blind ? "" : "mild"}`);
  setText(find("clock"), `${clock(stream.now())}${isUtc() ? " UTC" : ""}`);
  if (head === null) return;
  const main = head.lines.filter((line) => !line.orders && !line.replayed);
  const word = blind ? ["not known", "blind"] : !head.ready ? ["not ready", "bad"]
    : main.some((line) => line.tone === "good") ? ["streaming", "good"] : ["idle", "calm"];
  setText(find("verdict"), word[0]);
  setClass(find("verdict"), `pill ${word[1]}`);
  setText(find("verdict-why"), cut ? "" : head.ready_why);
  document.title = `${blind ? "?" : !head.ready ? "✕" : `${head.usable}/${head.symbols}`} quotebus`;
  const lost = head.lost_here + head.unreadable;
  const rows = [
    ["usable", blind ? "–" : `${head.usable} of ${head.symbols}`, blind || head.usable === head.symbols ? "" : head.usable ? "warn" : "bad"],
    ["quotes/s", blind ? "–" : rate(head.quotes_per_s)],
    ["messages/s", blind ? "–" : rate(head.messages_per_s)],
    ["lost here", count(lost), lost ? "bad" : ""],
  ];
  if (head.undecided && !blind) rows.splice(1, 0, ["not heard yet", String(head.undecided)]);
  fillList(find("totals"), rows);
  const beyond = head.beyond ? ` · ${count(head.beyond)} messages of symbols beyond the first 10,000` : "";
  setText(find("origin"), `${head.origin} · listening since ${clock(head.began)}${beyond}`);
}

function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("quotebus-theme", theme); } catch { /* storage is off */ }
  detail.paint();
}

function drawAll() { drawHead(); tracks.draw(); activity.draw(); programs.draw(); table.draw(); }

const ACTIONS = {
  j: () => table.move(1), ArrowDown: () => table.move(1), k: () => table.move(-1), ArrowUp: () => table.move(-1),
  "/": () => find("filter").focus(),
  u: () => find("only-unusable").click(),
  s: () => table.nextSort(1), S: () => table.nextSort(-1),
  r: () => { table.descending = !table.descending; table.draw(); },
  t: toggleTheme, z: () => { toggleUtc(); drawAll(); },
  "?": () => find("help").showModal(),
  Escape: () => { if (detail.symbol !== null) detail.close(); else setFilter(""); },
};

function setFilter(text) {
  find("filter").value = text;
  table.filter = text;
  table.draw();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("help").open) return;
  if (event.target === find("filter")) {
    if (event.key === "Escape" || event.key === "Enter") {
      if (event.key === "Escape") setFilter("");
      event.target.blur();
    }
    return;
  }
  const action = ACTIONS[event.key];
  if (action) { event.preventDefault(); action(); }
});
find("filter").addEventListener("input", (event) => setFilter(event.target.value));
find("only-unusable").addEventListener("change", (event) => { table.unusableOnly = event.target.checked; table.draw(); });
find("theme").addEventListener("click", toggleTheme);
find("clock").addEventListener("click", ACTIONS.z);
find("help-button").addEventListener("click", ACTIONS["?"]);
fillList(find("help-keys"), KEYS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) { table.fetchSparks(); detail.refresh(); } });

let cut = false;
setInterval(() => {
  drawHead();
  table.tick(stream.cut || !head?.current);
  if (stream.cut !== cut) {
    cut = stream.cut;
    if (head) drawLines(cut ? head.lines.map((line) => ({ ...line, tone: "blind", state: line.state.endsWith("?") ? line.state : `${line.state}?` })) : head.lines, !cut && head.current);
  }
}, 500);
setInterval(() => tracks.draw(), 5000);

