// Surprise: where the bits of a picture are, by one model or by two.

import { read, write } from "../address.js";
import { enlarge, evenZoom, frame, pixelAt, stepOf } from "../canvas.js";
import { shown } from "../colours.js";
import { choice, field, make, refill } from "../dom.js";
import { bits } from "../expected.js";
import { difference, heat, paint, paintRows } from "../heat.js";
import { Pointed } from "../pointed.js";
import { drawnBy, Source } from "../source.js";
import { array, follow } from "../talk.js";
import { Latest } from "../work.js";

const TOPS = [1, 2, 4, 8, 16, 32];
const SMALL = 128 ** 2; // pixels of a picture whose values are told as soon as they are pointed at
const INFINITE = 65535; // in the bands of large pictures
const HELP = "Click to keep a pixel.";
const ZOOMS = [["fit", "as large as fits"], ...[1, 2, 4, 8].map((n) => [n, `${n} of the screen for one`])];

/** The p-value of something that so many of those that were drawn reach: how often one is as odd. */
const share = (reached, drawn) => ((1 + reached) / (1 + drawn)).toPrecision(2);

export function surprise(room, models) {
  return new Surprise(room, models).source.begin();
}

class Surprise {
  constructor(room, models) {
    this.asked = read();
    this.looking = new Latest();
    this.found = [];
    this.source = new Source(models, (came) => this.begin(came));
    const form = this.form();
    this.maps = make("div", {
      className: "maps", tabIndex: 0, role: "application", onkeydown: (event) => this.key(event),
      "aria-label": "Maps. Arrow keys move the pointer, Enter keeps a pixel.",
    });
    this.scale = make("div", { className: "scale" });
    this.stage = make("div", { className: "panel stage" }, this.maps, this.scale);
    this.numbers = make("div");
    this.pointed = make("p", { className: "quiet", "aria-live": "polite" }, " ");
    this.value = new Pointed(HELP, (...another) => this.change(...another));
    const aside = make("aside", { className: "panel aside", "aria-label": "Figures" }, make("h2", {}, "How likely"), this.numbers, make("h2", {}, "At the pointer"), this.pointed, this.value.element);
    room.replaceChildren(make("div", { className: "view" }, form, this.stage, aside));
    this.source.listen(this.stage);
    addEventListener("resize", () => this.picture && this.fit());
  }

  form() {
    const { asked } = this;
    this.against = choice([["", "none"]], { onchange: () => this.start() });
    this.top = choice(TOPS.map((n) => [n, `0 to ${n} bits a pixel`]), { value: asked.top, otherwise: 8 });
    this.what = choice([["bits", "the surprise"], ["beyond", "beyond what was expected"]], { value: asked.what, otherwise: "bits" });
    this.zoom = choice(ZOOMS, { value: asked.zoom, otherwise: "fit" });
    for (const each of [this.top, this.what, this.zoom]) each.addEventListener("change", () => this.adjust());
    return make(
      "form",
      { className: "panel", "aria-label": "What to look at", onsubmit: (event) => event.preventDefault() },
      ...this.source.fields,
      field("Beside it, another model", this.against),
      field("Shown", this.what),
      field("Scale", this.top),
      field("Size of a pixel", this.zoom),
      make("p", { className: "quiet" }, "Bright is what the model did not expect: it takes many bits to say. The scale stays as it is from picture to picture, so that they can be compared."),
    );
  }

  /** Models of the same values, which alone can be compared. */
  suit() {
    const { shape, levels, name } = this.source.about;
    const alike = this.source.models.filter((each) => each.name !== name && each.levels === levels && each.shape[0] === shape[0]);
    refill(this.against, [["", "none"], ...alike.map((each) => [each.name, each.name])], this.against.value || this.asked.against);
    if (!this.asked.top) this.top.value = TOPS.find((each) => each >= Math.min(16, Math.log2(levels || 256) * shape[0])) ?? 16;
  }

  adjust() {
    this.asked.top = this.top.value;
    write({ top: this.top.value, what: this.isBeyond ? "beyond" : null, zoom: this.zoom.value === "fit" ? null : this.zoom.value });
    this.draw();
  }

  begin(came) {
    this.picture = came;
    this.found = [];
    [this.channels, this.height, this.width] = came.shape;
    this.suit();
    return this.start();
  }

