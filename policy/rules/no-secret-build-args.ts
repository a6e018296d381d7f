import type { ResourceValidationPolicy } from "@pulumi/policy";
import { isSecretName } from "../../infra/contract.ts";
import { looksSecret } from "./secret-patterns.ts";

interface Inputs {
  readonly build?: { readonly buildArgs?: unknown };
  readonly buildArgs?: unknown;
}

/** Where each kind of image has its build arguments. */
const BUILD_ARGS: Readonly<Record<string, (props: Inputs) => unknown>> = {
  "docker:index/remoteImage:RemoteImage": (props) => props.build?.buildArgs,
  "docker-build:index:Image": (props) => props.buildArgs,
};

/**
 * A build argument stays in the image's history for everyone who pulls it. (That a container's secrets are Pulumi
 * secrets is beyond a policy: the engine gives it values without their marks.)
 */
export const noSecretBuildArgs: ResourceValidationPolicy = {
  name: "no-secret-build-args",
  description: "Builds are given secrets as BuildKit secrets, never as build arguments.",
  enforcementLevel: "mandatory",
  validateResource: ({ type, name, props }, reportViolation) => {
    const buildArgs = (BUILD_ARGS[type]?.(props) ?? {}) as Record<string, string>;
    for (const [key, value] of Object.entries(buildArgs)) {
      if (!isSecretName(key) && !looksSecret(value)) continue;
      reportViolation(`${name}: expected ${key} as a BuildKit secret, got a build argument.`);
    }
  },
};
