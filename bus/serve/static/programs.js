// The programs on the bus: whether they are heard, what they lost, what they count.

import { el, find, setText } from "./dom.js";
import { count, duration, words } from "./format.js";

const MATTERS = [
  "restarts", "quotes", "requests", "dials", "lines_lost", "published", "decisions", "orders", "warnings", "messages",
  "requests_admitted", "subscribe_peers", "published_messages_in", "connections", "received", "decisions",
];

export class Programs {
  constructor(stream) { this.stream = stream; this.opened = new Set(); this.data = null; }

  take(data) { this.data = data; this.draw(); }

  draw() {
    if (this.data === null) return;
    const { programs, recorders } = this.data;
    const nodes = [...recorders.map((recorder) => this.recorder(recorder)), ...programs.map((each) => this.program(each))];
    if (!nodes.length) nodes.push(el("p", "empty", "No program is heard."));
    find("program-list").replaceChildren(...nodes);
    const lossy = programs.filter(({ losses }) => Object.keys(losses).length).length;
    setText(find("programs-note"), `${programs.length}${lossy ? `, ${lossy} with losses` : ""}`);
  }

  program({ program, source, heard, silent, losses, counters }) {
    const entries = Object.entries(counters);
    const main = entries.filter(([name]) => MATTERS.includes(name)).slice(0, 4);
    const box = el("details", "program");
    box.open = this.opened.has(source);
    box.addEventListener("toggle", () => this.opened[box.open ? "add" : "delete"](source));
    const lost = Object.entries(losses).map(([name, value]) => el("span", "tag bad", `${name} ${count(value)}`));
    box.append(
      el("summary", "",
        el("span", `dot ${silent ? "bad" : "good"}`),
        el("span", "name", program), el("span", "note", source),
        silent ? el("span", "tag bad", `silent for ${duration(this.stream.now() - heard)}`) : null,
        ...lost,
        el("span", "facts-line", main.map(([name, value]) => `${words(name)} ${count(value)}`).join(" · "))),
      el("div", "counters", ...entries.map(([name, value]) => el("span", "", el("i", "", words(name)), ` ${count(value)}`))));
    return box;
  }

  recorder({ name, state, cause, file, messages, bytes, lost, silent }) {
    const failed = state === "failed" || silent;
    return el("div", "program",
      el("div", "summary",
        el("span", `dot ${failed ? "bad" : "good"}`), el("span", "name", `recorder ${name}`),
        el("span", `tag ${failed ? "bad" : ""}`, silent ? "silent" : `${state}${failed ? ` (${words(cause)})` : ""}`),
        lost ? el("span", "tag bad", `lost ${count(lost)}`) : null,
        el("span", "facts-line", `${count(messages)} messages · ${count(bytes)} bytes · ${file}`)));
  }
}
