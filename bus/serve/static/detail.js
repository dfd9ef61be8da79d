// One symbol: why its price may or may not be used, and the last ten minutes.

import { el, fillList, find, setClass, setText } from "./dom.js";
import { clock, duration, price, words } from "./format.js";

const EVERY_MS = 1000;
const SHADES = ["gap", "", "unsure", "no"];
const plain = (text) => text.replaceAll("`", "");
const ANSWERS = {
  yes: ["may be used", "good"], no: ["may not be used", "bad"], cannot_tell: ["cannot tell", "warn"],
};

export class Detail {
  constructor(changed) {
    this.changed = changed;
    this.symbol = null;
    this.chart = null;
    find("detail-close").addEventListener("click", () => this.close());
    setInterval(() => this.refresh(), EVERY_MS);
  }

  open(symbol) {
    if (symbol === this.symbol) { this.close(); return; }
    this.symbol = symbol;
    find("detail").hidden = false;
    document.body.classList.add("detail-open");
    setText(find("detail-symbol"), symbol);
    this.makeChart();
    this.fitted = false;
    this.changed(symbol);
    this.refresh();
    if (innerWidth < 1000) find("detail").scrollIntoView({ block: "start" });
  }

  close() {
    this.symbol = null;
    find("detail").hidden = true;
    document.body.classList.remove("detail-open");
    this.changed(null);
  }

  async refresh() {
    const symbol = this.symbol;
    if (symbol === null || document.hidden) return;
    try {
      const answer = await fetch(`/api/symbol?symbol=${encodeURIComponent(symbol)}`);
      if (!answer.ok || symbol !== this.symbol) return;
      const { why, history } = await answer.json();
      if (symbol === this.symbol) { this.drawWhy(why); this.drawHistory(history); }
    } catch { this.setAnswer("not heard", "blind"); }
  }

  setAnswer(text, tone) {
    setText(find("detail-answer"), text);
    setClass(find("detail-answer"), `pill ${tone}`);
  }

  drawWhy(why) {
    if (document.body.classList.contains("blind-page")) this.setAnswer("not known now", "blind");
    else this.setAnswer(...ANSWERS[why.answer] ?? ["cannot tell", "warn"]);
    setText(find("detail-remark"), why.remark);
    const reasons = why.answer === "no" ? why.reasons : [];
    find("detail-reasons").replaceChildren(...reasons.map((reason) => el("li", "",
      el("b", "", words(reason.name)), ` ${plain(reason.rule)}`, reason.here ? el("span", "here", reason.here) : null,
      el("span", "means", `until: ${plain(reason.change)}`))));
    const rows = [];
    const quote = why.quote;
    if (quote) {
      const size = (value) => value === null ? "" : ` × ${value}`;
      rows.push(["bid", `${price(quote.bid_price)}${size(quote.bid_size)}`], ["ask", `${price(quote.ask_price)}${size(quote.ask_size)}`]);
      rows.push(["age", duration(quote.age_ns / 1e6)]);
      if (quote.flags.length) rows.push(["flags", quote.flags.map(words).join(", "), "bad"]);
    } else rows.push(["quote", why.announced_seq ? "none heard here; clients hold one" : "none"]);
    if (why.state) {
      const since = why.state_for_ns === null ? "" : ` for ${duration(why.state_for_ns / 1e6)}`;
      rows.push(["symbol", `${why.state} (${words(why.state_cause)})${since}: ${why.state_means}`]);
    }
    rows.push(["halt", `${words(why.halt)}${why.halt_evidence ? ` ${why.halt_evidence}` : ""}: ${why.halt_means}`]);
    if (why.venue_says) rows.push(["venue", why.venue_says]);
    if (why.line) rows.push(["line", `${why.line.node} ${words(why.line.state)}: ${plain(why.line_means)}`]);
    const holders = why.askers.map((asker) => `${asker.client}${asker.priority ? ` (priority ${asker.priority})` : ""}`
      + `${asker.lease_left_ns === null ? ", not answered yet" : `, lease ${duration(asker.lease_left_ns / 1e6)}`}`);
    rows.push(["wanted by", holders.slice(0, 8).join("; ") || "no client"]);
    fillList(find("detail-facts"), rows);
  }

  makeChart() {
    if (this.chart !== null || !globalThis.LightweightCharts) return;
    const lib = globalThis.LightweightCharts;
    const root = find("chart");
    this.chart = lib.createChart(root, {
      autoSize: true,
      layout: { attributionLogo: false, background: { color: "transparent" } },
      timeScale: {
        timeVisible: true, secondsVisible: true, borderVisible: false, rightOffset: 2,
        tickMarkFormatter: (s) => clock(s * 1000, false),
      },
      rightPriceScale: { borderVisible: false },
      localization: { timeFormatter: (s) => clock(s * 1000), priceFormatter: price },
      handleScroll: true,
    });
    this.shades = ["gap", "unsure", "no"].map((name) => [name, this.chart.addSeries(lib.AreaSeries, {
      priceScaleId: "shade", lineType: 1, lineVisible: false, priceLineVisible: false, lastValueVisible: false,
      crosshairMarkerVisible: false, autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: 1 } }),
    })]);
    this.chart.priceScale("shade").applyOptions({ scaleMargins: { top: 0, bottom: 0 }, visible: false });
    const line = { lineWidth: 1, lineType: 1, priceLineVisible: false, lastValueVisible: true };
    this.bid = this.chart.addSeries(lib.LineSeries, line);
    this.ask = this.chart.addSeries(lib.LineSeries, line);
    this.paint();
  }

  paint() {
    if (this.chart === null) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.chart.applyOptions({
      layout: { textColor: colour("--quiet"), fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11 },
      grid: { vertLines: { color: colour("--rule") }, horzLines: { color: colour("--rule") } },
    });
    this.bid.applyOptions({ color: colour("--bid") });
    this.ask.applyOptions({ color: colour("--ask") });
    for (const [name, series] of this.shades) {
      series.applyOptions({ topColor: colour(`--shade-${name}`), bottomColor: colour(`--shade-${name}`) });
    }
  }

  drawHistory(history) {
    if (this.chart === null) return;
    let first = history.findIndex(([, , , answer]) => answer !== 0);
    if (first < 0) first = history.length;
    const points = history.slice(Math.max(0, first - 1));
    const series = (at) => points.map((point) => point[at] === null ? { time: point[0] } : { time: point[0], value: point[at] });
    for (const [name, shade] of this.shades) {
      shade.setData(points.map(([time, , , answer]) => ({ time, value: SHADES[answer] === name ? 1 : 0 })));
    }
    this.bid.setData(series(1));
    this.ask.setData(series(2));
    if (!this.fitted && points.length) { this.chart.timeScale().fitContent(); this.fitted = true; }
  }
}
