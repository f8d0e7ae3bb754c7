// Complete: a picture, what is painted out of it, and what the model would draw there.

import { read, whole, write } from "../address.js";
import { Ancestry } from "../ancestry.js";
import { choice, field, make } from "../dom.js";
import { Editor, TOOLS } from "../editor.js";
import { Sheet } from "../sheet.js";
import { Source } from "../source.js";
import { base64, follow } from "../talk.js";
import { Latest } from "../work.js";

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
      chosen: (image) => this.sheet.mark([image, 0, 0]),
      kept: (image) => this.accept(image),
      name: "Completions. Page Up and Page Down choose, Enter goes on with one.",
    });
    this.said = make("p", { className: "quiet" }, " ");
    this.ancestry = new Ancestry();
    const hint = make("p", { className: "quiet" }, "Choose one to go on with it.");
    const aside = make("aside", { className: "panel aside", "aria-label": "Completions" }, make("h2", {}, "Completions"), this.said, this.sheet.element, hint, this.ancestry.element);
    room.replaceChildren(make("div", { className: "view" }, form, stage, aside));
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
    this.found = null;
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
    this.found = null;
    const began = performance.now();
    this.said.textContent = "drawing ...";
    const [n, seed, particles] = [this.count, this.seed, this.particles].map((each) => Number(each.value));
    const fields = { model: this.source.model.value, picture: editor.name, known: base64(editor.known), n, seed, particles };
    return this.drawing.begin(
      (signal) =>
        follow("/api/complete", fields, signal, (event) => {
          if (event.type === "start") this.show(event, particles);
          else if (event.type === "drawn") this.take(event);
          else if (event.type === "done") this.end(event, fields, (performance.now() - began) / 1000);
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

  end({ pictures, bitsOfKnown }, { seed, n }, seconds) {
    this.found = pictures;
    const known = bitsOfKnown ? `; what is known: log2 p = ${bitsOfKnown[0]?.toFixed(1) ?? "-infinity"} bits` : "";
    this.said.textContent = `seed ${seed}, 0 to ${n - 1}${known}; ${seconds.toFixed(2)} s`;
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
