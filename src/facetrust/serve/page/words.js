// Verdicts and reasons in plain words; the sentences are the program's own, which the server gives.

let table = null;

export function setWords(given) {
  table = given;
}

export const taskOf = (name) => table.tasks[name] ?? { question: name, distrusts: false, positive: "", negative: "" };
export const trusted = (value) => table.trusted[String(value)];
export const advisory = () => table.advisory;
export const matched = (word) => table.matches[word] ?? word;

export function verdictSays(verdict) {
  const task = taskOf(verdict.task);
  const said = { [task.positive]: task.positive_says, [task.negative]: task.negative_says }[verdict.decision];
  return said || `The model's answer is: ${verdict.decision}.`;
}

const known = (reason) => Object.keys(table.reasons).find((begins) => reason.startsWith(begins));
const sentence = (reason) => table.reasons[known(reason)] ?? reason;

function split(reason) {
  const begun = reason.replace(/^not judged: /, "");
  const parts = begun === reason ? [reason] : begun.split("; ");
  return parts.flatMap((part) => {
    const plain = part.replace(/ \(\d+ faces\)$/, "");
    return known(plain) === plain ? [plain] : plain.split(", ");
  });
}

export const reasonSays = (reason) => (reason ? [...new Set(split(reason).map(sentence))] : []);

/** What one verdict says: nothing where it is advisory, or its task distrusts nothing. */
export function verdictState(verdict) {
  const task = taskOf(verdict.task);
  if (verdict.advisory || !task.distrusts) return "open";
  return verdict.decision === task.positive ? "bad" : "good";
}

/** What all about a face says: good only where all that counts was judged. */
export function faceState(face) {
  const states = face.verdicts.map(verdictState);
  if (states.includes("bad")) return "bad";
  return states.includes("good") && face.not_judged.every((each) => each.advisory) ? "good" : "open";
}

export const STATES = { good: "trusted", bad: "not trusted", open: "cannot tell" };
export const answerState = (value) => (value === null ? "open" : value ? "good" : "bad");