  start() {
    write({ against: this.against.value, what: this.isBeyond ? "beyond" : null });
    this.pointed.textContent = " ";
    this.value.clear();
    this.at = null;
    this.names = [this.source.model.value, ...(this.against.value ? [this.against.value] : [])];
    const fields = { model: this.names[0], picture: this.picture.name, ...(this.names[1] && { against: this.names[1] }) };
    let isInBands = false;
    return this.looking.begin(
      (signal) =>
        follow("/api/surprise", fields, signal, (event) => {
          if (event.type === "done") this.take(event.found);
          if (event.type !== "band") return;
          if (!isInBands) this.blank();
          isInBands = true;
          this.takeBand(event);
        }),
      (error) => {
        this.maps.replaceChildren();
        this.numbers.replaceChildren(make("p", { className: "quiet" }, error.message));
      },
    );
  }

  /** Begin with a large picture, whose bits come band by band. */
  blank() {
    this.found = this.names.map(() => ({ bits: new Float32Array(this.height * this.width), expected: null }));
    this.draw();
    this.numbers.replaceChildren(make("p", { className: "quiet" }, "looking, band by band ..."));
  }

  takeBand({ model, top, steps, bits }) {
    const own = this.found[model].bits;
    const values = array(bits, Uint16Array);
    for (let i = 0; i < values.length; i++) own[top * this.width + i] = values[i] === INFINITE ? Infinity : values[i] / steps;
    this.paint(model, top, values.length / this.width);
  }

  take(found) {
    this.found = found.map((one, number) => ({
      ...one,
      bits: one.bits ? array(one.bits, Float32Array) : this.found[number].bits,
      expected: one.expected && array(one.expected, Float32Array),
    }));
    this.draw();
    this.table();
  }

  get isBeyond() {
    return this.what.value !== "bits";
  }

  /** Paint rows of the map of a model. */
  paint(number, top = 0, rows = this.height) {
    const { bits: all, expected } = this.found[number];
    const isBeyond = this.isBeyond && expected;
    const value = isBeyond ? (p) => all[p] - expected[p] : (p) => all[p];
    paintRows(this.canvases[number], top, rows, value, isBeyond ? this.colours : this.plain);
  }

  get colours() {
    const most = Number(this.top.value);
    return this.isBeyond ? { low: -most, high: most, scale: (x) => difference(x, most) } : this.plain;
  }

  /** Colours of bits: of models that do not tell what they expected there are no others. */
  get plain() {
    const most = Number(this.top.value);
    return { low: 0, high: most, scale: (x) => heat(x, most) };
  }

  draw() {
    const { channels, picture, names, found } = this;
    const most = Number(this.top.value);
    const original = this.canvas("the picture");
    paint(original, this.height, this.width, (p) => shown(picture.values, p * channels, channels).slice(0, 3));
    const what = ({ expected }) => (this.isBeyond && !expected ? " (its bits: what it expected is not known)" : "");
    this.canvases = found.map((one, number) => this.canvas(names[number] + what(one)));
    const figures = [this.figure(original), ...this.canvases.map((canvas, number) => this.figure(canvas, this.rows(found[number])))];
    found.forEach((_, number) => this.paint(number));
    if (found.length === 2) {
      const between = this.canvas(`red: ${names[0]} needs more`);
      const value = (p) => found[0].bits[p] - found[1].bits[p];
      paintRows(between, 0, this.height, value, { low: -most, high: most, scale: (x) => difference(x, most) });
      figures.push(this.figure(between));
    }
    this.maps.replaceChildren(...figures);
    this.fit();
    this.legend(most);
  }

  canvas(title) {
    const canvas = make("canvas", { role: "img", "aria-label": title, width: this.width, height: this.height });
    canvas.addEventListener("pointermove", (event) => this.value.kept || this.point(pixelAt(canvas, event)));
    canvas.addEventListener("click", (event) => this.keep(pixelAt(canvas, event)));
    return canvas;
  }

  figure(canvas, sums) {
    return make("figure", {}, make("figcaption", {}, canvas.getAttribute("aria-label")), make("div", { className: "with-rows" }, make("div", { className: "map" }, canvas, cursor()), ...(sums ? [sums] : [])));
  }

