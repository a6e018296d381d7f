import { ci } from "../../infra/aws/ci/program.ts";
import { fleet } from "../../infra/aws/fleet/program.ts";
import { aws } from "../../infra/aws/program.ts";
import type { Settings } from "../../infra/config/settings.ts";
import { local } from "../../infra/docker/program.ts";
import type { ProgramContext } from "../../infra/program-context.ts";

/** A target's whole program, as `infra/index.ts` runs it. */
export async function runTarget(settings: Settings, context: ProgramContext): Promise<void> {
  if (settings.target === "local") local(settings, context);
  else if (settings.target === "ci") ci(settings, context);
  else if (settings.target === "fleet") await fleet(settings, context);
  else aws(settings, context);
}
