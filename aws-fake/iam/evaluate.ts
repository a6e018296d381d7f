/**
 * Whether policies allow a call, as IAM evaluates them: some statement has the action, the resource and conditions that hold. What a
 * program's policies do not use (`Deny`, `NotAction`, other operators) is refused by name, so that nothing is taken for allowed that is not.
 */

/** What a caller wants to do. */
export interface ApiCall {
  /** "ec2:CreateVpc". */
  readonly action: string;
  /** The ARN; "*" for an action that AWS has no resource for. */
  readonly resource: string;
  /** The request's condition keys: one value, or a list for keys with several. */
  readonly keys?: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

type Value = string | readonly string[] | undefined;

export function isAllowed(statements: readonly Statement[], call: ApiCall): boolean {
  return statements.some((statement) => {
    if (statement.Effect !== "Allow") throw new Error(`the fake of IAM does not know Effect ${statement.Effect}`);
    const hasAction = [statement.Action].flat().includes(call.action);
    const hasResource = [statement.Resource].flat().some((pattern) => coversArn(pattern, call.resource));
    return hasAction && hasResource && holds(statement.Condition ?? {}, call.keys ?? {});
  });
}

function holds(condition: NonNullable<Statement["Condition"]>, keys: NonNullable<ApiCall["keys"]>): boolean {
  return Object.entries(condition).every(([operator, wanted]) => {
    const compare = OPERATORS[operator];
    if (!compare) throw new Error(`the fake of IAM does not know the operator ${operator}`);
    return Object.entries(wanted).every(([key, values]) => compare(keys[key], [values].flat()));
  });
}

const OPERATORS: Readonly<Record<string, (value: Value, wanted: readonly string[]) => boolean>> = {
  // A key that is not there is no value.
  StringEquals: (value, wanted) => typeof value === "string" && wanted.includes(value),
  StringLike: (value, wanted) => typeof value === "string" && wanted.some((pattern) => coversArn(pattern, value)),
  Bool: (value, wanted) => typeof value === "string" && wanted.includes(value),
  Null: (value, wanted) => wanted.includes(String(value === undefined || value.length === 0)),
  // True of no value at all.
  "ForAllValues:StringEquals": (value, wanted) => [value ?? []].flat().every((each) => wanted.includes(each)),
};

/** Whether a pattern of a policy covers an ARN, as IAM compares: `*` is any text. */
export function coversArn(pattern: string, arn: string): boolean {
  const text = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${text}$`).test(arn);
}
