// One thing at a time: what is begun ends what was under way, and the page says as long as anything goes on.

import { trouble } from "./dom.js";

let going = 0;

function count(by) {
  going += by;
  document.body.toggleAttribute("data-idle", going === 0);
  if (going === 0) document.dispatchEvent(new Event("idle"));
  if (going === 1 && by > 0) document.dispatchEvent(new Event("busy"));
}

export class Latest {
  #controller = null;

  /** Do something with a signal that is aborted as soon as anything else is begun here; `failed` hears what went wrong. */
  async begin(task, failed = trouble) {
    this.end();
    const { signal } = (this.#controller = new AbortController());
    count(1);
    try {
      await task(signal);
    } catch (error) {
      if (!signal.aborted) failed(error);
    } finally {
      count(-1);
    }
  }

  /** What is under way counts no more. */
  end() {
    this.#controller?.abort();
  }
}
