import { type ResourceValidationPolicy, UnknownValueError } from "@pulumi/policy";

/**
 * A rule that in a preview judges what is known and leaves the rest to the update, which knows all. Without this, Pulumi
 * prints an advisory about our own first preview: the image's id is known only once it is built.
 */
export function whenKnown(rule: ResourceValidationPolicy): ResourceValidationPolicy {
  const validations = [rule.validateResource ?? []].flat();
  return {
    ...rule,
    validateResource: async (args, reportViolation) => {
      for (const validate of validations) {
        try {
          await validate(args, reportViolation);
        } catch (error) {
          if (!(error instanceof UnknownValueError)) throw error;
        }
      }
    },
  };
}
