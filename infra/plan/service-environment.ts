import { ALL_KEYS, type SecretKey } from "../config/schema.ts";
import { SERVICE_VARIABLES, variableOf } from "../config/service-variables.ts";
import type { CommonSettings, LocalSettings } from "../config/settings.ts";
import { API_KEYS_PATH, CA_PATH, HOST_CACHE_PATH, MIRROR_PATH, MODEL_DIR_VARIABLE, MODELS_PATH } from "../contract.ts";

/** Where the service runs, and so which paths it sees. */
type Place = "container" | "process";

/** What becomes the service's variables. */
export type EnvironmentSettings = Omit<CommonSettings, "hasToken"> &
  Partial<Pick<LocalSettings, "hostCache" | "modelDir">>;

/** A variable whose value is a secret; no name: the secret is a map of variables. */
export interface SecretVariable {
  readonly key: SecretKey;
  readonly name: string | null;
}

/** What config says of the service: a key at its default sets nothing. Without secrets. */
export function settingsEnvironment(settings: EnvironmentSettings, place: Place): Record<string, string> {
  const values: Readonly<Record<string, unknown>> = { ...settings, ...pathsIn(place, settings) };
  const set = SERVICE_VARIABLES.flatMap(({ name, key, sameAs }) => {
    const value = key === undefined || sameAs !== undefined ? null : textOf(values[key]);
    return value === null || value === ALL_KEYS[key ?? ""]?.default ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(set), ...settings.environment };
}

/** The variables of the keys that are set as secrets. */
export function secretVariables({ secretKeys }: Pick<CommonSettings, "secretKeys">): readonly SecretVariable[] {
  return secretKeys.map((key) => ({ key, name: key === "environment" ? null : variableOf(key) }));
}

/** Files of the machine, as the service sees them. Its GPUs are chosen where it is started. */
function pathsIn(place: Place, settings: EnvironmentSettings) {
  const { caFile, apiKeysFile, modelMirror, hostCache = null, modelDir = null } = settings;
  const folder = modelMirror?.startsWith("/") ?? false;
  if (place === "process") return { gpu: null, modelMirror: folder ? `file://${modelMirror}` : modelMirror };
  return {
    gpu: null,
    caFile: caFile && CA_PATH,
    apiKeysFile: apiKeysFile && `${API_KEYS_PATH}${apiKeysFile.slice(apiKeysFile.lastIndexOf("/"))}`,
    hostCache: hostCache && HOST_CACHE_PATH,
    modelDir: modelDir && mountedModel(modelDir),
    modelMirror: folder ? `file://${MIRROR_PATH}` : modelMirror,
  };
}

/** Where the container has the user's own model. */
export const mountedModel = (modelDir: string) => `${MODELS_PATH}/${modelDir.slice(modelDir.lastIndexOf("/") + 1)}`;

/** The model's path as a container's service names it; null: the model is one of the hub. */
export function modelPath({
  modelDir = null,
  environment,
}: Pick<EnvironmentSettings, "modelDir" | "environment">): string | null {
  if (modelDir !== null) return mountedModel(modelDir);
  // As the service reads it: Python's `Path` drops what changes no path.
  const path = (environment[MODEL_DIR_VARIABLE] ?? "").trim().replace(/\/(?:\.?\/)+/g, "/");
  return path.replace(/(.)\/\.?$/, "$1") || null;
}

function textOf(value: unknown): string | null {
  if (typeof value === "boolean") return value ? "1" : null;
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}
