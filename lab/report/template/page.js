"use strict";
// Sorts a table by the column whose heading is pressed: numbers by value, text by letters, unknown values last.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const numeric = head.classList.contains("n");
    const before = head.getAttribute("aria-sort");
    const sign = before === "ascending" ? -1 : 1;
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const value = (row) => {
      const cell = row.cells[column];
      return numeric ? ("v" in cell.dataset ? Number(cell.dataset.v) : NaN) : cell.textContent;
    };
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      if (!numeric) return sign * x.localeCompare(y, undefined, { numeric: true });
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return sign * (x - y);
    };
    body.append(...[...body.rows].sort(compare));
  }));
}

// Choosers of rows: one for each kind of column marked data-choose that has two values or more, for all tables at once.
const bar = document.querySelector("#choose");
const marked = [...document.querySelectorAll("th[data-choose]")].map((head) => ({
  name: head.dataset.choose, column: head.cellIndex, rows: [...head.closest("table").tBodies[0].rows],
}));
const values = new Map();
for (const { name, column, rows } of marked) {
  if (!values.has(name)) values.set(name, new Set());
  for (const row of rows) values.get(name).add(row.cells[column].textContent);
}
const chosen = new Map();
const said = document.createElement("output");
const every = new Set(marked.flatMap(({ rows }) => rows));
const choose = () => {
  for (const row of every) row.hidden = false;
  for (const { name, column, rows } of marked) {
    if (chosen.get(name)) for (const row of rows) row.hidden ||= row.cells[column].textContent !== chosen.get(name);
  }
  const shown = [...every].filter((row) => !row.hidden).length;
  said.textContent = shown === every.size ? "" : `${shown} of ${every.size} rows shown`;
};
for (const [name, found] of values) {
  if (found.size < 2) continue;
  const label = document.createElement("label");
  const select = document.createElement("select");
  select.append(new Option("all", ""), ...[...found].sort().map((value) => new Option(value, value)));
  select.addEventListener("change", () => { chosen.set(name, select.value); choose(); });
  label.append(name, select);
  bar.append(label);
}
if (bar?.children.length) {
  bar.append(said);
  bar.hidden = false;
}

// The marks of a panel are one stop of the Tab key; arrow keys go from mark to mark.
for (const panel of document.querySelectorAll("svg.panel")) {
  const marks = [...panel.querySelectorAll("a")];
  const stop = (mark) => marks.forEach((other) => other.setAttribute("tabindex", other === mark ? "0" : "-1"));
  stop(marks[0]);
  marks.forEach((mark, place) => mark.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = marks[(place + step + marks.length) % marks.length];
    stop(next);
    next.focus();
  }));
}

// A link to a row that the choosers hide shows all rows again.
const arrive = () => {
  const row = document.getElementById(location.hash.slice(1));
  if (!row?.hidden) return;
  for (const select of bar.querySelectorAll("select")) select.value = "";
  chosen.clear();
  choose();
  row.scrollIntoView();
};
addEventListener("hashchange", arrive);
