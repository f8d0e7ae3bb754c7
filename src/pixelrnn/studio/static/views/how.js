// How it works: the paper and this package, by figures that are computed by the networks themselves.

import { read, write } from "../address.js";
import { enlarge, pixelAt, stepOf } from "../canvas.js";
import { Clock } from "../clock.js";
import { colourOf } from "../colours.js";
import { choice, field, make } from "../dom.js";
import { heat, paint } from "../heat.js";
import { Sheet } from "../sheet.js";
import { drawnBy, usable } from "../source.js";
import { array, ask, follow } from "../talk.js";
import { Latest } from "../work.js";

const DRAWING = "cifar-row-lstm"; // whose picture shows the orders
const DIGITS = "mnist-classes"; // whose digits show temperature
const COLOURS = ["red", "green", "blue"];
const BLIND = [213, 94, 0]; // earlier pixels that are not seen
const DECADES = 6; // of derivatives that are told apart

const ABOUT = {
  pixelcnn: "PixelCNN: masked convolutions, a wider field with each layer. To the right above there is a blind spot: a cone that no number of layers reaches.",
  "gated-pixelcnn": "Gated PixelCNN: one stack of convolutions sees all rows above, another the row itself, and adds the first. The blind spot is gone.",
  "row-lstm": "Row LSTM: a recurrence from row to row. Each row up widens what it sees by one pixel to both sides: a triangle, of any height at once.",
  "diagonal-bilstm": "Diagonal BiLSTM: two recurrences along diagonals, from the left and from the right. From its first layer on it sees all there is, but for the last pixel of the row above: a layer's features stand for what came before their pixel, and further to the right there is none to pass it on.",
  local: "Local: made for files. It sees 28 pixels and no more, in one step, and so rows can be computed side by side.",
};

export async function how(room, models) {
  const [plans, text] = await Promise.all([ask("/api/plans"), fetch("/static/how.html").then((response) => response.text())]);
  const page = new DOMParser().parseFromString(text, "text/html");
  room.replaceChildren(document.importNode(page.querySelector("article"), true));
  const at = (id) => document.getElementById(id);
  masks(at("masks"), plans);
  await Promise.all([
    walk(at("walk"), plans),
    new Field(at("field"), at("about-field"), plans, models).measure(),
    temperature(at("temperature")),
  ]);
}

/** The pixels of one picture in every order. */
async function walk(room, { walks, side }) {
  const sheet = new Sheet({ name: "A picture, as far as it is drawn", high: 330 });
  const clock = new Clock(sheet);
  const order = choice(walks.map(({ name }, number) => [number, name]), { value: read().order, otherwise: "0" });
  room.replaceChildren(field("Order", order), sheet.element, clock.element);
  let values;
  const show = () => {
    write({ order: order.value === "0" ? null : order.value });
    sheet.begin([1, 3, side, side], [0], [array(walks[order.value].places, Int32Array)]);
    sheet.add(Uint32Array.from({ length: side * side }, (_, p) => p), values);
    clock.reach(1);
    clock.hold(true, 0.4);
  };
  order.addEventListener("change", show);
  await new Latest().begin(async (signal) => {
    ({ values } = await drawnBy("/api/draw", { model: DRAWING, n: 1, seed: 7 }, signal));
    show();
  });
}

/** Where in a digit its model was least certain of what would come. */
async function leastCertain(picture, width, signal) {
  let expected;
  await follow("/api/surprise", { model: DIGITS, picture }, signal, (event) => {
    if (event.type === "done") expected = array(event.found[0].expected, Float32Array);
  });
  const place = expected.indexOf(expected.reduce((a, b) => Math.max(a, b)));
  return [Math.floor(place / width), place % width];
}

