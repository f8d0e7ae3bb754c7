// Which view is shown, and what work goes on.

import { read, view, write } from "./address.js";
import { make, trouble } from "./dom.js";
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

const listed = new Map(); // by the number of a piece of work, what is shown of it

/** What runs on the server, for all pages, and a way to end it. */
async function look() {
  const work = document.getElementById("work");
  try {
    const { jobs } = await ask("/api/jobs");
    for (const [number, { element }] of listed)
      if (!jobs.some((job) => job.number === number)) {
        element.remove();
        listed.delete(number);
      }
    for (const job of jobs) {
      if (!listed.has(job.number)) work.append(list(job));
      listed.get(job.number).text.textContent = `${job.title} ${Math.round(100 * job.fraction)}%`;
    }
    work.classList.remove("silent");
  } catch {
    work.classList.add("silent"); // the studio does not answer
  }
}

function list({ number, title }) {
  const text = make("span");
  const stop = make("button", { type: "button", "aria-label": `Stop: ${title}`, onclick: () => ask("/api/stop", { number }).then(look, trouble) }, "Stop");
  const element = make("div", {}, text, stop);
  listed.set(number, { element, text });
  return element;
}

async function watch() {
  await look();
  setTimeout(watch, 2000);
}

watch();
document.addEventListener("idle", look);
document.addEventListener("busy", () => setTimeout(look, 300)); // what is done by then need not be listed
new Latest().begin(begin);
