// The page: its tabs, and what each begins with.

import * as api from "./api.js";
import * as check from "./check.js";
import { byId, el, warn } from "./dom.js";
import * as live from "./live.js";
import * as people from "./people.js";
import { setWords, taskOf } from "./words.js";

const tabs = [...document.querySelectorAll('[role="tab"]')];

function open(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  warn(null);
  const name = tab.getAttribute("aria-controls");
  history.replaceState(null, "", `#${name}`);
  if (name !== "live") live.stop();
  if (name === "people") people.list();
  if (name === "about") listModels();
}

for (const tab of tabs) {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const now = tabs.indexOf(tab);
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs.at(to % tabs.length);
    open(next);
    next.focus();
  });
}

async function listModels() {
  const place = byId("models");
  try {
    const { models } = await api.models();
    place.replaceChildren(...models.map(modelElement));
  } catch (error) {
    place.replaceChildren(el("p", {}, error.message));
  }
}

function modelElement(card) {
  const facts = {
    question: taskOf(card.task).question,
    counts: card.advisory ? "no: advisory, not proven on real cases" : "yes",
    "thresholds, the first decides": card.thresholds.map((each) => `${Number(each.value.toPrecision(4))} (${each.rule})`).join(", ") || "none",
    "trained on": card.training_data,
    terms: card.terms,
  };
  return el(
    "div",
    { class: "box" },
    el("h3", {}, `${card.name}@${card.version}`),
    el(
      "dl",
      {},
      ...Object.entries(facts).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
      el("dt", {}, "SHA-256 of the weights"),
      el("dd", {}, el("code", {}, card.sha256)),
    ),
  );
}

try {
  setWords(await api.words());
  check.start();
  live.start();
  people.start();
  open(tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash) ?? tabs[0]);
  document.documentElement.dataset.ready = "yes";
} catch (error) {
  warn(error.message);
}
