import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, number, type Props, type Thing, text } from "../kind.ts";

const PARAMETER = "aws:ssm/parameter:Parameter";
const STANDARD_BYTES = 4096;

/** PutParameter, by the provider, a host or the CLI. */
export function putParameter(
  cloud: Cloud,
  name: string,
  value: string,
  options: { overwrite: boolean; by: string },
): Thing {
  if (!name.startsWith("/") || /^\/(aws|ssm)/i.test(name))
    throw new AwsError(
      "ValidationException",
      `Parameter name ${name} can't be prefixed with aws or ssm, and must start with /`,
    );
  if (value === "") throw new AwsError("ValidationException", "Parameter value can't be empty");
  if (Buffer.byteLength(value) > STANDARD_BYTES)
    throw new AwsError(
      "ValidationException",
      "Standard tier parameters support a maximum parameter value of 4096 characters.",
    );
  const there = cloud.all(PARAMETER).find((one) => one.id === name);
  if (there && !options.overwrite) throw new AwsError("ParameterAlreadyExists", "The parameter already exists.");
  const parameter = there ?? cloud.add(PARAMETER, name, { name, arn: cloud.arn("ssm", `parameter${name}`) }, name);
  parameter.props = {
    ...parameter.props,
    value,
    version: number(parameter.props.version) + 1,
    __before: there?.props.value,
    __staleReads: there ? cloud.knobs.staleReads : 0,
  };
  // What a host writes every few seconds is no step of a deployment.
  if (options.by !== "host") cloud.record("PutParameter", name);
  return parameter;
}

/** GetParameter, which may still give the value before the last write. */
export function getParameter(cloud: Cloud, name: string): Props {
  const parameter = cloud.find(PARAMETER, name);
  if (!parameter) throw new AwsError("ParameterNotFound", `${name} was not found`);
  const stale = number(parameter.props.__staleReads);
  if (stale === 0) return parameter.props;
  parameter.props = { ...parameter.props, __staleReads: stale - 1 };
  return { ...parameter.props, value: parameter.props.__before, version: number(parameter.props.version) - 1 };
}

export const PARAMETERS: readonly Kind[] = [
  {
    token: PARAMETER,
    nameProperty: "name",
    replaces: ["name", "keyId"],
    taggable: true,
    computed: ["arn", "version", "insecureValue"],
    create(cloud, { __maxRetries, ...inputs }) {
      const overwrite = inputs.overwrite === true;
      const value = text(inputs.value) || text(inputs.insecureValue);
      const parameter = putParameter(cloud, text(inputs.name), value, { overwrite, by: "provider" });
      parameter.props = { ...inputs, ...parameter.props };
      return parameter;
    },
    update(cloud, parameter, news) {
      const value = text(news.value) || text(news.insecureValue);
      if (value === parameter.props.value) cloud.record("AddTagsToResource", parameter.label);
      else putParameter(cloud, parameter.id, value, { overwrite: true, by: "provider" });
    },
    delete(cloud, parameter) {
      cloud.remove(parameter);
      cloud.record("DeleteParameter", parameter.label);
    },
  },
];
