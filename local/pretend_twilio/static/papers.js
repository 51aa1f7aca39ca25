// The 10DLC papers of the number that is texted: in order, or in one of the ways in which they are not.

const [chaos, business, papers, about] = ["chaos", "business", "papers", "about-papers"].map((id) =>
  document.getElementById(id));
const LOST = "The pretend Twilio does not answer.";

async function ask(told = undefined) {
  const headers = told ? { "Content-Type": "application/json" } : {};
  const method = told ? "POST" : "GET";
  try {
    const response = await fetch("/registration", { method, headers, body: told && JSON.stringify(told) });
    if (!response.ok) throw new Error(String(response.status));
    show(await response.json());
  } catch {
    say(LOST, true);
  }
}

function show({ states, numbers }) {
  const { state, words } = numbers[business.value] ?? { state: null, words: "" };
  // A script can put papers into a state that has no name.
  const names = state === null ? [...states, "as a script says"] : states;
  papers.replaceChildren(...names.map((name) => new Option(name, name)));
  papers.value = state ?? names.at(-1);
  say(words, state !== "approved");
}

function say(words, bad) {
  about.textContent = words;
  about.classList.toggle("bad", bad);
}

papers.addEventListener("change", () => ask({ number: business.value, state: papers.value }));
business.addEventListener("change", () => ask());
chaos.addEventListener("toggle", () => chaos.open && ask());
