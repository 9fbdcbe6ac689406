/* An issue's subjects: the part of the page that shows them is asked for, its forms post without leaving the page, and
   while readers click it is put in anew. */

import { say } from "./desk.js";
import { part } from "./parts.js";

const place = document.querySelector("[data-subjects]");
const AGAIN_MS = 4000;
const REST_MS = 600;
let stream = null;
let asked = 0;

/** Whether somebody has typed what is not saved. */
function isTyped() {
  const fields = [...place.querySelectorAll("input:not([type=hidden]), select")];
  return fields.some((field) => {
    if (field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") return [...field.options].some((one) => one.selected !== one.defaultSelected);
    return field.value !== field.defaultValue;
  });
}

/** Puts the part in anew. What was typed in forms other than the one that was sent stays. */
function put(html, sent = null) {
  const typed = [...place.querySelectorAll("input:not([type=hidden], [type=radio])")].filter((one) => one.form !== sent && one.value !== one.defaultValue);
  const id = place.contains(document.activeElement) ? document.activeElement.id : "";
  const opened = place.querySelector("details[data-keep]")?.open;
  place.innerHTML = html;
  const details = place.querySelector("details[data-keep]");
  if (details && opened) details.open = true;
  for (const { id: of, value } of typed) {
    const field = document.getElementById(of);
    if (field) field.value = value;
  }
  for (const field of place.querySelectorAll(".subject-one input")) mark(field);
  only();
  if (id) (document.getElementById(id) || place.querySelector("#subject-put-back, #subject-new, input, button"))?.focus({ preventScroll: true });
  listen();
}

/** Whether what stands there would be lost if it were put in anew: words not saved, what is wrong, the way back. */
function isKept() {
  return isTyped() || place.querySelector(".put-back, [aria-invalid]") !== null;
}

async function renew() {
  if (isKept()) return;
  const mine = ++asked;
  try {
    const html = await part(place.dataset.subjects);
    if (mine === asked && !isKept()) put(html);
  } catch {
    /* What stands there leads to the page of its own. */
  }
}

/** A button to save stands where there is something to save. */
function mark(field) {
  const form = field.form;
  const save = form?.querySelector(".save");
  if (save) save.hidden = ![...form.querySelectorAll("input:not([type=hidden])")].some((one) => one.value !== one.defaultValue || one.getAttribute("aria-invalid"));
}

/** How long one waits is asked only where clicks decide. */
function only() {
  const form = place.querySelector(".subject-arranged");
  if (!form) return;
  form.querySelector("#subject-wait").closest(".field").hidden = form.elements.rule.value !== "clicks";
  form.querySelector(".save").hidden = true;
}

place.addEventListener("input", (event) => mark(event.target));

/* What is chosen is kept at once. */
place.addEventListener("change", (event) => {
  const form = event.target.closest(".subject-arranged");
  only();
  if (form?.reportValidity()) form.requestSubmit();
});

place.addEventListener("submit", async (event) => {
  const form = event.target;
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  if (form.dataset.ask) {
    if (!confirm(form.dataset.ask)) return;
    fields.sure = "yes";
  }
  const mine = ++asked;
  try {
    const html = await part(event.submitter?.hasAttribute("formaction") ? event.submitter.formAction : form.action, { method: "POST", fields });
    if (mine === asked) put(html, form);
    if (form.dataset.of === "add" && !place.querySelector("[aria-invalid]")) document.getElementById("subject-new")?.focus();
  } catch (error) {
    say(error.message, { bad: true });
  }
});

/* Leaving a field keeps what was typed in it, as the other words of the page are. */
place.addEventListener("focusout", (event) => {
  const form = event.target.closest(".subject-one[data-of^=change]");
  if (!form || form.contains(event.relatedTarget) || !form.elements.subject.value.trim()) return;
  const save = form.querySelector(".save");
  if (save && !save.hidden) form.requestSubmit(save);
});

/* Not at once: while somebody types, the preview comes first. */
let rest = 0;
document.addEventListener("digest:changed", () => {
  clearTimeout(rest);
  rest = setTimeout(renew, REST_MS);
});

function listen() {
  const address = place.querySelector("[data-live]")?.dataset.live;
  if (!address) {
    stream?.close();
    stream = null;
  } else if (!stream) {
    let first = true;
    stream = new EventSource(address);
    stream.addEventListener("subjects", () => {
      // What it says first stands there already.
      if (!first) renew();
      first = false;
    });
    stream.addEventListener("error", () => {
      if (stream?.readyState !== EventSource.CLOSED) return;
      stream = null;
      setTimeout(listen, AGAIN_MS);
    });
    addEventListener("pagehide", () => stream?.close(), { once: true });
  }
}

if (place.hasAttribute("data-is-there")) {
  for (const field of place.querySelectorAll(".subject-one input")) mark(field);
  only();
  listen();
} else renew();
