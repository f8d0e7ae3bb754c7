// Images side by side, pixel for pixel, as they are drawn: with a clock that can be turned back, and a pointer.

import { enlarge, pixelAt } from "./canvas.js";
import { colourOf, cssOf, shown } from "./colours.js";
import { make } from "./dom.js";
import { array } from "./talk.js";

const GAP = 2; // pixels of an image between two

export class Sheet {
  /**
   * `chosen(image, row, column)` is called when a pixel is pointed at, `kept(...)` when it is clicked; `name` is read
   * out; it is at most `high` pixels of the screen high, or as high as the window lets it be.
   */
  constructor({ chosen = () => {}, kept = () => {}, name, high = null }) {
    this.canvas = make("canvas", { tabIndex: 0, role: "application", "aria-label": name });
    this.pointer = make("canvas", { "aria-hidden": "true" });
    this.element = make("div", { className: "sheet" }, this.canvas, this.pointer);
    this.chosen = chosen;
    this.kept = kept;
    this.high = high;
    this.place = null;
    this.canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.#point(event, chosen));
    this.canvas.addEventListener("click", (event) => this.#point(event, kept));
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    addEventListener("resize", () => this.#fit());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  /** Begin with images of a shape [n, C, H, W]; `orders` says which of the `places` (H W, when pixels come) each has. */
  begin(shape, orders, places) {
    [this.n, this.channels, this.height, this.width] = shape;
    this.orders = orders;
    this.places = places;
    this.values = new Uint8Array(this.n * this.height * this.width * this.channels);
    this.isDrawn = new Uint8Array(this.n * this.height * this.width);
    this.steps = Math.max(...places.map((each) => each.reduce((a, b) => Math.max(a, b), 0))) + 1;
    this.clock = Infinity;
    this.#fit();
    this.paint();
  }

  /** Begin with what the server tells of a drawing at first. */
  start({ shape, orders, places, drawn }) {
    this.begin(shape, orders, places.map((text) => array(text, Int32Array)));
    this.take(drawn);
  }

  /** Pixels that the server tells of; see `add`. */
  take({ pixels, values }, first = 0) {
    this.add(array(pixels, Uint32Array), array(values, Uint8Array), first);
  }

  /** Show nothing. */
  clear() {
    this.n = 0;
    this.values = this.place = null;
    [this.canvas.width, this.pointer.width] = [0, 0];
  }

  /** Pixels that are new, of all images or, with `first`, of those from that number on. */
  add(pixels, values, first = 0) {
    const area = this.height * this.width;
    for (let i = 0; i < pixels.length; i++) {
      const pixel = pixels[i] + first * area;
      this.isDrawn[pixel] = 1;
      for (let c = 0; c < this.channels; c++) this.values[pixel * this.channels + c] = values[i * this.channels + c];
    }
    this.paint();
  }

  /** Forget what comes after a place of an image, which is drawn again. */
  forget(image, place) {
    const area = this.height * this.width;
    const places = this.places[this.orders[image]];
    for (let p = 0; p < area; p++) if (places[p] > place) this.isDrawn[image * area + p] = 0;
    this.paint();
  }

  /** When a pixel of an image is drawn. */
  placeOf(image, row, column) {
    return this.places[this.orders[image]][row * this.width + column];
  }

  /** Show things as they were after so many steps. */
  turn(clock) {
    this.clock = clock;
    this.paint();
  }

  paint() {
    if (this.queued || !this.values) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      if (this.values) this.#paint();
    });
  }

  #paint() {
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    const picture = context.createImageData(this.canvas.width, this.canvas.height);
    const undrawn = colourOf("--undrawn");
    const area = this.height * this.width;
    for (let image = 0; image < this.n; image++) {
      const places = this.places[this.orders[image]];
      const [left, top] = this.#corner(image);
      for (let p = 0; p < area; p++) {
        const at = 4 * ((top + Math.floor(p / this.width)) * this.canvas.width + left + (p % this.width));
        const from = (image * area + p) * this.channels;
        const isShown = this.isDrawn[image * area + p] && places[p] < this.clock;
        const [r, g, b, a] = isShown ? shown(this.values, from, this.channels) : undrawn;
        picture.data.set([r, g, b, a], at);
      }
    }
    context.putImageData(picture, 0, 0);
  }

