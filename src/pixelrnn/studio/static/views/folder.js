// A folder: how odd each of its pictures is beside usual ones, and where.

import { read, view, write } from "../address.js";
import { enlarge, evenZoom } from "../canvas.js";
import { shown } from "../colours.js";
import { choice, field, make, refill, takeDrops } from "../dom.js";
import { heat, paint } from "../heat.js";
import { Histogram } from "../histogram.js";
import { usable } from "../source.js";
import { Table } from "../table.js";
import { addressOf, array, ask, contentsOf, follow } from "../talk.js";
import { Latest } from "../work.js";

const METHODS = [
  ["inspection", "its oddest part"],
  ["surprise", "surprise beyond what was expected"],
  ["typicality", "typicality"],
  ["complexity", "likelihood, less complexity"],
  ["likelihood", "likelihood alone"],
];
const MOST_ROWS = 500; // that are shown at once
const SHOWN = 288; // pixels of the screen

export function folder(room, models) {
  return new Folder(room, usable(models)).begin();
}

class Folder {
  constructor(room, models) {
    this.work = new Latest();
    this.looking = new Latest();
    const form = this.form(models, read());
    this.said = make("p", { className: "quiet", role: "status" }, " ");
    this.histogram = new Histogram((threshold) => this.part(threshold));
    this.counts = make("p", {}, " ");
    this.filter = make("input", { type: "search", placeholder: "name or tag", "aria-label": "Filter", oninput: () => this.show() });
    this.isOddOnly = make("input", { type: "checkbox", onchange: () => this.show() });
    const csv = make("button", { type: "button", onclick: () => this.save() }, "Save CSV");
    const row = make("div", { className: "row" }, make("span", { className: "wide" }, this.filter), make("label", { className: "check" }, this.isOddOnly, "odd ones only"), csv);
    this.table = new Table(
      [
        { title: "", of: (each) => this.open(each) },
        { title: "name", of: ({ name }) => name, sort: ({ name }) => name },
        { title: "how odd", of: ({ odd }) => (odd === null ? "beyond all" : odd.toFixed(2)), sort: ({ odd }) => odd ?? Infinity },
        { title: "p-value", of: ({ pValue }) => small(pValue), sort: ({ pValue }) => -pValue },
        { title: "tag", of: (each) => this.tag(each), sort: (each) => this.tagOf(each) },
      ],
      { chosen: (each) => this.look(each), sorted: 2 },
    );
    this.more = make("p", { className: "quiet" });
    this.found = make("div", { hidden: true }, this.histogram.element, this.counts, row, this.table.element, this.more);
    const stage = make("div", { className: "panel stage" }, this.said, this.found);
    this.picture = make("div", {}, make("p", { className: "quiet" }, "Choose a picture of the table."));
    const aside = make("aside", { className: "panel aside", "aria-label": "The picture" }, make("h2", {}, "The picture"), this.picture);
    room.replaceChildren(make("div", { className: "view" }, form, stage, aside));
    takeDrops(stage, (found) => this.bring(found, this.source));
  }

  form(models, asked) {
    this.asked = asked;
    this.model = choice(models.map(({ name }) => [name, name]), { value: asked.model, otherwise: models[0].name });
    this.source = choice([]);
    this.usual = choice([]);
    this.method = choice(METHODS, { value: asked.method, otherwise: "inspection" });
    const file = (name, to) => field(name, make("input", { type: "file", accept: "image/*", multiple: true, className: "file", onchange: (event) => this.bring([...event.target.files], to) }));
    return make(
      "form",
      { className: "panel", "aria-label": "What is looked at", onsubmit: (event) => (event.preventDefault(), this.start()) },
      field("Model", this.model),
      field("Pictures", this.source),
      file("or bring some (or drop them)", this.source),
      field("Usual pictures", this.usual),
      file("or bring usual ones", this.usual),
      field("What counts", this.method),
      make("button", { className: "main" }, "Look"),
      make("p", { className: "quiet" }, "Usual pictures are ones of the same kind that are as they should be, at least ten, and that the model was not trained on. More folders: pixelrnn studio --folders FOLDER."),
    );
  }

