// Where a picture comes from: a model draws one, or a person brings one.

import { read, whole, write } from "./address.js";
import { choice, field, make, refill, takeDrops, trouble } from "./dom.js";
import { array, ask, contentOf, follow } from "./talk.js";
import { Latest } from "./work.js";

export const FIRST = "mnist-diagonal-bilstm"; // the model that is shown to those who have not chosen
const LARGEST = 40_000_000; // bytes of a file
const SIDE = 64; // of a picture by a model of any size

/** The models that draw without being given a picture. */
export function usable(models) {
  return models.filter((model) => !model.error && !model.needsContext);
}

/** The picture that some work draws, `{ shape, values, name }`: of one, as the server holds it. */
export async function drawnBy(path, fields, signal) {
  let name;
  await follow(path, fields, signal, (event) => event.type === "done" && ([name] = event.pictures));
  const { shape, values } = await ask("/api/picture", { model: fields.model, picture: name }, signal);
  return { shape, values: array(values, Uint8Array), name };
}

export class Source {
  /** `came({ shape, values, name }, isNew)` is called with each picture; values are shown ones, [H W C]. */
  constructor(models, came) {
    this.models = usable(models);
    this.came = came;
    this.coming = new Latest();
    const asked = read();
    this.number = whole(asked.of);
    this.model = choice(this.models.map(({ name }) => [name, name]));
    this.model.value = this.models.some(({ name }) => name === asked.model) ? asked.model : FIRST;
    this.label = choice([]);
    this.labelField = field("Label", this.label);
    this.from = choice([["", "the model draws one"]], { onchange: () => this.draw(true, 0) });
    this.fromField = field("Picture", this.from);
    this.fromField.hidden = true;
    const file = make("input", { type: "file", accept: "image/*", className: "file", onchange: () => this.bring(file.files[0]) });
    this.fields = [
      field("Model", this.model),
      this.labelField,
      this.fromField,
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
    takeDrops(element, ([file]) => this.bring(file));
  }

  /** Begin with the picture that the address says: one that the model draws, or one of a folder. */
  async begin() {
    const { folders } = await ask("/api/folders");
    if (folders.length) refill(this.from, [["", "the model draws one"], ...folders.map(({ name }) => [name, `of ${name}`])], read().folder);
    this.fromField.hidden = !folders.length;
    return this.draw();
  }

  /** Take the next picture of where they come from; the address can say which it is. */
  draw(isNew = false, next = 1) {
    if (isNew) this.number += next;
    return this.from.value ? this.#take(isNew) : this.#sample(isNew);
  }

  #take(isNew) {
    const [model, folder, number] = [this.model.value, this.from.value, this.number];
    return this.#ask({ folder, number }, () => write({ model, of: number, folder }), isNew);
  }

  /** Have the model draw one. */
  #sample(isNew) {
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
      const came = await drawnBy("/api/draw", fields, signal);
      write({ model, of: this.number, folder: null, label: classes ? this.label.value : null });
      await this.came(came, isNew);
    });
  }

  /** Take a file that a person brings. */
  bring(file) {
    if (!file) return;
    if (file.size > LARGEST) return trouble(new Error(`the file has ${Math.round(file.size / 1e6)} MB; ${LARGEST / 1e6} at most are taken`));
    return this.#ask(async () => ({ file: await contentOf(file) }), () => write({ of: null, folder: null }));
  }

  /** Ask for a picture by some fields, or by what gives them, and remember it. */
  #ask(fields, remember, isNew = true) {
    const { classes } = this.about;
    const given = { model: this.model.value, ...(classes && { label: Number(this.label.value || 0) }) };
    return this.coming.begin(async (signal) => {
      const own = typeof fields === "function" ? await fields() : fields;
      const { picture, shape, values } = await ask("/api/picture", { ...given, ...own }, signal);
      remember();
      await this.came({ shape, values: array(values, Uint8Array), name: picture }, isNew);
    });
  }

  #suit() {
    const { classes, labels } = this.about;
    this.labelField.hidden = !classes;
    refill(this.label, labels.map((text, number) => [number, text]), read().label);
  }
}
