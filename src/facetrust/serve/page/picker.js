// A place to put files: dropped, pasted, chosen, or taken with the camera.

import { byId, el, newId, warn } from "./dom.js";

const ACCEPT = { picture: "image/*", pictures: "image/*", "picture video": "image/*,video/*" };
const pickers = new Map();

/** Makes a picker of an element; `chosen` is called with its files. Returns what empties it. */
export function pickerOf(place, chosen) {
  const kinds = place.dataset.kinds;
  const id = newId();
  const several = kinds === "pictures";
  const preview = !kinds.includes("video"); // What is checked is shown large, with what was found.
  const input = el("input", { type: "file", id, accept: ACCEPT[kinds], multiple: several });
  const shown = el("div", { class: "chosen" });
  const take = (files) => {
    const taken = several ? [...files] : [...files].slice(0, 1);
    if (!taken.length) return;
    show(shown, taken, preview);
    chosen(taken);
  };
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  const camera = el("button", { type: "button", onclick: async () => take(await photograph()) }, "Use the camera");
  const zone = el(
    "div",
    { class: "zone", role: "group", "aria-label": place.dataset.label },
    el("p", {}, el("strong", {}, place.dataset.label), el("span", { class: "soft" }, ": drop or paste it here, or")),
    el("div", { class: "row" }, input, el("label", { class: "button", for: id }, several ? "Choose files" : "Choose a file"), camera),
    shown,
  );
  for (const kind of ["dragover", "dragenter"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files);
  });
  place.append(zone);
  pickers.set(place, take);
  return () => shown.replaceChildren();
}

function show(shown, files, preview) {
  for (const image of shown.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  const pictures = files.filter((file) => preview && file.type.startsWith("image/"));
  shown.replaceChildren(
    ...pictures.map((file) => {
      const image = el("img", { alt: file.name });
      image.src = URL.createObjectURL(file);
      return image;
    }),
    el("p", { class: "soft" }, files.map((file) => file.name).join(", ")),
  );
}

/** What is pasted goes to the picker that has the focus, or to the first one of the shown panel that is empty. */
document.addEventListener("paste", (event) => {
  const files = event.clipboardData?.files ?? [];
  if (!files.length) return;
  const seen = [...pickers.keys()].filter((place) => place.offsetParent !== null);
  const focused = seen.find((place) => place.contains(document.activeElement));
  const empty = seen.find((place) => !place.querySelector(".chosen").hasChildNodes());
  const place = focused ?? empty ?? seen[0];
  if (place) pickers.get(place)(files);
});

/** Opens the camera; what the browser says when it cannot is said in plain words. */
export async function openCamera(video) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
    video.srcObject = stream;
    await video.play();
    return () => {
      for (const track of stream.getTracks()) track.stop();
      video.srcObject = null;
    };
  } catch (error) {
    const said = { NotAllowedError: "its use was not allowed", NotFoundError: "none was found", NotReadableError: "another program uses it" };
    throw new Error(`The camera cannot be used: ${said[error.name] ?? "this browser lends it to https:// pages and this machine's own alone"}.`);
  }
}

/** Returns what a camera's picture shows now as a JPEG, no side longer than `longest`. */
export function still(video, longest = 4096) {
  const factor = Math.min(1, longest / Math.max(video.videoWidth, video.videoHeight));
  const canvas = el("canvas", { width: Math.round(video.videoWidth * factor), height: Math.round(video.videoHeight * factor) });
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}

/** Opens the dialog with the camera; returns the picture that was taken, or none. */
async function photograph() {
  const dialog = byId("shutter");
  const video = dialog.querySelector("video");
  let close;
  try {
    close = await openCamera(video);
  } catch (error) {
    warn(error.message);
    return [];
  }
  dialog.showModal();
  return new Promise((resolve) => {
    let taken = [];
    byId("shutter-take").onclick = async () => {
      taken = [new File([await still(video)], "camera.jpg", { type: "image/jpeg" })];
      dialog.close();
    };
    byId("shutter-close").onclick = () => dialog.close();
    dialog.onclose = () => {
      close();
      resolve(taken);
    };
  });
}
