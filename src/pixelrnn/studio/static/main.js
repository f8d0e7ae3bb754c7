// Which view is shown, and what work goes on.

import { read, view, write } from "./address.js";
import { make } from "./dom.js";
import { ask } from "./talk.js";
import { complete } from "./views/complete.js";
import { draw } from "./views/draw.js";
import { folder } from "./views/folder.js";
import { files } from "./views/files.js";
import { how } from "./views/how.js";
import { surprise } from "./views/surprise.js";
import { trainings } from "./views/trainings.js";
import { Latest } from "./work.js";

const VIEWS = {
  draw: ["Draw", draw],
  complete: ["Complete", complete],
  surprise: ["Surprise", surprise],
  folder: ["Folder", folder],
  files: ["Files", files],
  trainings: ["Trainings", trainings],
  how: ["How it works", how],
};

async function begin() {
  const name = Object.hasOwn(VIEWS, read().view ?? "") ? read().view : "draw";
  write({ view: name });
  const links = Object.entries(VIEWS).map(([key, [title]]) => {
    const link = make("a", { href: view(key) }, title);
    if (key === name) link.setAttribute("aria-current", "page");
    return link;
  });
  document.getElementById("views").replaceChildren(...links);
  document.title = `${VIEWS[name][0]} - PixelRNN studio`;
  const { models } = await ask("/api/models");
  await VIEWS[name][1](document.getElementById("main"), models);
}

/** What runs on the server, for all pages. */
async function look() {
  try {
    const { jobs } = await ask("/api/jobs");
    const texts = jobs.map((job) => `${job.title} ${Math.round(100 * job.fraction)}%`);
    document.getElementById("work").textContent = texts.join(", ");
  } catch {
    document.getElementById("work").textContent = "no answer";
  }
}

async function watch() {
  await look();
  setTimeout(watch, 2000);
}

new Latest().begin(begin);
watch();
document.addEventListener("idle", look);
