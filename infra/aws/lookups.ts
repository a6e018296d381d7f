/** What the program finds out from the account, and what it tells the provider. Where config knows, nobody is asked. */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { stackTags } from "../contract.ts";
import type { AwsHostPlan } from "../plan/aws/host.ts";
import { explainLaunchError } from "../plan/aws/launch-errors.ts";
import type { AwsPlan } from "../plan/aws/plan.ts";

interface WithProvider {
  readonly provider: aws.Provider;
}

/** `aws:profile` of the stack: an explicit provider does not read it by itself. */
export function awsProfile(): string | undefined {
  return new pulumi.Config("aws").get("profile");
}

/** One provider for all, with the tags of all. */
export function createProvider(name: string, { region, stack }: AwsPlan): aws.Provider {
  const profile = awsProfile();
  return new aws.Provider(`${name}-aws`, {
    region: region as aws.Region,
    defaultTags: { tags: stackTags(stack) },
    // The provider repeats even "no capacity", 25 times by itself, which is most of an hour without a word.
    maxRetries: 5,
    ...(profile === undefined ? {} : { profile }),
  });
}

/** Where a new volume goes: config, the given subnet's zone, or the region's first. */
export function lookupAvailabilityZone({ volume, network }: AwsPlan, opts: WithProvider): pulumi.Output<string> {
  if (network.kind === "existing") {
    return aws.ec2.getSubnetOutput({ id: network.subnetId }, opts).availabilityZone;
  }
  if (volume.zone !== null) return pulumi.output(volume.zone);
  if (volume.existingVolumeId !== null) return pulumi.output("");
  return availabilityZones(opts).apply((zones) => zones[0] ?? "");
}

/** The region's zones, when a load balancer needs two of them. */
export function lookupAvailabilityZones({ network }: AwsPlan, opts: WithProvider): pulumi.Output<readonly string[]> {
  return network.kind === "own" && network.albCidrs.length > 0 ? availabilityZones(opts) : pulumi.output([]);
}

function availabilityZones(opts: WithProvider): pulumi.Output<string[]> {
  // Local and Wavelength zones have no GPUs of these kinds.
  const filters = [{ name: "opt-in-status", values: ["opt-in-not-required"] }];
  return aws.getAvailabilityZonesOutput({ state: "available", filters }, opts).names;
}

/** The pinned image, or the newest: which counts for a host's first start alone. */
export function lookupAmi({ host }: AwsPlan, opts: WithProvider): pulumi.Output<string> {
  if (host.amiId !== null) return pulumi.output(host.amiId);
  // The provider takes every parameter's value for a secret.
  return pulumi.unsecret(aws.ssm.getParameterOutput({ name: host.amiParameter }, opts).value);
}

/** Says in one line why there is no host; a retry is left to the user. */
export function launchErrorHook(plan: AwsHostPlan): pulumi.ErrorHook {
  return new pulumi.ErrorHook("capacity-refused", async ({ errors }) => {
    const line = explainLaunchError(errors, plan);
    if (line !== null) await pulumi.log.error(line);
    return false;
  });
}
