/** Elements of the document: found by id, and made. */

export const part = (id) => document.getElementById(id);

/**
 * An element. `facts` are properties, but for `class`, `data-…`, `aria-…` and `role`, which are attributes, and `on…`, which listen.
 * Children are elements or texts; null is left out.
 */
export function make(name, facts = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(facts)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (/^(class|role|for|data-.*|aria-.*)$/.test(key)) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets texts by id. A text that stays is left alone, so that a screen reader does not read it again. */
export function write(texts) {
  for (const [id, text] of Object.entries(texts)) {
    const element = part(id);
    if (element.textContent !== text) element.textContent = text;
  }
}
