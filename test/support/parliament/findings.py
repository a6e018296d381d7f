"""What parliament says of IAM policies. In: policies by name on stdin, as JSON. Out: its findings, as JSON in order."""

import json
import sys
import warnings

# It imports pkg_resources, which says on stderr that it is deprecated.
warnings.filterwarnings("ignore", category=UserWarning)

from parliament import analyze_policy_string, enhance_finding  # noqa: E402

findings = [
    {
        "policy": name,
        "issue": finding.issue,
        "severity": enhance_finding(finding).severity,
        "detail": str(finding.detail),
        "location": json.dumps(finding.location, default=str),
    }
    for name, document in json.load(sys.stdin).items()
    for finding in analyze_policy_string(json.dumps(document)).findings
]
json.dump(sorted(findings, key=lambda found: (found["policy"], found["issue"], found["detail"])), sys.stdout)
