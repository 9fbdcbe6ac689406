/* An issue on its way: the figures move by server-sent events, and what else changed is put in anew. Buttons post without
   leaving the page, and what cannot be undone is asked about first. */

import { hold, say, send, shortcut } from "./desk.js";

const root = document.getElementById("sending");
const address = `/desk/issues/${root.dataset.issue}/sending`;
const spoken = document.getElementById("sending-said");
const away = document.getElementById("sending-away");
const question = document.getElementById("sending-ask");
const AWAY_AFTER_MS = 4000;
const PART_EVERY_MS = 1500;

let live = null;
let missing = null;

/** Shows what moved. */
function show(found) {
  for (const place of root.querySelectorAll("[data-live]")) {
    const value = place.dataset.live.split(".").reduce((of, name) => of?.[name], found);
    if (value !== undefined && place.textContent !== value) place.textContent = value;
  }
  const bar = root.querySelector("[data-live-bar]");
  if (bar) {
    let at = 0;
    for (const part of bar.querySelectorAll("[data-share]")) {
      const share = found.shares[part.dataset.share];
      part.setAttribute("x", at);
      part.setAttribute("width", share);
      at += share;
    }
    bar.setAttribute("aria-label", `${found.percent} settled`);
  }
  document.title = document.title.replace(/^(\S+% – )?/, found.state === "sending" ? `${found.percent} – ` : "");
}

function heard(event) {
  const before = live;
  live = JSON.parse(event.data);
  clearTimeout(missing);
  missing = null;
  away.hidden = true;
  show(live);
  // Figures are not read out: what it has come to is.
  if (before && before.headline !== live.headline) spoken.textContent = `${live.headline} ${live.of}.`;
  if (live.key !== root.dataset.key) renewSoon();
}

/* What is more than figures is asked for, but not more often than every so many milliseconds. */
let renewing = null;
let renewedAt = 0;

function renewSoon() {
  renewing ??= setTimeout(renew, Math.max(0, renewedAt + PART_EVERY_MS - performance.now()));
}

async function renew() {
  if (question.open) {
    // What it asks about stays where it is, so that the way back leads there.
    question.addEventListener("close", () => setTimeout(renew), { once: true });
    return;
  }
  renewedAt = performance.now();
  const [known, key] = [live, live?.key];
  try {
    const answer = await fetch(`${address}/part`, { headers: { "HX-Request": "true" } });
    if (!answer.ok || answer.redirected) throw new Error();
    const html = await answer.text();
    const within = root.contains(document.activeElement);
    const focus = document.activeElement?.id;
    const summary = document.activeElement?.matches("summary") && document.activeElement.parentElement.id;
    const open = [...root.querySelectorAll("details[open]")].map((one) => one.id);
    root.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    // Who pressed Pause finds Resume in its place.
    const swap = { "act-pause": "act-resume", "act-resume": "act-pause" };
    const next = () => root.querySelector(".sending-acts :is(button:not(.danger), a)") || document.getElementById("main");
    if (within) ((summary && document.querySelector(`#${summary} > summary`)) || document.getElementById(focus) || document.getElementById(swap[focus]) || next()).focus({ preventScroll: true });
    if (key !== undefined) root.dataset.key = key;
    // What was told before it was asked for is older than it.
    if (live !== known && live.state === root.querySelector(".sending-head .state").textContent.trim()) show(live);
  } catch {
    /* It is asked for again with the next change. */
  } finally {
    renewing = null;
    if (live && live.key !== root.dataset.key) renewSoon();
  }
}

let asked = 0;

function ask(form) {
  const words = question.querySelector("#sending-ask-words");
  question.querySelector("h2").textContent = form.dataset.heading;
  words.textContent = form.dataset.ask;
  const yes = question.querySelector("#sending-ask-yes");
  yes.textContent = form.querySelector("button").textContent;
  yes.className = form.querySelector("button").classList.contains("danger") ? "danger" : "";
  question.returnValue = "no";
  question.showModal();
  const mine = ++asked;
  return new Promise((answer) => {
    question.addEventListener("close", function closed() {
      // That an earlier question was closed may be told only when this one is open already.
      if (asked === mine && question.open) return;
      question.removeEventListener("close", closed);
      answer(asked === mine && question.returnValue === "yes");
    });
  });
}

root.addEventListener("submit", async (event) => {
  const form = event.target;
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  if (form.dataset.ask) {
    if (!(await ask(form))) return;
    fields.sure = "yes";
  }
  const button = form.querySelector("button");
  hold(button);
  try {
    say((await send(form.action, fields)).said);
    await renew();
    if (!document.activeElement || document.activeElement === document.body) root.querySelector(".sending-acts button, .sending-acts a")?.focus();
  } catch (error) {
    say(error.message, { bad: true });
    renewSoon();
  } finally {
    hold(button, false);
  }
});

shortcut("p", () => {
  root.querySelector("#act-pause, #act-resume")?.click();
});

function listen() {
  const stream = new EventSource(`${address}/live`);
  stream.addEventListener("progress", heard);
  stream.addEventListener("error", () => {
    missing ??= setTimeout(() => {
      missing = null;
      if (stream.readyState !== EventSource.OPEN) away.hidden = false;
    }, AWAY_AFTER_MS);
    // What is no stream, such as the way to the sign-in, is not asked for again by itself.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AWAY_AFTER_MS);
  });
  addEventListener("pagehide", () => stream.close(), { once: true });
}

listen();
