import type { LocalSettings, ServiceStackSettings } from "../config/settings.ts";
import { LORAS_ARGUMENT, SERVICE_NAME } from "../contract.ts";
import { modelEnvironment } from "./container.ts";
import type { Gpus } from "./gpus.ts";
import { hubLoras } from "./manifest.ts";
import { settingsEnvironment } from "./service-environment.ts";

/**
 * What the build is given as BuildKit secrets, which are in no layer, argument or log: the Hugging Face token; proxies,
 * and a hub, whose addresses hold passwords; and certificate authorities of this machine.
 */
export type BuildSecret = "hf_token" | "network_variables" | "ca_file";

/** How the image is built. Nothing here depends on the model, unless the model is baked in. */
export interface ImagePlan {
  /** The name that people and Compose know the image by. Any build may take it over, so nothing runs by it. */
  readonly name: string;
  /** `name` without its tag: what the tag of the content is added to. */
  readonly repository: string;
  /** Build context, relative to the project. */
  readonly context: string;
  /** A Dockerfile that is used in place of the context's own; null: that one. */
  readonly dockerfile: string | null;
  /** What of the context goes into the build, and into its hash: the same list as in `.dockerignore`. */
  readonly contextEntries: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  /**
   * Proxies of this machine's builds whose addresses hold no password. They are in the build secret `network_variables`: as build
   * arguments they would make a changed proxy another image.
   */
  readonly proxies: Readonly<Record<string, string>>;
  /** Network of the RUN steps; null: Docker's default. */
  readonly network: "host" | null;
  readonly secrets: readonly BuildSecret[];
  /** File of this machine with certificate authorities; null: those of the base image alone. */
  readonly caFile: string | null;
  /** Where the build's output goes, relative to the project. */
  readonly logFile: string;
}

/** What of a stack's settings the image depends on. */
type ImageSettings = ServiceStackSettings & Pick<LocalSettings, "imageName">;

const PROXY_KEYS = ["httpProxy", "httpsProxy"] as const;
/** Keys whose secret values are in the build secret `network_variables`. */
export const ADDRESS_KEYS = [...PROXY_KEYS, "hubEndpoint"] as const;

const CONTEXT_ENTRIES = ["Dockerfile", "pyproject.toml", "requirements.lock", "src", "models", "docker"] as const;

/** `gpus`: those that the service is given; an image without has a use for torch's CPU build. */
export function planImage(settings: ImageSettings, gpus: Gpus): ImagePlan {
  const baked = settings.modelCache === "baked";
  const torchIndex = settings.target === "local" && gpus === null ? settings.torchIndex : null;
  return {
    name: hasTag(settings.imageName) ? settings.imageName : `${settings.imageName}:${settings.modelCache}`,
    repository: repositoryOf(settings.imageName),
    context: SERVICE_NAME,
    dockerfile: null,
    contextEntries: CONTEXT_ENTRIES,
    buildArgs: {
      BASE_IMAGE: settings.baseImage,
      ...(baked ? { ...modelEnvironment(settings), ...lorasArgument(settings) } : {}),
      // Without a compiler in the image, the service could not compile.
      ...(settings.compile ? { COMPILE: "1" } : {}),
      ...(torchIndex === null ? {} : { TORCH_INDEX: torchIndex }),
    },
    proxies: settings.target === "local" ? plainProxies(settings) : {},
    network: settings.buildNetwork === "host" ? "host" : null,
    secrets: buildSecrets(settings),
    caFile: settings.target === "local" ? settings.caFile : null,
    logFile: ".imagegen/logs/image-build.log",
  };
}

function lorasArgument({ loras }: ImageSettings): Record<string, string> {
  const named = hubLoras(loras);
  return named.length === 0 ? {} : { [LORAS_ARGUMENT]: named.join(",") };
}

/** A host on AWS has nothing to do with the machine that builds its image. */
function buildSecrets(settings: ImageSettings): BuildSecret[] {
  const token: BuildSecret[] = settings.modelCache === "baked" && settings.hasToken ? ["hf_token"] : [];
  if (settings.target !== "local") return token;
  const proxies: BuildSecret[] = hasProxy(settings) || hasSecretHub(settings) ? ["network_variables"] : [];
  return [...token, ...proxies, ...(settings.caFile === null ? [] : (["ca_file"] as const))];
}

const hasProxy = (settings: ServiceStackSettings) =>
  PROXY_KEYS.some((key) => settings[key] !== null || settings.secretKeys.includes(key));

/** A hub's address with a password, which a build with the model in it downloads from. */
const hasSecretHub = ({ modelCache, secretKeys }: ServiceStackSettings) =>
  modelCache === "baked" && secretKeys.includes("hubEndpoint");

function plainProxies(settings: LocalSettings): Record<string, string> {
  const { HTTP_PROXY, HTTPS_PROXY, NO_PROXY } = settingsEnvironment(settings, "container");
  const set = Object.entries({ HTTP_PROXY, HTTPS_PROXY, NO_PROXY });
  return Object.fromEntries(set.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function hasTag(name: string): boolean {
  return name.includes("@") || name.slice(name.lastIndexOf("/") + 1).includes(":");
}

function repositoryOf(name: string): string {
  const [plain = name] = name.split("@");
  return hasTag(plain) ? plain.slice(0, plain.lastIndexOf(":")) : plain;
}
