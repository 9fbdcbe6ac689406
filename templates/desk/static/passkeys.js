/* Passkeys: to sign in with one, and to add one. Without JavaScript neither shows, and the mailed link is the way. */

import { hold, send } from "./desk.js";

/* WebAuthn speaks in bytes, the server in base64url: https://www.w3.org/TR/webauthn-3/#sctn-parseCreationOptionsFromJSON
   is not in all browsers yet. */
function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function asked(options) {
  const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));
  const found = { ...options, challenge: bytes(options.challenge) };
  if (options.user) found.user = { ...options.user, id: bytes(options.user.id) };
  if (options.excludeCredentials) found.excludeCredentials = named(options.excludeCredentials);
  if (options.allowCredentials) found.allowCredentials = named(options.allowCredentials);
  return found;
}

function answered(credential) {
  const response = { clientDataJSON: text(credential.response.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[part]) response[part] = text(credential.response[part]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

/* What browsers throw, in words: a NotAllowedError is whatever a person did not finish. */
function words(error) {
  if (error.name === "NotAllowedError") return "It was not finished. Press the button to try again.";
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  return error.message;
}

/** Does what a button stands for; what goes wrong is said beside it. */
function press(button, problem, act) {
  button.addEventListener("click", async () => {
    hold(button);
    problem.hidden = true;
    try {
      await act();
    } catch (error) {
      problem.textContent = words(error);
      problem.hidden = false;
      hold(button, false);
      button.focus();
    }
  });
}

async function signIn(next) {
  const options = await send("/desk/sign-in/passkey/begin");
  const credential = await navigator.credentials.get({ publicKey: asked(options) });
  try {
    const found = await send("/desk/sign-in/passkey", { credential: answered(credential), next });
    location.assign(found.next);
  } catch (error) {
    // One that was removed here: the device may forget it too.
    if (error.status === 404) {
      const gone = { rpId: options.rpId, credentialId: credential.id };
      PublicKeyCredential.signalUnknownCredential?.(gone).catch(() => {});
    }
    throw error;
  }
}

async function add(name) {
  const options = await send("/desk/account/passkeys/begin");
  const credential = await navigator.credentials.create({ publicKey: asked(options) });
  const found = await send("/desk/account/passkeys", { credential: answered(credential), name });
  location.assign(found.next);
}

if (window.PublicKeyCredential) {
  const door = document.getElementById("with-passkey");
  if (door) {
    door.hidden = false;
    press(door.querySelector("button"), door.querySelector(".problem"), () => signIn(door.dataset.next));
  }
  const form = document.getElementById("add-passkey");
  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    press(form.querySelector("button"), form.querySelector(".problem"), () => add(form.elements.name.value));
    document.getElementById("no-passkeys")?.remove();
  }
}
