/**
 * In: a script of this checkout and its arguments, started by whatever Node the machine has (18 or newer).
 * Out: the same script, run by a Node that package.json allows, with the dependencies of package-lock.json in place.
 * Never: needs a dependency itself, or touches anything outside the checkout.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
/** Platforms that have an npm package with a Node binary in it. */
const PREBUILT = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win-x64"];

/** What proxies are never asked for. */
const LOOPBACK = ["localhost", "127.0.0.1", "::1"];
/** Milliseconds between two lines of something that takes long, and characters of a bar. */
const QUIET_MS = 4000;
const BAR_WIDTH = 24;

/** A set-up error that one line explains. */
export class SetupError extends Error {}

/** True when `version` (as in process.version) is in `range`: comparators `^a.b.c` and `>=a.b.c` joined by `||`. */
export function satisfies(version, range) {
  const have = parse(version);
  return range.split("||").some((part) => {
    const [, operator, wanted] = /^(\^|>=)(\d\S*)$/.exec(part.trim()) ?? [];
    if (!wanted) {
      throw new SetupError(
        `package.json: engines.node has "${part.trim()}"; expected ^a.b.c or >=a.b.c, joined by ||.`,
      );
    }
    const want = parse(wanted);
    return compare(have, want) >= 0 && (operator === ">=" || have[0] === want[0]);
  });
}

/** The npm package that carries a Node for this machine; throws a SetupError where there is none. */
export function nodePackage({ platform, arch, musl }) {
  const name = `${platform === "win32" ? "win" : platform}-${arch}`;
  if (!musl && PREBUILT.includes(name)) return `node-${name}`;
  const why = musl ? "a system without glibc (Alpine and the like)" : `${platform} on ${arch}`;
  throw new SetupError(
    `There is no ready-made Node for ${why}: install Node ${wantedRange()} yourself, then run this again.`,
  );
}

/** True when everything that `lock` wants on this machine is what `installed` (npm's own record) says is there. */
export function isInstalled(lock, installed) {
  const have = installed.packages ?? {};
  for (const [path, entry] of Object.entries(lock.packages ?? {})) {
    if (path === "" || entry.link) continue;
    const found = have[path];
    if (!found && entry.optional) continue;
    if (found?.version !== entry.version || found?.integrity !== entry.integrity) return false;
  }
  return Object.keys(have).every((path) => lock.packages[path] !== undefined);
}

/** Prepares the machine where that is needed, runs `script` and ends this process as the script ended. */
export async function run(script, args, root = ROOT) {
  try {
    const node = await ensureNode(root);
    await ensureDependencies(root, node);
    await execChild(node, script, args, root);
  } catch (error) {
    const reason = error instanceof SetupError ? { message: error.message } : explainFileError(error, root);
    if (!reason) throw error;
    const text = reason.fix ? `${reason.message} Fix: ${reason.fix}` : reason.message;
    console.error(`imagegen: ${text}`);
    if (args.includes("--json"))
      console.log(JSON.stringify({ error: { message: text, exitCode: 1, details: [reason] } }));
    process.exitCode = 1;
  }
}

/** What a full or read-only disk means for the checkout at `root`, with its fix; undefined for any other error. */
export function explainFileError(error, root = ROOT) {
  const { code, path } = error ?? {};
  const place = path ?? root;
  const own = resolve(place).startsWith(`${root}${sep}`) || resolve(place) === root;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const message = `${code === "EDQUOT" ? "The disk quota is used up" : "No space is left on the disk"}: ${place} could not be written.`;
    return { message, fix: `df -h ${quote(own ? root : dirname(place))}, then free some and run this again` };
  }
  if (code === "EROFS") {
    const message = `${place} could not be written: its file system is read-only.`;
    return own
      ? {
          message: `${message} A checkout is written to (.imagegen).`,
          fix: `cp -R ${quote(root)} <a folder on another disk>`,
        }
      : { message, fix: "name a folder on another disk" };
  }
  if (code === "EACCES" && own && error.syscall) {
    const message = `${place} could not be opened or written: it belongs to another user.`;
    return { message, fix: `sudo chown -R "$(id -u)" ${quote(root)}` };
  }
  return undefined;
}

/** A path as one word of a shell. */
const quote = (path) => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);

async function ensureNode(root) {
  const range = wantedRange(root);
  if (satisfies(process.version, range)) return process.execPath;

  const wanted = readFileSync(join(root, ".node-version"), "utf8").trim();
  const name = nodePackage({ platform: process.platform, arch: process.arch, musl: isMusl() });
  const prefix = join(root, ".imagegen", "node");
  const home = join(prefix, "node_modules", name);
  const binary = join(home, "bin", process.platform === "win32" ? "node.exe" : "node");
  const present = existsSync(binary) ? readJson(join(home, "package.json")).version : undefined;
  if (present && satisfies(present, range)) return binary;

  say(`Node ${process.versions.node} is too old here (${range}); fetching Node ${wanted} into .imagegen/node …`);
  mkdirSync(prefix, { recursive: true });
  const flags = ["--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
  await npm(process.execPath, ["install", "--prefix", prefix, ...flags, `${name}@${wanted}`], prefix);
  if (!existsSync(binary)) throw new SetupError(`npm installed ${name}@${wanted}, but it holds no ${binary}.`);
  return binary;
}

async function ensureDependencies(root, node) {
  const lockText = readFileSync(join(root, "package-lock.json"));
  const hash = createHash("sha256").update(lockText).digest("hex");
  const stamp = join(root, ".imagegen", "package-lock.sha256");
  const record = join(root, "node_modules", ".package-lock.json");
  if (existsSync(record)) {
    if (existsSync(stamp) && readFileSync(stamp, "utf8").trim() === hash) return;
    if (isInstalled(JSON.parse(lockText), readJson(record))) {
      writeStamp(stamp, hash);
      return;
    }
  }
  say("Installing the packages of package-lock.json (npm ci) …");
  rmSync(stamp, { force: true });
  const wanted = Object.entries(JSON.parse(lockText).packages).filter(([path, entry]) => path && !entry.optional);
  const state = () => [wanted.filter(([path]) => existsSync(join(root, path, "package.json"))).length, wanted.length];
  await npm(node, ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], root, state);
  writeStamp(stamp, hash);
}

