import type { Printed } from "../printed.ts";
import { commandsInText } from "../sentence.ts";

const FIRST_WORD =
  /^(?:[A-Z_]+=\S+ )*(?:imagegen|image-gen|npm|npx|pulumi|docker|docker-compose|aws|hf|git|gh|sudo|curl|ssh|export|unset|systemctl|journalctl|cat|node|uv|scripts\/\S+)\s+\S/;

/** The commands of a page: the lines of a console behind `$ `, and code that begins with a program. */
export function commandsInMarkdown(file: string, text: string): Printed[] {
  const found: Printed[] = [];
  const reader = "shell" as const;
  let block: string | null = null;
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const where = `${file}:${at + 1}`;
    const fence = /^```(\w*)/.exec(line);
    if (fence) block = block === null ? (fence[1] ?? "") : null;
    else if (block === "console" && line.startsWith("$ ")) {
      let command = line.slice(2);
      while (command.endsWith("\\")) {
        at += 1;
        command = command.slice(0, -1) + (lines[at] ?? "").trim();
      }
      found.push({ where, command, reader });
    } else if (block === "" && !/\[options\]/.test(line)) {
      for (const command of commandsInText(line)) found.push({ where, command, reader });
    } else if (block === null) {
      for (const [, code = ""] of line.matchAll(/`([^`]+)`/g))
        if (FIRST_WORD.test(code)) found.push({ where, command: code.replaceAll("\\|", "|"), reader, mention: true });
    }
  }
  return found;
}
