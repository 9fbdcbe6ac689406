/* A field of words that keeps itself: what is typed is sent after a moment, one request at a time, and stays in this
   window's own store until the server has it. What others change meanwhile is merged; what cannot be is asked. */

import { send } from "./desk.js";

const AFTER_MS = 60;
/** However fast one types, nothing waits longer than this. */
const AT_MOST_MS = 250;
/** A request that outlives its page may carry 64 KB: https://fetch.spec.whatwg.org/#http-network-or-cache-fetch */
const KEEPALIVE = 20000;

/** A field of the page, in its form; `page` is told what becomes of it. */
export class Field {
  constructor(form, issue, page) {
    this.form = form;
    this.page = page;
    this.name = form.dataset.field;
    this.input = form.querySelector("textarea, input[name=text]");
    this.box = form.querySelector(".conflict");
    this.address = `/desk/issues/${issue}/words`;
    this.key = `digest:${issue}:${this.name}`;
    /** What the server has in the field, as far as we know. */
    this.known = this.value;
    /** What was sent and never answered: the server may have it, or not. */
    this.sent = [];
    this.flight = null;
    this.conflict = null;
    this.refused = "";
    this.heard = null;
    this.since = 0;
    this.#listen();
    this.#bringBack();
  }

  get value() {
    return this.input.value;
  }

  get dirty() {
    return !this.#same(this.value, this.known);
  }

  /** Whether what is typed waits for a person. */
  get stuck() {
    return Boolean(this.conflict || this.refused) && this.dirty;
  }

  /** Sends what is typed; kept when the server has all of it, or when that failed. */
  async save({ empty = false } = {}) {
    clearTimeout(this.timer);
    this.since = 0;
    if (this.flight) return this.flight;
    if (!this.dirty && this.heard) this.hear(...this.heard);
    // While a subject is written anew it is empty for a moment, which would have digest write one.
    const waits = this.name === "subject" && !this.value.trim() && !empty;
    if (!this.dirty || this.conflict || waits) return undefined;
    this.flight = this.#fly();
    const went = await this.flight;
    this.flight = null;
    this.page.changed();
    return went && this.dirty ? this.save() : undefined;
  }

