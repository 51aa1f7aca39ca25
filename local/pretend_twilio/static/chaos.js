// The chaos switches: trouble between Twilio and the business, made and ended by hand.

const $ = (id) => document.getElementById(id);
const [chaos, summary, state, done, problem, calm] = [
  "chaos", "chaos-summary", "chaos-state", "chaos-done", "chaos-problem", "calm",
].map($);
const switches = [...chaos.querySelectorAll("input[role=switch]")];
const LOOKS_EVERY_MS = 1500;

// What the server counts, in the order and the words in which it is told.
const DONE = [
  ["webhooks", { duplicate: "duplicated", late: "late", reorder: "held back", lost: "lost" }, "text"],
  ["callbacks", { duplicate: "repeated", late: "late", reorder: "held back", lost: "lost" }, "report"],
];

let looking = 0;

// Answers may overtake each other: only the last question's is shown.
let asked = 0;
let changing = 0;

async function ask(path, method = "GET", told = undefined) {
  const mine = ++asked;
  const headers = told ? { "Content-Type": "application/json" } : {};
  try {
    const response = await fetch(path, { method, headers, body: told && JSON.stringify(told) });
    if (!response.ok) throw new Error(String(response.status));
    const now = await response.json();
    if (mine === asked) show(now);
    return true;
  } catch {
    write(problem, "The pretend Twilio does not answer.");
    return false;
  }
}

function look() {
  if (!changing) ask("/chaos");
}

async function change(path, method, told) {
  changing += 1;
  const gone = await ask(path, method, told);
  changing -= 1;
  return gone;
}

function show(now) {
  write(problem, "");
  chaos.classList.toggle("active", now.active);
  write(state, now.active ? "on" : "off");
  for (const each of switches) each.checked = now.switches[each.name];
  calm.disabled = !now.active;
  write(done, inWords(now.counts));
}

function inWords(counts) {
  const parts = DONE.flatMap(([kind, words, noun]) =>
    Object.entries(words)
      .filter(([name]) => counts[kind][name])
      .map(([name, word]) => `${plural(counts[kind][name], noun)} ${word}`));
  const { asked = 0, latency = 0, ...errors } = counts.messages;
  const failed = Object.values(errors).reduce((sum, n) => sum + n, 0);
  if (failed) parts.push(`${plural(failed, "error")} for ${plural(asked, "message")}`);
  if (latency) parts.push(`${plural(latency, "message")} slow`);
  return parts.length ? `So far: ${parts.join(", ")}.` : "Nothing has gone wrong yet.";
}

const plural = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

async function turn(each) {
  const wanted = each.checked;
  if (!(await change("/chaos/switches", "POST", { [each.name]: wanted }))) each.checked = !wanted;
}

for (const each of switches) each.addEventListener("change", () => turn(each));
calm.addEventListener("click", async () => {
  await change("/chaos", "DELETE");
  summary.focus(); // the button is disabled now, and would take the focus with it
});
chaos.addEventListener("toggle", () => {
  clearInterval(looking);
  if (!chaos.open) return;
  look();
  looking = setInterval(look, LOOKS_EVERY_MS);
});
chaos.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !chaos.open) return;
  chaos.open = false;
  summary.focus();
});
document.addEventListener("pointerdown", (event) => {
  if (chaos.open && !chaos.contains(event.target)) chaos.open = false;
});
// A pretend Twilio that was restarted is calm again.
document.addEventListener("phone:connected", look);
look();
