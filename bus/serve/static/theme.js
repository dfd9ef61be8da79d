"use strict";
// Before the first paint, so that the page never flashes in the other colours.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("quotebus-theme"); } catch { /* storage is off */ }
  const dark = chosen ? chosen === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
