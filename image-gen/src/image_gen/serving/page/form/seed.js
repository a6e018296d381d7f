/** The seed: a new one for each request, or a locked one. A seed that is typed or filled in is locked. */
import { part } from "../elements.js";
import { onPicture } from "../pictures/made.js";

const isLocked = () => part("seed-lock").getAttribute("aria-pressed") === "true";

function lock(locked) {
  part("seed-lock").setAttribute("aria-pressed", String(locked));
  part("seed-lock").textContent = locked ? "Locked" : "Lock";
}

/** The locked seed; undefined where the service chooses one. */
export function seed() {
  const text = part("seed").value;
  return isLocked() && text !== "" ? Number(text) : undefined;
}

export function fillSeed(value) {
  part("seed").value = value ?? "";
  lock(value !== null);
}

export function beginSeed() {
  part("seed").addEventListener("input", () => lock(part("seed").value !== ""));
  part("seed-lock").addEventListener("click", () => {
    if (isLocked() || part("seed").value === "") {
      // Without a last one there is one to begin with.
      if (!isLocked()) part("seed").value = crypto.getRandomValues(new Uint32Array(1))[0];
      lock(!isLocked());
    } else lock(true);
  });
  onPicture((picture) => {
    if (!isLocked()) part("seed").value = picture.seed;
  });
}
