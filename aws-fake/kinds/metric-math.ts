import { AwsError } from "../aws-error.ts";

/** A metric, or an expression of others, as alarms and policies have them. */
export interface MetricQuery {
  readonly id: string;
  /** "": a metric. */
  readonly expression: string;
  readonly isReturned: boolean;
  readonly period: number;
  readonly dimensions: readonly string[];
}

const MOST = 10;
const FUNCTIONS = ["IF", "FILL", "MAX", "MIN", "SUM", "AVG", "ABS", "CEIL", "FLOOR"];
const refuse = (sentence: string) => new AwsError("ValidationError", sentence);

/** What CloudWatch asks of a list of metrics and expressions: one result, names that are there, and brackets that close. */
export function demandMetricMath(queries: readonly MetricQuery[]): void {
  const ids = queries.map(({ id }) => id);
  if (queries.filter(({ isReturned }) => isReturned).length !== 1)
    throw refuse("Exactly one element of the metrics list should return data.");
  if (queries.filter(({ expression }) => expression === "").length > MOST)
    throw refuse(`The number of metrics must not exceed ${MOST}`);
  const wrong = ids.find((id, index) => !/^[a-z]\w*$/.test(id) || ids.indexOf(id) !== index);
  if (wrong !== undefined)
    throw refuse(`The value ${wrong} for parameter id is not matching the expected pattern, or is there twice.`);
  for (const { expression, period, dimensions } of queries) {
    if (expression !== "") demandExpression(expression, ids);
    if (period % 60 !== 0) throw refuse(`Period must be 10, 30 or a multiple of 60, got ${period}`);
    if (dimensions.includes(""))
      throw refuse("The parameter Dimensions.member.1.Value must have a length of 1 or more");
  }
}

function demandExpression(expression: string, ids: readonly string[]): void {
  const names = expression.match(/[A-Za-z]\w*/g) ?? [];
  const unknown = names.find((name) => !FUNCTIONS.includes(name) && !ids.includes(name));
  if (unknown) throw refuse(`Error in expression '${expression}' [Unknown identifier ${unknown}]`);
  let open = 0;
  for (const letter of expression) {
    if (letter === "(") open += 1;
    if (letter === ")") open -= 1;
    if (open < 0) break;
  }
  if (open !== 0) throw refuse(`Error in expression '${expression}' [Syntax error]`);
}
