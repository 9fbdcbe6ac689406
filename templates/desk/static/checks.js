/* The checks beside the editing: looked at again after each change, one look at a time; the network where it is asked. */

import { hold, say } from "./desk.js";
import { part, renew } from "./parts.js";

const panel = document.getElementById("checks-panel");
const found = document.getElementById("checks-found");
const busy = document.getElementById("checks-busy");
const network = document.getElementById("network");
const at = panel.dataset.at;

const REST_MS = 600; // after the last change: typing must not wait for it
let timer = 0;
let looking = false;
let again = false;

async function look() {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  again = false;
  const told = setTimeout(() => (busy.hidden = false), 700);
  try {
    renew(found, await part(at));
    if (!again) tell();
  } catch (error) {
    if (error.status) found.replaceChildren(Object.assign(document.createElement("p"), { className: "problem", textContent: error.message }));
  } finally {
    clearTimeout(told);
    busy.hidden = true;
    looking = false;
    if (again) later();
  }
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(look, REST_MS);
}

/** Tells the approval beside it, and the tab that leads here. */
function tell() {
  const { content, blocks, warns } = found.firstElementChild.dataset;
  const detail = { content, blocks: Number(blocks), warns: Number(warns) };
  const tab = document.querySelector('.editor-views [data-view="checks"]');
  if (tab) {
    let badge = tab.querySelector(".checks-badge");
    if (!badge) tab.append(" ", (badge = Object.assign(document.createElement("span"), { className: "checks-badge" })));
    badge.hidden = !detail.blocks;
    badge.textContent = detail.blocks || "";
    badge.setAttribute("aria-label", `${detail.blocks} keep it from going out`);
  }
  if (asked && asked !== content) said.textContent = "The issue has changed since the network was asked.";
  document.dispatchEvent(new CustomEvent("digest:checked", { detail }));
}

document.addEventListener("digest:saved", later);
document.addEventListener("digest:changed", later);
network.hidden = false;
setTimeout(look, 250); // the preview first

/* The network: three questions at once, each answered as it comes. */
const QUESTIONS = { dns: "the DNS", spam: "a spam filter", links: "every link" };
const said = document.getElementById("network-said");
const answers = document.getElementById("network-found");
const button = document.getElementById("ask-network");
let asked = "";

button.addEventListener("click", async () => {
  const open = new Set(Object.keys(QUESTIONS));
  const progress = () => (said.textContent = open.size ? `Asking ${[...open].map((one) => QUESTIONS[one]).join(", ")}…` : "");
  hold(button);
  answers.replaceChildren();
  asked = found.firstElementChild.dataset.content || "";
  progress();
  await Promise.all(
    [...open].map(async (what) => {
      const place = document.createElement("div");
      answers.append(place);
      try {
        renew(place, await part(at, { method: "POST", fields: { what } }));
      } catch (error) {
        say(`${QUESTIONS[what]}: ${error.message}`, { bad: true });
      }
      open.delete(what);
      progress();
    }),
  );
  hold(button, false);
  button.textContent = "Ask the network again";
  const bad = answers.querySelectorAll(".findings.block > .finding").length;
  said.textContent = bad ? `The network found ${bad} that keep${bad === 1 ? "s" : ""} it from going out.` : "The network was asked.";
});

/* A way to a place of this page: the view that has it is shown, and the place has the focus. */
panel.addEventListener("click", (event) => {
  const way = event.target.closest("a[data-place]");
  const place = way && new URL(way.href).pathname === location.pathname && document.getElementById(decodeURIComponent(way.hash.slice(1)));
  if (!place) return;
  event.preventDefault();
  const view = document.querySelector('.editor-views [data-view="edit"]');
  if (view && !place.checkVisibility()) view.click();
  place.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  if (!place.matches("a, button, input, select, textarea")) place.tabIndex = -1;
  place.focus({ preventScroll: true });
});