  #corner(image) {
    return [(image % this.columns) * (this.width + GAP), Math.floor(image / this.columns) * (this.height + GAP)];
  }

  /** As large as fits, in whole pixels of the screen for each pixel of an image, in so many columns as suit that. */
  #fit() {
    const room = this.element.parentElement;
    if (!room || !this.n) return;
    const padding = 2 * parseFloat(getComputedStyle(room).paddingLeft);
    const wide = room.clientWidth - padding;
    const high = this.high ?? Math.max(280, innerHeight - 230);
    let best = { zoom: 0 };
    for (let columns = 1; columns <= this.n; columns++) {
      const rows = Math.ceil(this.n / columns);
      const [across, down] = [columns * (this.width + GAP) - GAP, rows * (this.height + GAP) - GAP];
      const zoom = Math.min(24, Math.floor(Math.min(wide / across, high / down)));
      const waste = (rows * columns - this.n) * 1e6 + Math.max(across, down);
      if (zoom > best.zoom || (zoom === best.zoom && waste < best.waste)) best = { zoom, columns, rows, across, down, waste };
    }
    if (best.zoom === 0) {
      const columns = Math.max(1, Math.floor(wide / (this.width + GAP)));
      const rows = Math.ceil(this.n / columns);
      best = { zoom: 1, columns, rows, across: columns * (this.width + GAP) - GAP, down: rows * (this.height + GAP) - GAP };
    }
    const isNew = this.canvas.width !== best.across || this.canvas.height !== best.down;
    [this.zoom, this.columns, this.rows] = [best.zoom, best.columns, best.rows];
    if (isNew) [this.canvas.width, this.canvas.height] = [best.across, best.down];
    if (isNew) this.paint();
    this.pointer.width = this.canvas.width * this.zoom;
    this.pointer.height = this.canvas.height * this.zoom;
    enlarge(this.canvas, this.zoom);
    enlarge(this.pointer, 1);
    this.#frame();
  }

  /** Point at a pixel. */
  mark(place) {
    this.place = place;
    this.#frame();
  }

  #frame() {
    const context = this.pointer.getContext("2d");
    context.clearRect(0, 0, this.pointer.width, this.pointer.height);
    if (!this.place) return;
    const [image, row, column] = this.place;
    const [left, top] = this.#corner(image);
    const [x, y, z] = [(left + column) * this.zoom, (top + row) * this.zoom, this.zoom];
    context.lineWidth = 2;
    context.strokeStyle = cssOf("--paper");
    context.strokeRect(x - 3, y - 3, z + 6, z + 6);
    context.strokeStyle = cssOf("--accent");
    context.strokeRect(x - 1, y - 1, z + 2, z + 2);
  }

  #point(event, told) {
    if (!this.n) return;
    const [y, x] = pixelAt(this.canvas, event);
    const [across, column] = [Math.floor(x / (this.width + GAP)), x % (this.width + GAP)];
    const [down, row] = [Math.floor(y / (this.height + GAP)), y % (this.height + GAP)];
    const image = down * this.columns + across;
    if (row < this.height && column < this.width && across < this.columns && image < this.n) told(image, row, column);
  }

  #key(event) {
    if (!this.n) return;
    const [image, row, column] = this.place ?? [0, 0, 0];
    const to = {
      ArrowLeft: [image, row, Math.max(0, column - 1)],
      ArrowRight: [image, row, Math.min(this.width - 1, column + 1)],
      ArrowUp: [image, Math.max(0, row - 1), column],
      ArrowDown: [image, Math.min(this.height - 1, row + 1), column],
      PageUp: [Math.max(0, image - 1), row, column],
      PageDown: [Math.min(this.n - 1, image + 1), row, column],
      Home: [image, row, 0],
      End: [image, row, this.width - 1],
      Enter: [image, row, column],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    (event.key === "Enter" ? this.kept : this.chosen)(...to);
  }
}
