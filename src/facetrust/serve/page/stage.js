// A picture or a video with its boxes and layers, in the picture's own pixels.

import { el, fader, svg } from "./dom.js";
import { faceState, taskOf } from "./words.js";

/** Boxes of faces, numbered, over a picture of this width and height. */
export function boxes(faces, width, height) {
  const side = Math.max(width, height);
  const made = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  faces.forEach((face, index) => {
    const [x, y, w, h] = face.box;
    const name = String(face.track ?? index + 1);
    const wide = side * (0.018 + 0.018 * name.length);
    made.append(
      svg("rect", { class: `frame ${faceState(face)}`, x, y, width: w, height: h }),
      svg("rect", { class: "tag", x, y, width: wide, height: side * 0.04 }),
      svg("text", { class: "number", x: x + side * 0.009, y: y + side * 0.031, "font-size": side * 0.03 }, name),
    );
  });
  return made;
}

/** A map over the picture, and the slider that fades it. */
export function mapLayer(map, begin) {
  const image = el("img", { class: "layer", alt: "", src: `data:image/png;base64,${map.layer}` });
  const task = taskOf(map.task);
  const about = `Red speaks for ${task.positive_means}, blue against; full colour is ${map.strength.toFixed(1)} logits.`;
  return { image, control: fader(`Map: ${map.task}`, image, begin), about };
}

/** The parts of faces over the picture: the mask's own colours, clear where there is no face; and a legend. */
export async function partsLayer(parsed, begin) {
  const bytes = Uint8Array.from(atob(parsed.mask), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = el("canvas", { class: "layer", width: bitmap.width, height: bitmap.height, "aria-hidden": "true" });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) {
    if (pixels.data[at] + pixels.data[at + 1] + pixels.data[at + 2] === 0) pixels.data[at + 3] = 0;
  }
  context.putImageData(pixels, 0, 0);
  const seen = new Set(parsed.faces.flatMap((face) => face.parts).flatMap((part) => shares(part)));
  const colours = palette(bytes);
  const entries = parsed.classes.flatMap((name, index) =>
    index && seen.has(name) ? [el("li", {}, patch(colours[index]), plain(name))] : [],
  );
  return { canvas, control: fader("Face parts", canvas, begin), legend: el("ul", { class: "legend" }, ...entries) };
}

const PLAIN = { u_lip: "upper lip", l_lip: "lower lip", eye_g: "glasses", ear_r: "ear ring", neck_l: "necklace" };

/** A class's name as people say it; left and right are the person's own. */
const plain = (name) => PLAIN[name] ?? name.replace(/^l_/, "left ").replace(/^r_/, "right ").replaceAll("_", " ");

const shares = (part) => Object.entries(part.shares).flatMap(([name, share]) => (share > 0 ? [name] : []));

const patch = (colour) =>
  svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { width: 10, height: 10, fill: colour }));

/** The colours of an indexed PNG, from its PLTE chunk. */
function palette(bytes) {
  const view = new DataView(bytes.buffer);
  for (let at = 8; at + 8 < bytes.length; at += 12 + view.getUint32(at)) {
    if (String.fromCharCode(...bytes.subarray(at + 4, at + 8)) !== "PLTE") continue;
    const colours = bytes.subarray(at + 8, at + 8 + view.getUint32(at));
    return Array.from({ length: colours.length / 3 }, (_, n) => `rgb(${colours.subarray(3 * n, 3 * n + 3).join(" ")})`);
  }
  return [];
}
