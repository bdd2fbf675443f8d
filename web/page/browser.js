// What both pages need of a browser, and how they say what is wrong.

export function checkBrowser() {
  if (navigator.gpu) return;
  if (!isSecureContext) {
    throw new Error(
      "a browser offers WebGPU only to pages from https:// or localhost: open this page from there",
    );
  }
  throw new Error(
    "this browser offers no WebGPU: use Chrome or Edge 113, Firefox 141 or Safari 26, or newer; " +
      "on Linux, Chrome may need the flag at chrome://flags/#enable-unsafe-webgpu",
  );
}

export function say(text) {
  document.getElementById("message").textContent = text;
}

export function fail(error) {
  const text = error?.message ?? String(error);
  say(text.charAt(0).toUpperCase() + text.slice(1) + ".");
  document.body.dataset.state = "error";
}
