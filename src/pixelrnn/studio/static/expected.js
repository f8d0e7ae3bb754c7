// What the model expected of a value: bars where there are few levels, a curve where there are many.

import { make } from "./dom.js";

const FEW = 32;
const NAMES = { 1: [""], 2: ["first", "second"], 3: ["red", "green", "blue"], 4: ["red", "green", "blue", "opacity"] };

/** The distributions of the channels of a pixel; `pick(channel, value)` is called for another value. */
export function expected(found, pick) {
  const parts = [];
  found.channels.forEach((channel, number) => {
    const name = NAMES[found.channels.length][number];
    parts.push(
      make(
        "dl",
        {},
        make("dt", {}, name ? `${name}: value` : "value"),
        make("dd", {}, `${channel.value} of 0 .. ${channel.probabilities.length - 1}`),
        make("dt", {}, "surprise"),
        make("dd", {}, `${bits(channel.bits)} (${bits(channel.expected)} expected)`),
      ),
    );
    const isFew = channel.probabilities.length <= FEW;
    parts.push(isFew ? bars(channel, number, name, pick) : curve(channel, number, name, pick));
  });
  return parts;
}

export function bits(value) {
  if (value === null) return "infinitely many bits";
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} bits`;
}

function percent(p) {
  return p >= 0.0995 ? `${(100 * p).toFixed(0)}%` : p >= 0.001 ? `${(100 * p).toFixed(1)}%` : p === 0 ? "0" : p.toExponential(0);
}

function bars(channel, number, name, pick) {
  const highest = Math.max(...channel.probabilities);
  const list = make("div", { className: "bars", role: "group", "aria-label": `values ${name}` });
  channel.probabilities.forEach((p, value) => {
    const bar = make("i");
    bar.style.setProperty("--share", p / highest);
    const button = make("button", { type: "button", onclick: () => pick(number, value) }, String(value), bar, percent(p));
    button.setAttribute("aria-pressed", value === channel.value);
    button.setAttribute("aria-label", `${name} value ${value}, probability ${percent(p)}: draw again from it`);
    list.append(button);
  });
  return list;
}

function curve(channel, number, name, pick) {
  const levels = channel.probabilities.length;
  const canvas = make("canvas", {
    className: "curve", width: 2 * levels, height: 240, role: "img",
    "aria-label": `probabilities of ${levels} values ${name}; the likeliest is ${channel.probabilities.indexOf(Math.max(...channel.probabilities))}`,
  });
  const context = canvas.getContext("2d");
  const highest = Math.max(...channel.probabilities);
  requestAnimationFrame(() => {
    const { color: ink, accentColor: accent } = getComputedStyle(canvas);
    channel.probabilities.forEach((p, value) => {
      const height = Math.max(p > 0 ? 1 : 0, (230 * p) / highest);
      context.globalAlpha = value === channel.value ? 1 : 0.45;
      context.fillStyle = value === channel.value ? accent : ink;
      context.fillRect(2 * value, 240 - height, 2, height);
      if (value === channel.value) context.fillRect(2 * value, 0, 2, 6);
    });
  });
  const input = make("input", { type: "number", min: 0, max: levels - 1, value: channel.value });
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    pick(number, Math.min(levels - 1, Math.floor(((event.clientX - box.left) / box.width) * levels)));
  });
  const go = make("button", { type: "button", onclick: () => pick(number, Number(input.value)) }, "Draw from it");
  input.setAttribute("aria-label", `another value ${name}`);
  return make("div", {}, canvas, make("div", { className: "row" }, make("span", { className: "wide" }, input), go));
}
