/** The structure checks of `npm run check`: each prints a line a problem; the exit code is 1 when there is one. */
import { contractProblems } from "./contract-homes.ts";
import { sharedNames } from "./exported-names.ts";
import { folderProblems } from "./folders.ts";
import { PRODUCT, readTree } from "./source.ts";
import { retiredTerms } from "./terms.ts";

const product = readTree(PRODUCT);
const all = readTree(["."]).filter(({ path }) => !/(^|\/)package-lock\.json$|\.lock$|^image-gen\/models\//.test(path));
const problems = [...contractProblems(all), ...folderProblems(product), ...sharedNames(product), ...retiredTerms(all)];
for (const problem of problems) console.log(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
