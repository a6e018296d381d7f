import { formatBytes } from "../../infra/units.ts";
import { satisfies } from "../bootstrap.mjs";
import type { Facts } from "./inspect.ts";

/** One line of doctor: what was looked at, how it is, and what mends it. */
export interface Finding {
  /** `unknown`: it could not be looked at (no permission, no answer), which is no failure. */
  readonly level: "ok" | "warn" | "fail" | "unknown";
  readonly about: string;
  readonly text: string;
  readonly mend?: string;
}

/** Bytes below which a disk can't hold an image or Python environment with SDXL, and can't hold the demo. */
const ROOMY = 25e9;
const TIGHT = 8e9;

/** The findings for the facts, in the order in which a first start needs them. Pure. */
export function judge(facts: Facts): Finding[] {
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
    inside,
  ].flatMap((look) => look(facts));
}

const ok = (about: string, text: string): Finding => ({ level: "ok", about, text });
const warn = (about: string, text: string, mend?: string): Finding => ({
  level: "warn",
  about,
  text,
  ...(mend ? { mend } : {}),
});
const fail = (about: string, text: string, mend?: string): Finding => ({
  level: "fail",
  about,
  text,
  ...(mend ? { mend } : {}),
});

function node({ node: { version, range } }: Facts): Finding[] {
  if (satisfies(version, range)) return [ok("node", version)];
  return [fail("node", `${version} is not in ${range}.`, "npm start, which fetches one that is")];
}

function config({ config: { problems } }: Facts): Finding[] {
  if (problems.length === 0) return [ok("config", "the stack's values are valid")];
  return problems.map((problem) => fail("config", problem));
}

function docker({ engine, engineHost, uv, python: pythonVersion }: Facts): Finding[] {
  if (!engine.ok) {
    const [text = "", mend] = engine.message.split(" Fix: ");
    // Without Docker the service can still run as a process, which needs a Python.
    return [uv || pythonVersion ? warn("docker", text, mend) : fail("docker", text, mend)];
  }
  if (engineHost && /^(ssh|tcp):/.test(engineHost)) {
    const text = `${engine.version}, on another machine (${engineHost}): its ports are not on this one.`;
    return [warn("docker", text, "docker context use default")];
  }
  return [ok("docker", `engine ${engine.version}`)];
}

function gpu({ gpu: present, engine }: Facts): Finding[] {
  if (!present)
    return [warn("gpu", "no NVIDIA GPU: SDXL takes minutes a picture on a CPU; without --model the demo is served.")];
  if (!engine.ok || engine.runtimes.includes("nvidia")) return [ok("gpu", "NVIDIA driver, and Docker can pass it on")];
  const mend =
    "install the NVIDIA Container Toolkit, then sudo nvidia-ctk runtime configure && sudo systemctl restart docker";
  return [fail("gpu", "there is a GPU, but Docker can't give it to a container.", mend)];
}

function pulumi({ pulumi: tools }: Facts): Finding[] {
  if (tools.ok) return [ok("pulumi", `CLI ${tools.version}${tools.root ? " (in .imagegen/pulumi)" : ""}`)];
  return [warn("pulumi", "no fitting CLI; `imagegen up` installs one into .imagegen/pulumi.")];
}

function baseImage({ engine, baseImageHere, config: { baseImage: name } }: Facts): Finding[] {
  if (!engine.ok) return [];
  if (baseImageHere) return [ok("base image", name)];
  return [warn("base image", `${name} is not here yet; \`imagegen up\` pulls it.`)];
}

function python({ uv, python: version, engine }: Facts): Finding[] {
  if (uv) return [ok("python", `uv at ${uv}`)];
  if (version) return [ok("python", `${version}, from which uv can be installed`)];
  const text = "neither uv nor a python3 with venv: only Docker can run the service.";
  const mend = "sudo apt install python3-venv, or https://docs.astral.sh/uv/";
  return [engine.ok ? warn("python", text, mend) : fail("python", text, mend)];
}

