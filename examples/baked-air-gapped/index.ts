/** The model is in the image, and the host reaches nothing but AWS's own services: it downloads nothing at any start. */
import { AwsImageGen } from "picture-perfect-challenge/aws";

const images = new AwsImageGen("images", {
  region: "us-east-1",
  modelCache: "baked",
  offline: true,
  network: "endpoints-only",
});

export const imageReference = images.imageReference;
