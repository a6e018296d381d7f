/**
 * What doctor knows of the machine. In: the checkout and its stack. Out: facts, gathered without changing anything.
 * Never judges them: judge.ts does, so that its judgements can be tested on machines that do not exist.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import type { ReadyState } from "../../infra/readiness/probe-result.ts";
import type { CacheStatus } from "../commands/cache/status.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { isPortFree, portOwner } from "../core/ports.ts";
import { askImageGen } from "../service/image-gen.ts";
import { readReadyz } from "../service/readyz.ts";
import { settingsOf } from "../stack/config.ts";
import { type Engine, engineAddress, findEngine, freeBytes, hasImage } from "../targets/docker/docker.ts";
import { locate, type Place } from "../targets/locate.ts";
import { findPulumi, type Tools } from "../toolchain/pulumi.ts";
import { onPath } from "../toolchain/uv.ts";
import type { Finding } from "./checks.ts";

export interface Facts {
  readonly node: { readonly version: string; readonly range: string };
  readonly engine: Engine;
  readonly engineHost: string | undefined;
  readonly gpu: boolean;
  readonly pulumi: Tools;
  readonly disks: readonly { readonly name: string; readonly free: number }[];
  readonly config: { readonly problems: readonly string[]; readonly port: number; readonly baseImage: string };
  readonly port: { readonly free: boolean; readonly owner: string | undefined; readonly ours: boolean };
  readonly baseImageHere: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** Files that a variable names as certificate authority, and whether they are there. */
  readonly certificates: readonly { readonly variable: string; readonly file: string; readonly exists: boolean }[];
  readonly uv: string | undefined;
  readonly python: string | undefined;
  readonly service: {
    readonly mode: Place["mode"];
    readonly ready: ReadyState | null;
    readonly cache: CacheStatus | null;
    /** What `image-gen doctor` found where the cache is; null when it could not be asked. */
    readonly inside?: readonly Finding[] | null;
  } | null;
}

const CERTIFICATE_VARIABLES = [
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS",
  "PIP_CERT",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];

export async function gatherFacts(context: Context): Promise<Facts> {
  const { paths, files } = context;
  const config = readConfig(() => settingsOf(files.lastConfig()));
  const engine = await findEngine();
  const place = config.problems.length === 0 ? await locate(context) : undefined;
  const running = place !== undefined && (place.mode === "process" || place.container.running);
  const packageFile = JSON.parse(readFileSync(join(paths.root, "package.json"), "utf8")) as {
    engines: { node: string };
  };
  return {
    node: { version: process.versions.node, range: packageFile.engines.node },
    engine,
    engineHost: await engineAddress(),
    gpu: detectGpu().hasGpu,
    pulumi: await findPulumi(paths),
    disks: disksOf(engine, paths.root),
    config,
    port: {
      free: await isPortFree(config.port),
      owner: await portOwner(config.port),
      ours: running && new URL(place.url).port === String(config.port),
    },
    baseImageHere: engine.ok && (await hasImage(config.baseImage)),
    env: process.env,
    certificates: CERTIFICATE_VARIABLES.flatMap((variable) => {
      const file = process.env[variable];
      return file ? [{ variable, file, exists: existsSync(file) }] : [];
    }),
    uv: onPath("uv"),
    python: await pythonVersion(),
    service: running
      ? {
          mode: place.mode,
          ready: await readReadyz(place.url, 5000, context.signal),
          cache: await askImageGen<CacheStatus>(context, ["status"]).catch(() => null),
          inside: await askImageGen<{ findings: Finding[] }>(context, ["doctor"], [EXIT.ok, EXIT.failed]).then(
            ({ findings }) => findings,
            () => null,
          ),
        }
      : null,
  };
}

function readConfig(read: () => { port: number; baseImage: string }): Facts["config"] {
  try {
    return { ...read(), problems: [] };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { ...settingsOf({}), problems: error.message.split("\n") };
  }
}

function disksOf(engine: Engine, root: string): Facts["disks"] {
  const folders: [string, string][] = [["this checkout", root]];
  if (engine.ok) folders.push(["Docker", engine.rootDir]);
  return folders.flatMap(([name, folder]) => {
    const free = freeBytes(folder);
    return free === undefined ? [] : [{ name, free }];
  });
}

async function pythonVersion(): Promise<string | undefined> {
  const code = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3])";
  const result = await execa("python3", ["-c", code], { reject: false, timeout: 10_000 });
  return result.exitCode === 0 ? result.stdout.trim() : undefined;
}
