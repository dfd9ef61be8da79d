// The small price line of a row: five minutes, the spans shaded in which the price could not be used.

import { svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;
const SHADES = ["gap", "", "unsure", "no"];

export function drawSpark(node, [prices, answers]) {
  const step = WIDTH / prices.length;
  const parts = []; // before the first second that was watched there is nothing to shade
  for (let at = 0; at < answers.length;) {
    let end = at;
    while (end < answers.length && answers[end] === answers[at]) end += 1;
    const shade = SHADES[answers[at]];
    if (shade && !(at === 0 && shade === "gap")) parts.push(svg("rect", { class: shade, x: at * step, y: 0, width: (end - at) * step, height: HEIGHT }));
    at = end;
  }
  const known = prices.filter((price) => price !== null);
  if (known.length) {
    const low = Math.min(...known);
    const span = Math.max(...known) - low;
    const y = (price) => span > 0 ? HEIGHT - 4 - (price - low) / span * (HEIGHT - 8) : HEIGHT / 2;
    let path = "";
    let joined = false;
    prices.forEach((price, at) => {
      if (price === null) { joined = false; return; }
      path += `${joined ? "L" : "M"}${((at + 0.5) * step).toFixed(1)} ${y(price).toFixed(1)}`;
      if (!joined && (at + 1 >= prices.length || prices[at + 1] === null)) path += "h1";
      joined = true;
    });
    parts.push(svg("path", { class: "price", d: path }));
  }
  node.replaceChildren(...parts);
}

export function makeSpark() {
  return svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
}
