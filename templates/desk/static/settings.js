/* The settings' pages: buttons that copy, the From line that follows what is typed, the letter of trial that is watched. */

import { say } from "./desk.js";

/* Copying needs the browser's clipboard, which pages over plain http do not have but on localhost. */
if (navigator.clipboard) {
  const show = (root) => {
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  };
  show(document);
  document.body.addEventListener("htmx:load", (event) => show(event.target));
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say("Copied.");
    } catch {
      say("The browser does not let this page copy; select the text instead.", { bad: true });
    }
  });
}

const part = (name) => document.querySelector(`[data-from="${name}"]`);
if (part("name")) {
  const follow = () => {
    const name = document.getElementById("sender_name").value.trim() || part("name").dataset.otherwise;
    part("name").textContent = name;
    part("face").textContent = [...name][0]?.toUpperCase() ?? "";
    part("address").textContent = document.getElementById("sender_address").value.trim();
  };
  document.addEventListener("input", follow);
}

/* What became of a letter of trial: asked for until it is settled, or a minute has gone. */
const trial = document.querySelector("[data-trial]");
if (trial) {
  const until = Date.now() + 60_000;
  const ask = async () => {
    const answer = await fetch(trial.dataset.trial, { headers: { Accept: "application/json" } }).catch(() => null);
    const found = answer?.ok ? await answer.json() : null;
    if (found) {
      trial.querySelector("[data-words]").textContent = found.words;
      trial.className = `said trial ${found.state}`;
      if (found.settled) return;
    }
    if (Date.now() < until) setTimeout(ask, 1000);
  };
  setTimeout(ask, 700);
}
