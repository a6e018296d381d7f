/** Texts for the clipboard. */
import { make } from "../elements.js";

/** Copies a text, from within `place`, which has the focus; false where the browser refuses. */
export async function copy(text, place) {
  // Over http a page has the clipboard only on localhost.
  const done = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  return done || copySelected(text, place);
}

function copySelected(text, place) {
  const before = document.activeElement;
  const area = make("textarea", { value: text, class: "off-screen", "aria-hidden": "true", tabIndex: -1 });
  place.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}
