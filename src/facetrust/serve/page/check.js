// One picture or video is checked, and what was found is shown.

import * as api from "./api.js";
import { byId, during, el, put, say } from "./dom.js";
import { pickerOf } from "./picker.js";
import { boxes, mapLayer, partsLayer } from "./stage.js";
import { chart } from "./timeline.js";
import { answerElement, faceElement, verdictsOf } from "./verdicts.js";
import { trusted } from "./words.js";

const NEAR = 0.13; // Seconds from a track's most telling moment within which its box and map are shown.
let source = null;
let asked = 0;

const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export function start() {
  pickerOf(document.querySelector("#check .picker"), ([file]) => check(file));
}

async function check(file) {
  const fields = { evidence: byId("with-maps").checked && "true", policy: byId("policy").value };
  const place = byId("check-result");
  place.replaceChildren();
  const mine = ++asked;
  const report = await during("Judging …", () => api.check(file, fields));
  if (!report || mine !== asked) return; // Another file was chosen meanwhile.
  if (source) URL.revokeObjectURL(source);
  source = URL.createObjectURL(file);
  const video = report.kind === "video";
  const shown = video ? videoStage(report, source) : pictureStage(report, source);
  put(place, answerElement(report), el("div", { class: "result" }, shown.element, said(report, shown)));
  say(`${trusted(report.trusted)[0]}. ${counted(report.faces.length, video ? "track" : "face")}.`);
  place.querySelector(".title").focus();
  if (byId("with-parts").checked && !video) await addParts(file, shown);
}

/** Everything that is said of a report, beside its picture. */
function said(report, shown) {
  const faces = report.faces.map((face, index) => faceElement(face, index + 1, shown.moment?.(face)));
  return el(
    "div",
    {},
    report.verdicts.length ? el("h3", {}, report.kind === "video" ? "The video as a whole" : "The picture as a whole") : null,
    ...verdictsOf(report),
    ...faces,
    el("p", { class: "soft" }, facts(report)),
  );
}

function facts(report) {
  const spent = Object.values(report.timings).reduce((sum, each) => sum + each, 0);
  const watched = report.watched ? `, ${report.watched.sampled} of ${report.watched.frames} frames looked at` : "";
  const left = report.left_out ? `, ${report.left_out} more faces not judged` : "";
  return `${report.width} × ${report.height} pixels${watched}${left}; ${spent.toFixed(2)} seconds of work.`;
}

function pictureStage(report, url) {
  const note = el("p", { class: "soft", hidden: true }, "This browser cannot show this kind of file; it was judged all the same.");
  const image = el("img", { alt: `The picture, with ${counted(report.faces.length, "face")} framed` });
  image.addEventListener("error", () => {
    note.hidden = false;
  });
  image.src = url;
  const stage = el("div", { class: "stage" }, image);
  const controls = el("div", {});
  (report.maps ?? []).forEach((map, index) => addMap(stage, controls, map, index ? 0 : 60));
  stage.append(boxes(report.faces, report.width, report.height));
  return { element: el("div", {}, stage, note, controls), stage, controls };
}

function addMap(stage, controls, map, begin) {
  const { image, control, about } = mapLayer(map, begin);
  stage.append(image);
  controls.append(control, el("p", { class: "soft" }, about));
  return image;
}

async function addParts(file, shown) {
  const parsed = await during("Looking for the parts of faces …", () => api.parts(file));
  if (!parsed) return;
  const { canvas, control, legend } = await partsLayer(parsed, 50);
  shown.stage.insertBefore(canvas, shown.stage.querySelector("svg"));
  shown.controls.append(control, legend);
  say("The parts of faces are shown.");
}

function videoStage(report, url) {
  const video = el("video", { controls: true, muted: true, playsinline: true, preload: "auto", "aria-label": "The video" });
  const note = el("p", { class: "soft", hidden: true }, "This browser cannot play this kind of video; it was judged all the same.");
  video.addEventListener("error", () => {
    note.hidden = false;
  });
  video.src = url;
  const stage = el("div", { class: "stage" }, video);
  const controls = el("div", {});
  const moments = report.faces.filter((face) => face.timeline).map((face) => momentOf(face, report, stage, controls));
  const seek = (seconds) => {
    video.pause();
    video.currentTime = seconds;
  };
  const tasks = new Set(report.faces.flatMap((face) => Object.keys(face.timeline?.scores ?? {})));
  const charts = [...tasks].map((task) => ({ task, ...chart(report, task, seek) }));
  const show = () => {
    for (const each of charts) each.show(video.currentTime);
    for (const each of moments) each.show(Math.abs(video.currentTime - each.at) < NEAR);
  };
  for (const kind of ["timeupdate", "seeked", "loadeddata"]) video.addEventListener(kind, show);
  const drawings = charts.flatMap(({ task, element, about }) => [
    el("h3", {}, `Over time: ${task}`),
    element,
    el("p", { class: "soft" }, about),
  ]);
  const hint = el("p", { class: "soft" }, "Click a chart, or use the arrow keys on it, to go there in the video.");
  const moment = (face) =>
    face.timeline
      ? el("button", { type: "button", onclick: () => seek(face.timeline.telling) }, `Show its most telling moment, ${face.timeline.telling.toFixed(2)} s`)
      : null;
  return { element: el("div", {}, stage, note, controls, drawings.length ? hint : null, ...drawings), stage, controls, moment };
}

/** The box and the maps of a track, which are those of its most telling moment. */
function momentOf(face, report, stage, controls) {
  const own = (report.maps ?? []).filter((map) => map.track === face.track);
  const faders = el("div", { hidden: true }, el("p", { class: "soft" }, `Track ${face.track} at its most telling moment:`));
  const layers = own.map((map, index) => addMap(stage, faders, map, index ? 0 : 60));
  layers.push(boxes([face], report.width, report.height));
  stage.append(layers.at(-1));
  controls.append(faders);
  const show = (seen) => {
    for (const layer of layers) layer.toggleAttribute("hidden", !seen);
    faders.hidden = !seen || !own.length;
  };
  show(false);
  return { at: face.timeline.telling, show };
}
