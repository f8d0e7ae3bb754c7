// Trainings: the curves of all runs, as they grow, what the runs drew on the way; and how to begin, stop and go on.

import { read, write } from "../address.js";
import { chart } from "../chart.js";
import { choice, field, make, refill, trouble } from "../dom.js";
import { addressOf, ask } from "../talk.js";

const DIGITS = [":digits", "digits, which come with the package"];
const PAUSE = 2000; // ms between two looks
// Of eight colours that are told apart by those who see fewer of them (Okabe and Ito, 2008) those that show on both grounds.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

export function trainings(room) {
  return new Trainings(room).look();
}

class Trainings {
  constructor(room) {
    const asked = read();
    this.runs = [];
    this.isFirst = true;
    this.more = new Map(); // minutes that were typed, by the name of a run
    this.shown = new Set((asked.runs ?? "").split(",").filter(Boolean));
    this.along = choice([["1", "minutes"], ["0", "steps"]], { value: asked.along, otherwise: "1", onchange: () => (write({ along: this.along.value }), this.draw()) });
    this.range = choice([["all", "the whole curve"], ["end", "its lower half"]], { value: asked.range, otherwise: "end", onchange: () => (write({ range: this.range.value }), this.draw()) });
    this.list = make("div", { className: "runs" });
    const form = make("form", { className: "panel", "aria-label": "What is shown", onsubmit: (event) => event.preventDefault() }, field("Along", this.along), field("Shown", this.range), make("h2", {}, "Runs"), this.list);
    this.canvas = make("canvas", { className: "chart", role: "img", "aria-label": "curves" });
    this.note = make("p", { className: "quiet" }, " ");
    this.stage = make("div", { className: "panel stage" }, this.canvas, this.note);
    const right = make("div", { className: "stack aside" }, this.samples(), beginning(() => this.look(true)));
    room.replaceChildren(make("div", { className: "view" }, form, this.stage, right));
    addEventListener("resize", () => this.draw());
  }

  /** What the runs drew on the way. */
  samples() {
    this.which = choice([], { "aria-label": "Run", onchange: () => ((this.time.value = this.time.max), this.show()) });
    this.time = make("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Samples over time", oninput: () => this.show() });
    this.picture = make("img", { alt: "", className: "samples", hidden: true });
    this.when = make("p", { className: "quiet" }, " ");
    return make("aside", { className: "panel", "aria-label": "Samples over time" }, make("h2", {}, "Samples over time"), this.which, this.time, this.when, this.picture);
  }

  /** Ask for all runs, now and, unless this is only in between, again and again. */
  async look(isBetween = false) {
    try {
      this.runs = (await ask("/api/runs")).runs;
      if (this.isFirst && !this.shown.size) for (const run of this.runs.slice(0, 4)) this.shown.add(run.name);
      this.isFirst = false;
      this.fill();
      this.draw();
      this.fillSamples();
    } catch (error) {
      trouble(error);
    }
    if (!isBetween) setTimeout(() => this.look(), PAUSE);
  }

  colour(run) {
    return COLOURS[[...this.shown].indexOf(run.name) % COLOURS.length];
  }

  fill() {
    if (!this.runs.length) return this.list.replaceChildren(make("p", { className: "quiet" }, "There are no runs here yet: begin one here, or with pixelrnn train."));
    const focus = document.activeElement?.dataset.key;
    this.list.replaceChildren(...this.runs.map((run) => this.entry(run)));
    if (focus) this.list.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  }

  entry(run) {
    const box = make("input", { type: "checkbox", value: run.name, checked: this.shown.has(run.name), "data-key": `box ${run.name}`, onchange: () => this.toggle(run.name, box.checked) });
    const swatch = make("span", { className: "swatch" });
    if (box.checked && !run.error) swatch.style.background = this.colour(run);
    const lines = run.error ? [run.error] : [run.what, `${run.source}: ${run.protocol}`, state(run)];
    if (run.trouble) lines.push(`It failed: ${run.trouble}`);
    const label = make("label", { className: "row" }, box, swatch, make("strong", {}, run.name));
    return make("div", { className: "run" }, label, ...lines.map((text) => make("p", { className: "quiet" }, text)), ...this.buttons(run));
  }

  buttons(run) {
    const button = (name, path, fields) => make("button", { type: "button", "data-key": `${name} ${run.name}`, "aria-label": `${name}: ${run.name}`, onclick: () => this.tell(path, { run: run.name, ...fields }) }, name);
    if (run.isHere) return [button("Stop and save", "/api/train/stop")];
    if (run.state === "stopped") return [button("Go on", "/api/train/resume")];
    if (run.state !== "finished" || !run.isTrained) return [];
    const more = make("input", { type: "number", min: 1, value: this.more.get(run.name) ?? 5, "data-key": `more ${run.name}`, "aria-label": `more minutes of ${run.name}`, oninput: () => this.more.set(run.name, more.value) });
    return [make("div", { className: "row more" }, make("button", { type: "button", "aria-label": `go on with ${run.name}`, onclick: () => this.tell("/api/train/resume", { run: run.name, more: Number(more.value) }) }, "Go on"), more, "min")];
  }

  async tell(path, fields) {
    try {
      await ask(path, fields);
      await this.look(true);
    } catch (error) {
      trouble(error);
    }
  }

  toggle(name, is) {
    if (is) this.shown.add(name);
    else this.shown.delete(name);
    write({ runs: [...this.shown].join(",") });
    this.fill();
    this.draw();
  }

  draw() {
    const chosen = this.runs.filter((run) => this.shown.has(run.name) && !run.error).map((run) => ({ ...run, colour: this.colour(run) }));
    const size = [this.stage.clientWidth - 32, Math.max(260, Math.min(480, innerHeight - 260))];
    const x = Number(this.along.value);
    if (!chart(this.canvas, size, chosen, { x, isWhole: this.range.value === "all" })) return void (this.note.textContent = "There is nothing to draw: choose a run.");
    const units = [...new Set(chosen.map((run) => run.unit))].join(" / ");
    const protocols = new Set(chosen.map((run) => `${run.source} ${run.protocol}`));
    this.note.textContent = `${units}, along ${x ? "minutes of training" : "steps"}: thick and with dots what was validated, thin what was trained on. ${protocols.size > 1 ? "These runs are of different images or protocols: their figures cannot be compared." : ""}`;
  }

  fillSamples() {
    const drawn = this.runs.filter((run) => run.samples?.length);
    this.which.hidden = this.time.hidden = !drawn.length;
    if (!drawn.length) {
      this.picture.hidden = true;
      return void (this.when.textContent = "None of these runs drew samples.");
    }
    refill(this.which, drawn.map((run) => [run.name, run.name]), this.which.value);
    this.show();
  }

  show() {
    const run = this.runs.find((each) => each.name === this.which.value);
    if (!run) return;
    const { time, picture } = this;
    const isLast = time.value === time.max;
    time.max = run.samples.length - 1;
    if (isLast) time.value = time.max;
    const file = run.samples[Number(time.value)];
    const source = addressOf(`/samples/${encodeURIComponent(run.name)}/${file}`);
    if (picture.getAttribute("src") !== source) picture.src = source;
    picture.hidden = false;
    picture.alt = `samples of ${run.name}`;
    this.when.textContent = `step ${parseInt(file, 10).toLocaleString("en")}`;
  }
}

