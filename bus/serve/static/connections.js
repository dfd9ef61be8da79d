// The connections now, and what they did within the last hour.

import { el, find, setText } from "./dom.js";
import { clock, duration, words } from "./format.js";

const HOUR_MS = 3600e3;
const SHOWN_CHANGES = 6;
const STEPS = new Set(["connecting", "authenticating", "subscribing"]);

export function drawLines(lines, current) {
  const nodes = lines.map((line) => {
    const facts = [];
    if (!line.orders) {
      facts.push(`${line.desired} wanted`, `${line.acknowledged} acknowledged`, `${line.live} live`);
    }
    facts.push(`connection ${line.connection}`);
    if (line.attempt) facts.push(`${line.attempt} failures in a row`);
    if (line.lag !== null) facts.push(`lag ${duration(line.lag)}`);
    if (line.last_byte_ago !== null) facts.push(`last byte ${duration(line.last_byte_ago)} ago`);
    if (line.gap !== null) facts.push(`last gap ${duration(line.gap)}${line.gap_ago === null ? "" : `, ${duration(line.gap_ago)} ago`}`);
    let when = `for ${duration(line.for)}`;
    if (!current) when = "";
    else if (line.silent) when = `not heard for ${duration(line.heard_ago)}`;
    else if (line.retry_in !== null) when = `next try in ${duration(Math.max(0, line.retry_in))}`;
    const quiet = ["demand", "no_demand"].includes(line.cause);
    const fine = line.tone === "good";
    return el("div", `line ${line.tone}`,
      el("span", `pill ${line.tone}`, words(line.state)),
      el("span", "name", `${line.node}${line.orders ? "" : ` · ${line.feed}`}`),
      line.replayed ? el("span", "tag", "replay") : null,
      el("span", "when", [quiet ? "" : words(line.cause), when].filter(Boolean).join(", ")),
      el("span", "facts-line", facts.join(" · ")),
      fine && !line.detail ? null : el("p", "means", [fine ? "" : line.means, line.detail].filter(Boolean).join(" · ")));
  });
  if (!nodes.length) nodes.push(el("p", "empty", "No pricing node is heard."));
  find("lines").replaceChildren(...nodes);
}

export class Tracks {
  constructor(stream) {
    this.stream = stream;
    this.tracks = [];
    this.root = find("tracks");
    this.tip = el("div", "tip");
    this.tip.hidden = true;
    document.body.append(this.tip);
  }

  take({ tracks }) { this.tracks = tracks; this.draw(); }

  draw() {
    const now = this.stream.now();
    const from = now - HOUR_MS;
    const at = (ms) => `${Math.max(0, Math.min(100, (ms - from) / HOUR_MS * 100))}%`;
    const nodes = this.tracks.map(({ node, spans }) => {
      const bar = el("div", "track-bar");
      spans.forEach((span, number) => {
        const end = number + 1 < spans.length ? spans[number + 1].start : now;
        if (end < from) return;
        const part = el("div", `span ${span.tone}`);
        part.style.left = at(span.start);
        part.style.right = `${100 - Math.max(0, Math.min(100, (end - from) / HOUR_MS * 100))}%`;
        this.explain(part, span, end, node);
        bar.append(part);
      });
      return el("div", "track", el("span", "track-name", node || "this page"), bar);
    });
    const ticks = el("div", "ticks");
    const step = 600e3;
    for (let ms = Math.ceil(from / step) * step; ms < now; ms += step) {
      const tick = el("span", "", clock(ms, false));
      tick.style.left = at(ms);
      if ((ms - from) / HOUR_MS < 0.97 && (ms - from) / HOUR_MS > 0.03) ticks.append(tick);
    }
    this.root.replaceChildren(...nodes, el("div", "track", el("span", "track-name"), ticks));
    this.drawChanges();
    const forgotten = this.tracks.reduce((sum, track) => sum + track.forgotten, 0);
    setText(find("timeline-note"), forgotten ? `last hour, ${forgotten} earlier changes are not kept` : "last hour");
  }

  explain(part, span, end, node) {
    const text = `${node || "this page"}: ${words(span.state)}${span.cause ? ` (${words(span.cause)})` : ""}\n`
      + `${clock(span.start)} – ${clock(end)}, ${duration(end - span.start)}\n${span.means}`
      + `${span.detail ? `\n${span.detail}` : ""}`;
    part.addEventListener("pointerenter", (event) => {
      this.tip.textContent = text;
      this.tip.hidden = false;
      const { width, height } = this.tip.getBoundingClientRect();
      this.tip.style.left = `${Math.max(4, Math.min(event.clientX - width / 2, innerWidth - width - 4))}px`;
      this.tip.style.top = `${Math.max(4, part.getBoundingClientRect().top - height - 6)}px`;
    });
    part.addEventListener("pointerleave", () => { this.tip.hidden = true; });
  }

  // The newest first. A node that dials again and again is one entry, not fifty.
  listChanges() {
    const found = this.tracks.flatMap(({ node, spans }) => {
      const kept = [];
      spans.forEach((span, number) => {
        const former = kept.at(-1);
        if (STEPS.has(span.state) && number + 1 < spans.length) return;
        if (former && former.state === span.state && former.cause === span.cause) {
          Object.assign(former, { start: span.start, detail: span.detail, times: former.times + 1 });
        } else kept.push({ ...span, node, first: span.start, times: 1 });
      });
      return node ? kept : kept.filter((change) => change.state !== "hearing" || spans.length > 1);
    });
    return found.sort((one, other) => other.start - one.start).slice(0, SHOWN_CHANGES);
  }

  drawChanges() {
    find("changes").replaceChildren(...this.listChanges().map((change) => el("li", change.tone,
      el("time", "", clock(change.start)),
      el("span", "what", el("b", "", words(change.state)),
        ["", "demand", "no_demand"].includes(change.cause) ? "" : ` (${words(change.cause)})`),
      el("span", "name", change.node || "this page"),
      el("span", "means", [
        change.times > 1 ? `${change.times} times since ${clock(change.first)}` : "",
        change.tone === "good" ? "" : change.means, change.detail,
      ].filter(Boolean).join(" · ")))));
  }
}
