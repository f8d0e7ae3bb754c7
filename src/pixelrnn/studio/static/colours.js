// The colours of the page, and those of pixels.

/** A colour of the page, as the canvas takes it. */
export function cssOf(name) {
  const probe = document.getElementById("work");
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.style.color = "";
  return found;
}

/** The same as red, green, blue and opacity. */
export function colourOf(name) {
  return [...cssOf(name).match(/[\d.]+/g).slice(0, 3).map(Number), 255];
}

/** Red, green, blue and opacity of a pixel of one to four channels. */
export function shown(values, from, channels) {
  if (channels < 3) return [values[from], channels === 2 ? values[from + 1] : values[from], channels === 2 ? 0 : values[from], 255];
  return [values[from], values[from + 1], values[from + 2], channels === 4 ? values[from + 3] : 255];
}
