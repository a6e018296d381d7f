/** What moto lacks of IAM and Access Analyzer. In: a request. Out: an answer as a test asks for it; undefined for any other request. */

/** A finding of Access Analyzer's. */
export interface PolicyRemark {
  readonly findingType: string;
  readonly issueCode: string;
  readonly findingDetails: string;
}

interface Wanted {
  /** Actions that the simulation does not allow. */
  readonly denied: ReadonlySet<string>;
  readonly remarks: readonly PolicyRemark[];
}

export function answerAccess(
  url: string,
  body: string,
  { denied, remarks }: Wanted,
): { readonly type: string; readonly text: string } | undefined {
  if (url.startsWith("/policy/validation"))
    return { type: "application/json", text: JSON.stringify({ findings: remarks }) };
  const form = new URLSearchParams(body);
  if (form.get("Action") !== "SimulatePrincipalPolicy") return undefined;
  const actions = [...form].filter(([name]) => name.startsWith("ActionNames.")).map(([, value]) => value);
  const results = actions.map((action) => {
    const decision = denied.has(action) ? "implicitDeny" : "allowed";
    return `<member><EvalActionName>${action}</EvalActionName><EvalDecision>${decision}</EvalDecision></member>`;
  });
  const result = `<EvaluationResults>${results.join("")}</EvaluationResults><IsTruncated>false</IsTruncated>`;
  const text = `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult>${result}</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`;
  return { type: "text/xml", text };
}
