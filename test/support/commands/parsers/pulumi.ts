import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ALL_KEYS, RENAMED_KEYS } from "../../../../infra/config/schema.ts";
import type { Settings } from "../../../../infra/config/settings.ts";
import { paths } from "../../paths.ts";
import { isPartial } from "../samples.ts";
import { parseByHelp } from "./help.ts";
import { keyProblem } from "./imagegen.ts";

/** The outputs of a stack by its target. */
type Outputs = Readonly<Record<Settings["target"], readonly string[]>>;

/** What is wrong with a command of `pulumi`: for the program itself, or for a stack of this project. `outputs`: the stacks' own. */
export function checkPulumi(words: readonly string[], outputs: Outputs): string | null {
  const partial = isPartial(words);
  const parsed = parseByHelp(
    words.filter((word) => word !== "…"),
    { partial },
  );
  if (typeof parsed === "string") return parsed;
  const { path, flags, operands } = parsed;
  const [first = "", second] = operands;
  const pack = flags.get("--policy-pack");
  if (pack !== undefined && !existsSync(join(paths.root, pack))) return `there is no policy pack ${pack}`;
  switch (path.slice(1).join(" ")) {
    case "config set": {
      if (partial && first === "") return null;
      const spec = ALL_KEYS[first];
      if (!spec && first !== "aws:region") return `there is no key ${first}`;
      const parsed = spec?.parse(second ?? "");
      // Without a value, one that is always a secret is meant.
      const isPublic = second !== undefined && parsed && "value" in parsed && !spec?.secret?.(parsed.value);
      if (spec?.secret && !isPublic && !flags.has("--secret")) return `${first} is a secret: --secret is missing`;
      return second === undefined ? null : keyProblem(first, second);
    }
    case "config rm":
      return first in ALL_KEYS || first in RENAMED_KEYS ? null : `there is no key ${first}`;
    case "stack output":
      return checkOutput(first, flags.get("--stack"), outputs);
    case "destroy":
      if (flags.has("--target") && !flags.has("--target-dependents"))
        return "what depends on the target is not destroyed with it: --target-dependents is missing";
      return null;
    default:
      return null;
  }
}

/** Without a stack, any target's output will do. */
function checkOutput(name: string, stack: string | undefined, outputs: Outputs): string | null {
  if (name === "" || name === "name") return null;
  const file = join(paths.root, "stacks", `Pulumi.${stack ?? ""}.yaml`);
  if (stack !== undefined && !existsSync(file)) return `there is no stack ${stack} in stacks/`;
  const text = stack === undefined ? "" : readFileSync(file, "utf8");
  const target = (["aws", "fleet", "ci"] as const).find((each) => text.includes(`target: ${each}`)) ?? "local";
  const known = stack === undefined ? Object.values(outputs).flat() : outputs[target];
  return known.includes(name)
    ? null
    : stack === undefined
      ? `no stack has the output ${name}`
      : `the stack ${stack} has no output ${name}`;
}
