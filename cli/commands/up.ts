import type { Command } from "commander";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import type { ReadyState } from "../../infra/readiness/probe-result.ts";
import { type CommonOptions, type Context, openContext, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { makePicture, type Picture } from "../service/images.ts";
import { type ConfigMap, parseConfigFlags, qualify, readText, settingsOf, urlOf } from "../stack/config.ts";
import { chooseModel, planOf, withModel } from "../stack/model.ts";
import { isAws } from "../targets/aws/stack/target.ts";
import { findContainer } from "../targets/docker/docker.ts";
import { findTools, upInDocker } from "../targets/docker/up.ts";
import { type AskedMode, chooseMode, type Mode, parseMode } from "../targets/mode.ts";
import { readRecord, stopProcess } from "../targets/process/record.ts";
import { startService } from "../targets/process/service.ts";

interface UpOptions extends CommonOptions {
  readonly mode: AskedMode;
  readonly model?: string;
  readonly port?: string;
  readonly config?: string[];
  readonly resetConfig?: boolean;
  readonly prompt: string;
  readonly picture: boolean;
}

interface UpResult {
  readonly mode: Mode;
  readonly url: string;
  readonly model: string | null;
  readonly device: string | null;
  readonly source: string | null;
  readonly phases: Readonly<Record<string, number>>;
  readonly picture: Picture | null;
  readonly seconds: number;
}

const EXAMPLES = `
Examples:
  imagegen up                                  Docker where it can be had, else a process of this machine
  imagegen up --model stabilityai/stable-diffusion-xl-base-1.0
  imagegen up --mode process --port 8001
  imagegen up --config baseImage=my-registry/python:3.12 --config buildNetwork=host

What --model, --port and --config say is kept for the stack (in .imagegen/stacks) until it is said anew, or until
--reset-config. The tracked stacks/Pulumi.<stack>.yaml is never written. A token in HF_TOKEN is kept, encrypted.`;

export function addUp(program: Command, signal: AbortSignal): void {
  program
    .command("up")
    .description("start the service, wait until it is ready, and make a picture")
    .option("--mode <mode>", "auto, docker or process", parseMode, "auto")
    .option("--model <id>", "a model on the Hugging Face hub, or demo")
    .option("--port <port>", "the service's port on this machine")
    .option("--config <key=value>", "a value of the stack's config; may be repeated", collect)
    .option("--reset-config", "forget what earlier --model, --port and --config said")
    .option("--prompt <text>", "what the picture shows", "a lighthouse at dawn, oil on canvas")
    .option("--no-picture", "end as soon as the service is ready")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<UpOptions>();
      const context = openContext(options, signal);
      if (isAws(context) || asksForAws(options)) {
        const { upAwsCommand, describeAwsUp } = await import("../targets/aws/stack/up-command.ts");
        print(context, await upAwsCommand(context, askedConfig(options), options), describeAwsUp);
        return;
      }
      print(context, await up(context, options), describe);
    });
}

async function up(context: Context, options: UpOptions): Promise<UpResult> {
  const started = performance.now();
  const { files, progress } = context;
  if (options.resetConfig) files.forget();
  const asked = askedConfig(options);
  settingsOf({ ...files.config(), ...asked }); // A mistake must not be kept.
  if (Object.keys(asked).length > 0) files.keep(asked);

  const config = files.config();
  const model = chooseModel({ configured: readText(config, "modelId"), gpu: detectGpu().hasGpu });
  const settings = withModel(settingsOf(config), model);

  const tools = options.mode === "process" ? undefined : await findTools(context, settings);
  const choice = chooseMode(options.mode, tools && !tools.ok ? tools.message : undefined);
  for (const note of [choice.note, model.note]) if (note) progress.line(note);

  const chosen: ConfigMap = model.why === "no-gpu" ? { [qualify("modelId")]: model.id } : {};
  files.write(chosen);
  const ready =
    choice.mode === "docker"
      ? await inDocker(context, settings, tools?.ok ? tools.root : undefined)
      : await asProcess(context, settings);

  const url = urlOf(settings);
  const picture = options.picture ? await firstPicture(context, url, options.prompt, ready) : null;
  return {
    mode: choice.mode,
    url,
    model: ready.model ?? settings.modelId,
    device: ready.device ?? null,
    source: ready.source ?? null,
    phases: ready.phases ?? {},
    picture,
    seconds: (performance.now() - started) / 1000,
  };
}

async function inDocker(context: Context, settings: LocalSettings, root: string | undefined): Promise<ReadyState> {
  const running = readRecord(context.paths.processFile);
  if (running) {
    context.progress.line(`Stopping the service that runs as a process (pid ${running.pid}) …`);
    await stopProcess(context.paths.processFile, running);
  }
  return upInDocker(context, settings, root);
}

async function asProcess(context: Context, settings: LocalSettings): Promise<ReadyState> {
  const { paths, files, progress, signal } = context;
  const container = await findContainer(settings.containerName);
  if (container?.running && container.ports.includes(settings.port)) {
    const name = settings.containerName;
    throw new CliError(
      `Port ${settings.port} is held by the container ${name}. Fix: imagegen down, or --port`,
      EXIT.machine,
    );
  }
  const { readiness } = await planOf(paths, settings);
  const wanted = { ...settings, readiness };
  const { ready, record, fresh } = await startService(paths, files.name, wanted, progress, signal);
  if (!fresh) progress.line(`Already running at ${record.url} (pid ${record.pid}).`);
  return ready;
}

async function firstPicture(context: Context, url: string, prompt: string, ready: ReadyState): Promise<Picture> {
  context.progress.live(`making a picture of ${prompt}`);
  // A full-size picture takes a CPU the better part of an hour; a small one proves as much.
  const small = ready.device === "cpu" && !ready.model?.endsWith("/demo") ? { size: "512x512", steps: 8 } : {};
  const picture = await makePicture(url, { prompt, ...small }, { folder: context.paths.pictures }, context.signal);
  context.progress.settle();
  return picture;
}

/** `--config target=aws` makes a stack of this very run one of AWS. */
function asksForAws(options: UpOptions): boolean {
  return askedConfig(options)[qualify("target")] === "aws";
}

function askedConfig(options: UpOptions): Record<string, string> {
  return {
    ...parseConfigFlags(options.config ?? []),
    ...(options.model === undefined ? {} : { [qualify("modelId")]: options.model }),
    ...(options.port === undefined ? {} : { [qualify("port")]: options.port }),
  };
}

function describe(result: UpResult): string {
  const lines = [`Ready: ${result.model} on ${result.device}, at ${result.url} (${result.seconds.toFixed(1)} s)`];
  if (result.picture) lines.push(`Picture: ${result.picture.path} (${result.picture.seconds.toFixed(1)} s)`);
  return lines.join("\n");
}

function collect(value: string, all: string[] = []): string[] {
  return [...all, value];
}
