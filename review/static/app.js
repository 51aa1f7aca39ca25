// What every page of the review app does. Forms work without this file; with it they do not reload.
"use strict";

const csrf = () => document.querySelector("meta[name=csrf]")?.content ?? "";

/** Fetch a page's fragment; a session that is over leads to signing in again. */
async function fragment(url, options = {}) {
  const answer = await fetch(url, {
    ...options,
    headers: { "X-Fragment": "1", "X-CSRF-Token": csrf(), ...options.headers },
  });
  if (answer.status === 401) location.assign("/sign-in");
  const text = await answer.text();
  if (!answer.ok) throw new Error(text.slice(0, 300) || `The server answered ${answer.status}.`);
  return text;
}

/** Put fresh HTML in the place of an element, and keep what the reader had opened or chosen. */
function swap(element, html) {
  const open = [...element.querySelectorAll("details[open][id]")].map((e) => e.id);
  const chosen = [...element.querySelectorAll("input:checked[value]")].map((e) => e.value);
  const here = element.querySelector(".here")?.id;
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  element.innerHTML = html;
  open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  chosen.forEach((value) => {
    const box = element.querySelector(`input[value="${CSS.escape(value)}"]`);
    if (box) box.checked = true;
  });
  if (here) document.getElementById(here)?.classList.add("here");
  if (focused) document.getElementById(focused)?.focus();
}

let quiet;
function say(words, undo) {
  const toast = document.getElementById("toast");
  toast.textContent = words;
  if (undo) {
    const button = document.createElement("button");
    button.textContent = "Undo";
    button.addEventListener("click", undo);
    toast.append(button);
  }
  toast.hidden = false;
  clearTimeout(quiet);
  quiet = setTimeout(() => { toast.hidden = true; }, 6000);
}

// A form with data-swap="#place" is sent in the background, and what comes back goes there.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const place = document.querySelector(form.dataset.swap);
  if (!place) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const url = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action");
  try {
    swap(place, await fragment(url, { method: "POST", body }));
    if (form.dataset.said) say(form.dataset.said);
  } catch (error) {
    say(error.message);
  }
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
  const copier = event.target.closest("[data-copy]");
  if (copier) navigator.clipboard?.writeText(location.href.split("#")[0]).then(() => say("Link copied"));
  const words = event.target.closest("[data-copies]");
  if (words) {
    const found = words.closest("[data-prompt]").querySelector(words.dataset.copies).textContent;
    navigator.clipboard?.writeText(found).then(() => say("Copied"));
  }
});

// What is long is fetched when it is opened; `toggle` does not bubble.
document.addEventListener("toggle", async (event) => {
  const { loads } = event.target.dataset;
  if (!loads || !event.target.open || event.target.dataset.loaded) return;
  event.target.dataset.loaded = "1";
  try {
    event.target.querySelector("div").innerHTML = await fragment(loads);
  } catch (error) {
    delete event.target.dataset.loaded;
    say(error.message);
  }
}, true);

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
});

/** Is somebody writing, so that letters are letters? */
const writing = (event) =>
  event.target.closest("input:not([type=checkbox]), textarea, select") ||
  event.ctrlKey || event.metaKey || event.altKey;

/** Call `then` with a session's id whenever something happens in one. */
function live(then) {
  const stream = new EventSource("/live");
  stream.addEventListener("session", (event) => then(event.data));
  addEventListener("pagehide", () => stream.close());
}

window.review = { fragment, swap, say, live, writing };
