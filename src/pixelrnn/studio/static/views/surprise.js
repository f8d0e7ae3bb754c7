// Surprise: where the bits of a picture are, by one model or by two.

import { read, write } from "../address.js";
import { choice, field, make, refill } from "../dom.js";
import { bits } from "../expected.js";
import { difference, heat, paint } from "../heat.js";
import { shown } from "../sheet.js";
import { Source } from "../source.js";
import { array, follow } from "../talk.js";
import { Latest } from "../work.js";

const TOPS = [1, 2, 4, 8, 16, 32];

/** The p-value of something that so many of those that were drawn reach: how often one is as odd. */
const share = (reached, drawn) => ((1 + reached) / (1 + drawn)).toPrecision(2);

export function surprise(room, models) {
  const asked = read();
  const source = new Source(models, begin);
  const against = choice([["", "none"]]);
  const top = choice(TOPS.map((n) => [n, `0 to ${n} bits a pixel`]), { value: asked.top, otherwise: 8 });
  const what = choice([["bits", "the surprise"], ["beyond", "beyond what was expected"]], { value: asked.what, otherwise: "bits" });
  const form = make(
    "form",
    { className: "panel", "aria-label": "What to look at", onsubmit: (event) => event.preventDefault() },
    ...source.fields,
    field("Beside it, another model", against),
    field("Shown", what),
    field("Scale", top),
    make("p", { className: "quiet" }, "Bright is what the model did not expect: it takes many bits to say. The scale stays as it is from picture to picture, so that they can be compared."),
  );
  const maps = make("div", { className: "maps" });
  const scale = make("div", { className: "scale" });
  const stage = make("div", { className: "panel stage" }, maps, scale);
  const numbers = make("div");
  const pointed = make("p", { className: "quiet", "aria-live": "polite" }, " ");
  const aside = make("aside", { className: "panel aside", "aria-label": "Figures" }, make("h2", {}, "How likely"), numbers, make("h2", {}, "At the pointer"), pointed);
  room.replaceChildren(make("div", { className: "view" }, form, stage, aside));
  source.listen(stage);

  const looking = new Latest();
  let picture = null;
  let found = [];

  /** Models of the same values, which alone can be compared. */
  function suit() {
    const { shape, levels, name } = source.about;
    const alike = source.models.filter((each) => each.name !== name && each.levels === levels && each.shape[0] === shape[0]);
    refill(against, [["", "none"], ...alike.map((each) => [each.name, each.name])], against.value || asked.against);
    if (!asked.top) top.value = TOPS.find((each) => each >= Math.min(16, Math.log2(levels || 256) * shape[0])) ?? 16;
  }

  async function begin(came) {
    picture = came;
    suit();
    await start();
  }

  function start() {
    write({ against: against.value, what: what.value === "bits" ? null : what.value });
    pointed.textContent = " ";
    const fields = { model: source.model.value, picture: picture.name, ...(against.value && { against: against.value }) };
    return looking.begin(
      (signal) => follow("/api/surprise", fields, signal, (event) => event.type === "done" && take(event.found)),
      (error) => numbers.replaceChildren(make("p", { className: "quiet" }, error.message)),
    );
  }

  function take(each) {
    found = each.map((one) => ({ ...one, bits: array(one.bits, Float32Array), expected: one.expected && array(one.expected, Float32Array) }));
    draw();
  }

  const value = (one, p) => (what.value === "bits" || !one.expected ? one.bits[p] : one.bits[p] - one.expected[p]);

  function draw() {
    const [channels, height, width] = picture.shape;
    const most = Number(top.value);
    const isBeyond = what.value !== "bits";
    const names = [source.model.value, against.value];
    const figures = [figure("the picture", (p) => shown(picture.values, p * channels, channels).slice(0, 3))];
    found.forEach((one, number) => {
      const colour = (p) => (isBeyond ? difference(value(one, p), most) : heat(value(one, p), most));
      figures.push(figure(names[number], colour, rows(one, height, width)));
    });
    if (found.length === 2)
      figures.push(figure(`red: ${names[0]} needs more`, (p) => difference(found[0].bits[p] - found[1].bits[p], most)));
    maps.replaceChildren(...figures);
    fit(height, width);
    legend(most, isBeyond);
    table(names, channels * height * width);
  }

  function figure(title, colour, sums) {
    const [, height, width] = picture.shape;
    const canvas = make("canvas", { role: "img", "aria-label": title, tabIndex: -1 });
    paint(canvas, height, width, colour);
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      point(Math.floor(((event.clientY - box.top) / box.height) * height), Math.floor(((event.clientX - box.left) / box.width) * width));
    });
    return make("figure", {}, make("figcaption", {}, title), make("div", { className: "with-rows" }, canvas, ...(sums ? [sums] : [])));
  }

  /** The sum of each row, as a bar beside it. */
  function rows(one, height, width) {
    const canvas = make("canvas", { role: "img", "aria-label": "bits of each row" });
    const sums = Array.from({ length: height }, (_, r) => one.bits.subarray(r * width, (r + 1) * width).reduce((a, b) => a + b, 0));
    const most = Math.max(...sums.filter(Number.isFinite), 1e-6);
    const wide = Math.max(8, Math.round(width / 4));
    paint(canvas, height, wide, (p) => (p % wide < (wide * sums[Math.floor(p / wide)]) / most ? [107, 138, 181] : [128, 128, 128]));
    const context = canvas.getContext("2d");
    const data = context.getImageData(0, 0, wide, height);
    for (let p = 0; p < wide * height; p++) if (p % wide >= (wide * sums[Math.floor(p / wide)]) / most) data.data[4 * p + 3] = 0;
    context.putImageData(data, 0, 0);
    return canvas;
  }

  function fit(height, width) {
    const wide = stage.clientWidth - 32;
    const count = Math.min(maps.children.length, Math.max(1, Math.floor(wide / 200)));
    const exact = Math.min(12, (wide - 24 * (count - 1)) / count / (1.3 * width), (innerHeight - 280) / height);
    const zoom = exact >= 1 ? Math.floor(exact) : exact;
    for (const canvas of maps.querySelectorAll("canvas")) {
      canvas.style.width = `${canvas.width * zoom}px`;
      canvas.style.height = `${canvas.height * zoom}px`;
    }
  }

  function legend(most, isBeyond) {
    const canvas = make("canvas", { role: "img", "aria-label": "scale of colours" });
    paint(canvas, 1, 256, (p) => (isBeyond ? difference((2 * most * p) / 255 - most, most) : heat((most * p) / 255, most)));
    scale.replaceChildren(make("span", {}, isBeyond ? `-${most} bits` : "0"), canvas, make("span", {}, `${most} bits a pixel`));
  }

  function table(names, dims) {
    numbers.replaceChildren(
      ...found.map((one, number) => {
        const rows = [
          ["log2 p", one.total === null ? "-infinity" : `${(-one.total).toFixed(1)} bits`],
          ["a sub-pixel", one.total === null ? "-" : `${(one.total / dims).toFixed(4)} bits`],
        ];
        if (one.coded) rows.push(["as PNG or WebP", `${one.coded.toLocaleString("en")} bits`]);
        if (one.coded && one.total !== null) rows.push(["bits beyond that", `${((one.total - one.coded) / dims).toFixed(4)} a sub-pixel`]);
        if (one.drawn) {
          rows.push([`of ${one.drawn} that it drew`, `${one.asOdd} take as many`], ["p-value", share(one.asOdd, one.drawn)]);
          if (one.asOddForTheirSize !== undefined) rows.push(["p-value, less complexity", share(one.asOddForTheirSize, one.drawn)]);
        }
        return make("div", {}, make("p", { className: "quiet" }, names[number]), make("dl", {}, ...rows.flatMap(([a, b]) => [make("dt", {}, a), make("dd", {}, b)])));
      }),
    );
  }

  function point(row, column) {
    const [, height, width] = picture.shape;
    if (row < 0 || column < 0 || row >= height || column >= width) return;
    const p = row * width + column;
    const texts = found.map((one) => bits(one.bits[p]) + (one.expected ? ` (${bits(one.expected[p])} expected)` : ""));
    pointed.textContent = `row ${row}, column ${column}: ${texts.join("; ")}`;
  }

  against.addEventListener("change", start);
  for (const each of [top, what])
    each.addEventListener("change", () => {
      asked.top = top.value;
      write({ top: top.value, what: what.value === "bits" ? null : what.value });
      draw();
    });
  addEventListener("resize", () => picture && fit(picture.shape[1], picture.shape[2]));
  return source.begin();
}
