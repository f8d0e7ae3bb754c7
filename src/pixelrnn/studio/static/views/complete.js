// Complete: a picture, what is painted out of it, and what the model would draw there.

import { read, whole, write } from "../address.js";
import { Ancestry } from "../ancestry.js";
import { choice, field, make } from "../dom.js";
import { Editor, TOOLS } from "../editor.js";
import { Sheet } from "../sheet.js";
import { base64, Source } from "../source.js";
import { array, follow } from "../talk.js";
import { Latest } from "../work.js";

export function complete(room, models) {
  const asked = read();
  const count = choice([2, 4, 6, 8, 12].map((n) => [n, String(n)]), { value: asked.n, otherwise: 6 });
  const seed = make("input", { type: "number", min: 0, max: 2 ** 53, value: whole(asked.seed) });
  const particles = choice([1, 16, 64, 256, 1024].map((n) => [n, String(n)]), { value: asked.particles, otherwise: 64 });
  const source = new Source(models, begin);
  const form = make(
    "form",
    { className: "panel", "aria-label": "What to complete", onsubmit: (event) => (event.preventDefault(), start()) },
    ...source.fields,
    field("Completions", count),
    field("Seed", seed),
    field("Particles", particles),
    make("p", { className: "quiet" }, "What is known below what is not is taken into account by particles: walks that are drawn together, and chosen among by how well they lead to it."),
    make("button", { className: "main" }, "Complete again"),
  );

  const editor = new Editor({ changed: () => (remember(), start()) });
  const tools = Object.entries(TOOLS).map(([name, title]) => make("button", { type: "button", onclick: () => choose(name), "data-tool": name }, title));
  const size = make("input", { type: "range", min: 1, max: 40, value: editor.size, "aria-label": "Size of the brush", oninput: () => (editor.size = Number(size.value)) });
  const zoom = choice([["", "as it fits"], ...[1, 2, 4, 8, 16].map((n) => [n, `${n}x`])], { "aria-label": "Size of a pixel", onchange: () => editor.magnify(Number(zoom.value) || null) });
  editor.sized = (value) => (size.value = value);
  editor.chose = choose;
  const bar = make(
    "div",
    { className: "row tools", role: "toolbar", "aria-label": "Tools" },
    ...tools,
    make("span", { className: "wide" }, size),
    make("button", { type: "button", onclick: () => editor.known && editor.set(editor.known.map((each) => 1 - each)) }, "Invert"),
    make("button", { type: "button", onclick: () => editor.known && editor.set(new Uint8Array(editor.known.length).fill(1)) }, "Clear"),
    make("button", { type: "button", onclick: () => editor.undo() }, "Undo"),
    make("button", { type: "button", onclick: () => editor.redo() }, "Redo"),
    zoom,
  );
  const stage = make("div", { className: "panel stage" }, editor.element, bar);
  const sheet = new Sheet({
    chosen: (image) => mark(image),
    kept: (image) => accept(image),
    name: "Completions. Page Up and Page Down choose, Enter goes on with one.",
  });
  const said = make("p", { className: "quiet" }, " ");
  const ancestry = new Ancestry();
  const aside = make("aside", { className: "panel aside", "aria-label": "Completions" }, make("h2", {}, "Completions"), said, sheet.element, make("p", { className: "quiet" }, "Choose one to go on with it."), ancestry.element);
  room.replaceChildren(make("div", { className: "view" }, form, stage, aside));
  source.listen(stage);

  const drawing = new Latest();
  let found = null;
  let at = [0, 0]; // where in the picture the completions are: of a large one they are parts

  function choose(name) {
    editor.tool = name;
    for (const each of tools) each.setAttribute("aria-pressed", each.dataset.tool === name);
  }

  async function begin({ shape, values, name }, isNew) {
    editor.begin(shape, values);
    editor.name = name;
    const half = () => editor.known.map((_, p) => (p < editor.known.length / 2 ? 1 : 0));
    editor.known = (isNew ? null : fromRuns(asked.mask, editor.known.length)) ?? half();
    editor.paint();
    await start();
  }

  function remember() {
    write({ mask: asRuns(editor.known), n: count.value, seed: seed.value, particles: particles.value });
  }

  function start() {
    drawing.end();
    if (!editor.known || editor.isAllKnown) return void (said.textContent = "Paint over what is to be drawn again.");
    remember();
    found = null;
    const began = performance.now();
    said.textContent = "drawing ...";
    const fields = { model: source.model.value, picture: editor.name, known: base64(editor.known), n: Number(count.value), seed: Number(seed.value), particles: Number(particles.value) };
    const told = (event) => {
      if (event.type === "start") {
        sheet.begin(event.shape, event.orders, event.places.map((text) => array(text, Int32Array)));
        at = event.window;
        ancestry.begin(fields.particles, sheet.height * sheet.width);
        take(event.drawn);
      } else if (event.type === "drawn") take(event);
      else if (event.type === "done") {
        found = event.pictures;
        const known = event.bitsOfKnown ? `; what is known: log2 p = ${event.bitsOfKnown[0]?.toFixed(1) ?? "-infinity"} bits` : "";
        said.textContent = `seed ${fields.seed}, 0 to ${fields.n - 1}${known}; ${((performance.now() - began) / 1000).toFixed(2)} s`;
      }
    };
    return drawing.begin((signal) => follow("/api/complete", fields, signal, told), (error) => (said.textContent = error.message));
  }

  function take(event) {
    sheet.add(array(event.pixels, Uint32Array), array(event.values, Uint8Array));
    ancestry.add(event.ancestry);
  }

  function mark(image) {
    sheet.mark([image, 0, 0]);
  }

  /** Go on with a completion: all of it is known then. */
  function accept(image) {
    if (!found) return;
    const row = sheet.width * sheet.channels;
    const values = editor.values.slice();
    for (let r = 0; r < sheet.height; r++) {
      const from = (image * sheet.height + r) * row;
      values.set(sheet.values.subarray(from, from + row), ((at[0] + r) * editor.width + at[1]) * sheet.channels);
    }
    editor.replace(values, found[image]);
  }

  for (const each of [count, seed, particles]) each.addEventListener("change", start);
  choose("brush");
  return source.begin();
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
