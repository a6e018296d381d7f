import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { commandFor } from "../core/command-line.ts";
import { type ErrorDetail, firstLine } from "../core/exit.ts";

/** Lines that report a failure without its reason. */
const GENERIC = [
  /^(update|preview|destroy|refresh) failed$/i,
  /^resource (monitor shut down|registration)/i,
  /^exit status/i,
];
/** The provider's source position, which is of no use to the user. */
const PROVIDER_FRONT = /^[\w./-]+\.go:\d+: (sdk\.\w+: )?/;
const PROVIDER_BACK = /: provider=\S+$/;
const MARKUP = /<\{%.*?%\}>/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours start with the escape character.
const COLOUR = /\u001b\[[0-9;]*m/g;

/** The text of an engine event for a live line; undefined when there is nothing to show. */
export function describeEvent(event: EngineEvent): string | undefined {
  const step = event.resourcePreEvent?.metadata;
  if (step && step.op !== "same" && step.op !== "read") {
    const name = step.urn.split("::").at(-1) ?? "";
    const type = step.type.split(":").at(-1) ?? "";
    return type === "Stack" || step.type.startsWith("pulumi:providers:")
      ? undefined
      : `Pulumi: ${step.op} ${type} ${name}`;
  }
  const message = event.diagnosticEvent;
  if (message?.severity !== "info" && message?.severity !== "info#err") return undefined;
  const lines = clean(message.message)
    .split("\n")
    .filter((line) => line.trim() !== "");
  return lines.at(-1)?.trim();
}

/**
 * The reasons in a run's events, the one that explains the rest first; empty when no event gives one. The program's own
 * errors come before a provider's, which it explains: of a failed build, a provider knows the exit code alone.
 */
export function findReasons(events: readonly EngineEvent[]): string[] {
  const errors = events.flatMap(({ diagnosticEvent: found }) => (found?.severity === "error" ? [found] : []));
  const ofProgram = ({ urn = "" }: (typeof errors)[number]) => urn === "" || urn.includes("::pulumi:pulumi:Stack::");
  const ordered = [...errors.filter(ofProgram), ...errors.filter((error) => !ofProgram(error))];
  return [...new Set(ordered.flatMap(({ message }) => reasonIn(message) ?? []))];
}

/** The reason in the text that the `pulumi` command printed before it had an engine (a wrong passphrase, say). */
export function reasonInOutput(output: string): string | undefined {
  const lines = clean(output)
    .split("\n")
    .map((line) => line.trim());
  const errors = lines.filter((line) => /^error: /.test(line)).map((line) => line.replace(/^(error: )+/, ""));
  return errors.find((line) => !isGeneric(line));
}

/** One diagnostic without colours, stack trace and wrapping: a line for each problem. */
function reasonIn(message: string): string | undefined {
  const lines = clean(message)
    .split("\n")
    .filter((line) => !/^\s+at /.test(line))
    .map((line) =>
      line
        .trim()
        .replace(/^(error|Error): /, "")
        .replace(PROVIDER_FRONT, "")
        .replace(PROVIDER_BACK, ""),
    )
    .filter((line) => line !== "" && !isGeneric(line) && !/failed with an unhandled exception:?$/.test(line));
  const problems = lines.filter((line) => line !== "1 error occurred:").map((line) => line.replace(/^\* /, ""));
  return problems.length === 0 ? undefined : problems.slice(0, 8).join("\n");
}

function isGeneric(line: string): boolean {
  return GENERIC.some((pattern) => pattern.test(line));
}

function clean(text: string): string {
  return text.replace(MARKUP, "").replace(COLOUR, "").replace(/\r/g, "");
}

/** Fixes for errors of Pulumi itself, by the name in the error and the stack's; the program's own errors name theirs. */
const FIXES: readonly (readonly [RegExp, (name: string, stack: string) => string])[] = [
  [/incorrect passphrase/, () => "set PULUMI_CONFIG_PASSPHRASE to the one that the stack was made with, or unset it"],
  [
    /container name "\/?(\S+?)" is already in use/,
    (containerName, stack) =>
      `it was started without Pulumi: docker compose down, or docker rm --force ${containerName}; ` +
      `then ${commandFor(stack, "up")} (the volume stays)`,
  ],
  [/currently locked/, () => "wait for the other run; if there is none: rm -r .imagegen/state/.pulumi/locks"],
];

/** The reason (one line a problem) of a failed Pulumi command on `stack`, and its fix. */
export function explainFailure(events: readonly EngineEvent[], error: unknown, stack: string): ErrorDetail {
  const text = error instanceof Error ? error.message : String(error);
  const message = findReasons(events)[0] ?? reasonInOutput(text) ?? firstLine(error);
  const [pattern, fix] = FIXES.find(([each]) => each.test(message)) ?? [];
  return { message, fix: fix?.(pattern?.exec(message)?.[1] ?? "", stack) };
}
