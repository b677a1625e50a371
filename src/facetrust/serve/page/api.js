// What is asked of the server; see /openapi.json.

import { byId } from "./dom.js";

const KEY = "facetrust-key";
let waiting = null;

export const key = () => sessionStorage.getItem(KEY);

/** Shows the form for a key, and waits until one is given. */
function askForKey() {
  const form = byId("key");
  waiting ??= new Promise((resolve) => {
    form.hidden = false;
    byId("key-text").focus();
    form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        sessionStorage.setItem(KEY, byId("key-text").value.trim());
        form.hidden = true;
        waiting = null;
        resolve();
      },
      { once: true },
    );
  });
  return waiting;
}

async function ask(path, options = {}) {
  const headers = key() ? { Authorization: `Bearer ${key()}` } : {};
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (answer.status === 401) {
    await askForKey();
    return ask(path, options);
  }
  if (answer.ok) return answer.json();
  const said = await answer.json().catch(() => ({}));
  const error = new Error(`Not judged: ${said.error ?? `the server answered ${answer.status}`}.`);
  error.status = answer.status;
  throw error;
}

function form(files, fields = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value) body.append(name, value);
  for (const file of files) body.append("file", file, "upload");
  return { method: "POST", body };
}

const person = (name) => `v1/gallery/${encodeURIComponent(name)}`;

export const words = () => ask("words.json");
export const models = () => ask("v1/models");
export const check = (file, fields) => ask("v1/check", form([file], fields));
export const parts = (file) => ask("v1/parse", form([file]));
export const verify = (first, second, fields) => ask("v1/verify", form([first, second], fields));
export const people = () => ask("v1/gallery");
export const enrol = (name, files) => ask(person(name), form(files));
export const forget = (name) => ask(person(name), { method: "DELETE" });
export const identify = (file) => ask("v1/identify", form([file]));

export function camera() {
  const socket = new WebSocket(new URL("v1/camera", location.href).href.replace(/^http/, "ws"));
  socket.addEventListener("open", () => socket.send(JSON.stringify(key() ? { key: key() } : {})));
  return socket;
}
