// A picture of which parts are painted out: brush, eraser, box, fill, with undo without end.

import { enlarge, evenZoom, frame, pixelAt, stepOf } from "./canvas.js";
import { colourOf, shown } from "./colours.js";
import { make } from "./dom.js";

export const TOOLS = { brush: "Brush", eraser: "Eraser", box: "Box", fill: "Fill" };

export class Editor {
  /** `changed()` is called when a stroke has ended. */
  constructor({ changed }) {
    this.canvas = make("canvas", {
      tabIndex: 0,
      role: "application",
      "aria-label": "The picture. Arrow keys move the cursor, Space paints, B, E, X and F choose brush, eraser, box and fill, [ and ] the size, Control Z takes back.",
    });
    this.cursor = make("div", { "aria-hidden": "true", className: "cursor", hidden: true });
    this.element = make("div", { className: "scroll" }, make("div", { className: "sheet editor" }, this.canvas, this.cursor));
    this.magnified = null; // pixels of the screen for one of the picture; as many as fit if null
    this.changed = changed;
    this.tool = "brush";
    this.size = 5;
    this.past = [];
    this.future = [];
    this.at = null;
    this.canvas.addEventListener("pointerdown", (event) => this.#down(event));
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    this.canvas.addEventListener("pointerup", () => this.#up());
    this.canvas.addEventListener("pointercancel", () => this.#up());
    this.canvas.addEventListener("pointerleave", () => !this.stroke && this.#show(null));
    this.canvas.addEventListener("wheel", (event) => (event.preventDefault(), this.resize(event.deltaY < 0 ? 1 : -1)), { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    addEventListener("resize", () => this.#fit());
  }

  /** Begin with a picture: shown values [H W C], all of it known. */
  begin([channels, height, width], values) {
    [this.channels, this.height, this.width, this.values] = [channels, height, width, values];
    this.known = new Uint8Array(height * width).fill(1);
    this.past = [];
    this.future = [];
    this.canvas.width = width;
    this.canvas.height = height;
    this.#fit();
    this.paint();
  }

  /** Go on with another picture of the same size, all of it known, as one step that can be taken back. */
  replace(values, name) {
    this.#keep();
    [this.values, this.name] = [values, name];
    this.known = new Uint8Array(this.known.length).fill(1);
    this.paint();
    this.changed();
  }

  /** Set what is known, as one step. */
  set(known) {
    this.#keep();
    this.known = known;
    this.paint();
    this.changed();
  }

  get isAllKnown() {
    return this.known.every((each) => each);
  }

  undo() {
    this.#travel(this.past, this.future);
  }

  redo() {
    this.#travel(this.future, this.past);
  }

  resize(by) {
    this.size = Math.max(1, Math.min(99, this.size + by));
    this.#show(this.at);
    this.sized?.(this.size);
  }

  #travel(from, to) {
    if (!from.length) return;
    to.push(this.#state());
    Object.assign(this, from.pop());
    this.paint();
    this.changed();
  }

  #state() {
    return { known: this.known.slice(), values: this.values, name: this.name };
  }

  #keep() {
    this.past.push(this.#state());
    this.future = [];
  }

  /** Paint all of it, or some rows. */
  paint(top = 0, bottom = this.height) {
    [top, bottom] = [Math.max(0, top), Math.min(this.height, bottom)];
    if (bottom <= top) return;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    const picture = context.createImageData(this.width, bottom - top);
    const hidden = colourOf("--undrawn");
    for (let p = top * this.width; p < bottom * this.width; p++) {
      picture.data.set(this.known[p] ? shown(this.values, p * this.channels, this.channels) : hidden, 4 * (p - top * this.width));
    }
    context.putImageData(picture, 0, top);
  }

  #fit() {
    const room = this.element.parentElement;
    if (!room || !this.width) return;
    const wide = room.clientWidth - 2 * parseFloat(getComputedStyle(room).paddingLeft);
    const high = Math.max(240, innerHeight - 330);
    this.zoom = this.magnified || evenZoom(Math.min(24, wide / this.width, high / this.height));
    enlarge(this.canvas, this.zoom);
    this.#show(this.at);
  }

  /** Show a pixel of the picture by so many of the screen, or as it fits. */
  magnify(zoom) {
    this.magnified = zoom;
    this.#fit();
  }

  /** Pixels of the brush with its middle at a place, within the picture; the brush itself may reach past the edge. */
  #under([row, column], told) {
    const before = Math.floor((this.size - 1) / 2);
    for (let r = row - before; r < row - before + this.size; r++)
      for (let c = column - before; c < column - before + this.size; c++)
        if (r >= 0 && c >= 0 && r < this.height && c < this.width) told(r * this.width + c);
  }

  #down(event) {
    if (!this.width || event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.#begin(pixelAt(this.canvas, event), event.shiftKey);
  }

  #begin(place, isOpposite = false) {
    this.#keep();
    this.stroke = { start: place, last: place, known: this.known.slice(), isErasing: (this.tool === "eraser") !== isOpposite };
    if (this.tool === "fill") this.#fill(place);
    else this.#draw(place);
  }

  #move(event) {
    const place = pixelAt(this.canvas, event);
    this.#show(place);
    if (this.stroke && this.tool !== "fill") this.#draw(place);
  }

  #up() {
    if (!this.stroke) return;
    this.stroke = null;
    this.changed();
  }

  #draw(place) {
    const { start, last, known, isErasing } = this.stroke;
    const value = isErasing ? 1 : 0;
    if (this.tool === "box") {
      this.known = known.slice();
      const [top, bottom] = [Math.min(start[0], place[0]), Math.max(start[0], place[0])];
      const [left, right] = [Math.min(start[1], place[1]), Math.max(start[1], place[1])];
      for (let r = Math.max(0, top); r <= Math.min(this.height - 1, bottom); r++)
        for (let c = Math.max(0, left); c <= Math.min(this.width - 1, right); c++) this.known[r * this.width + c] = value;
      this.paint();
    } else {
      const steps = Math.max(1, Math.abs(place[0] - last[0]), Math.abs(place[1] - last[1]));
      for (let i = 0; i <= steps; i++) {
        const between = [0, 1].map((k) => Math.round(last[k] + ((place[k] - last[k]) * i) / steps));
        this.#under(between, (p) => (this.known[p] = value));
      }
      this.paint(Math.min(place[0], last[0]) - this.size, Math.max(place[0], last[0]) + this.size + 1);
      this.stroke.last = place;
    }
  }

