import { repositoryOf } from "../../infra/config/hub-id.ts";
import { qualifyKey } from "../../infra/config/problem.ts";
import { TOKEN_KEY } from "../../infra/config/schema.ts";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { MODEL_VARIABLES } from "../../infra/contract.ts";
import { ownPathFacts, pathFacts } from "../../infra/io/host-paths.ts";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import { hostPathProblems } from "../../infra/plan/host-paths.ts";
import { modelPath } from "../../infra/plan/service-environment.ts";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { findModelProblem } from "../service/hub-model.ts";
import { isSecret } from "../stack/config.ts";
import type { LocalMode } from "../stack/files.ts";
import type { ShellConfig } from "../stack/shell-variables.ts";
import { engineAddress } from "../toolchain/docker.ts";
import type { EarlierService } from "./earlier.ts";

/** What is known of the stack before an `up`. */
interface Lookup {
  readonly mode: LocalMode;
  readonly shell: ShellConfig;
  readonly earlier: EarlierService | undefined;
  /** The ids of the models that the stack's cache has as a whole. */
  readonly cachedModels: () => Promise<readonly string[]>;
}

/** Finds the mistakes that can be found before anything is stopped: a GPU that is not there, a model that is not. */
export async function checkBefore(context: Context, settings: LocalSettings, lookup: Lookup): Promise<void> {
  requirePaths(context, settings, lookup.mode);
  await requireGpu(context, settings, lookup);
  await requireModel(context, settings, lookup);
}

/** Files and folders of this machine that config names, as the engine or this user sees them. */
export function requirePaths({ files }: Pick<Context, "files">, settings: LocalSettings, mode: LocalMode): void {
  const problems =
    mode === "process"
      ? hostPathProblems(settings, ownPathFacts, "process")
      : hostPathProblems(settings, (path) => pathFacts(path));
  if (problems.length > 0) throw files.wordProblems(problems);
}

async function requireGpu({ files }: Context, { gpu }: LocalSettings, { mode, shell }: Lookup): Promise<void> {
  // A process takes CUDA_VISIBLE_DEVICES as every program does: on a machine without a GPU it means nothing.
  if (mode === "process" && qualifyKey("gpu") in shell.plain) return;
  if (gpu === "auto" || gpu === "none" || detectGpu().hasGpu) return;
  // Docker on another machine has the GPUs of that one.
  if (/^(ssh|tcp):/.test((await engineAddress()) ?? "")) return;
  const message = `gpu: expected auto or none, got "${gpu}": this machine has no NVIDIA GPU. Nothing was changed.`;
  throw new CliError({ message, fix: commandFor(files.name, "up --config gpu=auto") }, EXIT.missingPrerequisite);
}

async function requireModel(
  { files, progress, signal }: Context,
  settings: LocalSettings,
  { mode, earlier, cachedModels }: Lookup,
): Promise<void> {
  const { modelId, modelRevision, hubEndpoint } = settings;
  if (settings.modelMirror !== null || settings.offline || modelPath(settings) !== null) return;
  // Another hub's address that the stack keeps as a secret is not known here.
  if (settings.secretKeys.includes("hubEndpoint") && !process.env[MODEL_VARIABLES.hubEndpoint]) return;
  const last = files.lastSettings("local");
  const isSame = last.modelId === modelId && last.modelRevision === modelRevision && modelPath(last) === null;
  const isServed = earlier && isSame;
  if (isServed) return;
  progress.update(`looking up ${modelId}`);
  const hasSecretToken = isSecret(files.config()[qualifyKey(TOKEN_KEY)]);
  const problem = await findModelProblem({
    stack: files.name,
    modelId,
    modelRevision,
    hubEndpoint,
    hasSecretToken,
    usesLogin: mode === "process",
    signal,
  });
  if (!problem) return;
  const cached = await cachedModels().catch((): readonly string[] => []);
  if (cached.includes(repositoryOf(modelId)) && modelRevision === null) return;
  throw new CliError({ ...problem, message: `${problem.message} Nothing was changed.` });
}