  /** Fill in the folders that there are; look at once if the address says at what. */
  async begin() {
    await this.fill();
    if (this.asked.folder && this.source.value === this.asked.folder) return this.start();
    this.said.textContent = "Choose pictures, and usual ones to compare them with.";
  }

  async fill() {
    const { folders } = await ask("/api/folders");
    const pairs = folders.map(({ name, pictures }) => [name, `${name} (${pictures.toLocaleString("en")})`]);
    refill(this.source, pairs.length ? pairs : [["", "none yet"]], this.source.value || this.asked.folder);
    refill(this.usual, [["", "those of validation, of the run"], ...pairs], this.usual.value || this.asked.usual);
  }

  bring(files, to) {
    if (!files.length) return;
    return this.work.begin(async (signal) => {
      this.said.textContent = "bringing them ...";
      const { folder: name, left } = await ask("/api/bring", { files: await contentsOf(files) }, signal);
      await this.fill();
      to.value = name;
      this.said.textContent = left ? `${left} of these files are no pictures` : " ";
    }, (error) => this.refuse(error));
  }

  start() {
    const [model, source, usual, method] = [this.model, this.source, this.usual, this.method].map((each) => each.value);
    if (!source) return;
    write({ model, folder: source, usual, method: method === "inspection" ? null : method });
    this.said.textContent = "looking ...";
    this.found.hidden = true;
    this.looking.end();
    this.picture.replaceChildren();
    const fields = { model, folder: source, method, ...(usual && { usual }) };
    return this.work.begin(
      (signal) => follow("/api/judge", fields, signal, (event) => event.type === "done" && this.take(event, source)),
      (error) => this.refuse(error),
    );
  }

  refuse(error) {
    this.said.textContent = error.message;
  }

  take({ result, threshold, usual, pictures, skipped, left }, folder) {
    [this.result, this.folder] = [result, folder];
    this.rows = pictures.map((each, number) => ({ ...each, number }));
    this.numbers = usual.map((each) => each ?? Infinity);
    const more = left ? `; ${left.toLocaleString("en")} more were left out` : "";
    this.said.textContent = [`${pictures.length.toLocaleString("en")} pictures, compared with ${usual.length.toLocaleString("en")} usual ones${more}.`, ...skipped.map((text) => `Skipped: ${text}.`)].join(" ");
    this.found.hidden = false;
    const finite = (values) => values.filter(Number.isFinite);
    this.histogram.begin(finite(this.numbers), finite(this.rows.map(({ odd }) => odd)), threshold);
  }

  /** Tell those above a threshold from those below. */
  part(threshold) {
    for (const row of this.rows) row.isOdd = (row.odd ?? Infinity) > threshold;
    const count = (list, is) => list.filter(is).length;
    const odd = count(this.rows, (row) => row.isOdd);
    const alarms = count(this.numbers, (each) => each > threshold);
    this.counts.textContent = `Above ${threshold.toFixed(2)}: ${odd} of ${this.rows.length} pictures, and ${alarms} of ${this.numbers.length} usual ones (${((100 * alarms) / this.numbers.length).toFixed(1)}%). Below: ${this.rows.length - odd}, and ${this.numbers.length - alarms}.`;
    this.show();
  }

  show() {
    const words = this.filter.value.toLowerCase();
    const rows = this.rows.filter((row) => (!this.isOddOnly.checked || row.isOdd) && `${row.name} ${this.tagOf(row)}`.toLowerCase().includes(words));
    this.visible = rows;
    this.more.textContent = rows.length > MOST_ROWS ? `The oddest ${MOST_ROWS} of ${rows.length.toLocaleString("en")} are shown; the CSV has them all.` : "";
    this.table.show(rows.length > MOST_ROWS ? [...rows].sort((a, b) => (b.odd ?? Infinity) - (a.odd ?? Infinity)).slice(0, MOST_ROWS) : rows);
  }

