// Zoom, hover, local time, jumping to an event. The page is whole without it; what it draws is text and numbers.
"use strict";
(() => {
const pictures = [...document.querySelectorAll("svg.timed")];
if (!pictures.length) return;
const meta = document.body.dataset, begin = +meta.begin, end = +meta.end, LEFT = +meta.left, width = +meta.columns;
const SVG = "http://www.w3.org/2000/svg", full = end - begin || 1, least = Math.min(full, 50);
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5];
const MANY = 50;
let from = begin, to = end, local = false, at = null;
const pad = (value, size) => String(value).padStart(size, "0");
function clock(ms, digits) {
  const day = new Date(ms);
  const [h, m, s] = local ? [day.getHours(), day.getMinutes(), day.getSeconds()] : [day.getUTCHours(), day.getUTCMinutes(), day.getUTCSeconds()];
  return `${pad(h, 2)}:${pad(m, 2)}:${pad(s, 2)}${digits ? "." + pad(Math.floor(ms % 1000), 3) : ""}`;
}
const x = (ms) => LEFT + (ms - from) / (to - from) * width;
const make = (tag, attributes, text) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
for (const picture of pictures) {
  picture.cross = make("path", { class: "cross", d: "" });
  picture.select = make("rect", { class: "select", y: 0, height: 0, x: 0, width: 0 });
  picture.append(picture.select, picture.cross);
}
function draw() {
  const k = full / (to - from), shift = LEFT - (LEFT + (from - begin) / full * width) * k;
  for (const picture of pictures) {
    for (const group of picture.querySelectorAll("g.zoom")) group.setAttribute("transform", `translate(${shift} 0) scale(${k} 1)`);
    for (const mark of picture.querySelectorAll(".mark")) {
      const place = x(+mark.dataset.ms);
      mark.setAttribute("transform", `translate(${place.toFixed(1)} ${mark.dataset.y})`);
      mark.style.display = place < LEFT - 1 || place > LEFT + width + 1 ? "none" : "";
    }
    for (const label of picture.querySelectorAll(".on")) {
      const left = Math.max(LEFT, x(+label.dataset.from)), right = Math.min(LEFT + width, x(+label.dataset.to));
      label.setAttribute("x", (left + right) / 2);
      label.setAttribute("display", right - left > 8 * label.textContent.length ? "inline" : "none");
    }
    const axis = picture.querySelector("g.times"), bottom = +axis.dataset.bottom;
    const step = STEPS.find((each) => (to - from) / each <= 9) ?? 864e5;
    const offset = local ? new Date(from).getTimezoneOffset() * 6e4 : 0, ticks = [];
    for (let ms = Math.ceil((from - offset) / step) * step + offset; ms <= to; ms += step) {
      const place = x(ms);
      ticks.push(make("path", { class: "axis", d: `M${place} ${bottom}v4` }));
      if (place < LEFT + width - 20 && place > LEFT - 1) ticks.push(make("text", { class: "tick", x: place, y: bottom + 16, "text-anchor": "middle" }, clock(ms, step < 1000)));
    }
    axis.replaceChildren(...ticks);
    picture.querySelector(".zone").textContent = local ? "local" : "UTC";
  }
  for (const time of document.querySelectorAll(".events a")) time.firstChild.textContent = clock(+time.dataset.ms, true);
  document.getElementById("window").textContent = from === begin && to === end ? "" : `${clock(from, true)} to ${clock(to, true)}`;
  point(at);
}
function zoom(low, high) {
  const length = Math.min(full, Math.max(least, high - low));
  from = Math.max(begin, Math.min(low, end - length));
  to = from + length;
  draw();
}
const scale = (factor, middle = at ?? (from + to) / 2) => zoom(middle - (middle - from) * factor, middle + (to - middle) * factor);
const values = new Map();
function prices(picture) {
  if (!values.has(picture)) values.set(picture, ["bid", "ask"].map((side) => {
    let price = 0;
    return (picture.dataset[side] ?? "").split(" ").map((text) => text === "" ? null : (price += +text) / 1e4);
  }));
  return values.get(picture);
}
function point(ms) {
  at = ms;
  const readout = document.getElementById("readout");
  readout.hidden = ms === null;
  for (const picture of pictures) {
    const place = ms === null ? -1 : x(ms), box = picture.viewBox.baseVal;
    picture.cross.setAttribute("d", place < LEFT || place > LEFT + width ? "" : `M${place.toFixed(1)} 0V${box.height - 22}`);
  }
  if (ms === null) return;
  const picture = pictures.find((each) => each.matches(":hover")) ?? pictures.find((each) => each === jumped);
  const column = Math.max(0, Math.min(width - 1, Math.floor((ms - begin) / full * width)));
  const told = picture?.dataset.bid === undefined ? "" : ["bid", "ask"].map((side, number) => {
    const row = prices(picture)[number];
    let found = column;
    while (found >= 0 && row[found] == null) found -= 1;
    return found < 0 ? "" : `  ${side} ${row[found].toFixed(Math.abs(row[found]) < 1 ? 4 : 2)}`;
  }).join("");
  readout.textContent = clock(ms, true) + told;
}
const time = (picture, event) => {
  const box = picture.getBoundingClientRect(), view = picture.viewBox.baseVal;
  const place = (event.clientX - box.left) / box.width * view.width;
  return Math.max(from, Math.min(to, from + (place - LEFT) / width * (to - from)));
};
let drag = null, jumped = null;
for (const picture of pictures) {
  picture.addEventListener("pointermove", (event) => {
    point(time(picture, event));
    if (drag === null || drag.picture !== picture) return;
    const [low, high] = [drag.at, time(picture, event)].sort((one, other) => one - other);
    for (const [name, value] of [["x", x(low)], ["width", Math.max(0, x(high) - x(low))], ["height", picture.viewBox.baseVal.height - 22]]) picture.select.setAttribute(name, value);
  });
  picture.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) { drag = { picture, at: time(picture, event) }; event.preventDefault(); }
    else point(time(picture, event));
  });
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("dblclick", () => zoom(begin, end));
}
addEventListener("pointerup", (event) => {
  if (drag === null) return;
  const { picture, at: first } = drag, last = time(picture, event);
  drag = null;
  picture.select.setAttribute("width", 0);
  if (Math.abs(x(last) - x(first)) > 6) zoom(Math.min(first, last), Math.max(first, last));
});
for (const link of document.querySelectorAll(".events a")) link.addEventListener("click", () => {
  const ms = +link.dataset.ms, length = Math.min(to - from, Math.max(full / 20, 1e4));
  zoom(ms - length / 2, ms + length / 2);
  jumped = document.getElementById(decodeURIComponent(link.hash.slice(1)))?.querySelector("svg.timed");
  document.querySelector(".events a.here")?.classList.remove("here");
  link.classList.add("here");
  point(ms);
});
for (const box of document.querySelectorAll(".kinds input")) {
  const rows = document.querySelectorAll(`.events li.e-${box.dataset.kind}`);
  const show = () => { for (const row of rows) row.hidden = !box.checked; };
  box.addEventListener("change", show);
  box.checked = box.dataset.kind !== "decision" || rows.length <= MANY; // a worker that decides each second hides the rest
  show();
}
const actions = { "zoom-in": () => scale(0.5), "zoom-out": () => scale(2), "zoom-all": () => zoom(begin, end) };
for (const [id, action] of Object.entries(actions)) document.getElementById(id).addEventListener("click", action);
document.getElementById("local").addEventListener("change", (event) => { local = event.target.checked; draw(); });
document.getElementById("tools").hidden = false;
addEventListener("keydown", (event) => {
  const step = (to - from) / 4;
  const keys = { "+": () => scale(0.5), "-": () => scale(2), 0: () => zoom(begin, end), ArrowLeft: () => zoom(from - step, to - step), ArrowRight: () => zoom(from + step, to + step) };
  if (keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); keys[event.key](); }
});
draw();
})();