  /** The sum of each row, as a bar beside it. */
  rows(one) {
    const { height, width } = this;
    const sums = Array.from({ length: height }, (_, r) => one.bits.subarray(r * width, (r + 1) * width).reduce((a, b) => a + b, 0));
    const most = Math.max(...sums.filter(Number.isFinite), 1e-6);
    const canvas = make("canvas", { role: "img", "aria-label": "bits of each row", width: Math.max(8, Math.round(width / 4)), height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "rgb(107 138 181)";
    sums.forEach((sum, row) => context.fillRect(0, row, Math.min(1, sum / most) * canvas.width, 1));
    return canvas;
  }

  fit() {
    const wide = this.stage.clientWidth - 32;
    const count = Math.min(this.maps.children.length, Math.max(1, Math.floor(wide / 200)));
    const exact = Math.min(12, (wide - 24 * (count - 1)) / count / (1.3 * this.width), (innerHeight - 280) / this.height);
    const zoom = this.zoom.value === "fit" ? evenZoom(exact) : Number(this.zoom.value);
    for (const canvas of this.maps.querySelectorAll("canvas")) enlarge(canvas, zoom);
    this.zoomed = zoom;
    this.mark();
  }

  legend(most) {
    const canvas = make("canvas", { role: "img", "aria-label": "scale of colours" });
    const { low, scale } = this.colours;
    paint(canvas, 1, 256, (p) => scale(low + ((most - low) * p) / 255));
    this.scale.replaceChildren(make("span", {}, this.isBeyond ? `-${most} bits` : "0"), canvas, make("span", {}, `${most} bits a pixel`));
  }

  table() {
    const dims = this.channels * this.height * this.width;
    this.numbers.replaceChildren(
      ...this.found.map((one, number) => {
        const rows = figuresOf(one, dims);
        return make("div", {}, make("p", { className: "quiet" }, this.names[number]), make("dl", {}, ...rows.flatMap(([a, b]) => [make("dt", {}, a), make("dd", {}, b)])));
      }),
    );
  }

  /** Show on all maps which pixel is pointed at. */
  mark() {
    for (const each of this.maps.querySelectorAll(".cursor")) frame(each, this.at, 1, this.zoomed);
  }

  key(event) {
    const step = stepOf(event.key);
    if (!this.found.length || !(step || event.key === "Enter")) return;
    event.preventDefault();
    const [row, column] = this.at ?? [0, 0];
    if (event.key === "Enter") this.keep([row, column]);
    else this.point([Math.max(0, Math.min(this.height - 1, row + step[0])), Math.max(0, Math.min(this.width - 1, column + step[1]))]);
  }

  keep(place) {
    this.value.keep(place);
    this.point(place, true);
  }

  point([row, column], mayTakeLong = false) {
    if (row < 0 || column < 0 || row >= this.height || column >= this.width) return;
    this.at = [row, column];
    this.mark();
    const p = row * this.width + column;
    const texts = this.found.map((one) => bits(one.bits[p]) + (one.expected ? ` (${bits(one.expected[p])} expected)` : ""));
    this.pointed.textContent = `row ${row}, column ${column}: ${texts.join("; ")}`;
    if (mayTakeLong || this.height * this.width <= SMALL) this.value.look([row, column], { model: this.names[0], picture: this.picture.name, row, column });
  }

  /** Another value of a pixel: what comes after it is drawn again, and looked at. */
  change([row, column], channel, value) {
    const fields = { model: this.names[0], picture: this.picture.name, seed: this.source.number, row, column, channel, value };
    return this.looking.begin(async (signal) => this.begin(await drawnBy("/api/redraw", fields, signal)));
  }
}

function cursor() {
  return make("div", { className: "cursor", hidden: true, "aria-hidden": "true" });
}

/** What is told of a picture by one model, of so many sub-pixels. */
function figuresOf(one, dims) {
  const rows = [
    ["log2 p", one.total === null ? "-infinity" : `${(-one.total).toFixed(1)} bits`],
    ["a sub-pixel", one.total === null ? "-" : `${(one.total / dims).toFixed(4)} bits`],
  ];
  if (one.coded) rows.push(["as PNG or WebP", `${one.coded.toLocaleString("en")} bits`]);
  if (one.coded && one.total !== null) rows.push(["bits beyond that", `${((one.total - one.coded) / dims).toFixed(4)} a sub-pixel`]);
  if (one.drawn) rows.push([`of ${one.drawn} that it drew`, `${one.asOdd} take as many`], ["p-value", share(one.asOdd, one.drawn)]);
  if (one.asOddForTheirSize !== undefined) rows.push(["p-value, less complexity", share(one.asOddForTheirSize, one.drawn)]);
  return rows;
}
