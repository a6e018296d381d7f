import type { LocalSettings, Settings } from "../config/settings.ts";
import { SERVICE_NAME } from "../contract.ts";
import { modelEnvironment } from "./container.ts";
import { settingsEnvironment } from "./service-environment.ts";

/** How the image is built. Nothing here depends on the model, unless the model is baked in. */
export interface ImagePlan {
  /** The name that people and Compose know the image by. Any build may take it over, so nothing runs by it. */
  readonly name: string;
  /** `name` without its tag: what the tag of the content is added to. */
  readonly repository: string;
  /** Build context, relative to the project. */
  readonly context: string;
  /** What of the context goes into the build, and into its hash: the same list as in `.dockerignore`. */
  readonly contextEntries: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Proxies of this machine's builds: Docker knows these arguments by itself, and keeps them out of the image and its cache. */
  readonly proxyArgs: Readonly<Record<string, string>>;
  /** Network of the RUN steps; null: Docker's default. */
  readonly network: "host" | null;
  /** Names of the BuildKit secrets that the build needs. */
  readonly secrets: readonly "hf_token"[];
  /** Where the build's output goes, relative to the project. */
  readonly logFile: string;
}

/** What of a stack's settings the image depends on. */
type ImageSettings = Settings & Pick<LocalSettings, "imageName">;

const CONTEXT_ENTRIES = ["Dockerfile", "pyproject.toml", "requirements.lock", "src", "models", "docker"] as const;

export function planImage(settings: ImageSettings): ImagePlan {
  const baked = settings.modelCache === "baked";
  return {
    name: hasTag(settings.imageName) ? settings.imageName : `${settings.imageName}:${settings.modelCache}`,
    repository: repositoryOf(settings.imageName),
    context: SERVICE_NAME,
    contextEntries: CONTEXT_ENTRIES,
    buildArgs: {
      BASE_IMAGE: settings.baseImage,
      ...(baked ? modelEnvironment(settings) : {}),
      // Without a compiler in the image, the service could not compile.
      ...(settings.compile ? { COMPILE: "1" } : {}),
    },
    proxyArgs: settings.target === "local" ? proxies(settings) : {},
    network: settings.buildNetwork === "host" ? "host" : null,
    secrets: baked && settings.hasToken ? ["hf_token"] : [],
    logFile: ".imagegen/logs/image-build.log",
  };
}

/** A proxy with a password is a secret, which is no build argument: Docker has its own setting for that. */
function proxies(settings: LocalSettings): Record<string, string> {
  const { HTTP_PROXY, HTTPS_PROXY, NO_PROXY } = settingsEnvironment(settings, "container");
  if (HTTP_PROXY === undefined && HTTPS_PROXY === undefined) return {};
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