  /** All that hangs together with a place and is known, or unknown, as it is. */
  #fill([row, column]) {
    if (row < 0 || column < 0 || row >= this.height || column >= this.width) return;
    const from = this.known[row * this.width + column];
    const same = (p) => this.known[p] === from && this.#isAlike(p, row * this.width + column);
    const waiting = [row * this.width + column];
    const seen = new Uint8Array(this.known.length);
    seen[waiting[0]] = 1;
    while (waiting.length) {
      const p = waiting.pop();
      const c = p % this.width;
      for (const [next, isIn] of [[p - 1, c > 0], [p + 1, c < this.width - 1], [p - this.width, p >= this.width], [p + this.width, p < this.width * (this.height - 1)]])
        if (isIn && !seen[next] && same(next)) (seen[next] = 1), waiting.push(next);
    }
    this.known = this.known.map((each, p) => (seen[p] ? 1 - from : each));
    this.paint();
  }

  #isAlike(p, q) {
    for (let c = 0; c < this.channels; c++)
      if (Math.abs(this.values[p * this.channels + c] - this.values[q * this.channels + c]) > 24) return false;
    return true;
  }

  #show(place) {
    this.at = place;
    const size = this.tool === "brush" || this.tool === "eraser" ? this.size : 1;
    frame(this.cursor, this.width ? place : null, size, this.zoom);
  }

  #key(event) {
    if (!this.width) return;
    const [row, column] = this.at ?? [Math.floor(this.height / 2), Math.floor(this.width / 2)];
    const moved = stepOf(event.key);
    const tool = { b: "brush", e: "eraser", x: "box", f: "fill" }[event.key];
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === "z") event.shiftKey ? this.redo() : this.undo();
      else if (event.key.toLowerCase() === "y") this.redo();
      else return;
    } else if (moved) {
      this.#show([Math.max(0, Math.min(this.height - 1, row + moved[0])), Math.max(0, Math.min(this.width - 1, column + moved[1]))]);
    } else if (tool) this.chose?.(tool);
    else if (event.key === "[") this.resize(-1);
    else if (event.key === "]") this.resize(1);
    else if (event.key === " ") (this.#begin([row, column], event.shiftKey), this.#up());
    else return;
    event.preventDefault();
  }
}