  async #fly() {
    const text = this.value;
    this.went = performance.now();
    this.sent = [...this.sent.slice(-8), text];
    this.#keep();
    this.page.changed();
    try {
      const fields = { field: this.name, text, base: this.known };
      const answer = await send(this.address, fields, { keepalive: text.length < KEEPALIVE });
      this.sent = [];
      this.refused = "";
      // What was heard before the server took this does not have it.
      if (this.heard && this.heard[2] <= answer.version) this.heard = null;
      this.#take(text, answer);
      this.page.saved(answer.version, this);
      return true;
    } catch (error) {
      if (error.status) this.sent = this.sent.slice(0, -1);
      if (error.status === 409 && "theirs" in error.answer) {
        this.#show(error.answer);
        return false;
      }
      if (error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status)) this.refused = error.message;
      this.page.failed(error, this);
      return false;
    }
  }

  /** Sends what is typed as the page goes. */
  leave() {
    if (!this.dirty || this.stuck) return;
    this.#keep();
    send(this.address, { field: this.name, text: this.value, base: this.flight ? this.sent.at(-1) : this.known }, { keepalive: true }).catch(() => {});
  }

  /** Takes the server's answer to what was sent. */
  #take(text, { text: theirs, own }) {
    this.form.dataset.own = String(own);
    if (this.#same(text, theirs)) {
      this.known = text;
    } else {
      const both = rebased(text, theirs, this.value);
      // Where what was typed meanwhile touches what another wrote, it is sent against what we knew before.
      if (both !== null) {
        this.known = theirs;
        this.#write(both);
        this.page.merged(this);
      }
    }
    this.#keep();
  }

  /** Takes what the server tells of the field by itself, as of a version; gives whether another changed it. */
  hear(text, own, version) {
    this.heard = null;
    if (this.sent.includes(text)) {
      // It had what we sent, though its answer was lost.
      this.known = text;
      this.sent = [];
    }
    if (this.conflict) {
      if (!this.#same(text, this.conflict.theirs)) this.#show({ ...this.conflict, theirs: text });
      return false;
    }
    if (this.flight || this.dirty || this.composes) {
      this.heard = [text, own, version];
      return false;
    }
    this.form.dataset.own = String(own);
    if (this.#same(text, this.known)) return false;
    this.known = text;
    this.#write(text);
    this.#keep();
    return true;
  }

  /** Gives the words back to digest. */
  async giveBack(answer) {
    this.known = answer.text;
    this.#write(answer.text);
    this.form.dataset.own = String(answer.own);
    this.#keep();
  }

  /** Two people changed the same words: nothing more is sent until this one has chosen. */
  #show(answer) {
    this.conflict = answer;
    this.form.dataset.own = "true";
    const by = answer.by === this.page.me ? "You, in another window," : answer.by || "Somebody";
    this.box.replaceChildren(
      element("p", {}, element("strong", {}, `${by} changed the same words.`), " What you do not keep stands in the history: nothing is lost."),
      element(
        "div",
        { className: "versions" },
        element("p", { dir: "auto" }, element("strong", {}, "Theirs"), answer.theirs || "—"),
        element("p", { dir: "auto" }, element("strong", {}, "Mine"), this.value || "—"),
      ),
      element(
        "div",
        { className: "acts" },
        element("button", { type: "button", className: "small", onclick: () => this.#settle(true) }, "Keep mine"),
        element("button", { type: "button", className: "quiet small", onclick: () => this.#settle(false) }, "Take theirs"),
      ),
    );
    this.box.hidden = false;
    this.page.changed();
  }

  async #settle(mine) {
    const { theirs, aside } = this.conflict;
    this.conflict = null;
    this.box.hidden = true;
    this.box.replaceChildren();
    this.known = theirs;
    if (!mine) this.#write(theirs);
    this.#keep();
    this.input.focus();
    this.page.changed();
    if (!mine) return;
    await this.save();
    // What was set aside stands in the field now.
    if (aside != null && !this.conflict && !this.dirty) this.page.drop(aside);
  }

  #listen() {
    this.input.addEventListener("input", (event) => {
      this.refused = "";
      this.composes = event.isComposing;
      this.#keep();
      if (this.conflict) this.box.querySelector(".versions p:last-child").lastChild.data = this.value || "—";
      this.page.typed(this);
      if (!event.isComposing) this.#soon();
    });
    this.input.addEventListener("compositionend", () => {
      this.composes = false;
      this.#soon();
    });
    this.input.addEventListener("change", () => this.save({ empty: true }));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!event.submitter?.dataset.act) this.save();
    });
  }

  #soon() {
    clearTimeout(this.timer);
    this.since ||= performance.now();
    const rest = this.since + AT_MOST_MS - performance.now();
    // The first key after a pause goes at once: the preview shows it so much the sooner.
    const rested = performance.now() - (this.went ?? -Infinity) > AT_MOST_MS;
    this.timer = setTimeout(() => this.save(), rested ? 0 : Math.max(0, Math.min(AFTER_MS, rest)));
  }

  /** Spaces that the server takes out are no change. */
  #same(one, other) {
    const plain = (text) => (this.input.tagName === "TEXTAREA" ? text.replace(/\r\n?/g, "\n") : text.trim().replace(/\s+/g, " "));
    return plain(one) === plain(other);
  }

  /** Puts other words into the field; the caret stays where it stood among them. */
  #write(text) {
    const { value: before, selectionStart: start, selectionEnd: end, scrollTop } = this.input;
    if (before === text) return;
    this.input.value = text;
    if (document.activeElement === this.input) {
      this.input.setSelectionRange(moved(before, text, start), moved(before, text, end));
      this.input.scrollTop = scrollTop;
    }
    this.page.typed(this);
  }

  /** Keeps what the server does not have yet where it outlives a reload of this window. */
  #keep() {
    try {
      if (!this.dirty && !this.sent.length) sessionStorage.removeItem(this.key);
      else sessionStorage.setItem(this.key, JSON.stringify({ text: this.value, known: this.known, sent: this.sent }));
    } catch {
      /* Full, or forbidden: then there is only the page itself. */
    }
  }

  #bringBack() {
    let kept;
    try {
      kept = JSON.parse(sessionStorage.getItem(this.key) || "null");
      sessionStorage.removeItem(this.key);
    } catch {
      return;
    }
    if (!kept || this.#same(kept.text, this.value)) return;
    if (!kept.sent.some((text) => this.#same(text, this.value))) this.known = kept.known;
    this.#write(kept.text);
    this.#keep();
    this.#soon();
  }
}

/** Gives `mine` with what was changed from `base` to `theirs`; null where both changed the same place. */
export function rebased(base, theirs, mine) {
  if (mine === base) return theirs;
  if (theirs === base || theirs === mine) return mine;
  const one = changed(base, theirs);
  const other = changed(base, mine);
  if (one.to < other.from) return theirs.slice(0, one.from + one.words.length) + base.slice(one.to, other.from) + other.words + base.slice(other.to);
  if (other.to < one.from) return base.slice(0, other.from) + other.words + base.slice(other.to, one.from) + one.words + base.slice(one.to);
  return null;
}

/** Gives the one stretch in which two texts differ: from and to in the first, and what stands there in the second. */
function changed(before, after) {
  const most = Math.min(before.length, after.length);
  let from = 0;
  while (from < most && before[from] === after[from]) from += 1;
  let same = 0;
  while (same < most - from && before[before.length - 1 - same] === after[after.length - 1 - same]) same += 1;
  return { from, to: before.length - same, words: after.slice(from, after.length - same) };
}

/** Where a place in one text is in the other. */
function moved(before, after, at) {
  const { from, to, words } = changed(before, after);
  if (at <= from) return at;
  return at >= to ? at + after.length - before.length : Math.min(at, from + words.length);
}

export function element(name, properties, ...inside) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...inside);
  return made;
}
