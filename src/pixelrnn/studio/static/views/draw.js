// Draw: samples pixel by pixel, the value under the pointer, and what becomes of another value.

import { number, read, whole, write } from "../address.js";
import { Clock } from "../clock.js";
import { choice, field, make, refill, trouble } from "../dom.js";
import { Pointed } from "../pointed.js";
import { Sheet } from "../sheet.js";
import { FIRST, usable } from "../source.js";
import { follow } from "../talk.js";
import { Latest } from "../work.js";

const COUNTS = [1, 4, 9, 16, 25, 36, 64];
const HELP =
  "Point at a pixel: this is what the model expected of it, given all it had seen. Click to keep it, then choose another value: everything after it is drawn again, by the same random numbers.";

export function draw(room, models) {
  return new Draw(room, usable(models)).start();
}

class Draw {
  constructor(room, models) {
    this.models = models;
    this.drawing = new Latest();
    this.names = []; // of the pictures, once they are whole
    this.earlier = []; // pictures as they were before a value was changed
    this.isRedrawing = false;
    this.sheet = new Sheet({
      chosen: (...place) => this.value.kept || this.look(place),
      kept: (...place) => this.keep(place),
      name: "Samples. Arrow keys move the pointer, Page Up and Page Down go to another sample, Enter keeps a pixel.",
    });
    this.clock = new Clock(this.sheet);
    const form = this.form(read());
    this.stage = make("div", { className: "panel stage" }, this.sheet.element, this.clock.element);
    this.value = new Pointed(HELP, (...another) => this.change(...another));
    this.undo = make("button", { type: "button", hidden: true, onclick: () => this.takeBack() }, "Take back");
    const aside = make("aside", { className: "panel aside", "aria-label": "The value under the pointer" }, make("h2", {}, "The value under the pointer"), this.value.element, this.undo);
    room.replaceChildren(make("div", { className: "view" }, form, this.stage, aside));
  }

  /** What is to be drawn, as the address says it at first. */
  form(asked) {
    const { models } = this;
    this.model = choice(models.map(({ name }) => [name, name]), { value: asked.model, otherwise: models.some(({ name }) => name === FIRST) ? FIRST : models[0].name });
    this.count = choice(COUNTS.map((n) => [n, String(n)]), { value: asked.n, otherwise: 16 });
    this.label = choice([]);
    this.labelField = field("Label", this.label);
    this.temperature = make("input", { type: "number", min: 0.05, max: 5, step: 0.05, value: number(asked.temperature, 1) });
    this.topP = make("input", { type: "number", min: 0.01, max: 1, step: 0.01, value: number(asked.top_p, 1) });
    this.seed = make("input", { type: "number", min: 0, max: 2 ** 53, step: 1, value: whole(asked.seed) });
    this.what = make("p", { className: "quiet" });
    this.model.addEventListener("change", () => (this.suit(), this.start()));
    for (const each of [this.count, this.label]) each.addEventListener("change", () => this.start());
    this.suit(asked.label);
    return make(
      "form",
      { className: "panel", "aria-label": "What to draw", onsubmit: (event) => (event.preventDefault(), this.start()) },
      field("Model", this.model),
      this.what,
      this.labelField,
      field("Samples", this.count),
      field("Seed", this.seed),
      field("Temperature", this.temperature),
      field("Top p", this.topP),
      make("button", { className: "main" }, "Draw"),
      make("button", { type: "button", onclick: () => ((this.seed.value = Number(this.seed.value) + 1), this.start()) }, "Next seed"),
    );
  }

  /** Labels and words that suit the model. */
  suit(label = "") {
    const about = this.models.find(({ name }) => name === this.model.value);
    this.what.textContent = [about.what, about.figure].filter(Boolean).join("; ");
    this.labelField.hidden = !about.classes;
    const labels = about.labels.map((text, number) => [number, text]);
    const pairs = [["", "all in turn"], ...labels, ...(about.mayHaveNoLabel ? [[-1, "none"]] : [])];
    refill(this.label, pairs, label);
  }

  get fields() {
    return { model: this.model.value, seed: Number(this.seed.value), temperature: Number(this.temperature.value), top_p: Number(this.topP.value) };
  }

  /** Draw anew. */
  start() {
    const label = this.label.value;
    const fields = { ...this.fields, n: Number(this.count.value), ...(label !== "" && { label: Number(label) }) };
    write({ ...fields, label, temperature: fields.temperature === 1 ? null : fields.temperature, top_p: fields.top_p === 1 ? null : fields.top_p });
    this.names = [];
    this.earlier = [];
    this.undo.hidden = true;
    this.isRedrawing = false;
    this.sheet.mark(null);
    this.value.clear();
    this.clock.follow();
    return this.drawing.begin((signal) =>
      follow("/api/draw", fields, signal, (event) => {
        if (event.type === "start") {
          this.sheet.start(event);
          this.clock.reach(event.drawn.fraction);
        } else if (event.type === "drawn") this.take(event);
        else if (event.type === "done") this.names = event.pictures;
      }),
    );
  }

  /** Pixels that are new, of all images or of those from a number on. */
  take(event, first = 0) {
    this.sheet.take(event, first);
    this.clock.reach(event.fraction);
  }

  keep(place) {
    this.value.keep(place);
    this.look(place);
  }

  /** Tell what was expected of a pixel. */
  look(place) {
    this.sheet.mark(place);
    const [image, row, column] = place;
    if (!this.names[image]) return;
    return this.value.look(place, { model: this.model.value, picture: this.names[image], row, column });
  }

  /** Another value of a pixel: what comes after it is drawn again. */
  change([image, row, column], channel, value) {
    if (this.isRedrawing) this.putBack(); // what is half drawn is nothing to go back to
    const { sheet } = this;
    this.earlier.push({ image, name: this.names[image], values: sheet.values.slice(), isDrawn: sheet.isDrawn.slice() });
    this.value.kept = [image, row, column];
    this.isRedrawing = true;
    const fields = { ...this.fields, picture: this.names[image], row, column, channel, value };
    sheet.forget(image, sheet.placeOf(image, row, column) - 1);
    this.clock.follow();
    return this.drawing.begin(
      async (signal) => {
        await follow("/api/redraw", fields, signal, (event) => {
          if (event.type === "start") this.take(event.drawn, image);
          else if (event.type === "drawn") this.take(event, image);
          else if (event.type === "done") [this.names[image]] = event.pictures;
        });
        this.isRedrawing = false;
        this.undo.hidden = false;
        await this.look([image, row, column]);
        this.value.focus(channel);
      },
      (error) => (this.putBack(), trouble(error)), // whoever began something else has put the picture back
    );
  }

  takeBack() {
    this.drawing.end();
    this.putBack();
    if (this.sheet.place) this.look(this.sheet.place);
  }

  putBack() {
    this.isRedrawing = false;
    if (!this.earlier.length) return;
    const { image, name, values, isDrawn } = this.earlier.pop();
    this.names[image] = name;
    Object.assign(this.sheet, { values, isDrawn });
    this.sheet.paint();
    this.undo.hidden = this.earlier.length === 0;
  }
}
