// The camera, live: frames go out one at a time, and the faces of each come back with their verdicts.

import * as api from "./api.js";
import { byId, el, say, warn } from "./dom.js";
import { openCamera, still } from "./picker.js";
import { boxes } from "./stage.js";
import { answerElement, faceElement } from "./verdicts.js";
import { trusted } from "./words.js";

const LONGEST = 640; // Pixels of a frame's side.
const LEAST = 125; // Milliseconds from frame to frame.
const PATIENCE = 1500; // Milliseconds for an answer; a busy server drops frames without one.
const SPOKEN = 4000; // Milliseconds from one spoken change to the next.

let end = null;

export function start() {
  byId("live-start").addEventListener("click", begin);
  byId("live-stop").addEventListener("click", () => stop());
}

export function stop(said = "The camera is off.") {
  if (!end) return;
  end();
  end = null;
  byId("live-start").hidden = false;
  byId("live-stop").hidden = true;
  byId("live-rate").textContent = "";
  byId("live-stage").hidden = true;
  byId("live-stage").querySelector("svg")?.remove();
  byId("live-result").replaceChildren();
  say(said);
}

async function begin() {
  warn(null);
  const video = byId("live-video");
  const start = byId("live-start");
  start.disabled = true;
  let close;
  try {
    close = await openCamera(video);
  } catch (error) {
    warn(error.message);
    return;
  } finally {
    start.disabled = false;
  }
  if (byId("live").hidden) return close(); // Another tab was opened meanwhile.
  const socket = api.camera();
  let running = true;
  let answered = () => {};
  end = () => {
    running = false;
    close();
    // A browser complains of a connection that is closed before it is there.
    if (socket.readyState === WebSocket.CONNECTING) socket.addEventListener("open", () => socket.close());
    else socket.close();
    answered();
  };
  start.hidden = true;
  byId("live-stop").hidden = false;
  byId("live-stage").hidden = false;
  byId("live-stop").focus();
  say("The camera is on.");
  const tell = teller();
  socket.addEventListener("message", (event) => {
    const said = JSON.parse(event.data);
    if (said.ready) send();
    else if (said.report) tell(said);
    else if (said.frame === undefined) {
      warn(`The camera is not judged: ${said.error}.`);
      stop("The camera is off.");
    }
    answered();
  });
  socket.addEventListener("close", () => {
    if (running) stop("The server ended it; the camera is off.");
  });

  async function send() {
    while (running) {
      const frame = await still(video, LONGEST);
      if (!running) return;
      const answer = new Promise((resolve) => {
        answered = resolve;
        setTimeout(resolve, PATIENCE);
      });
      socket.send(frame);
      await Promise.all([answer, new Promise((resolve) => setTimeout(resolve, LEAST))]);
    }
  }
}

/** Returns what shows an answer; a change is spoken, but not more often than can be listened to. */
function teller() {
  let spoken = "";
  let when = -SPOKEN;
  return ({ report, rate, dropped }) => {
    const stage = byId("live-stage");
    stage.querySelector("svg")?.remove();
    stage.append(boxes(report.faces, report.width, report.height));
    byId("live-rate").textContent = `${rate.toFixed(1)} frames a second judged, ${dropped} dropped`;
    const faces = report.faces.map((face, index) => faceElement(face, index + 1));
    byId("live-result").replaceChildren(answerElement(report, { level: "h3", title: "Now" }), el("div", {}, ...faces));
    const [word] = trusted(report.trusted);
    if (word !== spoken && performance.now() - when > SPOKEN) {
      spoken = word;
      when = performance.now();
      say(word);
    }
  };
}