  /** A thumbnail that opens the picture. */
  open(row) {
    const button = make("button", { type: "button", className: "plain", "aria-label": `show ${row.name}`, onclick: () => this.look(row) });
    button.append(thumbnail(this.result, "pictures", row.number));
    return button;
  }

  get place() {
    return `tags of ${this.folder}`;
  }

  get tags() {
    try {
      return JSON.parse(localStorage.getItem(this.place) ?? "{}");
    } catch {
      return {};
    }
  }

  tagOf({ name }) {
    return this.tags[name] ?? "";
  }

  tag(row) {
    const input = make("input", { value: this.tagOf(row), className: "tag", "aria-label": `tag of ${row.name}` });
    input.addEventListener("change", () => {
      const tags = this.tags;
      if (input.value) tags[row.name] = input.value;
      else delete tags[row.name];
      try {
        localStorage.setItem(this.place, JSON.stringify(tags));
      } catch {
        this.said.textContent = "this browser keeps no tags; save the CSV before you leave";
      }
    });
    return input;
  }

  look(row) {
    return this.looking.begin(
      async (signal) => {
        const found = await ask("/api/judged", { result: this.result, number: row.number }, signal);
        this.draw(row, found);
      },
      (error) => this.picture.replaceChildren(make("p", { className: "quiet" }, error.message)),
    );
  }

  draw(row, { shape, values, map, size, regions, nearest }) {
    const [channels, height, width] = shape;
    const bytes = array(values, Uint8Array);
    const picture = make("canvas", { role: "img", "aria-label": row.name });
    paint(picture, height, width, (p) => shown(bytes, p * channels, channels).slice(0, 3));
    frame(picture, regions);
    const odd = array(map, Float32Array);
    const [low, high] = odd.reduce(([a, b], each) => (Number.isFinite(each) ? [Math.min(a, each), Math.max(b, each)] : [a, b]), [Infinity, -Infinity]);
    const where = make("canvas", { role: "img", "aria-label": "where it is odd" });
    paint(where, size[0], size[1], (p) => heat(odd[p] - low, high - low || 1));
    for (const each of [picture, where]) enlarge(each, evenZoom(SHOWN / Math.max(each.width, each.height)));
    const text = regions.length ? `${regions.length} odd ${regions.length === 1 ? "part" : "parts"}, framed` : "nothing is framed";
    const near = nearest.map(({ number, name }) => make("figure", {}, thumbnail(this.result, "usual", number), make("figcaption", {}, name)));
    this.picture.replaceChildren(
      make("p", {}, row.name, ...(row.of === null ? [] : [": ", make("a", { href: view("surprise", { folder: this.folder, of: row.of }) }, "its bits, one by one")])),
      make("div", { className: "maps" }, make("figure", {}, make("figcaption", {}, `p-value ${small(row.pValue)}; ${text}`), picture), make("figure", {}, make("figcaption", {}, `where it is odd, from ${low.toFixed(1)} to ${high.toFixed(1)}`), where)),
      make("h2", {}, "The nearest usual pictures"),
      make("div", { className: "near" }, ...near),
    );
  }

  /** What is shown of the table, as a file. */
  save() {
    const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = this.visible.map((row) => [row.name, row.odd ?? "inf", row.pValue, row.isOdd ? "odd" : "usual", this.tagOf(row)]);
    const text = [["name", "odd", "p_value", "verdict", "tag"], ...lines].map((line) => line.map((each) => quoted(String(each))).join(",")).join("\n");
    const url = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" }));
    make("a", { href: url, download: `${this.folder.replaceAll("/", "-")}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

function small(p) {
  return p < 0.001 ? p.toExponential(1) : p.toPrecision(2);
}

function thumbnail(result, which, number) {
  return make("img", { src: addressOf(`/thumbnails/${result}/${which}/${number}`), alt: "", className: "thumbnail", loading: "lazy" });
}

function frame(canvas, regions) {
  const context = canvas.getContext("2d");
  context.strokeStyle = "rgb(255 32 32)";
  context.lineWidth = Math.max(1, canvas.width / 200);
  for (const { top, left, bottom, right } of regions) context.strokeRect(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1);
}
