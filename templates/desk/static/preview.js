/* The preview beside the editing. Two frames take turns: the next one is loaded out of sight, put where one has scrolled
   to, and shown when it is there; so nothing flickers, and what is typed is not waited for. */

import { say, send, shortcut } from "./desk.js";

const look = document.getElementById("look");
const form = document.getElementById("look-form");
const frames = document.getElementById("look-frames");
const at = look.dataset.at;
const WIDE = 700;
const PHONE = 375;

let version = Number(look.dataset.version);

const part = (name) => look.querySelector(`[data-look="${name}"]`);

/** Gives what is asked for, as the query of an address. */
function query(client = form.elements.client.value) {
  const asked = new URLSearchParams();
  asked.set("client", client);
  if (form.elements.scheme.checked) asked.set("scheme", "dark");
  if (form.elements.images.checked) asked.set("images", "off");
  const whose = new FormData(form);
  const as = whose.get("as") || "";
  if (as) asked.set("as", as);
  if (as === "made-up") {
    asked.set("name", whose.get("name") || "");
    for (const topic of whose.getAll("topic")) asked.append("topic", topic);
  }
  return asked;
}

const narrow = () => form.elements.width.value === "phone" && !["text", "source"].includes(form.elements.client.value);

/** One screen: the frame that is shown, and the one in which the next is loaded. */
class Screen {
  constructor(box, title, address) {
    this.box = box;
    this.address = address;
    this.shown = box.querySelector("iframe") || this.frame(title);
    this.title = this.shown.title || title;
    this.loading = false;
    this.wanted = "";
    this.stale = false;
  }

  frame(title) {
    const made = document.createElement("iframe");
    made.title = title;
    this.box.append(made);
    return made;
  }

  /** Loads what is to be seen now; while something loads, the newest waits, and what came between is left out. */
  load() {
    if (!look.getClientRects().length) {
      this.stale = true;
      return;
    }
    this.stale = false;
    this.wanted = this.address();
    if (!this.loading) this.next();
  }

  next() {
    const address = this.wanted;
    this.wanted = "";
    this.loading = true;
    const coming = this.frame(this.title);
    coming.className = "coming";
    coming.tabIndex = -1;
    coming.setAttribute("aria-hidden", "true");
    coming.addEventListener("load", () => this.came(coming, address), { once: true });
    coming.src = address;
    fit(this.box, coming);
  }

  came(coming, address) {
    this.loading = false;
    const arrived = seen(coming);
    if (arrived) {
      const before = seen(this.shown);
      const same = this.last?.split("?")[0] === address.split("?")[0] && this.view === view();
      if (before && (same || !this.last)) coming.contentWindow.scrollTo(before.scrollX, before.scrollY);
      coming.className = "";
      coming.removeAttribute("aria-hidden");
      coming.removeAttribute("tabindex");
      coming.name = this.shown.name;
      const old = this.shown;
      this.shown = coming;
      old.remove();
      this.last = address;
      this.view = view();
      this.box.dataset.version = new URLSearchParams(address.split("?")[1]).get("version");
      this.box.classList.remove("old");
    } else {
      // Nobody answered, or the session has ended: what is there stays.
      coming.remove();
      this.box.classList.add("old");
    }
    if (this.wanted) this.next();
    else if (this === now) tell();
  }
}

/** Gives a frame's window where it shows one of ours; what did not load is not ours. */
function seen(frame) {
  try {
    return frame.contentDocument?.URL.includes("/preview/") ? frame.contentWindow : null;
  } catch {
    return null;
  }
}

const view = () => `${form.elements.width.value} ${form.elements.client.value}`;

/** Makes a frame as wide as what it stands for; smaller, as a whole, where there is less room. */
function fit(box, ...them) {
  const phone = narrow();
  const room = box.clientWidth;
  const flat = ["text", "source"].includes(form.elements.client.value);
  const width = phone ? PHONE : flat ? room : Math.max(WIDE, room);
  const scale = Math.min(1, room / width);
  for (const frame of them.length ? them : box.querySelectorAll("iframe")) {
    frame.style.inlineSize = `${width}px`;
    frame.style.blockSize = `${box.clientHeight / scale}px`;
    frame.style.transform = scale < 1 ? `scale(${scale})` : "";
    frame.style.insetInlineStart = `${Math.max(0, (room - width) / 2)}px`;
  }
  look.dataset.width = phone ? "phone" : "wide";
}

const now = new Screen(look.querySelector('[data-screen="now"]'), "", () => `${at}mail?${query()}&version=${version}`);
let beside = null;

/** Loads the preview of a version of the issue. */
export function refresh(next) {
  version = next ?? version;
  now.load();
}

/* What stands around it. */
let asking = false;
let askAgain = false;
let who = "any reader";

async function tell() {
  if (asking) {
    askAgain = true;
    return;
  }
  asking = true;
  try {
    const answer = await fetch(`${at}facts?${query()}`, { headers: { Accept: "application/json" } });
    if (answer.ok) show(await answer.json());
  } catch {
    // The next change asks again.
  } finally {
    asking = false;
    if (askAgain) {
      askAgain = false;
      tell();
    }
  }
}

