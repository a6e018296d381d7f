import { HARDENING, isLoopback, MODEL_DIR_VARIABLE } from "../contract.ts";
import { type Problem, qualifyKey } from "./problem.ts";
import { ALL_KEYS, TARGET_KEYS } from "./schema.ts";
import { SERVICE_VARIABLES, variableOf } from "./service-variables.ts";
import type { LocalSettings, ServiceStackSettings } from "./settings.ts";

/** Rules between keys of a stack on this machine. */
const RULES: readonly ((settings: LocalSettings) => Problem | false)[] = [
  ({ bindAddress, allowUnauthenticated, secretKeys, apiKeysFile }) =>
    !isLoopback(bindAddress) &&
    !allowUnauthenticated &&
    apiKeysFile === null &&
    !secretKeys.includes("apiKey") && {
      path: qualifyKey("bindAddress"),
      expected:
        "an address of this machine alone, such as 127.0.0.1, as there is no apiKey: others could use the service",
      got: bindAddress,
      fix: { secret: "apiKey", variable: variableOf("apiKey"), or: { set: "allowUnauthenticated", value: "true" } },
    },
  ({ modelDir, modelCache }) =>
    modelDir !== null &&
    modelCache === "baked" && {
      path: qualifyKey("modelDir"),
      expected: "no modelDir with modelCache=baked: the model in the image would not be served",
      got: modelDir,
      fix: { unset: "modelDir" },
    },
  ({ modelDir, environment }) =>
    modelDir !== null &&
    MODEL_DIR_VARIABLE in environment && {
      path: qualifyKey("environment"),
      expected: `no ${MODEL_DIR_VARIABLE}, which the key modelDir sets`,
      got: MODEL_DIR_VARIABLE,
      fix: { unset: "modelDir" },
    },
  ({ workers, modelMirror }) =>
    workers > 0 &&
    (modelMirror?.startsWith("s3://") ?? false) && {
      path: qualifyKey("modelMirror"),
      expected: "a folder or nothing with workers: their S3 is the emulator's",
      got: modelMirror ?? "",
      fix: { set: "workers", value: "0" },
    },
  ({ containerUser, volumeName }) =>
    containerUser !== HARDENING.user &&
    !volumeName.startsWith("/") && {
      path: qualifyKey("volumeName"),
      expected: `a folder that user ${containerUser} can write to, as a Docker volume belongs to ${HARDENING.user}`,
      got: volumeName,
      fix: { set: "volumeName", value: "<the path of a folder>" },
    },
];

/** Every problem between keys. */
export function localProblems(settings: LocalSettings): readonly Problem[] {
  return RULES.map((rule) => rule(settings)).filter((found) => found !== false);
}

/** Every problem between keys of the service, which are the same on every target. */
export function serviceProblems({
  compile,
  loras,
}: Pick<ServiceStackSettings, "compile" | "loras">): readonly Problem[] {
  if (!compile || loras === null) return [];
  const expected = "none with compile: compiled blocks take no LoRAs";
  return [{ path: qualifyKey("loras"), expected, got: loras, fix: { set: "compile", value: "false" } }];
}

/** Variables that the map `environment` may not set: those of a key, and those that the program sets. */
export function environmentProblems(
  environment: Readonly<Record<string, string>>,
  target: ServiceStackSettings["target"],
): readonly Problem[] {
  return Object.keys(environment).flatMap((name): Problem[] => {
    const found = SERVICE_VARIABLES.find((each) => each.name === name.toUpperCase());
    const path = qualifyKey("environment");
    if (found?.fixed)
      return [{ path, expected: `no ${name}: ${found.fixed}`, got: name, fix: { unset: "environment" } }];
    // `MODEL_DIR` may name a path of the volume or the image, which is not on this machine.
    const elsewhere = target === "local" ? ["modelDir"] : OF_THIS_MACHINE;
    if (!found?.key || elsewhere.includes(found.key)) return [];
    const key = target === "local" ? found.key : (ON_AWS[found.key] ?? found.key);
    // A variable whose key this target does not read can be set in no other way.
    if (target === "fleet" && !Object.hasOwn(TARGET_KEYS.fleet, key)) return [];
    const spec = ALL_KEYS[key];
    const secret = spec?.secret && { secret: key, variable: name };
    const fix = secret ?? { set: key, value: spec?.example ?? "" };
    return [{ path, expected: `no ${name}, which the key ${key} sets`, got: name, fix }];
  });
}

/** Keys that name a path of this machine, which a host on AWS does not have. */
const OF_THIS_MACHINE = ["caFile", "apiKeysFile", "hostCache", "modelDir"];

/** Keys that a host on AWS has in place of a secret's value. */
const ON_AWS: Readonly<Record<string, string>> = { apiKey: "apiKeySecretArn", hfToken: "hfTokenSecretArn" };
