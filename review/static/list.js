// The list: keys for triage, choosing several, and new sessions as they come.
"use strict";
(() => {
  const { fragment, swap, say, live, writing } = window.review;
  const rows = document.getElementById("rows");
  const list = document.getElementById("list");
  const all = () => [...document.querySelectorAll("#rows tr")];
  const here = () => document.querySelector("#rows tr.here");

  function go(step) {
    const lines = all();
    const at = lines.indexOf(here());
    const next = lines[Math.min(Math.max(at + step, 0), lines.length - 1)];
    here()?.classList.remove("here");
    next?.classList.add("here");
    next?.scrollIntoView({ block: "nearest" });
  }

  function count() {
    const picked = document.querySelectorAll("#rows input:checked").length;
    document.getElementById("bulk").hidden = picked === 0;
    document.getElementById("picked").textContent = picked;
  }

  let last; // the session whose status undo takes back
  async function mark(row, status) {
    if (!row) return;
    const body = new URLSearchParams({ status });
    try {
      await fragment(`/sessions/${row.dataset.session}/review`, { method: "POST", body });
    } catch (error) {
      say(error.message);
      return;
    }
    last = row.dataset.session;
    await refresh();
    say({ reviewed: "Reviewed", saved: "Saved for later", unread: "Unread again" }[status], undo);
  }

  async function undo() {
    if (!last) return;
    const session = last;
    last = undefined;
    await fragment(`/sessions/${session}/undo`, { method: "POST", body: new URLSearchParams() });
    await refresh();
    say("Taken back");
  }

  async function refresh() {
    if (!rows) { location.reload(); return; }
    const known = new Set(all().map((row) => row.id));
    swap(rows, await fragment(location.href));
    if (known.size) all().filter((row) => !known.has(row.id)).forEach((row) => row.classList.add("new"));
    count();
  }

  const keys = {
    j: () => go(1),
    k: () => go(-1),
    x: () => { const box = here()?.querySelector("input"); if (box) { box.checked = !box.checked; count(); } },
    e: () => mark(here(), "reviewed"),
    s: () => mark(here(), "saved"),
    u: () => mark(here(), "unread"),
    z: undo,
    "/": () => document.getElementById("search").focus(),
    "?": () => document.getElementById("keys").showModal(),
    Enter: () => here()?.querySelector("a").click(),
  };
  document.addEventListener("keydown", (event) => {
    if (writing(event) || document.querySelector("dialog[open]") || !keys[event.key]) return;
    if (event.key === "Enter" && event.target !== document.body) return;
    event.preventDefault();
    keys[event.key]();
  });

  list?.addEventListener("change", (event) => {
    if (event.target.id === "all") {
      list.querySelectorAll("#rows input").forEach((box) => { box.checked = event.target.checked; });
    }
    count();
  });

  let due;
  live(() => {
    clearTimeout(due);
    due = setTimeout(() => refresh().catch(() => {}), 250);
  });
})();
