/* The preview beside the editing. Where it is to be seen in another way, the next frame is loaded out of sight, put where
   one has scrolled to, and shown when it is there. Where only the issue has changed, its HTML is fetched, and what differs
   is put into the frame that is shown: that takes a third of the time. So nothing flickers. */

import { say, send, shortcut } from "./desk.js";

const look = document.getElementById("look");
const form = document.getElementById("look-form");
const frames = document.getElementById("look-frames");
const at = look.dataset.at;
const WIDE = 700;
const PHONE = 375;
const REST_MS = 150;

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

const flat = () => form.elements.client.value === "source";
const narrow = () => form.elements.width.value === "phone" && !flat();

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
    const how = seenAs(address);
    this.wanted = "";
    this.loading = true;
    if (how === this.how && seen(this.shown)) this.patch(address);
    else this.replace(address, how);
  }

  /** Makes the frame that is shown into what is at an address. */
  async patch(address) {
    let made = null;
    try {
      const answer = await fetch(address);
      if (answer.ok && answer.url.includes("/preview/")) {
        // The frame's own parser: the frame's policy lets a mail have its styles, and ours does not.
        const parser = new (seen(this.shown).DOMParser)();
        made = parser.parseFromString(await answer.text(), "text/html");
      }
    } catch {
      made = null;
    }
    if (made) become(this.shown.contentDocument.documentElement, made.documentElement);
    this.settle(made ? address : null);
  }

  /** Loads a frame out of sight, and shows it in the place of the other. */
  replace(address, how) {
    const coming = this.frame(this.title);
    coming.className = "coming";
    coming.tabIndex = -1;
    coming.setAttribute("aria-hidden", "true");
    coming.addEventListener("load", () => this.came(coming, address, how), { once: true });
    coming.src = address;
    fit(this.box, coming);
  }

  came(coming, address, how) {
    if (!seen(coming)) {
      coming.remove();
      this.settle(null);
      return;
    }
    const before = seen(this.shown);
    if (before) coming.contentWindow.scrollTo(before.scrollX, before.scrollY);
    coming.className = "";
    coming.removeAttribute("aria-hidden");
    coming.removeAttribute("tabindex");
    const old = this.shown;
    this.shown = coming;
    this.how = how;
    old.remove();
    coming.name = old.name;
    this.settle(address);
  }

  /** Something came, or nothing did: nobody answered, or the session has ended. Then what is there stays. */
  settle(address) {
    this.loading = false;
    this.box.classList.toggle("old", !address);
    if (address) this.box.dataset.version = new URL(address, location.href).searchParams.get("version");
    if (this.wanted) this.next();
    else if (this === now) tellSoon();
  }
}

/** Gives an address without the version of the issue: how it is looked at. */
const seenAs = (address) => address.replace(/&version=\d*/, "");

/** Makes a node into another of another document; only what differs is touched. */
function become(old, made) {
  if (old.isEqualNode(made)) return;
  if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== made.nodeName) {
    old.replaceWith(old.ownerDocument.importNode(made, true));
    return;
  }
  for (const { name } of [...old.attributes]) if (!made.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const [mine, theirs] = [[...old.childNodes], [...made.childNodes]];
  while (mine.length && theirs.length && mine[0].isEqualNode(theirs[0])) {
    mine.shift();
    theirs.shift();
  }
  while (mine.length && theirs.length && mine.at(-1).isEqualNode(theirs.at(-1))) {
    mine.pop();
    theirs.pop();
  }
  if (mine.length === theirs.length) mine.forEach((node, at) => become(node, theirs[at]));
  else {
    const after = mine.length ? mine.at(-1).nextSibling : old.childNodes[[...made.childNodes].indexOf(theirs[0])] || null;
    for (const node of theirs) old.insertBefore(old.ownerDocument.importNode(node, true), after);
    for (const node of mine) node.remove();
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

/** Makes a frame as wide as what it stands for; smaller, as a whole, where there is less room. */
function fit(box, ...them) {
  const phone = narrow();
  const room = box.clientWidth;
  const width = phone ? PHONE : flat() ? room : Math.max(WIDE, room);
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

/* What stands around it: asked when nothing was changed for a moment. */
let telling = 0;

function tellSoon() {
  clearTimeout(telling);
  telling = setTimeout(tell, REST_MS);
}

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
now.how = seenAs(now.shown.getAttribute("src"));
if (!Array.isArray(kept)) kept = [matchMedia("(max-width: 40rem)").matches ? "phone" : "wide", "mail"];
if (kept.join() !== "wide,mail") {
  [form.elements.width.value, form.elements.client.value] = kept;
  changed();
} else tell();
fit(now.box);
