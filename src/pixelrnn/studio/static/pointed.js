// The value under the pointer: what a model expected of the pixel that is pointed at, or that is kept.

import { make } from "./dom.js";
import { expected } from "./expected.js";
import { ask } from "./talk.js";
import { Latest } from "./work.js";

export class Pointed {
  /** `pick(place, channel, value)` is called when another value is chosen; `help` is shown as long as nothing is. */
  constructor(help, pick) {
    this.help = make("p", { className: "quiet" }, help);
    this.pick = pick;
    this.asking = new Latest();
    this.element = make("div", { "aria-live": "polite" });
    this.clear();
  }

  clear() {
    this.asking.end();
    this.kept = null;
    this.element.replaceChildren(this.help);
  }

  /** Keep a place, so that the pointer can leave it for what is shown; not any more if it is kept already. */
  keep(place) {
    this.kept = String(place) === String(this.kept) ? null : place;
  }

  /** Tell what was expected at a place; `fields` say which model, picture, row and column this is. */
  look(place, fields) {
    return this.asking.begin(
      async (signal) => {
        const found = await ask("/api/value", fields, signal);
        const before = `row ${fields.row}, column ${fields.column}; ${found.seen.toLocaleString("en")} values came before it`;
        this.element.replaceChildren(make("p", { className: "quiet" }, before), ...expected(found, (channel, value) => this.pick(place, channel, value)));
      },
      (error) => this.element.replaceChildren(make("p", { className: "quiet" }, error.message)),
    );
  }

  /** Hand the keyboard back to the values of a channel, if what had it is gone. */
  focus(channel) {
    if (document.activeElement === document.body) this.element.querySelectorAll(".bars, .row")[channel]?.querySelector("button")?.focus();
  }
}
