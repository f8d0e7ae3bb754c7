// Making elements: texts are always texts, never HTML.

/** An element with properties (`on...` are listeners, `data` and `aria-...` as they are called) and children. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

/** A form field under its name. */
export function field(name, input) {
  return make("label", {}, name, input);
}

/** A choice among pairs of value and text. */
export function choice(pairs, { value, otherwise, ...properties } = {}) {
  const select = make("select", properties);
  for (const [value, text] of pairs) select.append(make("option", { value, textContent: text }));
  if (value !== undefined || otherwise !== undefined) select.value = value;
  if (select.selectedIndex < 0) otherwise === undefined ? (select.selectedIndex = 0) : (select.value = otherwise);
  return select;
}

/** Give a choice other pairs, and choose one of them: the first if the value is none. */
export function refill(select, pairs, value) {
  select.replaceChildren(...choice(pairs).children);
  select.value = value ?? "";
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** Have files taken that are dropped on an element. */
export function takeDrops(element, took) {
  element.addEventListener("dragover", (event) => event.preventDefault());
  element.addEventListener("drop", (event) => (event.preventDefault(), took([...event.dataTransfer.files])));
}

let timer;

/** Say that something went wrong, in one line. */
export function trouble(error) {
  if (error.name === "AbortError") return;
  const place = document.getElementById("trouble");
  place.textContent = error.message;
  place.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (place.hidden = true), 12000);
}
