// The viewer, live: the built-in scene first (with #camera in the address, the camera), then whatever the user shows it.
// Nothing leaves this device.

import { checkBrowser, fail, say } from "./browser.js";

async function run() {
  checkBrowser();
  say("Loading …");
  const [weights, { default: load, View }] = await Promise.all([
    fetchBytes("pyramid_tiny.safetensors"),
    import("./fpn_web_viewer.js"),
  ]);
  await load();
  const canvas = document.getElementById("viewer");
  // For whoever drives the page: what is shown, with what was found in it.
  const source = location.hash === "#camera" ? "camera" : undefined;
  window.view = await View.open(canvas, weights, source);
  document.body.dataset.state = "live";
  canvas.focus();
}

async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be fetched: the server says ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

document.getElementById("viewer").hidden = false;
document.body.classList.add("viewing");
addEventListener("error", (event) => refuse(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => refuse(event.reason));
run().catch(refuse);

/** Say what is wrong, and show what there would be to see. */
function refuse(error) {
  fail(error);
  const picture = Object.assign(new Image(), { src: "viewer.png", id: "recorded" });
  picture.alt = "The viewer: a picture with boxes, the pyramid's levels beside it, and what was found";
  if (!document.getElementById("recorded")) document.querySelector("main").append(picture);
}
