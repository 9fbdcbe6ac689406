/* What JavaScript adds to every page of the desk: words at the foot, questions before what cannot be undone, the sheet of
   shortcuts. A page with more to do loads a module of its own, which takes `say`, `send` and `shortcut` from here. */

const toasts = document.getElementById("toasts");

/** Says something at the foot of the window for some seconds; screen readers speak it. */
export function say(words, { bad = false } = {}) {
  const toast = document.createElement("p");
  toast.className = bad ? "toast bad" : "toast";
  toast.textContent = words;
  toasts.append(toast);
  setTimeout(() => toast.remove(), bad ? 12000 : 5000);
}

/** Posts fields as one of our forms does, and gives the JSON of the answer.
 *  Throws an Error with `status` (0 where nobody answered) and `answer`, its message what the server said. */
export async function send(address, fields = {}, { signal, keepalive = false } = {}) {
  const token = document.querySelector('meta[name="csrf"]');
  const post = () => fetch(address, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRF-Token": token.content },
    body: new URLSearchParams(fields),
    signal,
    keepalive,
  });
  let answer;
  let said;
  try {
    answer = await post();
    said = await read(answer);
    // Its editor signed in anew in another tab: this page goes on in that session.
    if (said.stale && (await renewed(token))) {
      answer = await post();
      said = await read(answer);
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Error("The server does not answer."), { status: 0, answer: {} });
  }
  if (!answer.ok) throw Object.assign(new Error(said.error || `It did not work (${answer.status}).`), { status: answer.status, answer: said });
  return said;
}

/** Says that a button's work is being done: it is not to be pressed meanwhile, but keeps the focus, which `disabled` takes. */
export function hold(button, held = true) {
  if (held) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}

document.addEventListener(
  "click",
  (event) => {
    if (!event.target.closest?.('button[aria-disabled="true"]')) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

async function read(answer) {
  return answer.status === 204 ? {} : answer.json().catch(() => ({}));
}

/** Takes over the token of the session there is now, in the page's forms too; gives whether it is another. */
async function renewed(token) {
  const { csrf } = await read(await fetch("/desk/form-token", { headers: { Accept: "application/json" } }));
  if (!csrf || csrf === token.content) return false;
  token.content = csrf;
  document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRF-Token": csrf }));
  for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = csrf;
  return true;
}

/* Shortcuts: letters pressed outside of fields. */
const shortcuts = new Map();

/** Does something on a key, or on two one after the other, such as "j" or "g i". */
export function shortcut(keys, act) {
  shortcuts.set(keys, act);
}

const sheet = document.getElementById("shortcuts");
let first = "";
let firstAt = 0;

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable], dialog[open]")) return;
  const both = event.timeStamp - firstAt < 1500 ? `${first} ${event.key}` : "";
  const act = shortcuts.get(both) || shortcuts.get(event.key);
  first = event.key;
  firstAt = event.timeStamp;
  if (!act) return;
  event.preventDefault();
  act(event);
});

if (sheet) {
  const open = () => sheet.showModal();
  shortcut("?", open);
  for (const button of document.querySelectorAll("[data-shortcuts]")) {
    button.hidden = false;
    button.addEventListener("click", open);
  }
  const go = (letter, to) => shortcut(`g ${letter}`, () => location.assign(to));
  go("w", "/desk/");
  go("i", "/desk/issues/");
  go("r", "/desk/reports/");
  go("c", "/desk/catalogue/");
  go("s", "/desk/subscribers/");
}

/* Without JavaScript a destructive form leads to a page that asks; with it, the question is asked here. */
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !event.target.dataset.confirmed && !confirm(question)) event.preventDefault();
});

/* A menu closes when something else is pressed, or Escape. */
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

document.body.addEventListener("htmx:responseError", (event) => {
  say(event.detail.xhr.responseText.slice(0, 300) || "It did not work.", { bad: true });
});
document.body.addEventListener("htmx:sendError", () => say("The server does not answer.", { bad: true }));
