// The particles of a completion: which die, which are copied, and which lead to the end.

import { cssOf } from "./colours.js";
import { make } from "./dom.js";

const [WIDE, HIGH] = [560, 240];

export class Ancestry {
  constructor() {
    this.canvas = make("canvas", { className: "chart", role: "img", width: WIDE, height: HIGH });
    this.said = make("p", { className: "quiet" }, " ");
    this.element = make("div", { hidden: true }, make("h2", {}, "Particles of the first"), this.canvas, this.said);
  }

  /** Begin with so many particles, and so many pixels to come. */
  begin(particles, pixels) {
    [this.particles, this.pixels, this.choices] = [particles, pixels, []];
    this.clear();
  }

  /** Show nothing. */
  clear() {
    this.element.hidden = true;
  }

  /** Choices among them: at which pixel, and for each place the one that it was taken from. */
  add(choices = []) {
    if (!choices.length) return;
    this.choices.push(...choices);
    this.element.hidden = false;
    this.#paint();
  }

  /** For each time between two choices, how many of the last particles come from each place then. */
  #heirs() {
    let heirs = new Array(this.particles).fill(1);
    const all = [heirs];
    for (const { parents } of [...this.choices].reverse()) {
      const before = new Array(this.particles).fill(0);
      parents.forEach((parent, place) => (before[parent] += heirs[place]));
      all.unshift((heirs = before));
    }
    return all;
  }

  #paint() {
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, WIDE, HIGH);
    const heirs = this.#heirs();
    const x = (pixel) => 4 + ((WIDE - 8) * pixel) / this.pixels;
    const y = (place) => 4 + ((HIGH - 8) * (place + 0.5)) / this.particles;
    const times = [0, ...this.choices.map(({ pixel }) => pixel), this.pixels];
    const line = (isLiving, draw) => {
      context.strokeStyle = cssOf(isLiving ? "--accent" : "--line");
      context.lineWidth = isLiving ? 1.5 : 1;
      context.beginPath();
      draw();
      context.stroke();
    };
    for (const isLiving of [false, true]) // what lives is above what has died
      heirs.forEach((counts, time) => {
        const step = Math.min(6, (x(times[time + 1]) - x(times[time])) / 2);
        counts.forEach((count, place) => {
          if (count > 0 !== isLiving) return;
          line(isLiving, () => {
            context.moveTo(x(times[time]) + (time ? step : 0), y(place));
            context.lineTo(x(times[time + 1]), y(place));
          });
          const parent = time ? this.choices[time - 1].parents[place] : null;
          if (parent !== null) line(isLiving, () => (context.moveTo(x(times[time]), y(parent)), context.lineTo(x(times[time]) + step, y(place))));
        });
      });
    const [first, died] = [heirs[0].filter(Boolean).length, this.choices.reduce((sum, { parents }) => sum + this.particles - new Set(parents).size, 0)];
    this.said.textContent = `From left to right, pixel by pixel: ${this.choices.length} times the ${this.particles} were chosen among by what is known; ${died} died, as many were copied. In colour those that the last ones come from: ${first} of the first ones.`;
    this.canvas.setAttribute("aria-label", this.said.textContent);
  }
}
