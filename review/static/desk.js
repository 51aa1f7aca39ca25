// The desk: who waits appears, and goes, by itself.
"use strict";
(() => {
  const { fragment, swap, live } = window.review;
  const place = document.getElementById("conversations");
  let due;
  live(() => {
    clearTimeout(due);
    due = setTimeout(async () => swap(place, await fragment(location.href)), 250);
  });
})();
