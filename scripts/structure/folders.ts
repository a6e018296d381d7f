/** A folder of the product has at most sixteen files, and says at its door what it holds. */
import { dirname } from "node:path/posix";
import type { SourceFile } from "./source.ts";

const MOST_FILES = 16;
/** Folders whose files are data of one kind, described by the folder above, and those of the page, whose door is its `main.js`. */
const DATA = /\/files\/|\/page\//;

/** One line for each folder that is too full or says nothing about itself. */
export function folderProblems(files: readonly SourceFile[]): string[] {
  const folders = new Map<string, SourceFile[]>();
  for (const file of files) folders.set(dirname(file.path), [...(folders.get(dirname(file.path)) ?? []), file]);
  const problems: string[] = [];
  for (const [folder, inside] of [...folders].sort()) {
    if (inside.length > MOST_FILES)
      problems.push(
        `${folder} has ${inside.length} files, at most ${MOST_FILES} are allowed. Fix: split it by subject`,
      );
    if (!DATA.test(`${folder}/`) && !inside.some(describesFolder))
      problems.push(
        `${folder} does not say what it holds. Fix: a README.md, or a comment at the top of index.ts or __init__.py`,
      );
  }
  return problems;
}

function describesFolder({ path, text }: SourceFile): boolean {
  if (/\/README\.md$/.test(path)) return text.trim().length > 40;
  if (/\/(index|main)\.ts$/.test(path)) return text.startsWith("/**");
  return /\/__init__\.py$/.test(path) && text.startsWith('"""');
}
