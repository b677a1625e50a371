// A video's scores over time; a click, or the arrow keys, move the video there.

import { svg } from "./dom.js";
import { taskOf } from "./words.js";

const WIDTH = 720;
const HEIGHT = 120;
const ROW = 20;
const GAP = 2.5; // Usual steps between scores beyond which a line is broken.

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

const level = (score) => HEIGHT * (1 - score);

function pieces(times, scores, scale) {
  const steps = times.slice(1).map((time, n) => time - times[n]);
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  const made = [[]];
  times.forEach((time, n) => {
    if (n && steps[n - 1] > GAP * usual) made.push([]);
    made.at(-1).push(`${(time * scale).toFixed(1)},${level(scores[n]).toFixed(1)}`);
  });
  return made;
}

function trackLines(face, task, scale, row) {
  const { times, scores, first, last, telling } = face.timeline;
  const hue = `hue-${row % 5}`;
  const top = HEIGHT + 14 + ROW * row;
  const drawn = pieces(times, scores[task], scale).map((piece) => {
    const [x, y] = piece[0].split(",");
    return piece.length > 1
      ? svg("polyline", { class: hue, points: piece.join(" ") })
      : svg("circle", { class: hue, cx: x, cy: y, r: 2.5 });
  });
  const peak = times.indexOf(telling);
  if (peak >= 0) drawn.push(svg("circle", { class: `${hue} telling`, cx: telling * scale, cy: level(scores[task][peak]), r: 4 }));
  const bar = { class: hue, x: first * scale, y: top, width: Math.max((last - first) * scale, 2), height: ROW - 6 };
  drawn.push(svg("rect", bar), svg("text", { x: -6, y: top + ROW - 6, "text-anchor": "end" }, String(face.track)));
  return drawn;
}

/** One task's chart. It is a slider of the video's time; `seek` is called with seconds. */
export function chart(report, task, seek) {
  const faces = report.faces.filter((face) => face.timeline?.scores[task]);
  const verdict = faces.flatMap((face) => face.verdicts).find((each) => each.task === task);
  const seconds = Math.max(report.watched.seconds, ...faces.map((face) => face.timeline.last));
  const scale = WIDTH / seconds;
  const low = HEIGHT + 34 + ROW * faces.length;
  const made = svg("svg", {
    class: "chart",
    viewBox: `-44 -16 ${WIDTH + 68} ${low + 22}`,
    role: "slider",
    tabindex: 0,
    "aria-label": `Scores of ${task} over time; moves the video`,
    "aria-valuemin": 0,
    "aria-valuemax": seconds.toFixed(2),
  });
  for (const score of [0, 0.5, 1]) {
    made.append(svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: level(score), y2: level(score) }));
    made.append(svg("text", { x: -6, y: level(score) + 4, "text-anchor": "end" }, String(score)));
  }
  const edge = level(verdict.threshold);
  made.append(svg("line", { class: "threshold", x1: 0, x2: WIDTH, y1: edge, y2: edge }));
  faces.forEach((face, row) => made.append(...trackLines(face, task, scale, row)));
  const step = STEPS.find((each) => seconds / each <= 8) ?? seconds;
  for (let at = 0; at <= seconds; at += step) {
    made.append(svg("text", { x: at * scale, y: low, "text-anchor": "middle" }, `${Math.round(100 * at) / 100} s`));
  }
  const playhead = svg("line", { class: "playhead", y1: 0, y2: low - 18 });
  made.append(playhead);
  const show = (now) => {
    const at = Math.min(Math.max(now, 0), seconds);
    playhead.setAttribute("x1", at * scale);
    playhead.setAttribute("x2", at * scale);
    made.setAttribute("aria-valuenow", at.toFixed(2));
    made.setAttribute("aria-valuetext", spoken(faces, task, at));
  };
  const move = (to) => {
    const at = Math.min(Math.max(to, 0), seconds);
    show(at);
    seek(at);
  };
  made.addEventListener("click", (event) => {
    const box = made.getBoundingClientRect();
    move((((event.clientX - box.left) / box.width) * (WIDTH + 68) - 44) / scale);
  });
  made.addEventListener("keydown", (event) => {
    const now = Number(made.getAttribute("aria-valuenow"));
    const to = { ArrowLeft: now - 0.25, ArrowRight: now + 0.25, ArrowDown: now - 0.25, ArrowUp: now + 0.25, Home: 0, End: seconds, PageUp: now + 5, PageDown: now - 5 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
  show(0);
  return { element: made, show, about: `Broken line: the threshold, ${verdict.threshold.toFixed(3)}; higher speaks for ${taskOf(task).positive_means}. Rings: the most telling moments; bars: when each track was seen.` };
}

/** The time, and the scores of the tracks that are seen then. */
function spoken(faces, task, at) {
  const said = faces.flatMap(({ track, timeline }) => {
    if (at < timeline.first || at > timeline.last) return [];
    const nearest = timeline.times.reduce((best, time, n) => (Math.abs(time - at) < Math.abs(timeline.times[best] - at) ? n : best), 0);
    return [`track ${track} scores ${timeline.scores[task][nearest].toFixed(2)}`];
  });
  return `${at.toFixed(2)} seconds${said.length ? `, ${said.join(", ")}` : ", no face"}`;
}
