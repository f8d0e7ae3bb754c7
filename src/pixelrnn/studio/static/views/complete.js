// Complete: a picture, what is painted out of it, and what the model would draw there.

import { read, whole, write } from "../address.js";
import { Ancestry } from "../ancestry.js";
import { choice, field, make, trouble } from "../dom.js";
import { Editor, TOOLS } from "../editor.js";
import { Pointed } from "../pointed.js";
import { Sheet } from "../sheet.js";
import { Source } from "../source.js";
import { base64, follow } from "../talk.js";
import { Latest } from "../work.js";

const HELP = "Point at a pixel of a completion: this is what the model expected of it. Click to keep it, then choose another value: what comes after it and is not known is drawn again.";
const LARGE = 200 ** 2; // pixels of a picture of which nothing is painted out at first

export function complete(room, models) {
  return new Complete(room, models).source.begin();
}

class Complete {
  constructor(room, models) {
    this.asked = read();
    this.drawing = new Latest();
    this.found = null;
    this.at = [0, 0]; // where in the picture the completions are: of a large one they are parts
    this.source = new Source(models, (came, isNew) => this.begin(came, isNew));
    this.editor = new Editor({ changed: () => (this.remember(), this.start()) });
    const form = this.form();
    const stage = make("div", { className: "panel stage" }, this.editor.element, this.toolbar());
    this.sheet = new Sheet({
      chosen: (...place) => this.value.kept || this.look(place),
      kept: (...place) => (this.value.keep(place), this.look(place)),
      name: "Completions. Arrow keys move the pointer, Page Up and Page Down go to another completion, Enter keeps a pixel.",
    });
    this.said = make("p", { className: "quiet" }, " ");
    this.ancestry = new Ancestry();
    this.which = make("p", { className: "quiet" }, " ");
    this.on = make("button", { type: "button", hidden: true, onclick: () => this.accept(this.sheet.place[0]) }, "Go on with it");
    this.value = new Pointed(HELP, (...another) => this.change(...another));
    const strip = make("aside", { className: "panel", "aria-label": "Completions" }, make("h2", {}, "Completions"), this.sheet.element, this.said, this.which, this.on, this.ancestry.element);
    const under = make("aside", { className: "panel", "aria-label": "The value under the pointer" }, make("h2", {}, "The value under the pointer"), this.value.element);
    room.replaceChildren(make("div", { className: "view" }, form, stage, make("div", { className: "stack aside" }, strip, under)));
    this.source.listen(stage);
  }

  form() {
    const { asked } = this;
    const numbers = (all) => all.map((n) => [n, String(n)]);
    this.count = choice(numbers([2, 4, 6, 8, 12]), { value: asked.n, otherwise: 6 });
    this.seed = make("input", { type: "number", min: 0, max: 2 ** 53, value: whole(asked.seed) });
    this.particles = choice(numbers([1, 16, 64, 256, 1024]), { value: asked.particles, otherwise: 64 });
    for (const each of [this.count, this.seed, this.particles]) each.addEventListener("change", () => this.start());
    return make(
      "form",
      { className: "panel", "aria-label": "What to complete", onsubmit: (event) => (event.preventDefault(), this.start()) },
      ...this.source.fields,
      field("Completions", this.count),
      field("Seed", this.seed),
      field("Particles", this.particles),
      make("p", { className: "quiet" }, "What is known below what is not is taken into account by particles: walks that are drawn together, and chosen among by how well they lead to it."),
      make("button", { className: "main" }, "Complete again"),
    );
  }

  toolbar() {
    const { editor } = this;
    const tools = Object.entries(TOOLS).map(([name, title]) => make("button", { type: "button", onclick: () => choose(name), "data-tool": name }, title));
    const choose = (name) => {
      editor.tool = name;
      for (const each of tools) each.setAttribute("aria-pressed", each.dataset.tool === name);
    };
    const size = make("input", { type: "range", min: 1, max: 40, value: editor.size, "aria-label": "Size of the brush", oninput: () => (editor.size = Number(size.value)) });
    const zoom = choice([["", "as it fits"], ...[1, 2, 4, 8, 16].map((n) => [n, `${n}x`])], { "aria-label": "Size of a pixel", onchange: () => editor.magnify(Number(zoom.value) || null) });
    const button = (title, onclick) => make("button", { type: "button", onclick: () => editor.known && onclick() }, title);
    editor.sized = (value) => (size.value = value);
    editor.chose = choose;
    choose("brush");
    return make(
      "div",
      { className: "row tools", role: "toolbar", "aria-label": "Tools" },
      ...tools,
      make("span", { className: "wide" }, size),
      button("Invert", () => editor.set(editor.known.map((each) => 1 - each))),
      button("Clear", () => editor.set(new Uint8Array(editor.known.length).fill(1))),
      button("Undo", () => editor.undo()),
      button("Redo", () => editor.redo()),
      zoom,
    );
  }

