import { code, table } from "../reference/markdown.ts";
import type { Operation, ResourceChange } from "./events.ts";

/** GitHub takes 65,536 characters: of many rows the first are shown, as many as these have room for. */
const MOST_CHARACTERS = 20_000;
const MOST_PROPERTIES = 6;
/** A path may hold a key of a map, which can be any text. */
const LONGEST_NAME = 120;

/** A text on one line as code, whatever is in it. */
export function nameOf(text: string, most = LONGEST_NAME): string {
  const line = text.replaceAll("`", "'").replace(/\s+/g, " ").trim();
  return code(line.length > most ? `${line.slice(0, most)}…` : line);
}

/** What an operation is called in a report. */
export type OperationWords = Readonly<Record<Operation, string>>;

/** The name that the program gave a resource. */
export const resourceName = (urn: string) => urn.slice(urn.lastIndexOf("::") + 2);

/** A table of resources: names alone. */
export function changeTable(changes: readonly ResourceChange[], words: OperationWords): string {
  const rows: string[][] = [];
  let characters = 0;
  for (const { urn, type, operation, properties } of changes) {
    const row = [words[operation], nameOf(resourceName(urn)), nameOf(type), shorten(properties)];
    characters += row.join().length;
    if (characters > MOST_CHARACTERS) break;
    rows.push(row);
  }
  const left = changes.length - rows.length;
  const rest = left > 0 ? `\n\n${left} more: the job's log has all.` : "";
  return `${table(["", "resource", "type", "properties"], rows)}${rest}`;
}

function shorten(properties: readonly string[]): string {
  const shown = properties.slice(0, MOST_PROPERTIES).map((path) => nameOf(path));
  const left = properties.length - shown.length;
  return [...shown, ...(left > 0 ? [`${left} more`] : [])].join(", ");
}
