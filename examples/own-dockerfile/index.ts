/** Your Dockerfile, on top of an image of the service that is there already, such as the one of `npm start`. */
import { join } from "node:path";
import { LocalImageGen } from "picture-perfect-challenge/local";

const images = new LocalImageGen("images", {
  dockerfile: join(import.meta.dirname, "Dockerfile"),
  baseImage: "image-gen:volume",
  imageName: "own-image-gen",
  containerName: "own-image-gen",
  port: 8001,
});

export const url = images.url;
