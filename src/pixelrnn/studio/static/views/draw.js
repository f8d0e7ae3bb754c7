// Draw: samples pixel by pixel, the value under the pointer, and what becomes of another value.

import { number, read, whole, write } from "../address.js";
import { choice, field, make, trouble } from "../dom.js";
import { expected } from "../expected.js";
import { Sheet } from "../sheet.js";
import { array, ask, follow } from "../talk.js";

const COUNTS = [1, 4, 9, 16, 25, 36, 64];

export function draw(room, models) {
  const usable = models.filter((model) => !model.error && !model.needsContext);
  const asked = read();
  const model = choice(usable.map(({ name }) => [name, name]), { id: "model" });
  model.value = usable.some(({ name }) => name === asked.model) ? asked.model : usable.find(({ name }) => name === "mnist-diagonal-bilstm")?.name ?? usable[0].name;
  const count = choice(COUNTS.map((n) => [n, String(n)]), { value: asked.n, otherwise: 16 });
  const label = choice([]);
  const labelField = field("Label", label);
  const temperature = make("input", { type: "number", min: 0.05, max: 5, step: 0.05, value: number(asked.temperature, 1) });
  const topP = make("input", { type: "number", min: 0.01, max: 1, step: 0.01, value: number(asked.top_p, 1) });
  const seed = make("input", { type: "number", min: 0, max: 2 ** 53, step: 1, value: whole(asked.seed) });
  const what = make("p", { className: "quiet" });
  const form = make(
    "form",
    { className: "panel", "aria-label": "What to draw", onsubmit: (event) => (event.preventDefault(), start()) },
    field("Model", model),
    what,
    labelField,
    field("Samples", count),
    field("Seed", seed),
    field("Temperature", temperature),
    field("Top p", topP),
    make("button", { className: "main" }, "Draw"),
    make("button", { type: "button", onclick: () => ((seed.value = Number(seed.value) + 1), start()) }, "Next seed"),
  );

  const time = make("input", { type: "range", min: 0, max: 1, value: 1, "aria-label": "Pixels drawn" });
  const said = make("output", {}, " ");
  const pause = make("button", { type: "button", onclick: () => hold(!isHeld) }, "Pause");
  const back = make("button", { type: "button", onclick: () => step(-1) }, "Row back");
  const on = make("button", { type: "button", onclick: () => step(1) }, "Row on");
  const sheet = new Sheet({
    chosen: (...place) => isKept || look(place),
    kept: (...place) => keep(place),
    name: "Samples. Arrow keys move the pointer, Page Up and Page Down go to another sample, Enter keeps a pixel.",
  });
  const stage = make("div", { className: "panel stage" }, sheet.element);
  stage.append(make("div", { className: "time" }, time, make("div", { className: "row" }, pause, back, on, make("span", { className: "wide" }, said))));

  const value = make("div", { "aria-live": "polite" });
  const undo = make("button", { type: "button", hidden: true, onclick: takeBack }, "Take back");
  const aside = make("aside", { className: "panel aside", "aria-label": "The value under the pointer" }, make("h2", {}, "The value under the pointer"), value, undo);
  room.replaceChildren(make("div", { className: "view" }, form, stage, aside));

  let controller = null;
  let names = []; // of the pictures, once they are whole
  let isHeld = false;
  let isKept = false;
  let isRedrawing = false;
  let asking = null;
  const earlier = [];

  const chosen = () => usable.find(({ name }) => name === model.value);

  function suit() {
    const about = chosen();
    what.textContent = [about.what, about.figure].filter(Boolean).join("; ");
    labelField.hidden = !about.classes;
    const labels = about.labels.map((text, number) => [number, text]);
    label.replaceChildren(...choice([["", "all in turn"], ...labels, ...(about.mayHaveNoLabel ? [[-1, "none"]] : [])]).children);
    label.value = asked.label ?? "";
    if (label.selectedIndex < 0) label.value = "";
  }

  function wishes() {
    return {
      model: model.value,
      seed: Number(seed.value),
      temperature: Number(temperature.value),
      top_p: Number(topP.value),
    };
  }

  async function start() {
    controller?.abort();
    controller = new AbortController();
    const { signal } = controller;
    const fields = { ...wishes(), n: Number(count.value), ...(label.value !== "" && { label: Number(label.value) }) };
    write({ ...fields, label: label.value, temperature: fields.temperature === 1 ? null : fields.temperature, top_p: fields.top_p === 1 ? null : fields.top_p });
    stage.dataset.fraction = 0;
    names = [];
    earlier.length = 0;
    undo.hidden = true;
    isKept = isRedrawing = false;
    sheet.mark(null);
    explain();
    hold(false);
    try {
      await follow("/api/draw", fields, signal, (event) => {
        if (event.type === "start") {
          sheet.begin(event.shape, event.orders, event.places.map((text) => array(text, Int32Array)));
          time.max = sheet.steps;
          time.step = 1;
          told(event.drawn);
        } else if (event.type === "drawn") told(event);
        else if (event.type === "done") names = event.pictures;
      });
    } catch (error) {
      trouble(error);
    }
  }

  function told(event, first = 0) {
    sheet.add(array(event.pixels, Uint32Array), array(event.values, Uint8Array), first);
    if (!isHeld) show(Math.round(event.fraction * sheet.steps), Infinity);
    stage.dataset.fraction = event.fraction;
  }

  function show(at, clock = at) {
    time.value = at;
    said.textContent = `${at.toLocaleString("en")} of ${sheet.steps.toLocaleString("en")} values`;
    sheet.turn(clock);
  }

  function hold(held) {
    isHeld = held;
    pause.textContent = held ? "Go on" : "Pause";
    if (!sheet.steps) return;
    if (held) show(Number(time.value));
    else play();
  }

  /** From where the clock stands to the end, in some three seconds. */
  function play() {
    if (Number(time.value) >= sheet.steps) return show(sheet.steps, Infinity);
    const began = performance.now();
    const from = Number(time.value);
    const frame = (now) => {
      if (isHeld) return;
      const at = Math.min(sheet.steps, Math.round(from + ((now - began) / 3000) * sheet.steps));
      if (at >= sheet.steps) show(sheet.steps, Infinity);
      else (show(at), requestAnimationFrame(frame));
    };
    requestAnimationFrame(frame);
  }

  function step(rows) {
    if (!sheet.steps) return;
    const line = sheet.steps / sheet.height;
    if (!isHeld) hold(true);
    show(Math.max(0, Math.min(sheet.steps, Math.round((Math.round(Number(time.value) / line) + rows) * line))));
  }

  time.addEventListener("input", () => {
    if (!isHeld) {
      isHeld = true;
      pause.textContent = "Go on";
    }
    show(Number(time.value));
  });

  function explain() {
    value.replaceChildren(
      make("p", { className: "quiet" }, "Point at a pixel: this is what the model expected of it, given all it had seen. Click to keep it, then choose another value: everything after it is drawn again, by the same random numbers."),
    );
  }

  function keep(place) {
    isKept = !(isKept && String(place) === String(sheet.place));
    look(place);
  }

  async function look(place) {
    sheet.mark(place);
    const [image, row, column] = place;
    if (!names[image]) return;
    asking?.abort();
    asking = new AbortController();
    try {
      const fields = { model: model.value, picture: names[image], row, column };
      const found = await ask("/api/value", fields, asking.signal);
      const before = `row ${row}, column ${column}; ${found.seen.toLocaleString("en")} values came before it`;
      value.replaceChildren(make("p", { className: "quiet" }, before), ...expected(found, (channel, other) => change(place, channel, other)));
    } catch (error) {
      if (error.name !== "AbortError") value.replaceChildren(make("p", { className: "quiet" }, error.message));
    }
  }

  async function change([image, row, column], channel, other) {
    if (isRedrawing) putBack(); // what is half drawn is nothing to go back to
    controller?.abort();
    controller = new AbortController();
    const { signal } = controller;
    earlier.push({ image, name: names[image], values: sheet.values.slice(), isDrawn: sheet.isDrawn.slice() });
    isKept = isRedrawing = true;
    const fields = { ...wishes(), picture: names[image], row, column, channel, value: other };
    sheet.forget(image, sheet.placeOf(image, row, column) - 1);
    hold(false);
    try {
      await follow("/api/redraw", fields, signal, (event) => {
        if (event.type === "start") told(event.drawn, image);
        else if (event.type === "drawn") told(event, image);
        else if (event.type === "done") [names[image]] = event.pictures;
      });
      isRedrawing = false;
      undo.hidden = false;
      await look([image, row, column]);
      if (document.activeElement === document.body) value.querySelectorAll(".bars, .row")[channel]?.querySelector("button")?.focus();
    } catch (error) {
      if (error.name === "AbortError") return; // whoever began something else has put the picture back
      putBack();
      trouble(error);
    }
  }

  function takeBack() {
    controller?.abort();
    putBack();
    if (sheet.place) look(sheet.place);
  }

  function putBack() {
    isRedrawing = false;
    if (!earlier.length) return;
    const { image, name, values, isDrawn } = earlier.pop();
    names[image] = name;
    sheet.values = values;
    sheet.isDrawn = isDrawn;
    sheet.paint();
    undo.hidden = earlier.length === 0;
  }

  model.addEventListener("change", () => ((asked.label = ""), suit(), start()));
  for (const each of [count, label]) each.addEventListener("change", start);
  suit();
  start();
  return () => controller?.abort();
}