function show(facts) {
  const meter = document.getElementById("look-weight");
  meter.value = facts.weight / 1024;
  part("words").textContent = facts.words;
  part("moved").textContent = facts.moved_words || "";
  part("moved").title = facts.moved.map((move) => `${move.title}: ${move.before} → ${move.after}`).join("\n");
  look.classList.toggle("heavy", facts.weight > facts.limit);
  if (facts.inbox) for (const name of ["from", "subject", "preheader"]) part(name).textContent = facts.inbox[name];
  besideWay.hidden = facts.before === null;
}

/* Last week's, beside this one. */
const besideWay = part("beside");
const toggle = document.createElement("button");
toggle.type = "button";
toggle.className = "look-way plain";
toggle.dataset.look = "beside";
toggle.textContent = "Beside last week’s";
toggle.setAttribute("aria-pressed", "false");
besideWay.replaceWith(toggle);

function lay(on) {
  toggle.setAttribute("aria-pressed", String(on));
  look.toggleAttribute("data-beside", on);
  if (on) {
    const box = document.createElement("div");
    box.className = "look-screen";
    box.dataset.screen = "last";
    frames.append(box);
    beside = new Screen(box, "Last week’s issue", () => `${at}last?${query()}`);
    beside.load();
  } else {
    beside?.box.remove();
    beside = null;
  }
  for (const box of frames.children) fit(box);
}

toggle.addEventListener("click", () => lay(!beside));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && beside && look.contains(document.activeElement)) {
    lay(false);
    toggle.focus();
  }
});

/* Choosing. */
function changed() {
  for (const box of frames.children) fit(box);
  part("tab").href = `${at}mail?${query()}`;
  now.load();
  beside?.load();
  try {
    sessionStorage.setItem("look", JSON.stringify(["width", "client"].map((name) => form.elements[name].value)));
  } catch {
    // A browser that keeps nothing shows the usual view next time.
  }
}

let soon;
function typed() {
  clearTimeout(soon);
  soon = setTimeout(changed, 200);
}

document.addEventListener("change", (event) => {
  if (event.target.form !== form) return;
  if (event.target.name === "topic" || event.target.name === "name") form.elements.as.value = "made-up";
  if (["as", "topic", "name"].includes(event.target.name)) named();
  changed();
});
document.addEventListener("input", (event) => {
  if (event.target.form !== form || event.target.id !== "look-name") return;
  form.elements.as.value = "made-up";
  named();
  typed();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  changed();
});

function named() {
  const chosen = [...look.querySelectorAll('input[name="as"]')].find((input) => input.checked);
  const made = document.getElementById("look-name")?.value.trim();
  who = chosen?.value === "made-up" ? made || "a made-up reader" : chosen?.dataset.name || "any reader";
  part("who").textContent = who;
}

/* A real reader, by address: posted, so that no log has it. */
document.addEventListener("submit", async (event) => {
  if (!event.target.matches(".look-find")) return;
  event.preventDefault();
  const found = document.getElementById("look-found");
  try {
    const reader = await send(event.target.getAttribute("action"), { email: event.target.elements.email.value });
    const readers = look.querySelector(".look-readers");
    let choice = readers.querySelector(`input[name="as"][value="${reader.id}"]`);
    if (!choice) {
      const label = document.createElement("label");
      label.className = "choice";
      choice = document.createElement("input");
      choice.type = "radio";
      choice.name = "as";
      choice.value = reader.id;
      choice.dataset.name = reader.name;
      choice.setAttribute("form", "look-form");
      const words = document.createElement("span");
      words.append(Object.assign(document.createElement("bdi"), { textContent: reader.name }));
      words.append(Object.assign(document.createElement("span"), { className: "hint", textContent: ` ${reader.topics}` }));
      label.append(choice, " ", words);
      readers.append(label);
    }
    choice.checked = true;
    found.textContent = `Shown as ${reader.name}, who gets ${reader.topics}.`;
    named();
    changed();
  } catch (error) {
    found.textContent = error.message;
  }
});

shortcut("p", () => press("width", form.elements.width.value === "phone" ? "wide" : "phone"));
shortcut("d", () => form.elements.scheme.click());
shortcut("b", () => toggle.click());

function press(name, value) {
  form.elements[name].value = value;
  changed();
  say(value === "phone" ? "As on a phone" : "As on a wide screen");
}

/* The beginning: as it was left. */
look.classList.add("live");
let kept = null;
try {
  kept = JSON.parse(sessionStorage.getItem("look"));
} catch {
  // As above.
}
const boxes = new ResizeObserver((sizes) => {
  for (const { target } of sizes) fit(target);
  if (now.stale) now.load();
});
boxes.observe(now.box);
now.box.dataset.version = version;
now.last = now.shown.src;
now.view = view();
if (Array.isArray(kept) && kept.join() !== "wide,mail") {
  [form.elements.width.value, form.elements.client.value] = kept;
  changed();
} else tell();
fit(now.box);
