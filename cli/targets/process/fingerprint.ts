import { createHash } from "node:crypto";
import { isServiceVariable } from "../../../infra/config/service-variables.ts";
import type { ProcessRecord } from "./record.ts";

/**
 * Variables that a library of the service reads, beside those of the table. By their families: a new one of torch or of the
 * hub's client must replace a running process as well.
 */
const READ_BY_LIBRARIES = [
  /^(HF|HUGGING_?FACE|TRANSFORMERS|DIFFUSERS|ACCELERATE|XDG_CACHE)_/,
  /^(CUDA|NVIDIA|PYTORCH|TORCH|TORCHINDUCTOR|CUBLAS|CUDNN|NCCL|HIP|ROCR|HSA|OMP|MKL|OPENBLAS|PYTHON|LD)_/,
  /^(PYTHONPATH|DO_NOT_TRACK)$/,
  /^(SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)$/,
  /^(https?|all|no)_proxy$/i,
  /^AWS_/,
];

/** Whether a process has to be replaced when this variable of the user's shell has changed. */
export const isReadByService = (name: string): boolean =>
  isServiceVariable(name) || READ_BY_LIBRARIES.some((pattern) => pattern.test(name));

/**
 * What a process depends on, each part hashed, as values may be secrets: all that its settings make, what the service reads
 * of the user's shell, and `source`, the hash of code and packages.
 */
export function fingerprintParts(own: Record<string, string>, shell: NodeJS.ProcessEnv, source: string) {
  const fromShell = Object.entries(shell).filter(([name, value]) => value !== undefined && isReadByService(name));
  const variables = Object.entries({ ...Object.fromEntries(fromShell), ...own });
  const parts = variables.map(([name, value]): [string, string] => [name, hash(`${name}=${value}`).slice(0, 16)]);
  return { ...Object.fromEntries(parts.sort()), [CODE]: source.slice(0, 16) };
}

type Parts = Readonly<Record<string, string>>;

/** The name of the part that is no variable. */
const CODE = "code";

/** The variables that a process was started with, and the code that it is started with now. */
export function withCodeOf(parts: Parts, now: Parts = {}): Parts {
  return now[CODE] === undefined ? parts : { ...parts, [CODE]: now[CODE] };
}

export function fingerprintOf(parts: Parts): string {
  return hash(JSON.stringify(Object.entries(parts).sort()));
}

/** What differs between a running process and one that would be started now, for a message. */
export function describeDifference({ parts }: ProcessRecord, now: Parts): string {
  if (!parts) return "other settings";
  const names = [...new Set([...Object.keys(parts), ...Object.keys(now)])].filter((name) => parts[name] !== now[name]);
  return names.length === 0
    ? "other settings"
    : `another ${names.map((name) => (name === CODE ? "version of the code" : name)).join(", ")}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
