// Elements from text. There is no innerHTML anywhere on this page: text from the bus stays text.

export const find = (id) => document.getElementById(id);

export function el(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const child of children) if (child !== null && child !== undefined && child !== "") made.append(child);
  return made;
}

// Setting what is there already costs a layout, and a selection.
export function setText(node, text) { if (node.textContent !== text) node.textContent = text; }

export function setClass(node, name) { if (node.className !== name) node.className = name; }

export function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Rows of a definition list: [term, text, class].
export function fillList(list, rows) {
  const nodes = [];
  for (const [term, text, className] of rows) nodes.push(el("dt", "", term), el("dd", className ?? "", text));
  list.replaceChildren(...nodes);
}
