/* The board's script: everything here is a comfort, the page works without it. */
import { follow } from "./live.js";
import { roster } from "./roster.js";

document.addEventListener("keydown", (event) => {
  const search = document.getElementById("q");
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  if (event.key === "/" && search && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});

follow(roster(document));
