// Two faces compared, and the gallery: people are enrolled, found again and forgotten.

import * as api from "./api.js";
import { byId, during, el, put, say, warn } from "./dom.js";
import { pickerOf } from "./picker.js";
import { scale } from "./verdicts.js";
import { matched, taskOf } from "./words.js";

const COLOURS = { same: "good", known: "good", different: "plain", unknown: "plain" };
const SHORT = { same: "Same person", different: "Different people", unknown: "Unknown" };
const ENDS = { low: -1, high: 1, words: ["unlike", "alike"], rails: ["rail-plain", "rail-strong"] };
const chosen = {};

export function start() {
  for (const name of ["first", "second"]) {
    pickerOf(byId(name), ([file]) => {
      chosen[name] = file;
      byId("compare-go").disabled = !(chosen.first && chosen.second);
    });
  }
  byId("compare-go").addEventListener("click", compare);
  const empty = pickerOf(byId("enrol-pictures"), (files) => {
    chosen.enrol = files;
  });
  byId("enrol").addEventListener("submit", (event) => {
    event.preventDefault();
    enrol(empty);
  });
  pickerOf(byId("identify-picture"), ([file]) => identify(file));
}

const said = (decision, reason) => (decision ? matched(decision) : matched(reason ?? ""));

function answer(decision, reason, name) {
  const word = name ?? SHORT[decision] ?? "Cannot tell";
  return el("p", {}, el("span", { class: `answer ${COLOURS[decision] ?? "open"}` }, word), ` ${said(decision, reason)}`);
}

/** How alike faces are, against the threshold, and how often strangers reach it. */
function likeness(score, found) {
  if (score === null) return [];
  const rate = found.far ? `; about ${found.far * 100} % of pairs of strangers reach it, where it was measured` : "";
  return [
    scale(score, found.threshold, ENDS),
    el("p", { class: "soft" }, `Likeness ${score.toFixed(3)}, threshold ${found.threshold.toFixed(3)}${rate}. By ${found.model}.`),
  ];
}

async function compare() {
  const fields = { liveness: byId("compare-live").checked && "true" };
  const found = await during("Comparing …", () => api.verify(chosen.first, chosen.second, fields), byId("compare-go"));
  if (!found) return;
  const why = [found.first, found.second].flatMap((side, index) =>
    side.reason ? [el("li", {}, `The ${["first", "second"][index]} picture: ${matched(side.reason)}${side.detail ? ` (${side.detail})` : ""}`)] : [],
  );
  put(
    byId("compare-result"),
    el("h3", { tabindex: -1, class: "title" }, "The answer"),
    answer(found.decision, found.reason),
    why.length ? el("ul", {}, ...why) : null,
    ...likeness(found.score, found),
    notAsked(found),
  );
  say(SHORT[found.decision] ?? `Cannot tell: ${found.reason}.`);
  byId("compare-result").querySelector(".title").focus();
}

/** A likeness does not say whether a face is live; that is asked besides, or it is said that it was not. */
function notAsked(found) {
  if (found.liveness.length) {
    return el("p", { class: "soft" }, `Asked besides, of each face: ${found.liveness.map((name) => taskOf(name).question).join(" ")}`);
  }
  return el("p", { class: "soft" }, "Whether the faces are live was not asked: a print or a screen may show the same person.");
}

async function enrol(empty) {
  const name = byId("enrol-name").value.trim();
  if (!chosen.enrol?.length) {
    warn("Choose pictures of the person first.");
    return;
  }
  const made = await during("Enrolling …", () => api.enrol(name, chosen.enrol), byId("enrol").querySelector("button.main"));
  if (!made) return;
  chosen.enrol = null;
  byId("enrol").reset();
  empty();
  say(`${made.name}: ${made.added} added, ${made.templates} in all.`);
  await list();
}

async function identify(file) {
  const found = await during("Looking …", () => api.identify(file));
  if (!found) return;
  const matches = found.matches.map((match, index) =>
    el(
      "div",
      { class: "face" },
      el("h4", {}, `Face ${index + 1}`),
      answer(match.decision, match.reason, match.name),
      match.detail ? el("p", { class: "soft" }, match.detail) : null,
      ...likeness(match.score, found),
    ),
  );
  put(
    byId("people-result"),
    el("h3", { tabindex: -1, class: "title" }, "Who it is"),
    found.reason ? el("p", {}, `Cannot tell: ${matched(found.reason)}`) : null,
    ...matches,
    notAsked(found),
  );
  say(matches.length ? found.matches.map((each) => each.name ?? SHORT[each.decision] ?? `cannot tell: ${each.reason}`).join(", ") : `Cannot tell: ${found.reason}`);
  byId("people-result").querySelector(".title").focus();
}

/** Lists who is in the gallery. */
export async function list() {
  const place = byId("people-list");
  try {
    const { people } = await api.people();
    const names = Object.keys(people);
    place.replaceChildren(...names.map((name) => entry(name, people[name])));
    if (!names.length) place.append(el("li", {}, "Nobody yet."));
  } catch (error) {
    place.replaceChildren(el("li", {}, error.message.replace(/^Not judged: /, "")));
  }
}

const entry = (name, count) =>
  el(
    "li",
    {},
    el("span", {}, el("strong", {}, name), `, ${count} ${count === 1 ? "template" : "templates"}`),
    el("button", { type: "button", class: "danger", "aria-label": `Forget ${name}`, onclick: () => forget(name) }, "Forget"),
  );

function forget(name) {
  const dialog = byId("sure");
  byId("sure-text").textContent = `Delete all templates of ${name}? This cannot be undone.`;
  dialog.returnValue = "no";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    const gone = await during("Deleting …", () => api.forget(name));
    if (gone) say(`${gone.name} is forgotten: ${gone.templates} deleted.`);
    await list();
  };
  dialog.showModal();
}
