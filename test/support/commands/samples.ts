import { ALL_KEYS } from "../../../infra/config/schema.ts";
import { CONTAINER_NAME } from "../../../infra/contract.ts";

/** What stands for a placeholder, by its name. */
const SAMPLES: readonly (readonly [RegExp, string])[] = [
  [/^(stack|name of the stack)$|IMAGE_?GEN_STACK/i, "aws-volume"],
  [/^(next|port)$/, "8001"],
  [/^(zone|wanted)$/, "us-east-1c"],
  [/^region$/, "us-east-1"],
  [/snapshot/i, "snap-0123456789abcdef0"],
  [/instance/i, "i-0123456789abcdef0"],
  [/subnet/i, "subnet-0123456789abcdef0"],
  [/^(containerName|container)$/i, CONTAINER_NAME],
  [/^code$/, "L-DB2E81BA"],
  [/^vcpus$/, "8"],
  [/^(account)$/, "123456789012"],
  [/^variable$/, "SSL_CERT_FILE"],
  [/^(owner|me)$/, "10001:10001"],
  [/^get[eu]*[ug]id$/, "10001"],
  [/^(lacks|least)$/, "20GB"],
  [/^join$/, "--zstd"],
  [/^operations$/, "Decrypt DescribeKey"],
  [/^direction$/, "backup"],
  [/organisation>\/<|^organisation$|^org$/, "stabilityai"],
  [/^(gated )?model$|^model_?id$|vae_?id|unknown/i, "stabilityai/sdxl-turbo"],
  [/^(command|nameOf)$/, "status"],
  [/^which$/, "--model stabilityai/sdxl-turbo"],
  [/^version$/, "0.2.0"],
];

/** Placeholders of other names stand for a word. */
const sampleOf = (name: string) => SAMPLES.find(([pattern]) => pattern.test(name))?.[1] ?? name.replaceAll(/\W+/g, "-");

/** A value that the key of a stack's config accepts. */
function exampleOf(key: string): string {
  const spec = ALL_KEYS[key];
  if (!spec) return key === "aws:region" ? "us-east-1" : "value";
  const parsed = spec.parse(spec.example ?? "");
  // The example of what is always a secret is an option: its value is typed at a prompt.
  const isShown = "value" in parsed && !spec.secret?.(parsed.value);
  return (isShown ? spec.example : "") || spec.default || "value";
}

/** A printed command as its reader would type it: a value for each placeholder. */
export function fillSamples(command: string): string {
  return command
    .replaceAll("$HOME", "/home/reader")
    .replaceAll(/--config <key>=<\w+>/g, "--config port=8001")
    .replaceAll(/(config set(?: --\w+)*) <(?:key|set)> <\w+>/g, "$1 port 8001")
    .replaceAll(
      /(config (?:rm|set)(?: --\w+)*) <(?:key|set|unset|TOKEN_KEY)>/g,
      (_, start: string) => `${start} ${start.includes("--secret") ? "hfToken" : "port"}`,
    )
    .replaceAll(
      /(--config |config set )([\w:]+)([= ])(?:<[^<>]*>|\S*…\S*)/g,
      (_, start: string, key: string, between: string) => `${start}${key}${between}${exampleOf(key)}`,
    )
    .replaceAll(/\b(i|vol|snap|subnet|ami)-…/g, "$1-0123456789abcdef0")
    .replaceAll(/<([^<>]+)>/g, (_, name: string) => sampleOf(name))
    .replaceAll(/(\S)…|…(?=\S)/g, "$1sample");
}

/** Words behind which something is left out. */
export const isPartial = (words: readonly string[]) => words.includes("…");
