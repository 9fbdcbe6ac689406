/* Makes sign-up forms (form.digest-sign-up) nicer, on our own pages and on others'. All of them work without it.
   It tells the browser's time zone, does a little work that shows it is no cheap script, and on other sites sends the
   form in place. It sets no cookie, keeps nothing, and loads nothing but a riddle from where the form is sent. */
(() => {
  "use strict";
  const PATIENCE = 3000; // ms a press of the button waits for the work at most
  const HEAD_START = 2200; // ms between the moment we are given and sending: sooner is taken for a machine

  const wait = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
  const bytes = (hex) => Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
  const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

  /* Solve a riddle of ALTCHA, version 2 (https://altcha.org/docs/v2/proof-of-work-captcha). */
  async function solve(challenge) {
    const { nonce, salt, cost, keyLength, keyPrefix } = challenge.parameters;
    const start = bytes(nonce);
    const password = new Uint8Array(start.length + 4);
    password.set(start);
    const number = new DataView(password.buffer);
    const how = { name: "PBKDF2", hash: "SHA-256", salt: bytes(salt), iterations: cost };
    for (let counter = 0; counter < 100000; counter += 1) {
      number.setUint32(start.length, counter);
      const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
      const derivedKey = hex(await crypto.subtle.deriveBits(how, key, keyLength * 8));
      if (derivedKey.startsWith(keyPrefix)) {
        return btoa(JSON.stringify({ challenge, solution: { counter, derivedKey } }));
      }
    }
    return "";
  }

  /* Put a value into the form, in a field nobody sees. */
  function put(form, name, value) {
    let field = form.querySelector(`input[type="hidden"][name="${name}"]`);
    if (!field) {
      field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      form.append(field);
    }
    field.value = value;
  }

  function say(form, words, { done }) {
    const old = form.querySelector(".digest-answer");
    const line = document.createElement("p");
    line.className = done ? "digest-answer" : "digest-answer digest-problem";
    line.setAttribute("role", done ? "status" : "alert");
    line.textContent = words;
    if (old) old.remove();
    if (done) {
      line.tabIndex = -1;
      form.replaceChildren(line);
      line.focus();
      return;
    }
    const email = form.elements.namedItem("email");
    line.id = `digest-answer-${Math.random().toString(36).slice(2)}`;
    form.prepend(line);
    if (email) {
      email.setAttribute("aria-describedby", line.id);
      email.focus();
    }
  }

  function improve(form) {
    if (form.dataset.digest) return;
    form.dataset.digest = "on";
    const address = new URL(form.getAttribute("action"), document.baseURI).href;
    const ours = new URL(address).origin === location.origin;
    let getting = null;
    let busy = false;

    /* Ask for a moment and a riddle, and solve it; once for each sending. */
    async function prepare() {
      const asked = performance.now();
      const answer = await fetch(`${address}/challenge`, { credentials: "omit", headers: { Accept: "application/json" } });
      const { moment, challenge } = await answer.json();
      const proof = challenge && window.crypto && crypto.subtle ? solve(challenge).catch(() => "") : Promise.resolve("");
      return { asked, moment, proof };
    }
    function begin() {
      getting = getting || prepare().catch(() => null);
      return getting;
    }

    /* Send the form as it would be without us. `submit` tells no listener, so it does not come back here. */
    const plainly = () => HTMLFormElement.prototype.submit.call(form);

    async function inPlace(got) {
      put(form, "moment", got.moment);
      await wait(HEAD_START - (performance.now() - got.asked));
      const answer = await fetch(address, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        credentials: "omit",
        headers: { Accept: "application/json" },
      });
      const told = await answer.json();
      if (answer.status === 409 || answer.status === 403) return plainly();
      say(form, answer.ok ? told.message : told.title, { done: answer.ok });
      rest();
    }

    async function send() {
      const got = await Promise.race([begin(), wait(PATIENCE)]);
      if (got) put(form, "altcha", (await Promise.race([got.proof, wait(PATIENCE)])) || "");
      if (ours) await wait(HEAD_START - performance.now());
      if (ours || !got) return plainly();
      try {
        await inPlace(got);
      } catch {
        plainly();
      }
    }

    try {
      put(form, "timezone", Intl.DateTimeFormat().resolvedOptions().timeZone || "");
    } catch {
      // It is a courtesy only.
    }
    form.addEventListener("focusin", begin, { once: true });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      form.setAttribute("aria-busy", "true");
      send();
    });
    function rest() {
      busy = false;
      getting = null; // a riddle counts once
      form.removeAttribute("aria-busy");
    }
    // A page that comes back from the browser's memory may be sent once more.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) rest();
    });
  }

  function all() {
    document.querySelectorAll("form.digest-sign-up").forEach(improve);
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  else all();
})();
