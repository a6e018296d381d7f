/** What Terraform's provider says in front of a refused create: the noun, then the SDK's service and operation. */
const CREATES: Readonly<Record<string, readonly [doing: string, service: string, operation: string]>> = {
  "aws:ebs/volume:Volume": ["creating EBS Volume", "EC2", "CreateVolume"],
  "aws:ec2/instance:Instance": ["creating EC2 Instance", "EC2", "RunInstances"],
  "aws:ec2/vpc:Vpc": ["creating EC2 VPC", "EC2", "CreateVpc"],
  "aws:ec2/subnet:Subnet": ["creating EC2 Subnet", "EC2", "CreateSubnet"],
  "aws:ec2/volumeAttachment:VolumeAttachment": ["attaching EBS Volume to EC2 Instance", "EC2", "AttachVolume"],
};

/** A refused create as the bridged provider words it, for the kinds whose words are known. */
export function wordCreate(kind: string, error: AwsError): Error {
  const found = CREATES[kind];
  if (!found) return error;
  const [doing, service, operation] = found;
  const sdk = `operation error ${service}: ${operation}, https response error StatusCode: 400, RequestID: 6a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d`;
  return new Error(`1 error occurred:\n\t* ${doing}: ${sdk}, api error ${error.message}\n\n`);
}

/** A refusal as AWS words it: a code that programs know, and a sentence. */
export class AwsError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}
