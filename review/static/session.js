// One session: keys, and new messages as they come.
"use strict";
(() => {
  const { fragment, swap, live, writing } = window.review;
  const session = document.getElementById("session").dataset.session;
  const flow = document.getElementById("flow");
  const turns = () => [...flow.querySelectorAll(".turn")];
  const here = () => flow.querySelector(".turn.here");

  function go(step) {
    const lines = turns();
    const at = here() ? lines.indexOf(here()) : step > 0 ? -1 : lines.length;
    const next = lines[Math.min(Math.max(at + step, 0), lines.length - 1)];
    here()?.classList.remove("here");
    next?.classList.add("here");
    next?.scrollIntoView({ block: "nearest" });
  }

  const press = (selector) => document.querySelector(selector)?.click();
  const keys = {
    j: () => go(1),
    k: () => go(-1),
    Enter: () => here()?.querySelector("summary").click(),
    f: () => here()?.querySelector("[data-flag]")?.click(),
    e: () => press("[data-review=reviewed]"),
    s: () => press("[data-review=saved]"),
    n: () => press("a[rel=next]"),
    p: () => press("a[rel=prev]"),
    "?": () => document.getElementById("keys").showModal(),
    Escape: () => press("a[data-back]"),
  };
  document.addEventListener("keydown", (event) => {
    if (writing(event) || document.querySelector("dialog[open]") || !keys[event.key]) return;
    if (event.key === "Enter" && event.target !== document.body) return;
    event.preventDefault();
    keys[event.key]();
  });

  // A link to one message opens it.
  document.querySelector(":target details")?.setAttribute("open", "");

  let due;
  live((changed) => {
    if (changed !== session) return;
    clearTimeout(due);
    due = setTimeout(async () => swap(flow, await fragment(location.href.split("#")[0])), 200);
  });
})();
