/**
 * parliament's findings on the policies of deployments from CI, in `npm run check`. In: the roles and the boundary, as a stack with every key
 * has them. Out: a line and exit code 1 for each finding that is neither answered by another statement nor among the explained ones.
 */
import { join } from "node:path";
import { execa } from "execa";
import { boundaryStatements } from "../../../infra/plan/ci/boundary.ts";
import { rolePolicies } from "../../../infra/plan/ci/roles.ts";
import { roleNames } from "../../../infra/plan/ci/trust.ts";
import { CI_EXTRAS, CI_PLACE, ciPlanWith } from "../ci-settings.ts";
import { paths } from "../paths.ts";
import { parliamentEnvironment } from "../python.ts";
import { type ParliamentFinding, unexplained } from "./findings.ts";

const plan = ciPlanWith(CI_EXTRAS);
type PolicyDocument = Parameters<typeof unexplained>[0][string];
const document = (Statement: PolicyDocument["Statement"]): PolicyDocument => ({ Version: "2012-10-17", Statement });
const documents: Record<string, PolicyDocument> = { boundary: document(boundaryStatements(plan, CI_PLACE)) };
for (const role of roleNames(plan.roles))
  for (const { name, statements } of rolePolicies(role, plan, CI_PLACE))
    documents[`${role} ${name}`] = document(statements);

const python = await parliamentEnvironment();
const script = join(paths.root, "test/support/parliament/findings.py");
const { stdout } = await execa(python, [script], { input: JSON.stringify(documents) });
const problems = unexplained(documents, JSON.parse(stdout) as ParliamentFinding[]);
for (const line of problems) console.log(line);
process.exitCode = problems.length > 0 ? 1 : 0;
