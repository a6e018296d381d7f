import { changeTable, type OperationWords } from "./changes.ts";
import { readPreview } from "./events.ts";

/** What is asked every night, by the command that asks it. */
const QUESTIONS: Readonly<Record<string, { readonly title: string; readonly words: OperationWords }>> = {
  refresh: {
    title: "What is there is not what was deployed",
    words: { create: "made", update: "changed", replace: "replaced", delete: "gone", import: "made" },
  },
  preview: {
    title: "What was deployed is not what the code says",
    words: {
      create: "to create",
      update: "to update",
      replace: "to replace",
      delete: "to delete",
      import: "to import",
    },
  },
};

/** Undefined where the log of events does not say that there is drift: it ends early, or nothing differs. */
export function differences(question: string, log: string): string | undefined {
  const asked = QUESTIONS[question];
  if (!asked) throw new Error(`expected ${Object.keys(QUESTIONS).join(" or ")}, got ${question}`);
  const { complete, changes } = readPreview(log);
  if (!complete || changes.length === 0) return undefined;
  return `### ${asked.title} (${changes.length})\n\n${changeTable(changes, asked.words)}\n`;
}
