import { DEMO_MODEL, DEMO_MODEL_ID, MODEL_VARIABLES } from "../../../infra/contract.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import type { CommandResult } from "../../service/image-gen.ts";
import { runMirrorScript } from "../mirror-script.ts";
import type { MirrorOptions } from "../target.ts";

/** Copies a model from the Hub to a bucket by way of this machine: a fleet has no host that stays. */
export async function mirrorModel(context: Context, { place, model, revision }: MirrorOptions): Promise<CommandResult> {
  const { files, progress, json } = context;
  const settings = files.settings("fleet");
  const id = model ?? settings.modelId;
  requireMirrorable(files.name, id);
  // A revision of config is one of config's model.
  const wanted = revision ?? (model === undefined ? settings.modelRevision : null);
  // So are what its service has besides.
  const { loras, vaeId, safetyChecker } = model === undefined ? settings : NOTHING_BESIDES;
  progress.log(`Copying ${id} from the Hub to ${place}, by way of this machine …`);
  const env = {
    IMAGEGEN_MODEL: id,
    IMAGEGEN_MIRROR: place,
    IMAGEGEN_REVISION: wanted ?? "",
    IMAGEGEN_LORAS: loras ?? "",
    IMAGEGEN_VAE_ID: vaeId ?? "",
    IMAGEGEN_SAFETY_CHECKER: safetyChecker ?? "",
    ...(settings.hubEndpoint === null ? {} : { [MODEL_VARIABLES.hubEndpoint]: settings.hubEndpoint }),
  };
  const copied = await runMirrorScript(context, env, json ? ["--json"] : []);
  if (copied.exitCode === 0 && settings.modelMirror !== place)
    progress.log(`Hosts read it after: ${commandFor(files.name, `up --config modelMirror=${place}`)}`);
  return copied;
}

const NOTHING_BESIDES = { loras: null, vaeId: null, safetyChecker: null };

function requireMirrorable(stack: string, id: string): void {
  if (id !== DEMO_MODEL && id !== DEMO_MODEL_ID) return;
  const fix = commandFor(stack, "cache mirror --model <organisation>/<name>");
  throw new CliError({ message: "The demo model is made on each host, and is in no mirror.", fix }, EXIT.usage);
}
