// The page: what its address asks for is loaded, detected and drawn.
//
//   model      name of the model; not needed where the weights say it
//   weights    URL of a checkpoint, safetensors or .pth, or a name such as coco, of weights that are published
//              where other pages may fetch them; without, they are random
//   image      URL of a picture; without, one is generated
//   minSize, maxSize, score, max, proposals, bnEps   as the options of `fpn detect`
//   seed       of the random weights and the generated picture
//   bench      frames to measure after the first

import { checkBrowser, fail, say } from "./browser.js";
import { draw, showTable } from "./drawing.js";

const WHOLE = { pattern: /^\d+$/, kind: "a whole number" };
const DECIMAL = { pattern: /^\d*\.?\d+(e-?\d+)?$/i, kind: "a number" };
const NUMBERS = {
  minSize: WHOLE,
  maxSize: WHOLE,
  max: WHOLE,
  proposals: WHOLE,
  seed: WHOLE,
  bench: WHOLE,
  score: DECIMAL,
  bnEps: DECIMAL,
};
const TEXTS = ["model", "weights", "image"];
const DEFAULT_MODEL = "fasterrcnn_resnet18_fpn";
const DEFAULT_SIZE = 128;

/** What the address asks for. */
function parameters() {
  const found = {};
  for (const [name, text] of new URLSearchParams(location.search)) {
    // A form sends what was not filled in.
    if (text === "") continue;
    if (TEXTS.includes(name)) {
      found[name] = text;
    } else if (name in NUMBERS) {
      const { pattern, kind } = NUMBERS[name];
      if (!pattern.test(text)) throw new Error(`${name} is '${text}': expected ${kind}`);
      found[name] = Number(text);
    } else {
      const known = [...TEXTS, ...Object.keys(NUMBERS)].join(", ");
      throw new Error(`unknown parameter '${name}': expected one of ${known}`);
    }
  }
  return found;
}

async function fetchFrom(url, what) {
  const response = await fetch(url).catch((error) => {
    throw new Error(`${what} cannot be fetched from ${url}: ${error.message}`);
  });
  if (!response.ok) {
    throw new Error(`${what} cannot be fetched from ${url}: the server says ${response.status}`);
  }
  return response;
}

/** The weights file, told as it arrives. */
async function fetchWeights(url, Weights) {
  const response = await fetchFrom(url, "the weights");
  const expected = Number(response.headers.get("content-length") ?? 0);
  const weights = new Weights(expected);
  const reader = response.body.getReader();
  let received = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return weights;
    weights.append(value);
    received += value.length;
    const share = expected > received ? ` of ${megabytes(expected)}` : "";
    say(`Fetching the weights: ${megabytes(received)}${share} MB …`);
  }
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** The picture as its file has it: neither colours nor alpha are converted. */
async function fetchBitmap(url) {
  const response = await fetchFrom(url, "the picture");
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  return createImageBitmap(await response.blob(), options).catch(() => {
    throw new Error(`${url} is no picture that this browser can read`);
  });
}

async function run() {
  const asked = parameters();
  checkBrowser();
  const fpn = await import("./fpn_web.js");
  const { default: load, Detector, Options, Picture, Weights, models, published } = fpn;
  await load();
  fillForm(models(), asked);

  const watch = stopwatch();
  const isName = asked.weights && !/[./]/.test(asked.weights);
  const known = isName && published(asked.weights, asked.model);
  const url = known ? known.url : asked.weights;
  const weights = url && (await fetchWeights(url, Weights));
  const bitmap = asked.image && (await fetchBitmap(asked.image));
  watch.lap("fetch");

  say("Preparing the GPU …");
  const model = asked.model ?? (known ? known.model : weights ? undefined : DEFAULT_MODEL);
  const detector = await Detector.open(weights, Object.assign(new Options(), asked, { model }));
  watch.lap("load");

  say("Detecting …");
  const seed = asked.seed ?? 1;
  const picture = bitmap
    ? await detector.picture(bitmap)
    : Picture.generated(seed, DEFAULT_SIZE, DEFAULT_SIZE);
  await detector.prepare(picture.width, picture.height);
  watch.lap("prepare");
  const file = asked.image ?? `seed ${seed}`;
  const json = await detector.detect(picture, file);
  watch.lap("first");
  const frames = [];
  for (let frame = 0; frame < asked.bench; frame++) {
    const start = performance.now();
    await detector.detect(picture, file);
    frames.push(performance.now() - start);
  }

  const { detections } = JSON.parse(json).images[0];
  const pixels = () => new ImageData(picture.rgba(), picture.width, picture.height);
  draw(bitmap ?? (await createImageBitmap(pixels())), detections);
  showTable(detections);
  document.querySelector("form").model.value = detector.model;
  showFacts(detector, picture, watch.laps);
  document.getElementById("detections").textContent = json;
  document.getElementById("timings").textContent = JSON.stringify({ ...watch.laps, frames });
  const random = weights ? "" : " The weights are random, so the boxes mean nothing.";
  say(`${detections.length} found.${random}`);
  document.body.dataset.state = "ready";
}

/** Milliseconds from lap to lap. */
function stopwatch() {
  const laps = {};
  let last = performance.now();
  const lap = (name) => {
    const now = performance.now();
    laps[name] = now - last;
    last = now;
  };
  return { laps, lap };
}

function fillForm(names, asked) {
  const form = document.querySelector("form");
  form.model.append(...names.map((name) => new Option(name)));
  for (const name of ["model", "weights", "image", "minSize"]) form[name].value = asked[name] ?? "";
  form.hidden = false;
}

function showFacts(detector, picture, laps) {
  const milliseconds = (time) => `${time.toFixed(time < 10 ? 1 : 0)} ms`;
  const facts = {
    Model: detector.model,
    GPU: detector.device,
    Picture: `${picture.width} × ${picture.height}`,
    Loading: milliseconds(laps.load + laps.prepare),
    Detecting: milliseconds(laps.first),
  };
  const rows = Object.entries(facts).flatMap(([name, value]) => {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    description.textContent = value;
    return [term, description];
  });
  document.getElementById("facts").replaceChildren(...rows);
}

// A fault of the program itself ends in no promise of `run`.
addEventListener("error", (event) => fail(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => fail(event.reason));
run().catch(fail);
