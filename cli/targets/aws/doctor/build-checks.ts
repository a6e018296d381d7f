import { describeProblem, imagegenFix } from "../../../../infra/config/problem.ts";
import { formatBytes } from "../../../../infra/units.ts";
import { type Check, fail, ok, unknown, warn } from "../../../doctor/check.ts";
import { describeRoom, ROOM_FIX } from "../../../doctor/room.ts";
import type { AwsFacts } from "./inspect.ts";

/** What builds and pushes the image: Docker's engine, not only its programs. */
export function docker({ engine, hasBuildx }: AwsFacts): Check[] {
  if (!engine.ok) return [fail("docker", engine.reason.message, engine.reason.fix)];
  const checks = [ok("docker", `engine ${engine.version}`)];
  if (hasBuildx) return [...checks, ok("buildx", "Docker can build and push the image")];
  return [
    ...checks,
    fail("buildx", "Docker's buildx is not installed.", "https://docs.docker.com/build/install-buildx/"),
  ];
}

/** Docker's disk. A stack that was ready once may have no build to do. */
export function disk({ room: found, isFirst }: AwsFacts): Check[] {
  if (found === null) return [];
  const { free, room } = found;
  const space = `Docker: ${formatBytes(free)} free`;
  if (free >= room.bytes) return [ok("disk", `${space}; the build needs ${formatBytes(room.bytes)}`)];
  return [(isFirst ? fail : warn)("disk", `${space}; the build needs ${describeRoom(room)}.`, ROOM_FIX)];
}

/** The model: whether it fits on the volume, and whether its download is allowed. */
export function model({ problems, modelProblem, stack }: AwsFacts): Check[] {
  const origins = { stack, originOf: () => "file" as const };
  const found = problems.map((problem) => fail("model", describeProblem(problem), imagegenFix(problem.fix, origins)));
  return modelProblem ? [...found, fail("model", modelProblem.message, modelProblem.fix)] : found;
}

/** Permissions of a first deployment, as far as AWS tells without doing anything. */
export function permissions({ permissions: found, isFirst }: AwsFacts): Check[] {
  const named = (allowed: boolean | null) =>
    found.filter((right) => right.allowed === allowed).map(({ action }) => action);
  const [granted, missing, untold] = [named(true), named(false), named(null)];
  const checks: Check[] = [];
  if (missing.length > 0) {
    const fix = `allow ${missing.join(", ")} for these credentials`;
    checks.push((isFirst ? fail : warn)("permissions", `a dry run was denied: ${missing.join(", ")}.`, fix));
  }
  if (untold.length > 0) checks.push(unknown("permissions", `a dry run tells nothing of ${untold.join(", ")}.`));
  if (missing.length === 0 && granted.length > 0) checks.unshift(ok("permissions", granted.join(", ")));
  return checks;
}
