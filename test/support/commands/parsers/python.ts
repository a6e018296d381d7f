import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { paths } from "../../paths.ts";

/** Tools whose parsers are Python. */
export const PYTHON_TOOLS: readonly string[] = ["image-gen", "hf", "aws"];

/** What the parsers of Python's tools say of commands, all in one process of `python`. */
export function checkInPython(python: string, commands: readonly (readonly string[])[]): (string | null)[] {
  const env = {
    ...process.env,
    PYTHONPATH: join(paths.imageGen, "src"),
    HF_HUB_OFFLINE: "1",
    HF_HUB_DISABLE_TELEMETRY: "1",
  };
  const script = join(import.meta.dirname, "parsers.py");
  const { status, stdout, stderr } = spawnSync(python, [script], {
    env,
    input: JSON.stringify(commands),
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${script} failed: ${stderr}`);
  return JSON.parse(stdout) as (string | null)[];
}
