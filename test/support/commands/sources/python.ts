import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { paths } from "../../paths.ts";
import type { Printed } from "../printed.ts";
import { commandsInText } from "../sentence.ts";

/** The commands in the strings of Python modules. */
export function commandsInPython(files: readonly string[]): Printed[] {
  const script = join(import.meta.dirname, "strings.py");
  const options = { cwd: paths.root, input: JSON.stringify(files), encoding: "utf8", maxBuffer: 2 ** 26 } as const;
  const { status, stdout, stderr } = spawnSync("python3", [script], options);
  if (status !== 0) throw new Error(`${script} failed: ${stderr}`);
  const texts = JSON.parse(stdout) as [string, number, string, Printed["reader"]][];
  return texts.flatMap(([file, line, text, reader]) =>
    commandsInText(text).map((command) => ({ where: `${file}:${line}`, command, reader })),
  );
}
