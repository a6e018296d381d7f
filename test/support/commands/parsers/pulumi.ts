import { existsSync } from "node:fs";
import { join } from "node:path";
import { ALL_KEYS, RENAMED_KEYS } from "../../../../infra/config/schema.ts";
import { paths } from "../../paths.ts";
import { isPartial } from "../samples.ts";
import { parseByHelp } from "./help.ts";
import { keyProblem } from "./imagegen.ts";

/** What is wrong with a command of `pulumi`: for the program itself, or for a stack of this project. `outputs`: the stacks' own. */
export function checkPulumi(words: readonly string[], outputs: readonly string[]): string | null {
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
      if (spec?.secret && !flags.has("--secret")) return `${first} is a secret: --secret is missing`;
      return second === undefined ? null : keyProblem(first, second);
    }
    case "config rm":
      return first in ALL_KEYS || first in RENAMED_KEYS ? null : `there is no key ${first}`;
    case "stack output":
      return first === "" || outputs.includes(first) || first === "name" ? null : `no stack has the output ${first}`;
    case "destroy":
      if (flags.has("--target") && !flags.has("--target-dependents"))
        return "what depends on the target is not destroyed with it: --target-dependents is missing";
      return null;
    default:
      return null;
  }
}