  /** Begin with a picture: with the mask that the address says, or with its lower half painted out. */
  begin({ shape, values, name }, isNew) {
    const { editor } = this;
    this.forget();
    this.sheet.clear();
    this.ancestry.clear();
    editor.begin(shape, values);
    editor.name = name;
    const size = editor.known.length;
    const half = () => editor.known.map((_, p) => (size > LARGE || p < size / 2 ? 1 : 0));
    editor.known = (isNew ? null : fromRuns(this.asked.mask, size)) ?? half();
    editor.paint();
    return this.start();
  }

  remember() {
    write({ mask: asRuns(this.editor.known), n: this.count.value, seed: this.seed.value, particles: this.particles.value });
  }

  start() {
    const { editor } = this;
    this.drawing.end();
    if (!editor.known || editor.isAllKnown) return void (this.said.textContent = "Paint over what is to be drawn again.");
    this.remember();
    this.forget();
    const began = performance.now();
    this.said.textContent = "drawing ...";
    const [n, seed, particles] = [this.count, this.seed, this.particles].map((each) => Number(each.value));
    const fields = { model: this.source.model.value, known: base64(editor.known), particles, seed };
    this.fields = fields;
    return this.drawing.begin(
      (signal) =>
        follow("/api/complete", { ...fields, picture: editor.name, n }, signal, (event) => {
          if (event.type === "start") this.show(event, particles);
          else if (event.type === "drawn") this.take(event);
          else if (event.type === "done") this.end(event, n, (performance.now() - began) / 1000);
        }),
      (error) => (this.said.textContent = error.message),
    );
  }

  show(event, particles) {
    this.sheet.start(event);
    this.at = event.window;
    this.ancestry.begin(particles, this.sheet.height * this.sheet.width);
    this.ancestry.add(event.drawn.ancestry);
  }

  take(event) {
    this.sheet.take(event);
    this.ancestry.add(event.ancestry);
  }

  end({ pictures, bitsOfKnown }, n, seconds) {
    this.found = pictures;
    this.bitsOfKnown = bitsOfKnown;
    this.said.textContent = `seed ${this.fields.seed}, 0 to ${n - 1}${this.ofKnown(0)}; ${seconds.toFixed(2)} s`;
  }

  /** How likely what is known is, as the walks of a completion tell. */
  ofKnown(image) {
    return this.bitsOfKnown ? `; what is known: log2 p = ${this.bitsOfKnown[image]?.toFixed(1) ?? "-infinity"} bits` : "";
  }

  /** No completion is pointed at any more, and there are none yet. */
  forget() {
    this.found = null;
    this.on.hidden = true;
    this.which.textContent = " ";
    this.sheet.mark(null);
    this.value.clear();
  }

  /** Tell of a completion, and what was expected of its pixel. */
  look(place) {
    const [image, row, column] = place;
    this.sheet.mark(place);
    if (!this.found) return;
    this.which.textContent = `seed ${this.fields.seed}, number ${image}${this.ofKnown(image)}`;
    this.on.textContent = `Go on with number ${image}`;
    this.on.hidden = false;
    return this.value.look(place, { model: this.fields.model, picture: this.found[image], row: this.at[0] + row, column: this.at[1] + column });
  }

  /** Another value of a completion: what comes after it and is not known is drawn again. */
  change([image, row, column], channel, value) {
    const { sheet, editor } = this;
    if (sheet.height * sheet.width < editor.height * editor.width) return trouble(new Error("of a part of a large picture no other values are drawn; complete a smaller picture"));
    const before = sheet.values.slice();
    return this.drawing.begin(
      async (signal) => {
        await follow("/api/redraw", { ...this.fields, picture: this.found[image], row, column, channel, value }, signal, (event) => {
          if (event.type === "start") sheet.take(event.drawn, image);
          else if (event.type === "drawn") sheet.take(event, image);
          else if (event.type === "done") [this.found[image]] = event.pictures;
        });
        this.value.kept = [image, row, column];
        await this.look(this.value.kept);
        this.value.focus(channel);
      },
      (error) => {
        sheet.values = before;
        sheet.paint();
        trouble(error);
      },
    );
  }

  /** Go on with a completion: all of it is known then. */
  accept(image) {
    if (!this.found) return;
    const { sheet, editor, at } = this;
    const row = sheet.width * sheet.channels;
    const values = editor.values.slice();
    for (let r = 0; r < sheet.height; r++) {
      const from = (image * sheet.height + r) * row;
      values.set(sheet.values.subarray(from, from + row), ((at[0] + r) * editor.width + at[1]) * sheet.channels);
    }
    editor.replace(values, this.found[image]);
  }
}

/** A mask as the lengths of its runs, known ones first; none if that is too long for an address. */
function asRuns(known) {
  const runs = [];
  let [value, length] = [1, 0];
  for (const each of known) {
    if (each === value) length += 1;
    else {
      runs.push(length.toString(36));
      [value, length] = [each, 1];
    }
  }
  runs.push(length.toString(36));
  return runs.length > 1500 ? null : runs.join(".");
}

function fromRuns(text, size) {
  if (!text) return null;
  const known = new Uint8Array(size);
  let [at, value] = [0, 1];
  for (const run of text.split(".")) {
    const length = parseInt(run, 36);
    known.fill(value, at, at + length);
    [at, value] = [at + length, 1 - value];
  }
  return at === size ? known : null;
}
