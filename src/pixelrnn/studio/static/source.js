// Where a picture comes from: a model draws one, or a person brings one.

import { read, whole, write } from "./address.js";
import { choice, field, make, refill } from "./dom.js";
import { array, ask, follow } from "./talk.js";
import { Latest } from "./work.js";

const LARGEST = 40_000_000; // bytes of a file
const SIDE = 64; // of a picture by a model of any size

export class Source {
  /** `came({ shape, values, name }, isNew)` is called with each picture; values are shown ones, [H W C]. */
  constructor(models, came) {
    this.models = models.filter((model) => !model.error && !model.needsContext);
    this.came = came;
    this.coming = new Latest();
    const asked = read();
    this.number = whole(asked.of);
    this.model = choice(this.models.map(({ name }) => [name, name]));
    this.model.value = this.models.some(({ name }) => name === asked.model) ? asked.model : "mnist-diagonal-bilstm";
    this.label = choice([]);
    this.labelField = field("Label", this.label);
    const file = make("input", { type: "file", accept: "image/*", className: "file", onchange: () => this.bring(file.files[0]) });
    this.fields = [
      field("Model", this.model),
      this.labelField,
      make("button", { type: "button", onclick: () => this.draw(true) }, "Another picture"),
      field("A picture of yours (or drop one)", file),
    ];
    this.model.addEventListener("change", () => (this.#suit(), this.draw(true, 0)));
    this.label.addEventListener("change", () => this.draw(true, 0));
    this.#suit();
  }

  get about() {
    return this.models.find(({ name }) => name === this.model.value);
  }

  /** Take pictures that are dropped somewhere. */
  listen(element) {
    element.addEventListener("dragover", (event) => event.preventDefault());
    element.addEventListener("drop", (event) => (event.preventDefault(), this.bring(event.dataTransfer.files[0])));
  }

  /** Have the model draw one: of a seed, so that the address can say which. */
  draw(isNew = false, next = 1) {
    if (isNew) this.number += next;
    const model = this.model.value;
    const { classes, anySize } = this.about;
    const fields = {
      model,
      n: 1,
      seed: this.number,
      ...(anySize && { height: SIDE, width: SIDE }),
      ...(classes && { label: Number(this.label.value || 0) }),
    };
    return this.coming.begin(async (signal) => {
      let name;
      await follow("/api/draw", fields, signal, (event) => event.type === "done" && ([name] = event.pictures));
      const { shape, values } = await ask("/api/picture", { model, picture: name }, signal);
      write({ model, of: this.number, label: classes ? this.label.value : null });
      await this.came({ shape, values: array(values, Uint8Array), name }, isNew);
    });
  }

  /** Take a file that a person brings. */
  bring(file) {
    if (!file) return;
    const model = this.model.value;
    return this.coming.begin(async (signal) => {
      if (file.size > LARGEST) throw new Error(`the file has ${Math.round(file.size / 1e6)} MB; ${LARGEST / 1e6} at most are taken`);
      const content = await contentOf(file);
      const fields = { model, file: content, ...(this.about.classes && { label: Number(this.label.value || 0) }) };
      const { picture, shape, values } = await ask("/api/picture", fields, signal);
      write({ of: null });
      await this.came({ shape, values: array(values, Uint8Array), name: picture }, true);
    });
  }

  #suit() {
    const { classes, labels } = this.about;
    this.labelField.hidden = !classes;
    refill(this.label, labels.map((text, number) => [number, text]), read().label);
  }
}

/** Bytes as text. */
export function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

/** The bytes of a file as text. */
export async function contentOf(file) {
  return base64(new Uint8Array(await file.arrayBuffer()));
}
