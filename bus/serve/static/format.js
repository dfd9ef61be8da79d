// Numbers, durations and times as a person reads them. Whatever came from the bus is text, never markup.

let utc = false;
try { utc = localStorage.getItem("quotebus-utc") === "yes"; } catch { /* storage is off */ }

export function toggleUtc() {
  utc = !utc;
  try { localStorage.setItem("quotebus-utc", utc ? "yes" : "no"); } catch { /* storage is off */ }
  return utc;
}

export function isUtc() { return utc; }

const pad = (value, width = 2) => String(value).padStart(width, "0");

export function clock(ms, seconds = true) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return "–";
  const [h, m, s] = utc
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  return `${pad(h)}:${pad(m)}${seconds ? `:${pad(s)}` : ""}`;
}

export function price(value) {
  if (value === null || value === undefined) return "–";
  if (!(Math.abs(value) < 1e9)) return value.toPrecision(3);
  const short = value.toFixed(2);
  if (Math.abs(value) >= 10000 || Math.abs(Number(short) - value) < 1e-9) return short;
  return value.toFixed(4);
}

export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  if (ms < 0) return ms > -1000 ? "0 ms" : `−${duration(-ms)}`;
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${pad(Math.floor(whole % 3600 / 60))}m`;
  return `${Math.floor(whole / 86400)}d ${pad(Math.floor(whole % 86400 / 3600))}h`;
}

export function rate(value) {
  if (!(value > 0)) return "0";
  if (value < 99.95) return value.toFixed(1);
  return count(Math.round(value));
}

export function count(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 10000) return String(value);
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) return `${(value / size).toFixed(value / size < 10 ? 1 : 0)}${unit}`;
  }
  return String(value);
}

export const words = (name) => String(name).replaceAll("_", " ");
