/**
 * The policy pack. In: the resources of a preview or an update. Out: violations, which stop it.
 * Use: `pulumi preview --policy-pack policy`. Never changes a resource. The only file that makes the pack: rules are plain data.
 */
import { PolicyPack } from "@pulumi/policy";
import { rules } from "./rules/all.ts";
import { whenKnown } from "./when-known.ts";

new PolicyPack("image-gen", { policies: rules.map(whenKnown), enforcementLevel: "mandatory" });
