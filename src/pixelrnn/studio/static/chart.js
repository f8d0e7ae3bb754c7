// The curves of runs: what was validated, thick and with dots, and what was trained on, thin.

const MARGIN = { left: 52, right: 12, top: 12, bottom: 28 };

/** Paint runs, each with a `colour`, on a canvas of a size; `x` is 0 for steps, 1 for minutes. Returns whether there is anything. */
export function chart(canvas, [wide, high], runs, { x, isWhole }) {
  const ratio = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [wide * ratio, high * ratio];
  [canvas.style.width, canvas.style.height] = [`${wide}px`, `${high}px`];
  const points = runs.flatMap((run) => [...run.train, ...run.valid]);
  if (!points.length) return false;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.scale(ratio, ratio);
  const scale = scaleOf(points, [wide, high], x, isWhole);
  axes(context, [wide, high], scale, getComputedStyle(canvas.parentElement));
  context.save();
  context.beginPath();
  context.rect(MARGIN.left, 0, wide - MARGIN.left, scale.bottom + 2);
  context.clip();
  for (const run of runs) curves(context, run, scale.at);
  context.restore();
  return true;
}

function scaleOf(points, [wide, high], x, isWhole) {
  const across = Math.max(...points.map((point) => point[x]), 1e-9);
  const losses = points.map((point) => point[2]).sort((a, b) => a - b);
  const low = losses[0];
  const highest = isWhole ? losses.at(-1) : low + 2.2 * (losses[Math.floor(losses.length / 2)] - low + 1e-3);
  const bottom = high - MARGIN.bottom;
  const at = (point) => [
    MARGIN.left + ((wide - MARGIN.left - MARGIN.right) * point[x]) / across,
    bottom - ((bottom - MARGIN.top) * (point[2] - low)) / Math.max(1e-9, highest - low),
  ];
  return { across, low, highest, bottom, at };
}

function axes(context, [wide, high], { across, low, highest, at }, { color, fontFamily }) {
  context.font = `12px ${fontFamily}`;
  context.fillStyle = color;
  context.globalAlpha = 0.75;
  for (const [loss, text] of ticks(low, highest)) {
    const y = at([0, 0, loss])[1];
    context.fillText(text, 4, y + 4);
    context.fillRect(MARGIN.left, y, wide - MARGIN.left - MARGIN.right, 0.3);
  }
  for (const [value, text] of ticks(0, across)) context.fillText(text, at([value, value, low])[0] - 8, high - 8);
}

function curves(context, run, at) {
  context.strokeStyle = context.fillStyle = run.colour;
  for (const [curve, alpha, width] of [[run.train, 0.35, 1], [run.valid, 1, 2]]) {
    context.globalAlpha = alpha;
    context.lineWidth = width;
    context.beginPath();
    curve.forEach((point, number) => (number ? context.lineTo(...at(point)) : context.moveTo(...at(point))));
    context.stroke();
    if (alpha === 1) for (const point of curve) context.fillRect(at(point)[0] - 2, at(point)[1] - 2, 4, 4);
  }
}

/** Some four round numbers between two, each with its text, in as many digits as tell them apart. */
function ticks(low, high) {
  const rough = Math.max(1e-6, (high - low) / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough * 0.99);
  const first = Math.ceil(low / step - 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const text = (value) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => [(first + i) * step, text((first + i) * step)]);
}
