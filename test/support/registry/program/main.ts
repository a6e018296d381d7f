/** The image stage by itself, against a registry that is not ECR. In: the stack's config, and the registry's account. */

import { PushedImage } from "../../../../infra/aws/image/pushed-image.ts";
import { loadConfig } from "../../../../infra/config/load.ts";
import { showBuildHistory } from "../../../../infra/io/build-history.ts";
import { planRegistryImage } from "../../../../infra/plan/aws/image.ts";
import { planImage } from "../../../../infra/plan/image.ts";
import type { Target } from "./target.ts";

const { settings, secrets } = loadConfig();
if (settings.target !== "local") throw new Error("the suite's stack has no target of its own");
const { repositoryUrl, builder, sbomGenerator, ...registry } = JSON.parse(
  process.env.IMAGEGEN_TEST_TARGET ?? "",
) as Target;
const plan = planRegistryImage(planImage(settings, "all"), {
  builder,
  platform: "linux/amd64",
  kmsKeyArn: null,
  retain: true,
  sbomGenerator,
});

const onError = showBuildHistory(plan);
export const { imageReference } = new PushedImage("image-gen", {
  plan,
  repositoryUrl,
  registry,
  hfToken: secrets.hfToken,
  onError,
});