function writeStamp(stamp, hash) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, `${hash}\n`);
}

/**
 * Runs npm under `node`; its own output is shown only when it fails. `count` returns how many packages are there, and of
 * how many: a terminal shows a bar of it, a log a line every few seconds.
 */
async function npm(node, args, cwd, count) {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ""}` };
  const child = spawn(node, [npmCli(), ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const terminal = process.stderr.isTTY;
  const started = Date.now();
  const show = () => {
    const seconds = `npm ${args[0]}, ${Math.round((Date.now() - started) / 1000)} s`;
    const [have, all] = count?.() ?? [];
    const text = all ? `${have} of ${all} packages (${seconds})` : seconds;
    if (!terminal) return say(text);
    const full = all ? Math.round((have / all) * BAR_WIDTH) : 0;
    process.stderr.write(`\r\u001b[K${all ? `${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)} ` : ""}${text}`);
  };
  const timer = setInterval(show, terminal ? 500 : QUIET_MS);
  const { code, signal } = await ended(child, "npm").finally(() => clearInterval(timer));
  if (terminal) process.stderr.write("\r\u001b[K");
  // Else the silence from the last line above to the program's first one could be twice as long.
  else if (Date.now() - started > QUIET_MS) show();
  if (code === 0) return;
  if (signal === "SIGINT" || code === 130) process.exit(130);
  process.stderr.write(output);
  throw new SetupError(
    `\`npm ${args[0]}\` failed (exit code ${code}); its output is above. Fix: what it says, then run this again.`,
  );
}

/** How a child ended; a SetupError when it could not be started. */
function ended(child, name) {
  return new Promise((done, fail) => {
    child.on("error", (error) => fail(new SetupError(`${name} could not be started: ${error.message}`)));
    child.on("close", (code, signal) => done({ code, signal }));
  });
}

/** npm-cli.js: of the npm that started us, else beside this Node, else of the npm on PATH. */
function npmCli() {
  const started = process.env.npm_execpath;
  if (started?.endsWith("npm-cli.js") && existsSync(started)) return started;
  const folders = [dirname(process.execPath), ...(process.env.PATH ?? "").split(delimiter)];
  for (const folder of folders) {
    const places = [
      join(folder, "node_modules/npm/bin/npm-cli.js"),
      join(folder, "../lib/node_modules/npm/bin/npm-cli.js"),
    ];
    if (existsSync(join(folder, "npm"))) places.unshift(realpathSync(join(folder, "npm")));
    const found = places.find((place) => place.endsWith("npm-cli.js") && existsSync(place));
    if (found) return found;
  }
  throw new SetupError("npm was not found beside Node or on PATH: install npm, then run this again.");
}

/** Runs the script in the foreground, passes signals on, and ends the way the script ended. */
async function execChild(node, script, args, root) {
  const env = {
    ...process.env,
    ...loopbackWithoutProxy(process.env),
    PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ""}`,
    // Pulumi's and AWS's SDKs take a second to compile, in each program that loads them.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, ".imagegen", "compile-cache"),
  };
  const child = spawn(node, [resolve(script), ...args], { stdio: "inherit", env });
  // A terminal sends Ctrl-C to the child as well; passing it on again would count as a second one.
  const onInterrupt = () => process.stdin.isTTY || child.kill("SIGINT");
  const onEnd = (signal) => child.kill(signal);
  process.on("SIGINT", onInterrupt);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, onEnd);
  const { code, signal } = await ended(child, node);
  process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(name);
}

/**
 * The variables that keep this machine's own addresses from a proxy, where one is set: for the program, and for Pulumi,
 * whose parts talk to each other on loopback.
 */
export function loopbackWithoutProxy(env) {
  const isSet = Object.keys(env).some((name) => /^(https?|all|grpc)_proxy$/i.test(name) && env[name]);
  if (!isSet) return {};
  const names = ["NO_PROXY", "no_proxy"].filter((name) => env[name] !== undefined);
  return Object.fromEntries(
    (names.length > 0 ? names : ["NO_PROXY", "no_proxy"]).map((name) => {
      const hosts = (env[name] ?? "")
        .split(",")
        .map((host) => host.trim())
        .filter(Boolean);
      if (hosts.includes("*")) return [name, "*"];
      return [name, [...new Set([...hosts, ...LOOPBACK])].join(",")];
    }),
  );
}

function wantedRange(root = ROOT) {
  return readJson(join(root, "package.json")).engines.node;
}

function isMusl() {
  if (process.platform !== "linux") return false;
  process.report.excludeNetwork = true; // Else the report may wait for name servers.
  return !process.report.getReport().header.glibcVersionRuntime;
}

function parse(version) {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(version.trim());
  if (!match) throw new SetupError(`"${version}" is not a version; expected a.b.c.`);
  return [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)];
}

function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

function say(line) {
  console.error(`imagegen: ${line}`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [script, ...args] = process.argv.slice(2);
  if (script) await run(script, args);
  else {
    say("usage: node cli/bootstrap.mjs <script.ts> [arguments …]");
    process.exitCode = 2;
  }
}
