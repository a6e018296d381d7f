/**
 * List prices of everything but instances, in USD, region us-east-1. No catalogue with a licence has them: they were noted by hand
 * (gp3, ECR and endpoints from public code; of the others no source was kept), and were not compared with AWS's pages.
 */
export const SERVICE_PRICES = {
  /** When the first of them were noted. */
  asOf: "2026-11-22",
  region: "us-east-1",
  hoursPerMonth: 730,
  gp3GibMonth: 0.08,
  /** Above 3000. */
  gp3IopsMonth: 0.005,
  /** Above `BASE_THROUGHPUT_MIB`. */
  gp3ThroughputMonth: 0.04,
  ecrGbMonth: 0.1,
  snapshotGibMonth: 0.05,
  interfaceEndpointHour: 0.01,
  natGatewayHour: 0.045,
  loadBalancerHour: 0.0225,
  publicAddressHour: 0.005,
  /** Three of an account are free. */
  dashboardMonth: 3,
  /** Of a customer key, before its first rotation. */
  keyMonth: 1,
  /** Of a standard alarm, for each metric that it looks at. */
  alarmMetricMonth: 0.1,
  s3GbMonth: 0.023,
  s3ThousandPuts: 0.005,
  s3ThousandGets: 0.0004,
  /** Of a standard queue. What a message with a group costs besides is not in it. */
  sqsMillionRequests: 0.4,
  /** Of Fargate, Linux on x86. */
  fargateCpuHour: 0.04048,
  fargateGbHour: 0.004445,
  /** Of a task's disk above the 20 GiB that are free. */
  fargateDiskGibHour: 0.000111,
  /** Of a snapshot that is read at a provisioned rate: the price of 300 MiB/s, the most there is. */
  initializationGib: 0.0036,
} as const;

interface PriceSource {
  readonly what: string;
  /** Where AWS states it. */
  readonly page: string;
  /** When it was noted here. */
  readonly noted: string;
}

const EBS = "https://aws.amazon.com/ebs/pricing/";
const VPC = "https://aws.amazon.com/vpc/pricing/";
const S3 = "https://aws.amazon.com/s3/pricing/";
const FLEET_NOTED = "2026-11-27";
const FARGATE = "https://aws.amazon.com/fargate/pricing/";
const GATEWAY_NOTED = "2026-11-28";
const source = (what: string, page: string, noted: string = SERVICE_PRICES.asOf): PriceSource => ({
  what,
  page,
  noted,
});

export const SERVICE_PRICE_SOURCES: Readonly<
  Record<Exclude<keyof typeof SERVICE_PRICES, "asOf" | "region" | "hoursPerMonth">, PriceSource>
> = {
  gp3GibMonth: source("gp3, a GiB and month", EBS),
  gp3IopsMonth: source("gp3, each of the IOPS above 3000, a month", EBS),
  gp3ThroughputMonth: source("gp3, each MiB/s above 125, a month", EBS),
  snapshotGibMonth: source("snapshot, a GiB and month", EBS),
  initializationGib: source("volume filled from a snapshot at 300 MiB/s, a GiB", EBS, "2026-11-27"),
  ecrGbMonth: source("image in ECR, a GB and month", "https://aws.amazon.com/ecr/pricing/"),
  publicAddressHour: source("public IPv4 address, an hour", VPC),
  natGatewayHour: source("NAT gateway, an hour", VPC),
  interfaceEndpointHour: source("interface endpoint, an hour and zone", "https://aws.amazon.com/privatelink/pricing/"),
  loadBalancerHour: source(
    "application load balancer, an hour",
    "https://aws.amazon.com/elasticloadbalancing/pricing/",
  ),
  dashboardMonth: source("CloudWatch dashboard, a month", "https://aws.amazon.com/cloudwatch/pricing/", "2026-11-26"),
  keyMonth: source("KMS key, a month", "https://aws.amazon.com/kms/pricing/", "2026-11-27"),
  alarmMetricMonth: source(
    "CloudWatch alarm, each metric and month",
    "https://aws.amazon.com/cloudwatch/pricing/",
    FLEET_NOTED,
  ),
  s3GbMonth: source("S3 Standard, a GB and month", S3, FLEET_NOTED),
  s3ThousandPuts: source("S3 Standard, 1,000 requests that write or list", S3, FLEET_NOTED),
  s3ThousandGets: source("S3 Standard, 1,000 requests that read", S3, FLEET_NOTED),
  sqsMillionRequests: source(
    "SQS standard queue, a million requests",
    "https://aws.amazon.com/sqs/pricing/",
    FLEET_NOTED,
  ),
  fargateCpuHour: source("Fargate, a vCPU and hour (Linux, x86)", FARGATE, GATEWAY_NOTED),
  fargateGbHour: source("Fargate, a GB of memory and hour (Linux, x86)", FARGATE, GATEWAY_NOTED),
  fargateDiskGibHour: source("Fargate, a GiB of disk above 20 and hour", FARGATE, GATEWAY_NOTED),
};
