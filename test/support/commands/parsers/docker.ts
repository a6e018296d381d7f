import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { CONTAINER_NAME } from "../../../../infra/contract.ts";
import { paths } from "../../paths.ts";
import { isPartial } from "../samples.ts";
import { parseByHelp } from "./help.ts";

/** What is wrong with a command of Docker, and the command that it runs in a container, if any. */
export function checkDocker(words: readonly string[]): { problem: string | null; inside: readonly string[] } {
  const partial = isPartial(words);
  const spelt = words[0] === "docker-compose" ? ["docker", "compose", ...words.slice(1)] : words;
  const parsed = parseByHelp(
    spelt.filter((word) => word !== "…"),
    { partial },
  );
  if (typeof parsed === "string") return { problem: parsed, inside: [] };
  const { path, operands } = parsed;
  const command = path.slice(1).join(" ");
  const inside = /^(exec|run|compose (exec|run))$/.test(command) ? operands.slice(1) : [];
  if (/^compose (exec|run|up|restart|build|logs|stop|start|ps|pull)$/.test(command)) {
    const { services } = parse(readFileSync(join(paths.root, "compose.yaml"), "utf8")) as {
      services: Record<string, unknown>;
    };
    const named = /exec|run/.test(command) ? operands.slice(0, 1) : operands;
    const unknown = named.find((service) => !(service in services));
    if (unknown) return { problem: `compose.yaml has no service ${unknown}`, inside };
  }
  const container = /^(exec|logs|rm|restart|stop|inspect)$/.test(command) ? operands[0] : undefined;
  if (container?.startsWith("image-g") && container !== CONTAINER_NAME)
    return { problem: `the container is ${CONTAINER_NAME}, not ${container}`, inside };
  return { problem: null, inside };
}
