// Talking with the server: questions that are answered at once, and work that tells of itself line by line.

const token = new URLSearchParams(location.search).get("token");

function headers() {
  return { "content-type": "application/json", ...(token ? { "x-token": token } : {}) };
}

async function refused(response) {
  const text = await response.text();
  try {
    return new Error(JSON.parse(text).error);
  } catch {
    return new Error(text || `the server said ${response.status}`);
  }
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the studio does not answer; is it still running in the terminal?");
  }
}

/** Ask something; `fields` are sent if given. */
export async function ask(path, fields, signal) {
  const body = fields === undefined ? undefined : JSON.stringify(fields);
  const response = await reached(path, { method: body ? "POST" : "GET", headers: headers(), body, signal });
  if (!response.ok) throw await refused(response);
  return response.json();
}

/** Begin work; every event it tells of is given to `told`. Aborting the signal ends it, here and there. */
export async function follow(path, fields, signal, told) {
  const response = await reached(path, { method: "POST", headers: headers(), body: JSON.stringify(fields), signal });
  if (!response.ok) throw await refused(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (signal?.aborted) throw new DOMException("aborted", "AbortError"); // what had arrived already counts no more
      const event = JSON.parse(line);
      if (event.type === "error") throw new Error(event.error);
      if (event.type === "stopped") throw new Error("this was stopped");
      told(event);
    }
  }
}

/** The address of a picture or a file, with the token if there is one. */
export function addressOf(path) {
  return token ? `${path}?token=${encodeURIComponent(token)}` : path;
}

/** An array from the base64 of its bytes. */
export function array(text, Kind) {
  return new Kind(bytesOf(text).buffer);
}

/** Bytes as base64. */
export function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

/** The bytes of a file as base64. */
export async function contentOf(file) {
  return base64(new Uint8Array(await file.arrayBuffer()));
}

/** Files by their names and contents, as they are sent. */
export function contentsOf(files) {
  return Promise.all(files.map(async (file) => ({ name: file.name, content: await contentOf(file) })));
}

/** The bytes that base64 stands for. */
export function bytesOf(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
