// Detections on a canvas and as a table.

/** One colour a pyramid level, P2 to P7. */
const COLOURS = {
  2: "#3b82d6",
  3: "#18a999",
  4: "#e0a92c",
  5: "#e0602c",
  6: "#c43d8f",
  7: "#7a5cd0",
};

/** Small pictures are drawn larger, to at least this short side in pixels. */
const LEAST_SIDE = 480;

/** Beyond so many, boxes go without their names. */
const MOST_NAMES = 30;

/** The picture with its detections, each in the colour of the level that it started from. */
export function draw(bitmap, detections) {
  const canvas = document.getElementById("picture");
  const scale = Math.max(1, Math.ceil(LEAST_SIDE / Math.min(bitmap.width, bitmap.height)));
  canvas.width = bitmap.width * scale;
  canvas.height = bitmap.height * scale;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);

  const short = Math.min(canvas.width, canvas.height);
  context.lineWidth = Math.min(8, Math.max(1.5, short / 250));
  context.font = `${Math.min(48, Math.max(12, short / 28))}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  const withName = detections.length <= MOST_NAMES;
  // The best last, on top.
  for (const found of detections.toReversed()) drawOne(context, found, scale, withName);

  const levels = [...new Set(detections.map((found) => found.level))].sort();
  const legend = levels.map((level) => {
    const entry = document.createElement("span");
    const count = detections.filter((found) => found.level === level).length;
    const patch = document.createElement("i");
    patch.style.background = COLOURS[level];
    entry.append(patch, `${count} from P${level}`);
    return entry;
  });
  document.getElementById("levels").replaceChildren(...legend);
}

function drawOne(context, { box, level, name, score, landmarks }, scale, withName) {
  const [x1, y1, x2, y2] = box.map((side) => side * scale);
  context.strokeStyle = context.fillStyle = COLOURS[level];
  context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  for (const [x, y] of landmarks ?? []) {
    context.beginPath();
    context.arc(x * scale, y * scale, context.lineWidth + 1, 0, 2 * Math.PI);
    context.fill();
  }
  if (!withName) return;
  const text = `${name} ${score.toFixed(2)}`;
  const height = parseFloat(context.font) * 1.3;
  const width = context.measureText(text).width + height / 2;
  const bottom = y1 > height ? y1 : y1 + height;
  context.fillRect(x1 - context.lineWidth / 2, bottom - height, width, height);
  context.fillStyle = "#fff";
  context.fillText(text, x1 + height / 5, bottom - height * 0.08);
}

/** Rows that a table shows; the rest is in the JSON. */
const ROWS = 12;

/** The best detections. */
export function showTable(detections) {
  const table = document.getElementById("found");
  const rows = detections.slice(0, ROWS).map(({ name, score, level }) => {
    const row = document.createElement("tr");
    for (const text of [name, score.toFixed(3), `P${level}`]) row.insertCell().textContent = text;
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
  table.hidden = rows.length === 0;
}
