// What the viewer asks of a browser. Files and frames come as bytes.

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The cameras, as far as the user lets the page know them: [id, name, id, name, …]. */
export async function cameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const videos = devices.filter((device) => device.kind === "videoinput");
  return videos.flatMap(({ deviceId, label }, index) => [deviceId, label || `Camera ${index + 1}`]);
}

const REASONS = {
  NotAllowedError: "may not be used: allow it in the browser's address bar",
  NotFoundError: "is not there",
  OverconstrainedError: "is not there",
  NotReadableError: "is in use by another program, or fails",
};

/** A camera at work; without an id the one that the browser chooses. Throws a sentence's end. */
export async function openCamera(id, width, height) {
  if (!navigator.mediaDevices) throw "can only be used by pages from https:// or localhost";
  const video = { width: { ideal: width }, height: { ideal: height } };
  if (id) video.deviceId = { exact: id };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    throw REASONS[error.name] ?? `cannot be opened: ${error.message}`;
  }
  const element = document.createElement("video");
  Object.assign(element, { srcObject: stream, muted: true, playsInline: true });
  await element.play();
  return { element, track: stream.getVideoTracks()[0], canvas: new OffscreenCanvas(1, 1) };
}

/** The newest picture, once there is one that was not given yet: an ImageData. */
export async function cameraPicture(camera) {
  const { element, track, canvas } = camera;
  await new Promise((resolve, reject) => {
    const gone = () => reject("was unplugged, or is no longer allowed");
    if (track.readyState === "ended") return gone();
    track.onended = gone;
    const next = element.requestVideoFrameCallback?.bind(element) ?? requestAnimationFrame;
    next(() => resolve());
  });
  const { videoWidth: width, videoHeight: height } = element;
  if (!width) throw "gives pictures of no size";
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(element, 0, 0);
  return context.getImageData(0, 0, width, height);
}

export function closeCamera({ track }) {
  track.stop();
}

/** The page cannot go on: it is told as a fault of its own would be. */
export function refuse(told) {
  dispatchEvent(new ErrorEvent("error", { error: new Error(told) }));
}

/** A file that the user chooses, or none. */
export function pick(accept) {
  const input = Object.assign(document.createElement("input"), { type: "file", accept });
  return new Promise((resolve) => {
    input.onchange = () => resolve(input.files[0]);
    input.oncancel = () => resolve(undefined);
    input.click();
  });
}

export const bytesOf = async (file) => new Uint8Array(await file.arrayBuffer());

/** Hand a file to the user. */
export function download(name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes]));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The bytes at an address, told as they come; `tell` says whether to go on. Throws a sentence's end. */
export async function fetchBytes(url, tell) {
  const stop = new AbortController();
  const response = await fetch(url, { signal: stop.signal }).catch((error) => {
    throw `${error.message} (does its server let other pages have it?)`;
  });
  if (!response.ok) throw `the server answers ${response.status}`;
  const of = Number(response.headers.get("content-length") ?? 0);
  const parts = [];
  let came = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    came += value.length;
    if (!tell(came, of)) {
      stop.abort();
      throw "it is not wanted any more";
    }
  }
  const bytes = new Uint8Array(came);
  let place = 0;
  for (const part of parts) {
    bytes.set(part, place);
    place += part.length;
  }
  return bytes;
}
