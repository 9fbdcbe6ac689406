/* The approval: whom it goes to and when, told as one chooses; the count-down; and test sends with what became of them. */

import { hold, say, send } from "./desk.js";
import { part, renew } from "./parts.js";

/* When it goes, in words ---------------------------------------------------------------------------------------- */

function watchWhen(fieldset) {
  const form = fieldset.form;
  const words = fieldset.querySelector(".moment");
  const button = form.querySelector("#approve");
  let asked = 0;
  let timer = 0;
  const way = () => form.elements.when.value;
  async function tell() {
    if (button) button.textContent = way() === "now" ? "Approve, and send it now" : "Approve";
    if (way() === "now") {
      words.replaceChildren();
      return;
    }
    const mine = ++asked;
    const fields = ["when", "date", "time", "zone"].map((name) => [name, form.elements[name].value]);
    try {
      const html = await part(`${fieldset.dataset.moment}?${new URLSearchParams(fields)}`);
      if (mine === asked) renew(words, html);
    } catch {
      if (mine === asked) words.replaceChildren();
    }
  }
  fieldset.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(tell, 200);
  });
  tell();
  form.addEventListener("submit", (event) => {
    // With a provider that mails people the network is asked first.
    if (button && !event.defaultPrevented) setTimeout(() => !event.defaultPrevented && (button.textContent = "Checking it, then approving…"));
    if (way() !== "now") return;
    const readers = document.querySelector(".facts dd strong")?.textContent || "its readers";
    if (!confirm(`It goes to ${readers} at once. What is out cannot be called back. Send it now?`)) {
      event.preventDefault();
      return;
    }
    const sure = form.elements.sure || form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name: "sure" }));
    sure.value = "yes";
  });
}

/* The count-down ------------------------------------------------------------------------------------------------ */

function countDown(line) {
  const until = Date.parse(line.dataset.until);
  const count = line.querySelector(".left");
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const timer = setInterval(tick, 1000);
  function tick() {
    if (!line.isConnected) return clearInterval(timer);
    let left = Math.ceil((until - Date.now()) / 1000);
    if (left <= 0) {
      clearInterval(timer);
      count.textContent = "It is going out…";
      setTimeout(() => location.assign(line.dataset.next), 1200);
      return;
    }
    const parts = [];
    for (const [name, size] of units) {
      const many = Math.floor(left / size);
      left -= many * size;
      if (many || parts.length) parts.push([many, name]);
    }
    count.textContent = `Goes out in ${parts.slice(0, 3).filter(([many]) => many).map(([many, name]) => `${many} ${name}${many === 1 ? "" : "s"}`).join(", ")}`;
  }
  tick();
}

function ready(place) {
  for (const fieldset of place.querySelectorAll("fieldset.when")) watchWhen(fieldset);
  for (const line of place.querySelectorAll(".countdown")) countDown(line);
}

/* Beside the editing, the approval is asked for once the page stands; its own page has it already. */
const panel = document.getElementById("approval-panel");
let checked = null;
let stale = false; // something was changed since the checks looked last
let waiting = null; // the form that is to be sent once they have

function standing() {
  const line = document.getElementById("standing");
  if (!line || !checked) return;
  const form = line.closest("form");
  // What is on the page now is what is approved: the page is told of each change, and the server compares.
  form.elements.content.value = checked.content;
  line.hidden = !checked.blocks;
  line.textContent = checked.blocks ? `${checked.blocks === 1 ? "A check keeps" : `${checked.blocks} checks keep`} it from going out. Mend it, or give a reason beside it.` : "";
}

if (panel) {
  const found = document.getElementById("approval-found");
  const load = async () => {
    try {
      renew(found, await part(panel.dataset.at));
      if (found.firstElementChild.dataset.state !== panel.dataset.state) return location.reload();
      ready(found);
      standing();
    } catch (error) {
      if (error.status) say(error.message, { bad: true });
    }
  };
  for (const change of ["digest:saved", "digest:changed"]) document.addEventListener(change, () => (stale = true));
  document.addEventListener("digest:checked", (event) => {
    checked = event.detail;
    stale = false;
    standing();
    waiting?.requestSubmit();
    waiting = null;
  });
  // Whoever changes a word and approves at once means it with that word.
  panel.addEventListener(
    "submit",
    (event) => {
      if (!stale || event.target.id !== "approve-form") return;
      event.preventDefault();
      event.stopPropagation();
      waiting = event.target;
    },
    true,
  );
  setTimeout(load, 300);
} else {
  ready(document);
}

/* Test sends ---------------------------------------------------------------------------------------------------- */

const tests = document.getElementById("test-panel");
const result = document.getElementById("test-found");

/** Looks what became of a test until all of it is known. */
async function follow(at) {
  for (let wait = 300; document.contains(result); wait = Math.min(wait * 1.3, 3000)) {
    try {
      renew(result, await part(at));
      if (result.firstElementChild.dataset.over === "yes") return;
    } catch (error) {
      if (error.status) return say(error.message, { bad: true });
    }
    await new Promise((go) => setTimeout(go, wait));
  }
}

if (result?.dataset.test) follow(result.dataset.test);

if (tests) {
  const place = document.getElementById("test-form");
  const load = async () => {
    renew(place, await part(tests.dataset.at));
    const form = document.getElementById("trial-form");
    const kept = `digest:test-to:${form.dataset.me}`;
    try {
      form.elements.to.value = localStorage.getItem(kept) || form.elements.to.value;
    } catch {
      // A browser that keeps nothing.
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      hold(button);
      try {
        const { at } = await send(form.action, new FormData(form));
        try {
          localStorage.setItem(kept, form.elements.to.value);
        } catch {
          // As above.
        }
        result.replaceChildren();
        await follow(at);
      } catch (error) {
        say(error.message, { bad: true });
      } finally {
        hold(button, false);
      }
    });
  };
  setTimeout(() => load().catch((error) => say(error.message, { bad: true })), 350);
}
