/** GitHub takes 65,536 characters. The end of a log says most. */
const MOST_CHARACTERS = 22_000;
const MOST_TICKS = 5;
const LONG_TICKS = /`{6,}/g;

/** A text that is folded away below `summary`, fenced whatever is in it. */
export function details(summary: string, content: string, { isOpen = false } = {}): string {
  const text = content.slice(-MOST_CHARACTERS).trimEnd().replace(LONG_TICKS, "`".repeat(MOST_TICKS));
  // Longer than any fence in the text.
  const fence = "`".repeat(MOST_TICKS + 1);
  return `<details${isOpen ? " open" : ""}><summary>${summary}</summary>\n\n${fence}text\n${text}\n${fence}\n\n</details>`;
}
