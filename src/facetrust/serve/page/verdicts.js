// Verdicts as elements: the question, the answer in plain words, and the score on a scale.

import { el, svg } from "./dom.js";
import { STATES, advisory, answerState, faceState, reasonSays, taskOf, trusted, verdictSays, verdictState } from "./words.js";

/** A score against its threshold, on a line from `low` to `high`; the words stand at its ends. */
export function scale(score, threshold, { low = 0, high = 1, words, rails = ["rail-good", "rail-bad"] }) {
  const at = (value) => Math.round(10 * (10 + (380 * (value - low)) / (high - low))) / 10;
  const edge = at(threshold);
  const anchor = edge < 60 ? "start" : edge > 340 ? "end" : "middle";
  const label =
    `score ${score.toFixed(3)} on a scale from ${low}, ${words[0]}, to ${high}, ${words[1]}; ` +
    `the threshold is ${threshold.toFixed(3)}`;
  return svg(
    "svg",
    { class: "scale", viewBox: "0 -6 400 52", role: "img", "aria-label": label },
    svg("rect", { class: rails[0], x: 10, y: 16, width: edge - 10, height: 8 }),
    svg("rect", { class: rails[1], x: edge, y: 16, width: 390 - edge, height: 8 }),
    svg("line", { class: "edge", x1: edge, x2: edge, y1: 10, y2: 30 }),
    svg("circle", { class: "mark", cx: at(score), cy: 20, r: 7 }),
    svg("text", { x: 10, y: 42 }, `${low} ${words[0]}`),
    svg("text", { x: 390, y: 42, "text-anchor": "end" }, `${words[1]} ${high}`),
    svg("text", { x: edge, y: 8, "text-anchor": anchor }, "threshold"),
  );
}

function verdictElement(verdict) {
  const task = taskOf(verdict.task);
  const side = verdict.score >= verdict.threshold ? "reaches" : "is below";
  return el(
    "div",
    { class: "verdict", "data-task": verdict.task },
    el("h4", {}, task.question),
    el(
      "p",
      {},
      el("strong", { class: verdictState(verdict) }, verdict.decision + (verdict.advisory ? " (advisory)" : "")),
      `. ${verdictSays(verdict)}${verdict.advisory ? ` ${advisory()}` : ""}`,
    ),
    scale(verdict.score, verdict.threshold, { words: [task.negative, task.positive] }),
    el(
      "p",
      { class: "soft" },
      `Score ${verdict.score.toFixed(3)} ${side} the threshold ${verdict.threshold.toFixed(3)}` +
        `; higher speaks for ${task.positive_means}. By ${verdict.model}.${parts(verdict)}`,
    ),
  );
}

/** The parts of the face on which what speaks for the decision lies, where evidence was asked for. */
function parts({ decision, evidence_on }) {
  const most = Object.entries(evidence_on ?? {}).slice(0, 4);
  const shares = most.map(([part, share]) => `${part} ${Math.round(100 * share)} %`);
  return most.length ? ` What speaks for ${decision} lies on ${shares.join(", ")}.` : "";
}

const unjudged = (each) =>
  el(
    "div",
    { class: "verdict", "data-task": each.task },
    el("h4", {}, taskOf(each.task).question),
    el(
      "p",
      {},
      el("strong", { class: "open" }, "Not judged"),
      `: ${each.reason}. ${reasonSays(each.reason).join(" ")}`,
    ),
  );

export const verdictsOf = (of) => [...of.verdicts.map(verdictElement), ...(of.not_judged ?? []).map(unjudged)];

export function faceElement(face, number, ...more) {
  const state = faceState(face);
  const name = face.track === null ? `Face ${number}` : `Track ${face.track}`;
  return el(
    "div",
    { class: "face", "data-state": state },
    el("h3", {}, `${name}: `, el("span", { class: state }, STATES[state])),
    ...more,
    ...verdictsOf(face),
  );
}

/** The answer about a whole input, in a word and a sentence, and what could not be judged. */
export function answerElement(report, { level = "h2", title = "The answer" } = {}) {
  const [word, sentence] = trusted(report.trusted);
  const reasons = reasonSays(report.reason);
  return el(
    "div",
    {},
    el(level, { tabindex: -1, class: "title" }, title),
    el("p", {}, el("span", { class: `answer ${answerState(report.trusted)}` }, word), ` ${sentence}`),
    report.reason ? el("p", {}, `What could not be judged: ${report.reason}.`) : null,
    reasons.length ? el("ul", {}, ...reasons.map((each) => el("li", {}, each))) : null,
  );
}
