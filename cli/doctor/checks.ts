import { formatBytes } from "../../infra/units.ts";
import { satisfies } from "../bootstrap.mjs";
import { commandFor } from "../core/command-line.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import type { MachineFacts } from "./inspect.ts";
import { describeRoom, ROOM_FIX } from "./room.ts";

/** The checks of this machine, in the order in which a first start needs them. Pure. */
export function machineChecks(facts: MachineFacts): Check[] {
  return [
    node,
    config,
    docker,
    gpu,
    pulumi,
    baseImage,
    python,
    disks,
    port,
    proxy,
    certificates,
    service,
    cache,
    cacheDoctor,
  ].flatMap((check) => check(facts));
}

function node({ node: { version, range } }: MachineFacts): Check[] {
  if (satisfies(version, range)) return [ok("node", version)];
  return [fail("node", `${version} is not in ${range}.`, "npm start, which downloads a Node that is")];
}

function config({ config: { problems } }: MachineFacts): Check[] {
  if (problems.length === 0) return [ok("config", "the stack's values are valid")];
  return problems.map(({ message, fix }) => fail("config", message, fix));
}

function docker({ engine, engineHost, uv, python: pythonVersion }: MachineFacts): Check[] {
  if (!engine.ok) {
    const { message, fix } = engine.reason;
    // Without Docker the service can still run as a process, which needs a Python.
    return [(uv || pythonVersion ? warn : fail)("docker", message, fix)];
  }
  if (engineHost && /^(ssh|tcp):/.test(engineHost)) {
    const message = `${engine.version}, on another machine (${engineHost}): its ports are not on this one.`;
    return [warn("docker", message, "docker context use default")];
  }
  return [ok("docker", `engine ${engine.version}`)];
}

function gpu({ gpu: present, engine }: MachineFacts): Check[] {
  if (!present)
    return [warn("gpu", "no NVIDIA GPU: SDXL takes minutes a picture on a CPU; without --model the demo is served.")];
  if (!engine.ok || engine.runtimes.includes("nvidia")) return [ok("gpu", "NVIDIA driver, usable in Docker")];
  const fix =
    "install the NVIDIA Container Toolkit, then sudo nvidia-ctk runtime configure && sudo systemctl restart docker";
  return [fail("gpu", "there is a GPU, but Docker can't give it to a container.", fix)];
}

function pulumi({ pulumi: tools, stack }: MachineFacts): Check[] {
  if (tools.ok) return [ok("pulumi", `CLI ${tools.version}${tools.root ? " (in .imagegen/pulumi)" : ""}`)];
  return [warn("pulumi", `${tools.reason.message} \`${commandFor(stack, "up")}\` installs one into .imagegen/pulumi.`)];
}

function baseImage({ engine, hasBaseImage, config: { settings }, stack }: MachineFacts): Check[] {
  if (!engine.ok) return [];
  if (hasBaseImage) return [ok("base-image", settings.baseImage)];
  return [
    warn("base-image", `${settings.baseImage} is not on this machine yet; \`${commandFor(stack, "up")}\` pulls it.`),
  ];
}

function python({ uv, python: version, engine }: MachineFacts): Check[] {
  if (uv) return [ok("python", `uv at ${uv}`)];
  if (version) return [ok("python", `${version}, from which uv can be installed`)];
  const message = "neither uv nor a python3 with venv: only Docker can run the service.";
  return [(engine.ok ? warn : fail)("python", message, "sudo apt install python3-venv, or https://docs.astral.sh/uv/")];
}

function disks({ disks: all }: MachineFacts): Check[] {
  return all.map(({ name, free, room }) => {
    const space = `${name}: ${formatBytes(free)} free`;
    if (free < room.bytes) return fail("disk", `${space}; up needs ${describeRoom(room)}.`, ROOM_FIX);
    if (free < room.bytes + room.assumedBytes)
      return warn(
        "disk",
        `${space}; the size of the model or of its LoRAs is not known yet, and may need more.`,
        ROOM_FIX,
      );
    return ok("disk", `${space}; up needs ${formatBytes(room.bytes)}`);
  });
}

function port({ config: { settings }, port: { free, owner, ours }, stack }: MachineFacts): Check[] {
  if (free) return [ok("port", `${settings.port} is free`)];
  if (ours) return [ok("port", `${settings.port} is used by this stack's service`)];
  const message = `${settings.port} is taken${owner ? ` by ${owner}` : ""}.`;
  return [fail("port", message, commandFor(stack, `up --port ${settings.port + 1}`))];
}

function proxy({ env }: MachineFacts): Check[] {
  const used = env.HTTPS_PROXY ?? env.https_proxy ?? env.HTTP_PROXY ?? env.http_proxy;
  if (!used) return [ok("proxy", "none")];
  const direct = env.NO_PROXY ?? env.no_proxy;
  return [ok("proxy", used.replace(/\/\/[^@/]*@/, "//") + (direct ? `, not for ${direct}` : ""))];
}

function certificates({ certificates: all, engine }: MachineFacts): Check[] {
  const missing = all.filter(({ exists }) => !exists);
  if (missing.length > 0) {
    return missing.map(({ variable, file }) =>
      fail("certificates", `${variable} names ${file}, which does not exist.`, `unset ${variable}`),
    );
  }
  if (all.length === 0) return [ok("certificates", "the system's own")];
  const message = `${[...new Set(all.map(({ file }) => file))].join(", ")} (${all.map(({ variable }) => variable).join(", ")})`;
  const note = engine.ok ? "; a container does not see it, so its base image must contain the authority as well" : "";
  return [ok("certificates", message + note)];
}

function service({ service: found, stack }: MachineFacts): Check[] {
  if (!found) return [ok("service", `not running: ${commandFor(stack, "up")}`)];
  const { ready, mode } = found;
  if (!ready) return [fail("service", `running (${mode}), but not answering.`, commandFor(stack, "logs"))];
  if (ready.error) return [fail("service", ready.error.message, commandFor(stack, "logs"))];
  return [ok("service", `${ready.phase}, ${ready.model} on ${ready.device ?? "no device yet"} (${mode})`)];
}

function cache({ service: found, stack }: MachineFacts): Check[] {
  if (!found) return [];
  const { cache: status, needsMount } = found;
  if (!status) return [warn("cache", "the service did not report it.", commandFor(stack, "logs"))];
  const { hf_home: home, mount, models } = status;
  if (needsMount && !mount.is_mount)
    return [
      fail("cache", `${home} is in the container: each new one downloads the model again.`, commandFor(stack, "up")),
    ];
  if (needsMount && !`${home}/`.startsWith(`${mount.path.replace(/\/$/, "")}/`))
    return [fail("cache", `HF_HOME is ${home}, outside the volume at ${mount.path}.`, commandFor(stack, "up"))];
  const broken = models.filter(({ complete }) => !complete).map(({ id }) => id);
  if (broken.length > 0)
    return [warn("cache", `incomplete: ${broken.join(", ")}.`, commandFor(stack, "cache prefetch"))];
  return [ok("cache", `${home}, ${formatBytes(status.bytes)}, ${formatBytes(mount.bytes_free)} free`)];
}

/** The warnings and failures of `image-gen doctor`; the check `cache` covers what is well. */
function cacheDoctor({ service: found }: MachineFacts): Check[] {
  const checks = found?.doctor ?? [];
  return checks
    .filter(({ status, id }) => status !== "ok" && (found?.needsMount || id !== "mount"))
    .map((check) => ({ ...check, id: `cache.${check.id}` }));
}
