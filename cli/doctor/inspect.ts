/**
 * What doctor knows of the machine. In: the checkout and its stack. Out: facts, gathered without changing anything.
 * Never decides what they mean: checks.ts does, so that checks can be tested on machines that do not exist.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import { planProcessRoom } from "../../infra/plan/room.ts";
import { modelPath } from "../../infra/plan/service-environment.ts";
import type { ReadyState } from "../../infra/readiness/probe-result.ts";
import type { Context } from "../core/context.ts";
import { CliError, type ErrorDetail } from "../core/exit.ts";
import { onPath } from "../core/on-path.ts";
import type { Paths } from "../core/paths.ts";
import { isPortFree, portOwner } from "../core/ports.ts";
import type { CacheStatus } from "../service/image-gen.ts";
import { readText, settingsFor } from "../stack/config.ts";
import type { StackFiles } from "../stack/files.ts";
import { chooseModel, planOf } from "../stack/model.ts";
import { type Engine, engineAddress, findEngine, freeBytes, hasImage } from "../toolchain/docker.ts";
import { findPulumi } from "../toolchain/pulumi.ts";
import type { Check } from "./check.ts";
import { inspectRoom } from "./room.ts";

export type MachineFacts = Readonly<Awaited<ReturnType<typeof inspectMachine>>>;

export interface ConfigFacts {
  /** The defaults where there are problems. */
  readonly settings: LocalSettings;
  readonly problems: readonly ErrorDetail[];
}

/** The running service of the stack. */
export interface ServiceFacts {
  readonly mode: string;
  readonly url: string;
  /** Whether its cache must be on a mounted volume. */
  readonly needsMount: boolean;
  readonly ready: ReadyState | null;
  readonly cache: CacheStatus | null;
  /** What `image-gen doctor` found where the cache is; null when it could not be run. */
  readonly doctor: readonly Check[] | null;
}

const CERTIFICATE_VARIABLES = [
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS",
  "PIP_CERT",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];

export async function inspectMachine({ paths, files }: Context, config: ConfigFacts, service: ServiceFacts | null) {
  const engine = await findEngine();
  const packageFile = JSON.parse(readFileSync(join(paths.root, "package.json"), "utf8")) as {
    engines: { node: string };
  };
  const { port, baseImage } = config.settings;
  return {
    stack: files.name,
    node: { version: process.versions.node, range: packageFile.engines.node },
    engine,
    engineHost: await engineAddress(),
    gpu: detectGpu().hasGpu,
    pulumi: await findPulumi(paths),
    disks: await inspectDisks(engine, paths, config.settings),
    config,
    port: {
      free: await isPortFree(port),
      owner: await portOwner(port),
      ours: service !== null && new URL(service.url).port === String(port),
    },
    hasBaseImage: engine.ok && (await hasImage(baseImage)),
    env: process.env,
    // Files that a variable names as certificate authority.
    certificates: CERTIFICATE_VARIABLES.flatMap((variable) => {
      const file = process.env[variable];
      return file ? [{ variable, file, exists: existsSync(file) }] : [];
    }),
    uv: onPath("uv"),
    python: await pythonVersion(),
    service,
  };
}

/** The settings of the stack's last start, or the problems of its config. */
export function checkedConfig(files: StackFiles): ConfigFacts {
  try {
    const parsed = files.lastSettings("local");
    const isChosen = modelPath(parsed) !== null || readText(files.lastConfig(), "modelId") !== undefined;
    const configured = isChosen ? parsed.modelId : undefined;
    const { id } = chooseModel({ configured, gpu: detectGpu().hasGpu });
    return { settings: { ...parsed, modelId: id }, problems: [] };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { settings: settingsFor("local", {}), problems: error.details };
  }
}

/** The output of `image-gen doctor --json`; null when it is something else. */
export function parseDoctor(output: { readonly checks?: Check[] }): readonly Check[] | null {
  return output.checks ?? null;
}

/** Docker's disk where the service would run in Docker, else the checkout's, with what `up` needs of it. */
async function inspectDisks(engine: Engine, paths: Paths, settings: LocalSettings) {
  const onDocker = engine.ok;
  const free = freeBytes(onDocker ? engine.rootDir : paths.root);
  if (free === undefined) return [];
  const room = onDocker
    ? await inspectRoom(paths, settings)
    : planProcessRoom(await planOf(paths, settings), existsSync(paths.venv));
  return [{ name: onDocker ? "Docker" : "this checkout", free, room }];
}

async function pythonVersion(): Promise<string | undefined> {
  const code = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3])";
  const result = await execa("python3", ["-c", code], { reject: false, timeout: 10_000 });
  return result.exitCode === 0 ? result.stdout.trim() : undefined;
}