/** Which weights of a kernel each colour may use, by colour. */
function masks(room, { masks, kernel }) {
  const parts = Object.entries(masks).map(([kind, mask]) =>
    make(
      "div",
      { className: "mask" },
      make("h3", {}, `Mask ${kind}`),
      make("div", { className: "row" }, ...COLOURS.map((colour, number) => kernelOf(kind, colour, mask[number], kernel))),
    ),
  );
  room.replaceChildren(...parts, make("figcaption", { className: "quiet" }, "A cell is a weight's place; its three stripes are the red, green and blue that it would read. The outlined cell is the pixel itself."));
}

function kernelOf(kind, colour, mask, kernel) {
  const middle = (kernel * kernel - 1) / 2;
  const own = COLOURS.filter((_, input) => mask[input][(kernel - 1) / 2][(kernel - 1) / 2]);
  const name = `mask ${kind}: ${colour} sees all earlier pixels, and at its own pixel ${own.join(" and ") || "nothing"}`;
  const grid = make("div", { className: "kernel", role: "img", "aria-label": name });
  grid.style.setProperty("--side", kernel);
  for (let p = 0; p < kernel * kernel; p++) {
    const cell = make("span", { className: p === middle ? "own" : "" });
    COLOURS.forEach((input, number) => cell.append(make("i", { className: mask[number][Math.floor(p / kernel)][p % kernel] ? input : "" })));
    grid.append(cell);
  }
  return make("div", {}, grid, make("p", { className: "quiet" }, `for ${colour}`));
}

function swatch(colour) {
  const found = make("span", { className: "swatch" });
  found.style.background = `rgb(${colour.join(" ")})`;
  return found;
}

/** The receptive field of the pixel under the pointer, layer by layer. */
class Field {
  constructor(room, about, { architectures }, models) {
    this.about = about;
    this.measuring = new Latest();
    const asked = read();
    const measurable = usable(models).filter((model) => model.scales === 1 && model.shape[1] * model.shape[2] <= 4096);
    this.of = choice([...architectures.map((name) => [name, `${name}, untrained`]), ...measurable.map(({ name }) => [name, name])], { value: asked.field, otherwise: "pixelcnn" });
    this.of.addEventListener("change", () => ((this.place = null), this.measure()));
    this.layer = make("input", { type: "range", min: 0, max: 0, value: 0, oninput: () => this.show() });
    this.said = make("output", { className: "quiet" }, " ");
    this.canvas = make("canvas", { tabIndex: 0, role: "application", "aria-label": "What the pixel sees. Arrow keys move it." });
    this.canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.point(event));
    this.canvas.addEventListener("click", (event) => this.point(event));
    this.canvas.addEventListener("keydown", (event) => this.move(event));
    const scale = make("canvas", { role: "img", "aria-label": "scale of colours" });
    paint(scale, 1, 128, (p) => heat(p, 127));
    room.replaceChildren(
      field("Network", this.of),
      make("div", { className: "plain" }, this.canvas),
      field("Layer", this.layer),
      this.said,
      make("div", { className: "scale" }, make("span", {}, `seen little (a ${(10 ** DECADES).toLocaleString("en")}th)`), scale, make("span", {}, "most")),
      make("p", { className: "quiet" }, swatch(BLIND), "came before, and is not seen"),
    );
  }

  /** Measure it at the pixel, or where most can be seen of it. */
  measure() {
    write({ field: this.of.value === "pixelcnn" ? null : this.of.value });
    const name = this.of.value;
    return this.measuring.begin(
      async (signal) => {
        const [row, column] = this.place ?? [0, 0];
        const done = async (fields) => {
          await follow("/api/fields", fields, signal, (event) => event.type === "done" && this.take(event));
        };
        if (this.place) return done({ of: name, row, column });
        await done({ of: name, row: 0, column: 0 });
        this.place = [Math.floor(this.height * 0.62), Math.floor(this.width * 0.45)];
        await done({ of: name, row: this.place[0], column: this.place[1] });
        this.layer.value = this.layer.max;
        this.show();
      },
      (error) => (this.said.textContent = error.message),
    );
  }

  take({ size, layers, fields }) {
    [this.height, this.width] = size;
    this.names = layers;
    this.fields = fields.map((each) => array(each, Float32Array));
    this.layer.max = layers.length - 1;
    this.layer.disabled = layers.length === 1;
    this.about.textContent = ABOUT[this.of.value] ?? `${this.of.value}: what this model has learned to look at, in a picture that it drew.`;
    this.show();
  }

  show() {
    if (!this.place) return;
    const found = this.fields[Number(this.layer.value)];
    const most = found.reduce((a, b) => Math.max(a, b), 0);
    const [row, column] = this.place;
    const own = row * this.width + column;
    const later = colourOf("--undrawn").slice(0, 3);
    const colour = (p) => {
      if (p === own) return [255, 255, 255];
      if (found[p] > 0) return heat(DECADES + Math.log10(found[p] / most), DECADES);
      return p < own ? BLIND : later;
    };
    paint(this.canvas, this.height, this.width, colour);
    const zoom = Math.max(1, Math.floor(Math.min(320, this.canvas.parentElement.clientWidth) / this.width));
    enlarge(this.canvas, zoom);
    const seen = found.reduce((sum, each) => sum + (each > 0), 0) - (found[own] > 0);
    this.said.textContent = `${this.names[this.layer.value]}, at row ${row}, column ${column}: sees ${seen} of the ${own} pixels before it`;
  }

  point(event) {
    this.go(...pixelAt(this.canvas, event));
  }

  move(event) {
    const step = stepOf(event.key);
    if (!step || !this.place) return;
    event.preventDefault();
    this.go(this.place[0] + step[0], this.place[1] + step[1]);
  }

  go(row, column) {
    if (row < 0 || column < 0 || row >= this.height || column >= this.width || String(this.place) === String([row, column])) return;
    this.place = [row, column];
    this.measure();
  }
}

