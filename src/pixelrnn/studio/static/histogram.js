// How odd usual pictures are, and those of a folder: one above the line, the other below it, with a threshold.

import { cssOf } from "./colours.js";
import { make } from "./dom.js";

const [WIDE, HIGH, BINS] = [720, 200, 60];
const REACH = 2; // how far beyond the usual ones is shown, in their range

export class Histogram {
  /** `moved(threshold)` is called when the threshold is. */
  constructor(moved) {
    this.moved = moved;
    this.canvas = make("canvas", { className: "chart", role: "img", width: WIDE, height: HIGH });
    this.slider = make("input", { type: "range", min: 0, max: 1, step: "any", "aria-label": "Threshold", oninput: () => this.set(Number(this.slider.value)) });
    this.element = make("div", { className: "histogram" }, this.canvas, this.slider);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
  }

  /** Begin with the numbers of usual pictures and of others. */
  begin(usual, others, threshold) {
    const all = [...usual, ...others, threshold].sort((a, b) => a - b);
    const last = Math.max(...usual, threshold);
    const low = all[0];
    const high = Math.min(all.at(-1), last + REACH * (last - low)); // what is far beyond stands in the last bar
    const edge = 0.02 * (high - low) || 1;
    [this.low, this.high, this.isCut] = [low - edge, high + edge, high < all.at(-1)];
    [this.usual, this.others] = [this.#count(usual), this.#count(others)];
    [this.slider.min, this.slider.max] = [this.low, this.high];
    this.set(threshold);
  }

  set(threshold) {
    this.threshold = threshold;
    this.slider.value = threshold;
    this.#paint();
    this.moved(threshold);
  }

  #count(values) {
    const counts = new Array(BINS).fill(0);
    for (const value of values) counts[Math.min(BINS - 1, Math.floor((BINS * (value - this.low)) / (this.high - this.low)))] += 1 / values.length;
    return counts;
  }

  #paint() {
    if (!this.usual) return;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, WIDE, HIGH);
    const [middle, most] = [HIGH / 2, Math.max(...this.usual, ...this.others, 1e-9)];
    const at = (value) => (WIDE * (value - this.low)) / (this.high - this.low);
    const each = WIDE / BINS;
    for (let bin = 0; bin < BINS; bin++) {
      const isAbove = this.low + ((bin + 0.5) * (this.high - this.low)) / BINS > this.threshold;
      for (const [counts, direction, name] of [[this.usual, -1, "--faint"], [this.others, 1, isAbove ? "--odd" : "--accent"]]) {
        context.fillStyle = cssOf(name);
        const height = ((middle - 18) * counts[bin]) / most;
        context.fillRect(bin * each + 0.5, direction < 0 ? middle - height : middle, each - 1, height);
      }
    }
    context.fillStyle = cssOf("--ink");
    context.fillRect(0, middle - 0.5, WIDE, 1);
    context.fillRect(at(this.threshold) - 1, 0, 2, HIGH);
    context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    context.textAlign = "right";
    context.fillText("usual pictures", WIDE - 4, 12);
    context.fillText(this.isCut ? "this folder; the last bar is all beyond" : "this folder", WIDE - 4, HIGH - 4);
    this.canvas.setAttribute("aria-label", `how odd usual pictures are and those of the folder, from ${this.low.toFixed(2)} to ${this.high.toFixed(2)}`);
  }
}
