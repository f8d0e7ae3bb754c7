// Files: pictures into an archive, beside what ordinary formats take, and out of one again.

import { read, write } from "../address.js";
import { choice, field, make, takeDrops, trouble } from "../dom.js";
import { addressOf, ask, bytesOf, contentOf, contentsOf, follow } from "../talk.js";
import { Latest } from "../work.js";

const LARGEST = 45_000_000; // bytes of all files at once, as a request can have 64 MB
const SHOWN = 60; // members of an archive that are restored to be looked at
const PXR = ".pxr";

export function files(room, models) {
  new Files(room, models.filter((model) => !model.error && model.codes));
}

class Files {
  constructor(room, models) {
    this.work = new Latest();
    this.urls = [];
    this.model = choice(models.map(({ name }) => [name, name]), { value: read().model, otherwise: "photographs" });
    this.model.addEventListener("change", () => (write({ model: this.model.value }), this.files?.length && this.compress()));
    const input = make("input", { type: "file", multiple: true, className: "file", onchange: () => this.bring([...input.files]) });
    const form = make(
      "form",
      { className: "panel", "aria-label": "Files", onsubmit: (event) => event.preventDefault() },
      field("Model", this.model),
      field("Pictures, or an archive (or drop them)", input),
      make("p", { className: "quiet" }, "Pictures become an archive: what they take there stands beside what they take as PNG and WebP. Each is decoded again, and compared, before it is shown. They stay on this machine."),
      make("p", { className: "quiet" }, "Bring a .pxr file to see what is in it, and to take pictures out."),
    );
    this.said = make("p", { className: "quiet", role: "status" }, "Drop pictures here.");
    this.bars = make("div", { className: "sizes" });
    this.table = make("div", { className: "table" });
    this.stage = make("div", { className: "panel stage" }, this.said, this.bars, this.table);
    this.about = make("dl");
    this.save = make("div");
    const aside = make("aside", { className: "panel aside", "aria-label": "The archive" }, make("h2", {}, "The archive"), this.about, this.save);
    room.replaceChildren(make("div", { className: "view" }, form, this.stage, aside));
    takeDrops(this.stage, (found) => this.bring(found));
  }

  /** Take files: an archive is opened, all others become one. */
  bring(found) {
    const size = found.reduce((sum, file) => sum + file.size, 0);
    if (!found.length) return;
    if (size > LARGEST) return trouble(new Error(`these files have ${millions(size)}; ${millions(LARGEST)} at most are taken at once`));
    if (found.length === 1 && found[0].name.toLowerCase().endsWith(PXR)) return this.open(found[0]);
    this.files = found;
    return this.compress();
  }

  compress() {
    this.clear("compressing ...");
    const began = performance.now();
    return this.begin(async (signal) => {
      const files = await contentsOf(this.files);
      await follow("/api/compress", { model: this.model.value, files }, signal, (event) => {
        if (event.type === "done") this.compressed(event, (performance.now() - began) / 1000);
      });
    });
  }

  compressed({ archive, size, lines, skipped }, seconds) {
    const total = (each) => lines.reduce((sum, line) => sum + each(line), 0);
    const formats = Object.keys(lines[0]?.formats ?? {});
    this.said.textContent = [`${count(lines.length, "file")} in ${seconds.toFixed(1)} s, decoded again and compared.`, ...skipped].join(" ");
    this.bar([["as they came", total((line) => line.original)], ...formats.map((name) => [name, total((line) => line.formats[name])]), [PXR, size]]);
    const thumbnails = new Map(this.files.map((file) => [file.name, this.urlOf(file)]));
    this.fill(
      ["", "file", "as it came", ...formats, PXR, ""],
      lines.map((line) => [
        picture(thumbnails.get(line.name)),
        line.name,
        bytes(line.original),
        ...formats.map((name) => bytes(line.formats[name])),
        line.bytes === null ? "with others" : bytes(line.bytes),
        line.what === "coded" ? "" : line.what,
      ]),
    );
    this.tell({ archive, size, model: this.model.value, count: lines.length });
  }

  open(file) {
    this.files = null;
    this.clear("reading ...");
    return this.begin(async (signal) => {
      const found = await ask("/api/archive", { file: await contentOf(file) }, signal);
      this.said.textContent = `${file.name}: ${count(found.count, "file")}`;
      this.bar([]);
      this.restored = new Map(); // by their numbers, the members that were taken out
      this.list(found);
      this.tell(found);
      await this.restore(found, found.lines.slice(0, SHOWN).map((_, number) => number), signal);
    });
  }

  /** Take members out of an archive: as many as are taken at once. */
  async restore(found, numbers, signal) {
    const fields = { archive: found.archive, model: this.model.value, numbers };
    await follow("/api/restore", fields, signal, (event) => {
      if (event.type !== "done") return;
      for (const member of event.members) this.restored.set(member.number, member);
      this.list(found);
    });
  }

  /** The members of an archive, with those that are restored, and a way to restore others. */
  list(found) {
    const take = (number) => make("button", { type: "button", onclick: () => this.begin((signal) => this.restore(found, [number], signal)) }, "Take out");
    this.release();
    this.fill(
      ["", "file", "", "bytes", ""],
      found.lines.map(({ name, what, bytes: size }, number) => {
        const member = this.restored.get(number);
        const url = member?.file && this.urlOf(new Blob([bytesOf(member.file)], { type: member.isPicture ? "image/png" : "" }));
        const last = member?.error ?? (url ? make("a", { href: url, download: name.split("/").at(-1) }, "Save") : take(number));
        return [picture(member?.isPicture ? url : null), name, what, size === null ? "with others" : bytes(size), last];
      }),
    );
  }

  begin(task) {
    return this.work.begin(task, (error) => (this.said.textContent = error.message));
  }

  clear(text) {
    this.release();
    this.said.textContent = text;
    for (const each of [this.bars, this.table, this.about, this.save]) each.replaceChildren();
  }

  /** What was shown so far is shown no more. */
  release() {
    for (const url of this.urls.splice(0)) URL.revokeObjectURL(url);
  }

  urlOf(blob) {
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    return url;
  }

  tell({ archive, size, model, count: members, version }) {
    const rows = [["model", model || "unknown"], ["files", members.toLocaleString("en")], ["size", bytes(size)], ...(version ? [["version", version]] : [])];
    this.about.replaceChildren(...rows.flatMap(([a, b]) => [make("dt", {}, a), make("dd", {}, String(b))]));
    this.save.replaceChildren(make("a", { className: "button main", href: addressOf(`/archives/${archive}`), download: "pictures.pxr" }, "Save the archive"));
  }

  /** Sizes as bars, the longest first that came. */
  bar(rows) {
    const most = Math.max(...rows.map(([, size]) => size), 1);
    this.bars.replaceChildren(
      ...rows.map(([name, size]) => {
        const bar = make("i", { className: name === PXR ? "own" : "" });
        bar.style.setProperty("--share", size / most);
        return make("div", { className: "size" }, make("span", {}, name), bar, make("span", {}, bytes(size)));
      }),
    );
  }

  fill(heads, rows) {
    const cells = (kind, texts) => texts.map((text) => make(kind, {}, text));
    this.table.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...cells("th", heads))), make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells("td", row))))));
  }
}

function picture(url) {
  return url ? make("img", { src: url, alt: "", className: "thumbnail", onerror: (event) => event.target.remove() }) : ""; // not all formats are shown by browsers
}

function bytes(size) {
  return size.toLocaleString("en");
}

function millions(size) {
  return `${(size / 1e6).toFixed(0)} MB`;
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
