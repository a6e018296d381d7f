/** What the phases of a start are called. */
export const PHASES = {
  starting: "starting",
  importing: "importing torch and diffusers",
  fetching: "downloading the model",
  verifying: "checking the model's files",
  loading: "loading the model",
  warming: "making a first picture",
};