function disks({ disks: all }: Facts): Finding[] {
  return all.map(({ name, free }) => {
    const text = `${name}: ${formatBytes(free)} free`;
    if (free >= ROOMY) return ok("disk", text);
    if (free >= TIGHT)
      return warn("disk", `${text}; an image with SDXL needs about ${formatBytes(ROOMY)}.`, "docker system prune");
    return fail("disk", `${text}; the service's packages alone need ${formatBytes(TIGHT)}.`, "docker system prune");
  });
}

function port({ config: { port: number }, port: { free, owner, ours } }: Facts): Finding[] {
  if (free) return [ok("port", `${number} is free`)];
  if (ours) return [ok("port", `${number} is our own service's`)];
  return [fail("port", `${number} is taken${owner ? ` by ${owner}` : ""}.`, `imagegen up --port ${number + 1}`)];
}

function proxy({ env }: Facts): Finding[] {
  const used = env.HTTPS_PROXY ?? env.https_proxy ?? env.HTTP_PROXY ?? env.http_proxy;
  if (!used) return [ok("proxy", "none")];
  const spared = (env.NO_PROXY ?? env.no_proxy ?? "").split(",").map((host) => host.trim());
  const shown = used.replace(/\/\/[^@/]*@/, "//");
  if (spared.includes("127.0.0.1") || spared.includes("*")) return [ok("proxy", shown)];
  return [
    warn("proxy", `${shown} is also asked for this machine's own service.`, "export NO_PROXY=127.0.0.1,localhost"),
  ];
}

function certificates({ certificates: all, engine }: Facts): Finding[] {
  const gone = all.filter(({ exists }) => !exists);
  if (gone.length > 0) {
    return gone.map(({ variable, file }) =>
      fail("certificates", `${variable} names ${file}, which is not there.`, `unset ${variable}`),
    );
  }
  if (all.length === 0) return [ok("certificates", "the system's own")];
  const text = `${[...new Set(all.map(({ file }) => file))].join(", ")} (${all.map(({ variable }) => variable).join(", ")})`;
  if (!engine.ok) return [ok("certificates", text)];
  return [
    ok("certificates", `${text}; a container does not see it, so its base image needs an authority of one's own too`),
  ];
}

function service({ service: found }: Facts): Finding[] {
  if (!found) return [ok("service", "does not run: imagegen up")];
  const { ready, mode } = found;
  if (!ready) return [fail("service", `runs (${mode}), but does not answer.`, "imagegen logs")];
  if (ready.error) return [fail("service", ready.error.message, "imagegen logs")];
  return [ok("service", `${ready.phase}, ${ready.model} on ${ready.device ?? "no device yet"} (${mode})`)];
}

function cache({ service: found }: Facts): Finding[] {
  if (!found) return [];
  const { cache: status, mode } = found;
  if (!status) return [warn("cache", "the service did not tell about it.", "imagegen logs")];
  const { hf_home: home, mount, models } = status;
  if (mode === "docker" && !mount.is_mount) {
    return [fail("cache", `${home} is in the container itself: each new one fetches the model again.`, "imagegen up")];
  }
  if (mode === "docker" && !`${home}/`.startsWith(`${mount.path.replace(/\/$/, "")}/`)) {
    return [fail("cache", `HF_HOME is ${home}, outside the volume at ${mount.path}.`, "imagegen up")];
  }
  const broken = models.filter(({ complete }) => !complete).map(({ id }) => id);
  if (broken.length > 0) return [warn("cache", `incomplete: ${broken.join(", ")}.`, "imagegen cache prefetch")];
  return [ok("cache", `${home}, ${formatBytes(status.bytes)}, ${formatBytes(mount.bytes_free)} free`)];
}

/**
 * What the doctor beside the cache adds: its warnings and failures, as `cache` says already what is well. A process of
 * this machine needs no mount.
 */
function inside({ service: found }: Facts): Finding[] {
  const seen = found?.inside ?? [];
  return seen
    .filter(({ level, about }) => level !== "ok" && !(found?.mode === "process" && about === "mount"))
    .map((finding) => ({ ...finding, about: `in: ${finding.about}` }));
}
