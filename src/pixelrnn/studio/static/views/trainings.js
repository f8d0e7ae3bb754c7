// Trainings: the curves of all runs, as they grow, and what the runs drew on the way.

import { read, write } from "../address.js";
import { choice, field, make, trouble } from "../dom.js";
import { ask } from "../talk.js";

const PAUSE = 2000; // ms between two looks
// Of eight colours that are told apart by those who see fewer of them (Okabe and Ito, 2008) those that show on both grounds.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

export function trainings(room) {
  const asked = read();
  const along = choice([["1", "minutes"], ["0", "steps"]], { value: asked.along, otherwise: "1", onchange: () => (write({ along: along.value }), draw()) });
  const lowest = choice([["all", "the whole curve"], ["end", "its lower half"]], { value: asked.range, otherwise: "end", onchange: () => (write({ range: lowest.value }), draw()) });
  const shown = new Set((asked.runs ?? "").split(",").filter(Boolean));
  const list = make("div", { className: "runs" });
  const form = make("form", { className: "panel", "aria-label": "What is shown", onsubmit: (event) => event.preventDefault() }, field("Along", along), field("Shown", lowest), make("h2", {}, "Runs"), list);
  const canvas = make("canvas", { className: "chart", role: "img", "aria-label": "curves" });
  const note = make("p", { className: "quiet" }, " ");
  const stage = make("div", { className: "panel stage" }, canvas, note);
  const which = choice([]);
  const time = make("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Samples over time" });
  const picture = make("img", { alt: "", className: "samples", hidden: true });
  const when = make("p", { className: "quiet" }, "None of these runs drew samples.");
  const aside = make("aside", { className: "panel aside", "aria-label": "Samples over time" }, make("h2", {}, "Samples over time"), which, time, when, picture);
  room.replaceChildren(make("div", { className: "view" }, form, stage, aside));

  let runs = [];
  let isFirst = true;

  async function look() {
    try {
      runs = (await ask("/api/runs")).runs;
      if (isFirst && !shown.size) for (const run of runs.slice(0, 4)) shown.add(run.name);
      isFirst = false;
      fill();
      draw();
      fillSamples();
    } catch (error) {
      trouble(error);
    }
    setTimeout(look, PAUSE);
  }

  const colour = (run) => COLOURS[[...shown].indexOf(run.name) % COLOURS.length];

  function fill() {
    if (!runs.length) return list.replaceChildren(make("p", { className: "quiet" }, "There are no runs here yet: pixelrnn train begins one."));
    const focus = document.activeElement?.value;
    list.replaceChildren(
      ...runs.map((run) => {
        const box = make("input", { type: "checkbox", value: run.name, checked: shown.has(run.name), onchange: () => toggle(run.name, box.checked) });
        const swatch = make("span", { className: "swatch" });
        if (box.checked && !run.error) swatch.style.background = colour(run);
        const lines = run.error ? [run.error] : [run.what, `${run.source}: ${run.protocol}`, state(run)];
        return make("div", { className: "run" }, make("label", { className: "row" }, box, swatch, make("strong", {}, run.name)), ...lines.map((text) => make("p", { className: "quiet" }, text)));
      }),
    );
    if (focus) for (const box of list.querySelectorAll("input")) if (box.value === focus) box.focus();
  }

  function toggle(name, is) {
    if (is) shown.add(name);
    else shown.delete(name);
    write({ runs: [...shown].join(",") });
    fill();
    draw();
  }

  function state(run) {
    const best = run.best === null ? "" : `, best ${run.best.toFixed(4)} ${run.unit}`;
    const left = run.state === "running" && run.left !== null ? `, ${minutes(run.left)} left` : "";
    return `${run.state}, ${Math.round(100 * run.share)}%, step ${run.step.toLocaleString("en")}, ${minutes(run.seconds)}${left}${best}`;
  }

  function draw() {
    const chosen = runs.filter((run) => shown.has(run.name) && !run.error);
    const ratio = devicePixelRatio || 1;
    const [wide, high] = [stage.clientWidth - 32, Math.max(260, Math.min(480, innerHeight - 260))];
    [canvas.width, canvas.height] = [wide * ratio, high * ratio];
    [canvas.style.width, canvas.style.height] = [`${wide}px`, `${high}px`];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.scale(ratio, ratio);
    const { color: ink, fontFamily } = getComputedStyle(stage);
    context.font = `12px ${fontFamily}`;
    const points = chosen.flatMap((run) => [...run.train, ...run.valid]);
    if (!points.length) return void (note.textContent = "There is nothing to draw: choose a run.");
    const x = Number(along.value);
    const across = Math.max(...points.map((point) => point[x]), 1e-9);
    const losses = points.map((point) => point[2]).sort((a, b) => a - b);
    const low = losses[0];
    const highest = lowest.value === "all" ? losses.at(-1) : low + 2.2 * (losses[Math.floor(losses.length / 2)] - low + 1e-3);
    const [left, bottom, top] = [52, high - 28, 12];
    const at = (point) => [left + ((wide - left - 12) * point[x]) / across, bottom - ((bottom - top) * (point[2] - low)) / Math.max(1e-9, highest - low)];
    context.fillStyle = context.strokeStyle = ink;
    context.globalAlpha = 0.75;
    for (const loss of ticks(low, highest)) {
      const y = at([0, 0, loss])[1];
      context.fillText(loss.toFixed(3), 4, y + 4);
      context.fillRect(left, y, wide - left - 12, 0.3);
    }
    for (const value of ticks(0, across)) {
      const text = across < 5 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
      context.fillText(text, at([value, value, low])[0] - 8, high - 8);
    }
    context.save();
    context.beginPath();
    context.rect(left, 0, wide - left, bottom + 2);
    context.clip();
    for (const run of chosen) {
      context.strokeStyle = context.fillStyle = colour(run);
      for (const [curve, alpha, width] of [[run.train, 0.35, 1], [run.valid, 1, 2]]) {
        context.globalAlpha = alpha;
        context.lineWidth = width;
        context.beginPath();
        curve.forEach((point, number) => (number ? context.lineTo(...at(point)) : context.moveTo(...at(point))));
        context.stroke();
        if (alpha === 1) for (const point of curve) context.fillRect(at(point)[0] - 2, at(point)[1] - 2, 4, 4);
      }
    }
    context.restore();
    const units = [...new Set(chosen.map((run) => run.unit))].join(" / ");
    const protocols = new Set(chosen.map((run) => `${run.source} ${run.protocol}`));
    note.textContent = `${units}, along ${x ? "minutes of training" : "steps"}: thick and with dots what was validated, thin what was trained on. ${protocols.size > 1 ? "These runs are of different images or protocols: their figures cannot be compared." : ""}`;
  }

  function fillSamples() {
    const drawn = runs.filter((run) => run.samples?.length);
    which.hidden = time.hidden = !drawn.length;
    if (!drawn.length) {
      picture.hidden = true;
      return void (when.textContent = "None of these runs drew samples.");
    }
    const before = which.value;
    which.replaceChildren(...choice(drawn.map((run) => [run.name, run.name])).children);
    which.value = drawn.some((run) => run.name === before) ? before : drawn[0].name;
    show();
  }

  function show() {
    const run = runs.find((each) => each.name === which.value);
    if (!run) return;
    const isLast = time.value === time.max;
    time.max = run.samples.length - 1;
    if (isLast) time.value = time.max;
    const file = run.samples[Number(time.value)];
    const token = read().token;
    const source = `/samples/${encodeURIComponent(run.name)}/${file}${token ? `?token=${encodeURIComponent(token)}` : ""}`;
    if (picture.getAttribute("src") !== source) picture.src = source;
    picture.hidden = false;
    picture.alt = `samples of ${run.name}`;
    when.textContent = `step ${parseInt(file, 10).toLocaleString("en")}`;
  }

  which.setAttribute("aria-label", "Run");
  which.addEventListener("change", () => ((time.value = time.max), show()));
  time.addEventListener("input", show);
  addEventListener("resize", draw);
  return look();
}

/** Some four round numbers between two. */
function ticks(low, high) {
  const rough = Math.max(1e-6, (high - low) / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough * 0.99);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

function minutes(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
