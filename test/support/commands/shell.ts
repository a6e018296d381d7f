import type { SimpleCommand } from "./printed.ts";

const SEPARATORS = ["||", "&&", "|", ";", "&"];

/**
 * The simple commands of one line, as a shell would start them: quotes, comments, redirections, and what stands in `$(…)`.
 * A command for another shell, in quotes behind `ssh`, counts as well.
 */
export function simpleCommands(line: string): SimpleCommand[] {
  const found: SimpleCommand[] = [];
  let words: string[] = [];
  let word: string | null = null;
  const endWord = () => {
    if (word !== null) words.push(word);
    word = null;
  };
  const endCommand = () => {
    endWord();
    if (words.length > 0) found.push(toCommand(words));
    words = [];
  };
  for (let at = 0; at < line.length; ) {
    const character = line[at] ?? "";
    const rest = line.slice(at);
    const separator = SEPARATORS.find((each) => rest.startsWith(each));
    const redirection = word === null ? /^(\d?&?>>?(&\d)?|<) */.exec(rest)?.[0] : /^>>? */.exec(rest)?.[0];
    if (character === "#" && word === null) break;
    else if (redirection) {
      endWord();
      at += redirection.length;
      if (!redirection.includes("&")) at += /^\S*/.exec(line.slice(at))?.[0].length ?? 0;
    } else if (separator) {
      endCommand();
      at += separator.length;
    } else if (/\s/.test(character)) {
      endWord();
      at += 1;
    } else if (rest.startsWith("$(")) {
      const inner = balanced(rest.slice(2));
      found.push(...simpleCommands(inner));
      word = `${word ?? ""}substituted`;
      at += inner.length + 3;
    } else if (character === "'" || character === '"') {
      const end = line.indexOf(character, at + 1);
      if (end < 0) throw new Error(`a quote is not closed: ${line}`);
      const text = line.slice(at + 1, end);
      if (character === '"')
        for (const [, inner = ""] of text.matchAll(/\$\(([^()]*)\)/g)) found.push(...simpleCommands(inner));
      word = `${word ?? ""}${text}`;
      at = end + 1;
    } else {
      const escaped = character === "\\";
      word = `${word ?? ""}${escaped ? (line[at + 1] ?? "") : character}`;
      at += escaped ? 2 : 1;
    }
  }
  endCommand();
  return found.flatMap((each) => [each, ...remote(each)]);
}

function balanced(text: string): string {
  let open = 1;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "(") open += 1;
    if (text[at] === ")") open -= 1;
    if (open === 0) return text.slice(0, at);
  }
  throw new Error(`$( is not closed: ${text}`);
}

function toCommand(all: readonly string[]): SimpleCommand {
  const first = all.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  const count = first < 0 ? all.length : first;
  const variables = Object.fromEntries(
    all.slice(0, count).map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]),
  );
  return { variables, words: all.slice(count) };
}

function remote({ words: [program, , command] }: SimpleCommand): SimpleCommand[] {
  return program === "ssh" && command ? simpleCommands(command) : [];
}
