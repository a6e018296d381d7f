import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, strToU8 } from "fflate";
import { hostEnvironment, INSTANCE_STORE_PATH, INSTANCE_STORE_VARIABLE } from "../../contract.ts";
import { UserError } from "../../errors.ts";
import type { HostFilesPlan } from "../../plan/aws/host.ts";

/** EC2's limit, before base64. */
const MOST_BYTES = 16_384;

const files = join(import.meta.dirname, "files");

/**
 * User data of a host: its scripts, units and settings, and one command that starts them. The same plan gives the same
 * text, since a change of it replaces the host. `messages`: texts in the scripts, and what replaces them. Anyone who may describe the instance can read it: no secret is in it.
 */
export function renderUserData(plan: HostFilesPlan, messages: Replacements = []): string {
  // Not Node's own gzip, whose bytes differ from processor to processor: a deploy from another machine would replace
  // the host.
  const packed = gzipSync(strToU8(renderCloudConfig(plan, messages)), { level: 9, mtime: 0 });
  if (packed.length > MOST_BYTES)
    throw new UserError(
      `user data: expected at most ${MOST_BYTES} bytes, got ${packed.length}. Fix: shorten infra/aws/host/files`,
    );
  return Buffer.from(packed).toString("base64");
}

/** JSON is YAML, and needs no library to be written right. */
function renderCloudConfig(plan: HostFilesPlan, messages: Replacements): string {
  const write_files = [
    { path: "/opt/image-gen/contract.env", permissions: "0644", content: renderContract() },
    { path: "/etc/image-gen/host.env", permissions: "0644", content: renderHostEnvironment(plan) },
    ...scriptsOf(plan).map((file) => ({ ...file, content: replaceAll(file.content, messages) })),
    ...filesOf("systemd", "/etc/systemd/system", "0644").filter(({ name }) => !isLeftOut(plan, name)),
  ].map(({ name: _name, ...file }: WrittenFile) => file);
  return `#cloud-config\n${JSON.stringify({ write_files, runcmd: [["/opt/image-gen/bin/install-services"]] })}\n`;
}

interface WrittenFile {
  readonly name?: string;
  readonly path: string;
  readonly permissions: string;
  readonly content: string;
}

/** A host of a fleet has no volume, and no status of its own. */
const NOT_OF_FLEETS = ["data-volume", "ready-record", "image-gen-ready.service"];
const isLeftOut = ({ fleetDeployment }: HostFilesPlan, name: string) =>
  fleetDeployment !== undefined && NOT_OF_FLEETS.includes(name);

function scriptsOf(plan: HostFilesPlan) {
  const place = "/opt/image-gen/bin";
  const store = storeScript(plan, place);
  const scripts = [...filesOf("bin", place, "0755"), ...filesOf("credentials", place, "0755")];
  return [...scripts.filter(({ name }) => !isLeftOut(plan, name)), ...store];
}

/** In a fleet the script is the one for the data directory; beside a volume it is for a copy of the model. */
function storeScript({ fleetDeployment, instanceStore }: HostFilesPlan, place: string): readonly WrittenFile[] {
  const files = filesOf("instance-store", place, "0755");
  if (fleetDeployment !== undefined) return files;
  return instanceStore ? files.map((file) => ({ ...file, path: `${place}/instance-store` })) : [];
}

type Replacements = readonly (readonly [text: string, instead: string])[];

function replaceAll(text: string, replacements: Replacements): string {
  return replacements.reduce((all, [from, to]) => all.replaceAll(from, () => to), text);
}

function filesOf(folder: string, target: string, permissions: string) {
  return readdirSync(join(files, folder))
    .sort()
    .map((name) => ({
      name,
      path: `${target}/${name}`,
      permissions,
      content: withoutComments(readFileSync(join(files, folder, name), "utf8")),
    }));
}

/** Comments and a module's docstring are for whoever reads the source, and take room that EC2 does not have. No text of the files holds such a line. */
function withoutComments(text: string): string {
  return text.replace(/^[ \t]*#(?!!).*\n/gm, "").replace(/^"""[\s\S]*?"""\n/m, "");
}

function renderHostEnvironment(plan: HostFilesPlan): string {
  const values: Record<string, string> = {
    IMAGE_GEN_REGION: plan.region,
    IMAGE_GEN_STACK: plan.stack,
    IMAGE_GEN_PARAMETERS: plan.parameters,
    IMAGE_GEN_VOLUME_ID: plan.volumeId,
    IMAGE_GEN_FORMAT_IF_BLANK: plan.formatIfBlank ? "1" : "0",
    IMAGE_GEN_FILESYSTEM: plan.filesystem,
    IMAGE_GEN_LOG_GROUP: plan.logGroup,
    IMAGE_GEN_REGISTRY: plan.registry,
    IMAGE_GEN_SELF_ATTACH: plan.selfHealing ? "1" : "0",
    IMAGE_GEN_IDLE_STOP_MINUTES: String(plan.idleStopMinutes),
    IMAGE_GEN_ENDPOINTS_ONLY: plan.endpointsOnly ? "1" : "0",
    IMAGE_GEN_PUBLISH: plan.publishAddress,
    IMAGE_GEN_MIRROR_ROLE_ARN: plan.mirrorRoleArn,
    ...(plan.instanceStore ? { [INSTANCE_STORE_VARIABLE]: INSTANCE_STORE_PATH } : {}),
    ...(plan.fleetDeployment === undefined ? {} : { IMAGE_GEN_DEPLOYMENT: plan.fleetDeployment }),
  };
  return renderEnvironment(values);
}

/** What the scripts share with the program, as a file beside them. */
export const renderContract = () => renderEnvironment(hostEnvironment());

/** `KEY=value` lines, read by bash and by Python: so no value may hold what one of them would read in its own way. */
function renderEnvironment(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([key, value]) => {
    if (!/^[\w./:@+=,-]*$/.test(value))
      throw new UserError(
        `${key}: expected letters, digits and ./:@+=,- alone, got ${JSON.stringify(value)}. Fix: rename it`,
      );
    return `${key}=${value}\n`;
  });
  return lines.join("");
}
