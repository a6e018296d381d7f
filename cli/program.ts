/**
 * The commands of `imagegen`, their options and help. In: a signal that ends them. Out: a commander program; nothing is
 * read or run before it parses a command line. The reference pages and the tests of the docs use it as well.
 */
import { Command } from "commander";
import { DEFAULT_STACK } from "../infra/contract.ts";
import metadata from "../package.json" with { type: "json" };
import { addCache } from "./commands/cache/index.ts";
import { addCi } from "./commands/ci.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addDown } from "./commands/down.ts";
import { addDrain, addPin, addStart, addStop } from "./commands/host.ts";
import { addLogs } from "./commands/logs.ts";
import { addOpen } from "./commands/open.ts";
import { addPicture } from "./commands/picture.ts";
import { addPlan } from "./commands/plan.ts";
import { addRehearse } from "./commands/rehearse.ts";
import { addRestart } from "./commands/restart.ts";
import { addStatus } from "./commands/status.ts";
import { addUp } from "./commands/up.ts";
import { addMoveAz, addVolume } from "./commands/volume.ts";
import { EXIT_MEANINGS } from "./core/exit.ts";

const CODES = EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`).join("\n");

export function buildProgram(signal: AbortSignal): Command {
  const program = new Command("imagegen")
    .description(
      "Deploys image-gen, a service that makes pictures and downloads its model once, and manages its cache.",
    )
    .option("-s, --stack <name>", "the stack, as in stacks/Pulumi.<name>.yaml", DEFAULT_STACK)
    .option("--json", "print the result as JSON on stdout")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("afterAll", `\nExit codes:\n${CODES}`)
    .version(metadata.version, "-V, --version", "print the version")
    .exitOverride()
    .showHelpAfterError("Run `imagegen --help` for a list of commands.");
  const common = [addUp, addDown, addRestart, addPlan, addStatus, addLogs, addOpen, addPicture, addDoctor, addCache];
  for (const add of [...common, addStop, addDrain, addStart, addPin, addMoveAz, addVolume, addCi, addRehearse])
    add(program, signal);
  return program;
}