/** Digits by the same random numbers at any temperature, and what becomes of the probabilities of a value. */
function temperature(room) {
  const count = 10;
  const slider = make("input", { type: "range", min: 0.1, max: 2, step: 0.05, value: 1 });
  const said = make("output", { className: "quiet" }, " ");
  const sheet = new Sheet({ name: "Digits at this temperature", high: 200 });
  const bars = make("div", { className: "columns", role: "img" });
  room.replaceChildren(field("Temperature", slider), said, sheet.element, bars);
  const drawing = new Latest();
  let probabilities = null;

  const show = () => {
    const t = Number(slider.value);
    said.textContent = `${t.toFixed(2)}: above, digits by the same random numbers; below, the probabilities of one value of the first`;
    if (!probabilities) return;
    const raised = probabilities.map((p) => p ** (1 / t));
    const sum = raised.reduce((a, b) => a + b, 0);
    const highest = Math.max(...raised);
    bars.replaceChildren(...raised.map((p) => {
      const bar = make("i");
      bar.style.setProperty("--share", p / highest);
      return bar;
    }));
    bars.setAttribute("aria-label", `the likeliest value has ${Math.round((100 * highest) / sum)}%`);
  };
  const draw = () =>
    drawing.begin(async (signal) => {
      const fields = { model: DIGITS, n: count, seed: 1, temperature: Number(slider.value) };
      await follow("/api/draw", fields, signal, (event) => {
        if (event.type === "start") sheet.start(event);
        if (event.type === "drawn") sheet.take(event);
        if (event.type === "done" && !probabilities) first = event.pictures[0];
      });
      if (probabilities) return;
      const [row, column] = await leastCertain(first, sheet.width, signal);
      const found = await ask("/api/value", { model: DIGITS, picture: first, row, column }, signal);
      probabilities = found.channels[0].probabilities;
      show();
    });
  let first;
  slider.addEventListener("input", show);
  slider.addEventListener("change", draw);
  show();
  return draw();
}
