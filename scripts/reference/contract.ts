import { FACTS } from "../structure/contract-homes.ts";
import { code, page, table } from "./markdown.ts";

/** Each fact that several sides must agree on, and the files that repeat it because they cannot import the contract. */
export function contractPage(): string {
  const rows = FACTS.map(({ name, value, homes }) => {
    const files = [...new Set(homes.map(({ path }) => code(path)))];
    return [code(name), String(value), files.join(", ")];
  });
  return page(
    "Contract",
    "Names and numbers that the program, the command, the host's scripts, Compose, the Dockerfile and the service must agree on are in `infra/contract.ts`. " +
      "TypeScript imports it, and the host's scripts read `contract.env`, which user data makes from it. The files below repeat a value because they cannot import it; " +
      "`npm run check` compares each of them.",
    table(["fact", "value", "also stated in"], rows),
  );
}
