/** The API key, kept for this tab alone, and the dialog that asks for it where the service does. */
import { part, write } from "../elements.js";

const KEY = "key";
let asking = null;
/** Called with whether there is a key, after each change. */
const listeners = new Set();

export const currentKey = () => sessionStorage.getItem(KEY);
export const onKey = (listener) => listeners.add(listener);

/** The answer to `send(key)`. After a 401 the person is asked, and it is sent again, until they cancel. */
export async function withKey(send, signal) {
  let used = currentKey();
  for (;;) {
    const answer = await send(used);
    if (answer.status !== 401) return answer;
    // Another request may have got a newer one.
    const newer = currentKey() !== used ? currentKey() : await ask(used !== null);
    if (newer === null || signal?.aborted) return answer;
    used = newer;
  }
}

/** Forgets the key. */
export function signOut() {
  sessionStorage.removeItem(KEY);
  for (const listener of listeners) listener(false);
}

/** Asks once for all requests that wait for a key. Null if the person cancels. */
function ask(wasWrong) {
  asking ??= new Promise((resolve) => {
    write({ "key-error": wasWrong ? "This key is not one of the service's. Check it, and sign in again." : "" });
    part("key").setAttribute("aria-invalid", String(wasWrong));
    const dialog = part("sign-in");
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "key" ? currentKey() : null), { once: true });
    dialog.showModal();
    part("key").select();
  }).finally(() => {
    asking = null;
  });
  return asking;
}

export function beginSignIn() {
  part("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, part("key").value.trim());
    part("sign-in").close("key");
    for (const listener of listeners) listener(true);
  });
  part("sign-in-cancel").addEventListener("click", () => part("sign-in").close(""));
}
