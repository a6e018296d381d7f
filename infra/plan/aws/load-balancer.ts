import type { AwsSettings } from "../../config/aws/settings.ts";
import { READY_PATH, SERVICE_PORT } from "../../contract.ts";

/** A load balancer with TLS in front of the host, or of a fleet's gateway. */
export interface LoadBalancerPlan {
  readonly certificateArn: string;
  readonly allowedCidrs: readonly string[];
  readonly servicePort: number;
  /** Answers 200 where requests may be sent. */
  readonly readyPath: string;
  /** What requests are sent to: an instance, or an address of a task. */
  readonly targetType: "instance" | "ip";
  /** How long requests that have begun may take once their target is to go. */
  readonly deregistrationSeconds: number;
  /** Longer than a request may take, so that the service's own answer reaches the client; shorter than its keep-alive. */
  readonly idleTimeoutSeconds: number;
  readonly deletionProtection: boolean;
  /** Days that access logs are kept. */
  readonly logRetentionDays: number;
  /** Whose load balancers may write to the bucket of the logs. */
  readonly account: string;
  readonly internal: boolean;
  /** Sign-in by the balancer; null: the service asks for its key. */
  readonly oidc: OidcPlan | null;
}

export interface OidcPlan {
  readonly issuer: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly userInfoEndpoint: string;
  readonly clientId: string;
  /** Null: a placeholder stands for the secret, which a preview may not read. */
  readonly clientSecretArn: string | null;
}

/** The balancer's own minute, which is its default. */
const LEAST_IDLE_SECONDS = 60;
/** From the service's deadline to its answer. */
const MARGIN_SECONDS = 20;

type TargetPlan = Pick<LoadBalancerPlan, "readyPath" | "targetType" | "deregistrationSeconds">;

// What a picture in the making needs, and the container's own time to finish it.
const HOST: TargetPlan = { readyPath: READY_PATH, targetType: "instance", deregistrationSeconds: 60 };

/** Null: nothing listens; the service is reached by a tunnel through Session Manager. */
export function planLoadBalancer(settings: AwsSettings, target: TargetPlan = HOST): LoadBalancerPlan | null {
  if (settings.access !== "alb" || settings.certificateArn === null) return null;
  return {
    ...target,
    certificateArn: settings.certificateArn,
    allowedCidrs: settings.allowedCidrs,
    servicePort: SERVICE_PORT,
    idleTimeoutSeconds: Math.max(LEAST_IDLE_SECONDS, settings.requestTimeoutSeconds + MARGIN_SECONDS),
    deletionProtection: settings.deletionProtection,
    logRetentionDays: settings.logRetentionDays,
    // A load balancer takes a certificate of its own account alone.
    account: settings.certificateArn.split(":")[4] ?? "",
    internal: settings.network === "endpoints-only",
    oidc: planOidc(settings),
  };
}

function planOidc(settings: AwsSettings): OidcPlan | null {
  if (settings.authentication !== "oidc") return null;
  return {
    issuer: settings.oidcIssuer ?? "",
    authorizationEndpoint: settings.oidcAuthorizationEndpoint ?? "",
    tokenEndpoint: settings.oidcTokenEndpoint ?? "",
    userInfoEndpoint: settings.oidcUserInfoEndpoint ?? "",
    clientId: settings.oidcClientId ?? "",
    clientSecretArn: settings.previewWithoutSecrets ? null : (settings.oidcClientSecretArn ?? ""),
  };
}
