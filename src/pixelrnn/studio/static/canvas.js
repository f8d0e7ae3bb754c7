// A canvas that shows a pixel of a picture by many, or few, of the screen.

/** Row and column of the pixel that is pointed at; outside of the picture where the pointer is. */
export function pixelAt(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [
    Math.floor(((event.clientY - box.top) / box.height) * canvas.height),
    Math.floor(((event.clientX - box.left) / box.width) * canvas.width),
  ];
}

/** Rows and columns that an arrow key leads on; nothing of other keys. */
export function stepOf(key) {
  return { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
}

/** A zoom that is whole, unless the picture is so large that there is a part of each pixel. */
export function evenZoom(exact) {
  return exact >= 1 ? Math.floor(exact) : exact;
}

/** Frame a square of so many pixels with its middle at a place; nothing if there is no place. */
export function frame(cursor, place, size, zoom) {
  cursor.hidden = !place;
  if (!place) return;
  const before = Math.floor((size - 1) / 2);
  const [top, left, side] = [place[0] - before, place[1] - before, size].map((each) => `${each * zoom}px`);
  Object.assign(cursor.style, { top, left, width: side, height: side });
}

export function enlarge(canvas, zoom) {
  canvas.style.width = `${canvas.width * zoom}px`;
  canvas.style.height = `${canvas.height * zoom}px`;
}
