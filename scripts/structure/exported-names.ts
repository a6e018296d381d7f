/** No two exported things share a name with two meanings. */
import { codeLines, languageOf, type SourceFile } from "./source.ts";

/** Names that mean the same thing wherever they stand, each with the reason. */
const SHARED: Readonly<Record<string, string>> = {
  main: "the entry point of a module that is run by itself",
};

const TYPESCRIPT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|interface|type|enum) (\w+)/;
const PYTHON = /^(?:async def|def|class) ([A-Za-z]\w*)/;

/** One line for each name that two files export. */
export function sharedNames(files: readonly SourceFile[]): string[] {
  const homes = new Map<string, Set<string>>();
  for (const [path, lines] of codeLines(files.filter(({ path }) => !path.endsWith(".d.mts")))) {
    const language = languageOf({ path, text: "" });
    const pattern = language === "typescript" ? TYPESCRIPT : language === "python" ? PYTHON : undefined;
    for (const line of pattern ? lines : []) {
      const name = pattern?.exec(line)?.[1];
      // The two languages have separate name spaces.
      if (name) homes.set(`${language} ${name}`, (homes.get(`${language} ${name}`) ?? new Set()).add(path));
    }
  }
  const found: string[] = [];
  for (const [key, paths] of homes) {
    const name = key.split(" ")[1] ?? "";
    if (paths.size > 1 && !Object.hasOwn(SHARED, name)) {
      found.push(`${name} is exported by ${[...paths].join(", ")}. Fix: give one of them a name of its own`);
    }
  }
  return found.sort();
}
