import type { ResourceValidationPolicy } from "@pulumi/policy";

/** Names of variables that hold secrets, and the look of Hugging Face's tokens. */
const SECRET_NAME = /(?:^|_)(?:TOKEN|PASSWORD|SECRET|API_?KEY|ACCESS_?KEY)$/i;
const TOKEN = /\bhf_[A-Za-z0-9]{16,}\b/;
const IMAGE = "docker:index/remoteImage:RemoteImage";

/**
 * A build argument stays in the image's history for everyone who pulls it. (That a container's secrets are Pulumi
 * secrets is beyond a policy: the engine gives it values without their marks.)
 */
export const noSecretBuildArgs: ResourceValidationPolicy = {
  name: "no-secret-build-args",
  description: "Builds are given secrets as BuildKit secrets, never as build arguments.",
  enforcementLevel: "mandatory",
  validateResource: ({ type, name, props }, reportViolation) => {
    if (type !== IMAGE) return;
    const buildArgs = (props.build?.buildArgs ?? {}) as Record<string, string>;
    for (const [key, value] of Object.entries(buildArgs)) {
      if (!SECRET_NAME.test(key) && !TOKEN.test(value)) continue;
      reportViolation(`${name}: expected ${key} as a BuildKit secret, got a build argument.`);
    }
  },
};
