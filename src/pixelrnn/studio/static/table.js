// A table that can be sorted by any column.

import { make } from "./dom.js";

export class Table {
  /** Columns are `{ title, of, sort }`: `of(row)` gives what is shown, `sort(row)` what it is sorted by, if it is. */
  constructor(columns, { chosen, sorted = 1 }) {
    this.columns = columns;
    this.chosen = chosen;
    [this.by, this.isDown] = [sorted, true];
    this.rows = [];
    this.head = make("tr");
    this.body = make("tbody");
    this.element = make("div", { className: "table" }, make("table", {}, make("thead", {}, this.head), this.body));
  }

  /** Show rows, as they are sorted. */
  show(rows) {
    this.rows = rows;
    this.head.replaceChildren(...this.columns.map((column, number) => this.#title(column, number)));
    this.body.replaceChildren(...this.sorted().map((row) => this.#row(row)));
  }

  sorted() {
    const { sort } = this.columns[this.by];
    const order = (a, b) => (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
    return [...this.rows].sort((a, b) => (this.isDown ? -1 : 1) * order(sort(a), sort(b)));
  }

  #title({ title, sort }, number) {
    if (!sort) return make("th", {}, title);
    const isOwn = number === this.by;
    const turn = () => ((this.isDown = isOwn ? !this.isDown : number > 1), (this.by = number), this.show(this.rows));
    const head = make("th", { scope: "col" }, make("button", { type: "button", className: "plain", onclick: turn }, `${title}${isOwn ? (this.isDown ? " ▾" : " ▴") : ""}`));
    if (isOwn) head.setAttribute("aria-sort", this.isDown ? "descending" : "ascending");
    return head;
  }

  #row(row) {
    const cells = this.columns.map(({ of }) => make("td", {}, of(row)));
    const element = make("tr", { className: row.isOdd ? "odd" : "", onclick: (event) => event.target.closest("input, a, button") || this.chosen(row) }, ...cells);
    return element;
  }
}
