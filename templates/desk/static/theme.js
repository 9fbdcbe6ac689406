/* The theme's page: pickers beside the fields, the contrast and two mails that follow every change, and palettes that
   fill the fields in. The server works all of it out; without this script there are buttons for the same. */

import { say } from "./desk.js";

const form = document.getElementById("theme-form");
const contrast = document.getElementById("contrast");
const csrf = document.querySelector('meta[name="csrf"]').content;
const HEX = /^#[0-9a-f]{6}$/i;

const text = (name) => form.elements.namedItem(name);
const pickers = new Map([...form.querySelectorAll("[data-picks]")].map((picker) => [picker.dataset.picks, picker]));

for (const button of form.querySelectorAll(".without-script")) button.hidden = true;
document.getElementById("looks-words").textContent = "Nothing of this is saved until you save it.";

for (const [name, picker] of pickers) {
  picker.hidden = false;
  picker.addEventListener("input", () => {
    text(name).value = picker.value;
    changed();
  });
}

function set(name, color) {
  const field = text(name);
  if (!field || field.disabled) return;
  field.value = color;
  pickers.get(name).value = color;
}

form.addEventListener("input", (event) => {
  const picker = pickers.get(event.target.name);
  if (picker && HEX.test(event.target.value)) picker.value = event.target.value;
  changed();
});

for (const button of form.querySelectorAll("[data-colors]")) {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    for (const [name, color] of Object.entries(JSON.parse(button.dataset.colors))) set(name, color);
    say(`${button.dataset.words} is filled in, and not saved yet.`);
    changed();
  });
}

contrast.addEventListener("click", (event) => {
  const button = event.target.closest("[data-use]");
  if (!button) return;
  set(button.dataset.use, button.dataset.color);
  text(button.dataset.use).focus();
  changed();
});

/* Contrast: one question at a time, the newest last. */

let timer = 0;
let asking = null;

function changed() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    judge();
    look();
  }, 60);
}

async function judge() {
  asking?.abort();
  asking = new AbortController();
  try {
    const answer = await fetch("/desk/settings/theme/contrast", {
      method: "POST",
      headers: { "X-CSRF-Token": csrf },
      body: new URLSearchParams(new FormData(form)),
      signal: asking.signal,
    });
    if (answer.ok) {
      const open = contrast.querySelector("details").open;
      contrast.innerHTML = await answer.text();
      contrast.querySelector("details").open = open;
    }
    offer();
  } catch (error) {
    if (error.name !== "AbortError") say("The server does not answer.", { bad: true });
  }
}

function offer() {
  for (const button of contrast.querySelectorAll("[data-use]")) button.hidden = Boolean(text(button.dataset.use)?.disabled);
}
offer();

/* The mails. Each is posted into a frame of its own that is new, which leaves no trace in the browser's history, and
   takes the place of the one before once it is there; so nothing flickers, and one stays where one has scrolled to. */

const ask = form.querySelector(".without-script");
let looking = false;
let again = false;
let count = 0;

async function look() {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  do {
    again = false;
    for (const place of document.querySelectorAll(".look")) await show(place);
  } while (again);
  looking = false;
}

function show(place) {
  const before = place.querySelector("iframe");
  const frame = document.createElement("iframe");
  count += 1;
  frame.name = `theme-${place.dataset.scheme}-${count}`;
  frame.title = before.title;
  frame.className = "coming";
  place.append(frame);
  return new Promise((resolve) => {
    const end = () => {
      let at = 0;
      try {
        at = before.contentWindow.scrollY;
        frame.contentWindow.scrollTo(0, at);
      } catch {
        /* The frame shows an error of the browser's own. */
      }
      frame.className = "";
      before.remove();
      resolve();
    };
    // A new frame is loaded at once, with nothing: what counts is what comes after.
    ask.formAction = `/desk/settings/theme/preview?scheme=${place.dataset.scheme}`;
    ask.formTarget = frame.name;
    frame.addEventListener("load", end, { once: true });
    form.requestSubmit(ask);
  });
}
