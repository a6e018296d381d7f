/** Where the tools come from that a tunnel needs on the operator's machine. */
export const TUNNEL_MENDS: Readonly<Record<string, string>> = {
  aws: "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
  "session-manager-plugin":
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
};
