// The time of a drawing: it can be stopped, turned back and on, and played.

import { make } from "./dom.js";

const PLAYED = 3000; // ms from the first value to the last

export class Clock {
  /** Of a sheet, which shows what was there at any time. */
  constructor(sheet) {
    this.sheet = sheet;
    this.isHeld = false;
    this.slider = make("input", { type: "range", min: 0, max: 1, step: 1, value: 1, "aria-label": "Pixels drawn", oninput: () => this.#grip() });
    this.said = make("output", {}, " ");
    this.pause = make("button", { type: "button", onclick: () => this.hold(!this.isHeld) }, "Pause");
    const [back, on] = [[-1, "Row back"], [1, "Row on"]].map(([rows, name]) => make("button", { type: "button", onclick: () => this.#step(rows) }, name));
    this.element = make("div", { className: "time" }, this.slider, make("div", { className: "row" }, this.pause, back, on, make("span", { className: "wide" }, this.said)));
  }

  /** From now on all is shown as it is drawn. */
  follow() {
    this.#say(false);
    this.sheet.turn(Infinity);
  }

  /** Some share is drawn. */
  reach(fraction) {
    this.slider.max = this.sheet.steps;
    if (!this.isHeld && !this.playing) this.#show(Math.round(fraction * this.sheet.steps), Infinity);
  }

  /** Stop the clock where it stands, or at a share of the time, or let it go on. */
  hold(isHeld, share = null) {
    this.#say(isHeld);
    if (!this.sheet.steps) return;
    if (isHeld) this.#show(share === null ? this.at : Math.round(share * this.sheet.steps));
    else this.#play();
  }

  get at() {
    return Number(this.slider.value);
  }

  #say(isHeld) {
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.isHeld = isHeld;
    this.pause.textContent = isHeld ? "Go on" : "Pause";
  }

  #show(at, clock = at) {
    const { steps } = this.sheet;
    this.slider.value = at;
    this.said.textContent = `${at.toLocaleString("en")} of ${steps.toLocaleString("en")} values`;
    this.sheet.turn(clock);
  }

  #play() {
    const { steps } = this.sheet;
    const [from, began] = [this.at, performance.now()];
    const frame = (now) => {
      const at = Math.min(steps, Math.round(from + ((now - began) / PLAYED) * steps));
      this.playing = at < steps ? requestAnimationFrame(frame) : null;
      this.#show(at, at < steps ? at : Infinity);
    };
    this.playing = requestAnimationFrame(frame);
  }

  #step(rows) {
    const { steps, height } = this.sheet;
    if (!steps) return;
    const line = steps / height;
    if (!this.isHeld) this.hold(true);
    this.#show(Math.max(0, Math.min(steps, Math.round((Math.round(this.at / line) + rows) * line))));
  }

  #grip() {
    if (!this.isHeld) this.#say(true);
    this.#show(this.at);
  }
}