/** A form that begins a training; `begun` is called when one has begun. */
function beginning(begun) {
  const source = choice([DIGITS]);
  const architecture = choice([]);
  const number = (value, most) => make("input", { type: "number", min: 1, max: most, value });
  const [size, layers, hidden, minutes] = [number("", 4096), number(7, 64), number(16, 1024), number(5, 100000)];
  const name = make("input", { value: "first", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,59}", required: true });
  const begin = async (event) => {
    event.preventDefault();
    const numbers = Object.entries({ size, layers, hidden, minutes }).filter(([, input]) => input.value !== "");
    const fields = { source: source.value, architecture: architecture.value, name: name.value, ...Object.fromEntries(numbers.map(([key, input]) => [key, Number(input.value)])) };
    try {
      await ask("/api/train", fields);
      await begun();
    } catch (error) {
      trouble(error);
    }
  };
  const fill = async () => {
    const [{ folders }, { architectures }] = await Promise.all([ask("/api/folders"), ask("/api/plans")]);
    const named = folders.filter(({ isNamed }) => isNamed).map(({ name, pictures }) => [name, `${name} (${pictures.toLocaleString("en")})`]);
    refill(source, [DIGITS, ...named]);
    refill(architecture, architectures.map((each) => [each, each]));
  };
  fill().catch(trouble);
  return make(
    "form",
    { className: "panel", "aria-label": "Begin a training", onsubmit: begin },
    make("h2", {}, "Begin a training"),
    field("Pictures", source),
    field("Side, where they differ in size", size),
    field("Architecture", architecture),
    field("Layers", layers),
    field("Features h", hidden),
    field("Minutes", minutes),
    field("Name", name),
    make("button", { className: "main" }, "Begin"),
    make("p", { className: "quiet" }, "It goes on when this page is closed, and is stopped and saved when the studio ends. More options: pixelrnn train. More folders: pixelrnn studio --folders FOLDER."),
  );
}

function state(run) {
  const best = run.best === null ? "" : `, best ${run.best.toFixed(4)} ${run.unit}`;
  const left = run.state === "running" && run.left !== null ? `, ${minutes(run.left)} left` : "";
  return `${run.state}, ${Math.round(100 * run.share)}%, step ${run.step.toLocaleString("en")}, ${minutes(run.seconds)}${left}${best}`;
}

function minutes(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
