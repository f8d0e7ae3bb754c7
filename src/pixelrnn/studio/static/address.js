// The state of the page is in its address, so that it survives a reload and can be passed on.

export function read() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

/** A number that an address holds, or another if it holds none. */
export function number(text, otherwise) {
  const found = Number(text);
  return text && Number.isFinite(found) && found > 0 ? found : otherwise;
}

/** A whole number of 0 and more, such as a seed. */
export function whole(text) {
  return /^[0-9]{1,15}$/.test(text ?? "") ? Number(text) : 0;
}

/** Change some fields; those that are null or empty are left out. */
export function write(fields) {
  const all = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === "") all.delete(name);
    else all.set(name, value);
  }
  history.replaceState(null, "", `?${all}`);
}

/** The address of another view, with the same model and token, and fields of its own. */
export function view(name, fields = {}) {
  const { model, token } = read();
  const all = new URLSearchParams({ view: name, ...(model && { model }), ...(token && { token }), ...fields });
  return `?${all}`;
}
